package provider

import (
	"context"
	"sync"
	"time"
)

// cached is what somebody else says, believed for a while. Requests that need it
// at the same time share one fetch, and none waits longer than its context lets it.
type cached[T any] struct {
	fetch func(context.Context) (T, error)
	ttl   time.Duration
	now   func() time.Time

	mu      sync.Mutex
	value   T
	until   time.Time // when value is to be renewed; zero: there is none
	running *fetching[T]
}

// fetching is a fetch under way. Its results are there once done is closed.
type fetching[T any] struct {
	done  chan struct{}
	value T
	err   error
}

const (
	// fetchTimeout ends fetches, whatever the HTTP client does.
	fetchTimeout = 10 * time.Second
	// renewTime is how long anybody waits for a new value who could have the old one.
	renewTime = time.Second
	// retryAfter is for how long a value serves on that could not be renewed.
	retryAfter = time.Minute
)

// get returns the value, and fetches it first if it is unknown or old. A value that
// cannot be renewed, or not soon, serves on.
func (c *cached[T]) get(ctx context.Context) (T, error) {
	c.mu.Lock()
	if c.now().Before(c.until) {
		defer c.mu.Unlock()
		return c.value, nil
	}
	var enough <-chan time.Time
	if !c.until.IsZero() {
		enough = time.After(renewTime)
	}
	return c.wait(ctx, enough)
}

// renew fetches the value whatever its age, for somebody whom the old one does not
// help.
func (c *cached[T]) renew(ctx context.Context) (T, error) {
	c.mu.Lock()
	return c.wait(ctx, nil)
}

// wait waits for the fetch that is under way, or starts one, until the old value is
// enough. It is called with the lock held and releases it.
func (c *cached[T]) wait(ctx context.Context, enough <-chan time.Time) (T, error) {
	f := c.running
	if f == nil {
		f = &fetching[T]{done: make(chan struct{})}
		c.running = f
		go c.run(context.WithoutCancel(ctx), f) // it serves others too
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-enough:
		return c.keep(f), nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// keep makes the old value serve on, for those who come later too, unless the fetch
// is done after all.
func (c *cached[T]) keep(f *fetching[T]) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == f {
		c.until = c.now().Add(retryAfter)
	}
	return c.value
}

func (c *cached[T]) run(ctx context.Context, f *fetching[T]) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	value, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.value, c.until = value, c.now().Add(c.ttl)
	case !c.until.IsZero():
		c.until = c.now().Add(retryAfter)
		err = nil
	}
	f.value, f.err = c.value, err
	c.running = nil
	close(f.done)
}
