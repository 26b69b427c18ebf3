package postern

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// even remembers how long requests took that sent a message, so that those that
// find nobody to send one to can take as long: who measures does not learn who has
// an account (guarantees: D19). Most of that time is the mail server's, and nothing
// that is done in its place would take as long. It is safe for concurrent use.
type even struct {
	mu    sync.Mutex
	taken map[evenKind][]time.Duration // the last ones
}

// evenKind tells requests apart that take different times.
type evenKind string

const (
	evenSignUp   evenKind = "sign-up" // which hashes a password
	evenOTP      evenKind = "otp"
	evenRecovery evenKind = "recovery"
	evenResend   evenKind = "resend"
)

// Of so many requests the times are known, and no request is held up for longer.
const (
	evenMemory  = 64
	evenLongest = 10 * time.Second
)

func (e *even) note(kind evenKind, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.taken == nil {
		e.taken = map[evenKind][]time.Duration{}
	}
	known := e.taken[kind]
	if len(known) == evenMemory {
		known = known[1:]
	}
	e.taken[kind] = append(known, min(took, evenLongest))
}

// pick returns the time of one of the last requests, 0 before the first.
func (e *even) pick(kind evenKind) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.taken[kind]
	if len(known) == 0 {
		return 0
	}
	return known[rand.IntN(len(known))]
}

// sendEvenly is send for a request that began then and must not show whether there
// was anything to send: with nothing in out it waits for as long as another request
// took. With Config.HideAccounts it shows no id either, which nothing would not have.
func (a *Auth) sendEvenly(ctx context.Context, kind evenKind, began time.Time, out ...message) (id string, err error) {
	switch {
	case a.outbox != nil: // nothing waits in the application's transaction
		return a.send(ctx, out...)
	case len(out) == 0:
		return "", a.sleep(ctx, a.even.pick(kind)-a.cfg.Now().Sub(began))
	}
	id, err = a.send(ctx, out...)
	a.even.note(kind, a.cfg.Now().Sub(began))
	if a.cfg.HideAccounts {
		id = ""
	}
	return id, err
}

// sleep waits, and returns ctx's error if that ends first.
func (a *Auth) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
