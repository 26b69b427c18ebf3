package postern

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// deliveryBatch is how many events are delivered to a subscriber at once.
	deliveryBatch = 16
	// deliveryTimeout is how long a subscriber may take.
	deliveryTimeout = 30 * time.Second
	// deliveryLease is for how long nobody else delivers what a process has taken. It
	// leaves time to write down what came of it, and for clocks that differ.
	deliveryLease = 2 * deliveryTimeout
	// settleTimeout is how long it may take to write that down.
	settleTimeout = 5 * time.Second

	// The first attempts come soon one after the other, later ones by the hour. All
	// of them take three days: attempts are counted, so that time in which nobody
	// runs does not count.
	firstRetry  = 5 * time.Second
	maxRetry    = time.Hour
	maxAttempts = 82

	// eventMaxAge is when events go that nobody has delivered or given up, such as
	// those of a subscriber that is configured no more.
	eventMaxAge = 30 * 24 * time.Hour

	// eventPoll is how often a process looks for events of other processes, and
	// eventPause for how long it leaves a database alone that does not answer.
	eventPoll  = time.Second
	eventPause = 10 * time.Second
)

// deliverTo delivers a subscriber's events until ctx ends. woken tells that there are
// new ones.
func (a *Auth) deliverTo(ctx context.Context, s Subscriber, woken <-chan struct{}) {
	for ctx.Err() == nil {
		n, err := a.deliverDue(ctx, s)
		wait := eventPoll
		switch {
		case n == deliveryBatch:
			continue // there may be more
		case err != nil && ctx.Err() == nil:
			a.cfg.Logger.ErrorContext(ctx, "looking for events failed", "subscriber", s.Name, "error", err)
			wait = eventPause
		}
		select {
		case <-ctx.Done():
		case <-woken:
		case <-time.After(wait):
		}
	}
}

// deliverDue delivers some of what is due, and says how many that were.
func (a *Auth) deliverDue(ctx context.Context, s Subscriber) (int, error) {
	now := a.now()
	taken, err := a.store.TakeDeliveries(ctx, s.Name, now, now.Add(deliveryLease), deliveryBatch)
	var all sync.WaitGroup
	for _, d := range taken {
		all.Go(func() { a.deliver(ctx, s, d) })
	}
	all.Wait()
	return len(taken), err
}

// deliver delivers one event and writes down what came of it, also when ctx has ended
// meanwhile. If it cannot, the event is delivered again when the lease is over.
func (a *Auth) deliver(ctx context.Context, s Subscriber, d Delivery) {
	log := a.cfg.Logger.With("subscriber", s.Name, "event_id", d.ID, "type", d.Type, "user_id", d.UserID, "attempt", d.Attempt)
	failure := a.tryToDeliver(ctx, s, d)
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	switch {
	case failure == nil:
		err = a.store.EndDelivery(settle, d.ID, s.Name)
	case ctx.Err() != nil: // it may not have had the time
		err = a.store.PutOffDelivery(settle, d, s.Name, a.now())
	case d.Attempt >= maxAttempts:
		log.ErrorContext(ctx, "an event is given up", "error", failure)
		err = a.store.EndDelivery(settle, d.ID, s.Name)
	default:
		log.WarnContext(ctx, "an event could not be delivered", "error", failure)
		err = a.store.PutOffDelivery(settle, d, s.Name, a.now().Add(retryAfter(d.Attempt)))
	}
	if err != nil {
		log.ErrorContext(ctx, "what came of an event could not be written down", "error", err)
	}
}

// tryToDeliver hands an event over, and makes an error of a panic. What killed its process
// as often as others fail is not tried once more.
func (a *Auth) tryToDeliver(ctx context.Context, s Subscriber, d Delivery) (err error) {
	if d.Attempt > maxAttempts {
		return errors.New("no attempt came to an end")
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the subscriber panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Deliver(ctx, d.Event)
}

// retryAfter is how long an attempt that failed is waited after: twice as long each
// time, and by up to a quarter more or less, so that many do not come back at once.
func retryAfter(attempt int) time.Duration {
	wait := maxRetry
	if doublings := attempt - 1; doublings < 10 { // beyond, it is more than an hour
		wait = min(firstRetry<<doublings, maxRetry)
	}
	return wait*3/4 + rand.N(wait/2)
}
