package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// same fails the test unless got equals want, and says where it does not.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if found := differences(what, reflect.ValueOf(got), reflect.ValueOf(want)); len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
}

// differences compares times as points in time in UTC, and Metadata as JSON: a
// database may store that in a form of its own.
func differences(path string, got, want reflect.Value) (found []string) {
	differ := []string{fmt.Sprintf("%s: got %#v, want %#v", path, got, want)}
	switch want.Kind() {
	case reflect.Pointer:
		if got.IsNil() || want.IsNil() {
			return unless(got.IsNil() == want.IsNil(), differ)
		}
		return differences(path, got.Elem(), want.Elem())
	case reflect.Slice:
		if m, ok := want.Interface().(postern.Metadata); ok {
			return unless(canonical(got.Interface().(postern.Metadata)) == canonical(m), differ)
		}
		if got.Len() != want.Len() || got.IsNil() != want.IsNil() {
			return differ
		}
		for i := range want.Len() {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i))...)
		}
		return found
	case reflect.Struct:
		if at, ok := want.Interface().(time.Time); ok {
			g := got.Interface().(time.Time)
			return unless(g.Equal(at) && g.Location() == time.UTC, []string{fmt.Sprintf("%s: got %v, want %v", path, g, at)})
		}
		if !want.Type().Field(0).IsExported() {
			break
		}
		for i := range want.NumField() {
			if !want.Type().Field(i).IsExported() {
				continue // what no store keeps
			}
			found = append(found, differences(path+"."+want.Type().Field(i).Name, got.Field(i), want.Field(i))...)
		}
		return found
	}
	return unless(reflect.DeepEqual(got.Interface(), want.Interface()), differ)
}

func unless(ok bool, found []string) []string {
	if ok {
		return nil
	}
	return found
}

// canonical returns an object with its members in order and its numbers as they
// are written.
func canonical(m postern.Metadata) string {
	b, err := m.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	b, err = json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// ok fails the test at once if err is an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
}

// isError fails the test unless err is want.
func isError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// atOnce runs n calls at once and returns their errors.
func atOnce(n int, call func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// oneWins fails the test unless one error is nil and all others are want.
func oneWins(t *testing.T, errs []error, want error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		isError(t, "one who lost", err, want)
	}
	if won != 1 {
		t.Errorf("got %d winners of %d, want 1", won, len(errs))
	}
}
