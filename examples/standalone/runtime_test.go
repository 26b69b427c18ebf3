package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern"
)

func TestThreadsAreMoreWhilePasswordsAreHashed(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	synctest.Test(t, func(t *testing.T) {
		var have atomic.Int64 // times the usual number
		have.Store(1)
		own := threads{double: func() { have.Store(2 * have.Load()) }, restore: func() { have.Store(1) }}
		told := 0
		observe := own.observing(func(context.Context, postern.Observation) { told++ })
		is := func(want int64) {
			t.Helper()
			synctest.Wait()
			if have.Load() != want {
				t.Errorf("got %d times the threads, want %d", have.Load(), want)
			}
		}
		observe(t.Context(), postern.Observation{What: postern.ObservedSignIn})
		is(1)
		for range 3 {
			observe(t.Context(), postern.Observation{What: postern.ObservedHashing})
			is(2)
			time.Sleep(calm - time.Millisecond)
		}
		is(2)
		time.Sleep(time.Millisecond)
		is(1)
		if told != 4 {
			t.Errorf("got %d observations passed on, want 4", told)
		}
	})
}

func TestThreadsAreAsManyAsGOMAXPROCSSays(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	var own threads
	if own.observing(nil) != nil {
		t.Error("got an observer, want none")
	}
}
