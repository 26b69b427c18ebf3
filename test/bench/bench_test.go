package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestFiguresAreThoseOfOneRequest(t *testing.T) {
	t.Parallel()
	s := sample{elapsed: 2 * time.Second, server: 300 * time.Millisecond, database: 100 * time.Millisecond}
	for i := range 100 {
		s.latencies = append(s.latencies, time.Duration(i)*time.Millisecond)
	}
	want := figures{
		perSecond: 50, p50: 50 * time.Millisecond, p99: 99 * time.Millisecond,
		server: 3 * time.Millisecond, database: time.Millisecond,
	}
	if got := s.figures(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMedianIsOfEachFigureByItself(t *testing.T) {
	t.Parallel()
	one := func(latency, server time.Duration) sample {
		return sample{latencies: []time.Duration{latency}, elapsed: time.Second, server: server}
	}
	got := median([]sample{one(3, 10), one(1, 30), one(2, 20)})
	if want := (figures{perSecond: 1, p50: 2, p99: 2, server: 20}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFailingStepEndsTheRun(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	failing := func(context.Context) error { return broken }
	_, _, err := drive(t.Context(), []step{verifyStep(), failing}, time.Hour)
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want the step's", err)
	}
}

func TestProcessorTimeIsReadWhateverTheProgramIsCalled(t *testing.T) {
	t.Parallel()
	line := "42 (a ) 1 (b)) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 25 75 20 0 1 0 100 1 1"
	got, err := parseStat([]byte(line))
	if want := (stat{parent: 7, own: 2 * time.Second, reaped: time.Second}); err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if _, err := parseStat([]byte("42 (a) S 7")); err == nil {
		t.Error("a line that is too short: got no error")
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-runs 0":             "have to be positive",
		"-database oracle":    `no database "oracle"`,
		"-scenario user,nope": `no scenario "nope"`,
		"user":                `"user" is no flag`,
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", args, err, want)
		}
	}
}
