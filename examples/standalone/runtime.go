package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postern-auth/postern"
)

// What the program asks of Go's runtime, unless the environment says otherwise.

// garbage is how much of it may come together, in percent of what is in use, before it
// is collected. There is so little in use, some megabytes, that Go's own 100 would be
// reached many times a second, which takes a fifth of what requests cost.
const garbage = 200

func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
}

// threads lets requests run beside the hashing of passwords. Go leaves a thread to
// what only computes for 10 ms at a time, and looks no sooner whether a request has
// come; the kernel takes it away at once. So there are twice as many threads as
// processors while passwords are hashed, and otherwise not: they are not free.
type threads struct {
	double, restore func() // change how many there are

	mu   sync.Mutex
	more bool
	last time.Time // that a password was hashed
}

// processThreads are those of the program.
var processThreads = threads{
	double:  func() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) },
	restore: runtime.SetDefaultGOMAXPROCS,
}

// calm is how long after the last hash the additional threads go.
const calm = 2 * time.Second

// observing returns what tells threads of hashes, before it tells next, if anybody.
// Whoever has set GOMAXPROCS gets what it says.
func (t *threads) observing(next func(context.Context, postern.Observation)) func(context.Context, postern.Observation) {
	if os.Getenv("GOMAXPROCS") != "" {
		return next
	}
	return func(ctx context.Context, o postern.Observation) {
		if o.What == postern.ObservedHashing {
			t.add()
		}
		if next != nil {
			next(ctx, o)
		}
	}
}

func (t *threads) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	if !t.more {
		t.more = true
		t.double()
		time.AfterFunc(calm, t.remove)
	}
}

// remove does so if it has been calm for long enough, or looks again later.
func (t *threads) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left := calm - time.Since(t.last); left > 0 {
		time.AfterFunc(left, t.remove)
		return
	}
	t.more = false
	t.restore()
}
