package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern/internal/pace"
)

func TestRepeatTakesAsLongAsTheLastRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pace
		start := time.Now()
		if err := p.Repeat(t.Context(), 0); err != nil || time.Since(start) != 0 {
			t.Errorf("with nothing to repeat: %v after %v", err, time.Since(start))
		}
		failure := errors.New("failure")
		_ = p.Run(t.Context(), func() error {
			time.Sleep(3 * time.Second)
			return failure
		})
		start = time.Now()
		if err := p.Repeat(t.Context(), 0); err != failure || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v, want %v after 3s", err, time.Since(start), failure)
		}
		start = time.Now()
		if err := p.Repeat(t.Context(), time.Second); err != failure || time.Since(start) != 2*time.Second {
			t.Errorf("when a second has passed: got %v after %v, want %v after 2s", err, time.Since(start), failure)
		}
	})
}

func TestRunThatWasCutShortIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace.Pace
		ctx, cancel := context.WithCancel(t.Context())
		_ = p.Run(ctx, func() error {
			cancel()
			return ctx.Err()
		})
		if err := p.Repeat(t.Context(), 0); err != nil {
			t.Errorf("got %v, want nothing", err)
		}
		if err := p.Run(t.Context(), func() error { time.Sleep(time.Hour); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := p.Repeat(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the context", err)
		}
	})
}
