package postern

import (
	"context"
	"sync"
	"time"
)

// Run does the housekeeping and delivers events to Config.Subscribers until ctx ends,
// and then returns ctx's error. Any number of processes on one database may run it:
// they share the events. Without it, what has expired stays longer in the database,
// and events wait.
func (a *Auth) Run(ctx context.Context) error {
	var deliveries sync.WaitGroup
	for i, s := range a.cfg.Subscribers {
		deliveries.Go(func() { a.deliverTo(ctx, s, a.events.woken[i]) })
	}
	a.keepHouse(ctx)
	deliveries.Wait()
	return ctx.Err()
}

func (a *Auth) keepHouse(ctx context.Context) {
	tick := time.NewTicker(housekeepingInterval)
	defer tick.Stop()
	for {
		if err := a.tidy(ctx); err != nil && ctx.Err() == nil {
			a.cfg.Logger.ErrorContext(ctx, "housekeeping failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

const housekeepingInterval = 10 * time.Minute
