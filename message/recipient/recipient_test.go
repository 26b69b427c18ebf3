package recipient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern/message/recipient"
)

// zone is a DNS in memory. What it does not have does not exist.
type zone struct {
	mx   map[string][]string
	host map[string]bool
	err  map[string]error // in place of an answer

	mu    sync.Mutex
	asked []string
}

func (z *zone) answer(question, name string, found bool) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, question+" "+name)
	switch {
	case z.err[name] != nil:
		return z.err[name]
	case !found:
		return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return nil
}

func (z *zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	var list []*net.MX
	for _, host := range z.mx[name] {
		list = append(list, &net.MX{Host: host, Pref: 10})
	}
	return list, z.answer("MX", name, len(list) > 0)
}

func (z *zone) LookupHost(_ context.Context, name string) ([]string, error) {
	return []string{"192.0.2.1"}, z.answer("host", name, z.host[name])
}

func newZone() *zone {
	return &zone{
		mx:   map[string][]string{"acme.dev.": {"mx1.acme.dev."}, "gmail.com.": {"gmail-smtp-in.l.google.com."}, "throwaway.dev.": {"MX.Throwaway.net."}},
		host: map[string]bool{"plain.dev.": true},
		err: map[string]error{
			"slow.dev.":   &net.DNSError{Err: "i/o timeout", IsTimeout: true},
			"broken.dev.": &net.DNSError{Err: "server misbehaving", IsTemporary: true},
			"odd.dev.":    errors.New("something else"),
		},
	}
}

func validator(t *testing.T, cfg recipient.Config) *recipient.Validator {
	t.Helper()
	v, err := recipient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestExtended pins contract config.md §2.5.
func TestExtended(t *testing.T) {
	t.Parallel()
	v := validator(t, recipient.Config{Extended: true, Resolver: newZone(), BlockedMX: []string{"mx.throwaway.net"}})
	for address, good := range map[string]bool{
		"ada@acme.dev": true, "Ada@ACME.dev": true, "ada+notes@acme.dev": true, "test@acme.dev": true, "a@acme.dev": true,
		"ada@plain.dev": true, // no mail server, but a host
		"ada@slow.dev":  true, "ada@broken.dev": true, "ada@odd.dev": true,
		"lovelace@gmail.com": true, "abcdef@gmail.com": true,

		"ada@nowhere.dev": false, "ada@throwaway.dev": false,
		"abcde@gmail.com": false, "ada@GMAIL.com": false, "ada@gmail.com.": false,
		"test@gmail.com": false, "example@gmail.com": false, "Someone@gmail.com": false, "test@email.com": false,
		"ada@test.com": false, "ada@example.com": false, "ada@example.net": false, "ada@example.org": false,
		"ada@a.test": false, "ada@a.example": false, "ada@a.invalid": false, "ada@printer.local": false, "ada@a.localhost": false,
		"ada@localhost": false, "ada@gamil.com": false, "ada@gmail.con": false,
		"": false, "ada": false, "@acme.dev": false, "ada@": false, "ada@@acme.dev": false, "ada@acme.dev, bob@acme.dev": false,
		"Ada <ada@acme.dev>": false, "a..b@acme.dev": false, "ada@acme.dev\nBcc: bob@acme.dev": false,
	} {
		if err := v.Validate(t.Context(), address); (err == nil) != good {
			t.Errorf("%q: got %v, want it to be good: %v", address, err, good)
		}
	}
}

func TestNothingIsAskedOfWhatIsWrongAtFirstSight(t *testing.T) {
	t.Parallel()
	z := newZone()
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the service was asked") }))
	t.Cleanup(service.Close)
	v := validator(t, recipient.Config{Extended: true, Resolver: z, ServiceURL: service.URL})
	if err := v.Validate(t.Context(), "ada@example.com"); err == nil || len(z.asked) > 0 {
		t.Errorf("got %v after the questions %q, want a refusal after none", err, z.asked)
	}
}

func TestNothingIsWrongByDefault(t *testing.T) {
	t.Parallel()
	z := newZone()
	v := validator(t, recipient.Config{Resolver: z, BlockedMX: []string{"mx.throwaway.net"}})
	for _, address := range []string{"ada@example.com", "ada@throwaway.dev", "ada"} {
		if err := v.Validate(t.Context(), address); err != nil || len(z.asked) > 0 {
			t.Errorf("%s: got %v after the questions %q, want nothing", address, err, z.asked)
		}
	}
}

func TestServiceIsAsked(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.Header.Get("Content-Type") + " " + strings.Join(r.Header["X-Key"], "+") + " " + string(body)
		_, _ = io.WriteString(w, `{"valid":false}`)
	}))
	t.Cleanup(service.Close)
	v := validator(t, recipient.Config{ServiceURL: service.URL, ServiceHeaders: map[string][]string{"x-key": {"a", "b"}}})
	if err := v.Validate(t.Context(), "ada@acme.dev"); err == nil {
		t.Error("got no error, want the service's refusal")
	}
	if got, want := <-asked, `POST application/json a+b {"email":"ada@acme.dev"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestServiceRefusesOnlyWithAClearNo plays what is none.
func TestServiceRefusesOnlyWithAClearNo(t *testing.T) {
	t.Parallel()
	saying := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"yes":           saying(200, `{"valid":true}`),
		"nothing":       saying(200, ``),
		"no word of it": saying(200, `{}`),
		"null":          saying(200, `{"valid":null}`),
		"a text":        saying(200, `{"valid":"false"}`),
		"a page":        saying(200, `<html>`),
		"an error":      saying(500, `{"valid":false}`),
		"a redirect":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/no", http.StatusTemporaryRedirect) },
		"no end of it":  saying(200, `{"x":"`+strings.Repeat("x", 1<<21)+`","valid":false}`),
		"no answer":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"none for long": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := httptest.NewServer(answer)
			t.Cleanup(service.Close)
			cfg := recipient.Config{ServiceURL: service.URL}
			if name == "none for long" {
				cfg.Timeout = 20 * time.Millisecond
			}
			if err := validator(t, cfg).Validate(t.Context(), "ada@acme.dev"); err != nil {
				t.Errorf("got %v, want none", err)
			}
		})
	}
}

// hanging answers when the question is given up.
type hanging struct{ *zone }

func (h hanging) LookupMX(ctx context.Context, _ string) ([]*net.MX, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), IsTimeout: true}
}

func TestNameServersThatHangAreGivenUp(t *testing.T) {
	t.Parallel()
	v := validator(t, recipient.Config{Extended: true, Resolver: hanging{newZone()}, Timeout: 20 * time.Millisecond})
	if err := v.Validate(t.Context(), "ada@nowhere.dev"); err != nil {
		t.Errorf("got %v, want none: nobody could tell", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []recipient.Config{{Timeout: -1}, {ServiceURL: "validator.internal"}, {ServiceURL: "ftp://example.com"}} {
		if _, err := recipient.New(cfg); err == nil {
			t.Errorf("New(%+v): got no error", cfg)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, seed := range []string{"ada@acme.dev", "a@b", "@", "\"a b\"@c", "a@[::1]", "a@gmail.com.", "<a@b.c>"} {
		f.Add(seed)
	}
	v, err := recipient.New(recipient.Config{Extended: true, Resolver: newZone()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if v.Validate(t.Context(), address) == nil && !strings.Contains(address, "@") {
			t.Errorf("%q is no address", address)
		}
	})
}
