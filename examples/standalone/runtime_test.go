package main

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern"
)

// It changes what is the process's, so that nothing may run beside it.
func TestThreadsAreMoreWhilePasswordsAreHashed(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	usual := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(usual) })
	synctest.Test(t, func(t *testing.T) {
		var own threads
		told := 0
		observe := own.observing(func(context.Context, postern.Observation) { told++ })
		is := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := runtime.GOMAXPROCS(0); got != want {
				t.Errorf("got %d threads, want %d", got, want)
			}
		}
		observe(t.Context(), postern.Observation{What: postern.ObservedSignIn})
		is(usual)
		for range 3 {
			observe(t.Context(), postern.Observation{What: postern.ObservedHashing})
			is(2 * usual)
			time.Sleep(calm - time.Millisecond)
		}
		is(2 * usual)
		time.Sleep(time.Millisecond)
		is(usual)
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
