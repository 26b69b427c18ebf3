package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"sync"
	"time"
)

// pool holds the connections: at most one for each mail under way, and those
// that wait for the next one.
type pool struct {
	dial        func(context.Context) (*session, error)
	idleTimeout time.Duration

	underWay chan struct{} // has an element for each mail
	closing  chan struct{} // is closed by close
	once     sync.Once

	mu       sync.Mutex
	idle     []*session // the one used last at the end
	expiring sync.WaitGroup
}

func newPool(dial func(context.Context) (*session, error), cfg Config) *pool {
	return &pool{
		dial:        dial,
		idleTimeout: cfg.IdleTimeout,
		underWay:    make(chan struct{}, cfg.MaxConns),
		closing:     make(chan struct{}),
	}
}

func (p *pool) send(ctx context.Context, e envelope) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer func() { <-p.underWay }()
	c, err := p.start(ctx, e)
	if err != nil {
		return err
	}
	err = c.finish(ctx, e)
	if p.reusable(err) {
		p.keep(c)
	} else {
		c.cut()
	}
	return err
}

func (p *pool) enter(ctx context.Context) error {
	if p.isClosing() {
		return net.ErrClosed
	}
	select {
	case p.underWay <- struct{}{}:
		return nil
	case <-p.closing:
		return net.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("waiting for a connection: %w", context.Cause(ctx))
	}
}

// start returns a connection that has taken the mail's sender. A kept one may
// have been closed by the server since, or have carried as many mails as the
// server lets it; then no mail has begun, and a new one can take its place.
func (p *pool) start(ctx context.Context, e envelope) (*session, error) {
	if c := p.take(); c != nil {
		if c.restart(ctx, e) == nil {
			return c, nil
		}
		c.cut()
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, e); err != nil {
		c.cut()
		return nil, err
	}
	return c, nil
}

// reusable reports whether a connection is good for more after a mail ended with
// err: it is when the server has refused the mail in an orderly way. 421 is how
// it announces to hang up (RFC 5321 §3.8).
func (p *pool) reusable(err error) bool {
	if err == nil {
		return true
	}
	reply, ok := errors.AsType[*textproto.Error](err)
	return ok && reply.Code != 421
}

func (p *pool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	c.expiry.Stop() // if it is too late, expire finds c gone
	return c
}

func (p *pool) keep(c *session) {
	if p.idleTimeout < 0 {
		c.quit()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.expiry = time.AfterFunc(p.idleTimeout, func() { p.expire(c) })
	p.idle = append(p.idle, c)
}

func (p *pool) expire(c *session) {
	p.mu.Lock()
	i := slices.Index(p.idle, c)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.expiring.Add(1)
	}
	p.mu.Unlock()
	if i >= 0 {
		defer p.expiring.Done()
		c.quit()
	}
}

func (p *pool) isClosing() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}

// close returns when no connection is left.
func (p *pool) close() {
	p.once.Do(func() {
		close(p.closing)
		for range cap(p.underWay) {
			p.underWay <- struct{}{} // for good, so that nobody enters any more
		}
		for c := p.take(); c != nil; c = p.take() {
			c.quit()
		}
		p.expiring.Wait()
	})
}
