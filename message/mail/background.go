package mail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/postern-auth/postern"
)

// maxWaiting is how many mails wait for their turn in the background.
const maxWaiting = 1000

// background sends mails after whoever asked for them has gone on. A mail has a
// goroutine until it is sent; there are none while there are no mails.
type background struct {
	deliver func(context.Context, postern.Mail) error
	logger  *slog.Logger

	places chan struct{} // has an element for each mail that is here
	turns  chan struct{} // and for each that is being sent
	end    context.Context
	giveUp context.CancelFunc

	mu     sync.Mutex
	closed bool
	mails  sync.WaitGroup
}

func newBackground(cfg Config, deliver func(context.Context, postern.Mail) error) *background {
	b := &background{
		deliver: deliver, logger: cfg.Logger,
		places: make(chan struct{}, maxWaiting), turns: make(chan struct{}, cfg.MaxConns),
	}
	b.end, b.giveUp = context.WithCancel(context.Background())
	return b
}

// accept takes a mail and reports whether there was a place for it.
func (b *background) accept(ctx context.Context, m postern.Mail) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	select {
	case b.places <- struct{}{}:
	default:
		return false
	}
	b.mails.Go(func() {
		defer func() { <-b.places }()
		b.send(context.WithoutCancel(ctx), m)
	})
	return true
}

func (b *background) send(ctx context.Context, m postern.Mail) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.end, cancel)()
	var err error
	select {
	case b.turns <- struct{}{}:
		err = b.deliver(ctx, m)
		<-b.turns
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		b.logger.ErrorContext(ctx, "a mail could not be sent", "type", m.Type, "error", err)
	}
}

// close waits until all mails are sent, or patience ends.
func (b *background) close(patience time.Duration) {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	defer b.giveUp()
	defer time.AfterFunc(patience, b.giveUp).Stop()
	b.mails.Wait()
}
