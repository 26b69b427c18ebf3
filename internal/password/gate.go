package password

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// Limit bounds the hash computations of a Hasher. The longest wait is about
// Waiting/Running computations, unless the caller's context ends sooner.
type Limit struct {
	// Running is how many run at once; each takes a processor and the memory
	// that its hash asks for. Defaults to GOMAXPROCS.
	Running int

	// Waiting is how many more may wait for their turn. Defaults to 100 for
	// each running one, some six seconds of waiting at bcrypt's cost 10.
	// Negative: none waits.
	Waiting int

	// Observe, if set, is told how each computation got its turn, after which time,
	// before it begins: "ok", "busy" or "gave_up".
	Observe func(ctx context.Context, outcome string, waited time.Duration)
}

// gate lets a bounded number of computations run and a bounded number wait.
type gate struct {
	places chan struct{} // taken by those that run or wait
	slots  chan struct{} // taken by those that run

	observe func(ctx context.Context, outcome string, waited time.Duration)
}

func newGate(l Limit) (*gate, error) {
	if l.Running < 0 {
		return nil, errors.New("the number of password computations at once must not be negative")
	}
	if l.Running == 0 {
		l.Running = runtime.GOMAXPROCS(0)
	}
	if l.Waiting == 0 {
		l.Waiting = 100 * l.Running
	}
	return &gate{
		places: make(chan struct{}, l.Running+max(l.Waiting, 0)),
		slots:  make(chan struct{}, l.Running),

		observe: l.Observe,
	}, nil
}

// run calls compute in its turn and returns its error, or does not call it and
// returns ErrBusy when there is no place to wait, ctx's error when ctx has ended
// before the turn came.
func (g *gate) run(ctx context.Context, compute func() error) error {
	began := time.Now()
	leave, err := g.enter(ctx)
	if g.observe != nil {
		g.observe(ctx, outcome(err), time.Since(began))
	}
	if err != nil {
		return err
	}
	defer leave()
	return compute()
}

// enter waits for a turn, which leave ends.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case g.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots; <-g.places }, nil
	case <-ctx.Done():
		<-g.places
		return nil, ctx.Err()
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrBusy):
		return "busy"
	}
	return "gave_up"
}
