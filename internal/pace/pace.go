// Package pace makes what need not be done take as long as what was done for
// somebody else, so that nobody can tell the two apart by a clock.
package pace

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Pace remembers how the last runs of something went. The zero value is ready. It is
// safe for concurrent use.
type Pace struct {
	mu   sync.Mutex
	runs []run
}

type run struct {
	took time.Duration
	err  error
}

// So many runs are remembered, and nobody is held up for longer.
const (
	memory  = 64
	longest = 10 * time.Second
)

// Run runs fn and returns its error. A run that ctx cut short is not remembered.
func (p *Pace) Run(ctx context.Context, fn func() error) error {
	start := time.Now()
	err := fn()
	if ctx.Err() == nil {
		p.Note(time.Since(start), err)
	}
	return err
}

// Note remembers a run that took so long and ended in err.
func (p *Pace) Note(took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.runs) == memory {
		p.runs = p.runs[1:]
	}
	p.runs = append(p.runs, run{min(took, longest), err})
}

// Repeat takes as long as one of the last runs, less the time that has passed
// already, unless ctx ends before, and returns the last run's error. Without a run it
// returns at once.
func (p *Pace) Repeat(ctx context.Context, passed time.Duration) error {
	r := p.pick()
	timer := time.NewTimer(max(0, r.took-passed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pick chooses a run to repeat: any of those that went as the last one, with which
// something may have failed that fails for all now.
func (p *Pace) pick() run {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.runs) == 0 {
		return run{}
	}
	last := p.runs[len(p.runs)-1]
	if one := p.runs[rand.IntN(len(p.runs))]; last.err == nil && one.err == nil {
		return one
	}
	return last
}
