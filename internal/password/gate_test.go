package password

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func openGate(t *testing.T, l Limit) *gate {
	t.Helper()
	g, err := newGate(l)
	if err != nil {
		t.Fatalf("newGate(%+v): %v", l, err)
	}
	return g
}

func nothing() error { return nil }

func TestGateRunsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := openGate(t, Limit{Running: 2, Waiting: 3})
		var running, done atomic.Int32
		release := make(chan struct{})
		for range 5 {
			go func() {
				err := g.run(t.Context(), func() error {
					running.Add(1)
					<-release
					running.Add(-1)
					return nil
				})
				if err != nil {
					t.Errorf("run: got %v, want nil", err)
				}
				done.Add(1)
			}()
		}
		for finished := range int32(5) {
			synctest.Wait()
			if got, want := running.Load(), min(2, 5-finished); got != want || done.Load() != finished {
				t.Fatalf("got %d running, %d done, want %d, %d", got, done.Load(), want, finished)
			}
			release <- struct{}{}
		}
		synctest.Wait()
		if done.Load() != 5 {
			t.Errorf("got %d done, want 5", done.Load())
		}
	})
}

func TestGateRefusesWhatCannotWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit Limit
		fill  int
	}{
		{"a queue", Limit{Running: 1, Waiting: 2}, 3},
		{"no queue", Limit{Running: 2, Waiting: -1}, 2},
		{"defaults", Limit{}, 101 * runtime.GOMAXPROCS(0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := openGate(t, tt.limit)
				release := make(chan struct{})
				for range tt.fill {
					go func() {
						if err := g.run(t.Context(), func() error { <-release; return nil }); err != nil {
							t.Errorf("with room: got %v, want nil", err)
						}
					}()
				}
				synctest.Wait()
				if err := g.run(t.Context(), nothing); !errors.Is(err, ErrBusy) {
					t.Errorf("full: got %v, want %v", err, ErrBusy)
				}
				close(release)
				synctest.Wait()
				if err := g.run(t.Context(), nothing); err != nil {
					t.Errorf("empty again: got %v, want nil", err)
				}
			})
		})
	}
}

func TestGateLetsAWaitingCallerGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := openGate(t, Limit{Running: 1, Waiting: 1})
		release := make(chan struct{})
		go func() { _ = g.run(t.Context(), func() error { <-release; return nil }) }()
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() {
			gaveUp <- g.run(ctx, func() error { t.Error("computed after giving up"); return nil })
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}

		// The place that was given up is free for another.
		waited := make(chan error)
		go func() { waited <- g.run(t.Context(), nothing) }()
		synctest.Wait()
		close(release)
		if err := <-waited; err != nil {
			t.Errorf("the next caller: got %v, want nil", err)
		}
	})
}

func TestEveryComputationPassesTheGate(t *testing.T) {
	t.Parallel()
	h, err := New(Params{Cost: 4}, Limit{Running: 1, Waiting: -1})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	err = h.gate.run(t.Context(), func() error {
		if _, err := h.Hash(t.Context(), "secret"); !errors.Is(err, ErrBusy) {
			t.Errorf("Hash: got %v, want %v", err, ErrBusy)
		}
		for _, hash := range []string{"", "unreadable", "$2b$04$abcdefghijklmnopqrstuu0CkeIeZLJOlOL1QPPhfXulLNPdFqJBW"} {
			if ok, _, err := h.Verify(t.Context(), hash, "ab"); ok || !errors.Is(err, ErrBusy) {
				t.Errorf("Verify of %q: got %v, %v, want false, %v", hash, ok, err, ErrBusy)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("run: %v", err)
	}
}
