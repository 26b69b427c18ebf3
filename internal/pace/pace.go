// Package pace makes what need not be done take as long as what was done for
// somebody else, so that nobody can tell the two apart by a clock.
package pace

import (
	"context"
	"sync/atomic"
	"time"
)

// Pace remembers how the last run went. The zero value is ready. It is safe for
// concurrent use.
type Pace struct{ last atomic.Pointer[run] }

type run struct {
	took time.Duration
	err  error
}

// Run runs fn and returns its error. A run that ctx cut short is not remembered.
func (p *Pace) Run(ctx context.Context, fn func() error) error {
	start := time.Now()
	err := fn()
	if ctx.Err() == nil {
		p.last.Store(&run{took: time.Since(start), err: err})
	}
	return err
}

// Repeat takes as long as the last run, unless ctx ends before, and returns its
// error. Without a run it returns at once.
func (p *Pace) Repeat(ctx context.Context) error {
	last := p.last.Load()
	if last == nil {
		return nil
	}
	timer := time.NewTimer(last.took)
	defer timer.Stop()
	select {
	case <-timer.C:
		return last.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
