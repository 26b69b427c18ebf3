package password

import (
	"context"
	"errors"
	"runtime"
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
}

// gate lets a bounded number of computations run and a bounded number wait.
type gate struct {
	places chan struct{} // taken by those that run or wait
	slots  chan struct{} // taken by those that run
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
	}, nil
}

// run calls compute in its turn and returns its error, or does not call it and
// returns ErrBusy when there is no place to wait, ctx's error when ctx has ended
// before the turn came.
func (g *gate) run(ctx context.Context, compute func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
	default:
		return ErrBusy
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return compute()
}
