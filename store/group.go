package store

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// group lets the writers of a SQLite database share transactions. Whoever finds
// the writer free begins one. When its part is done it hands the transaction to
// the first of those who came meanwhile, and so on; who finds nobody waiting
// commits for all. There is no goroutine besides the callers', so that a panic in
// someone's part stays with its cause.
type group struct {
	*database

	mu      sync.Mutex
	busy    bool          // somebody holds the writer
	waiting []chan *batch // first come, first served; nil says "begin a new one"
}

// maxBatch bounds how many share a commit: what the first has to wait for.
const maxBatch = 64

// batch is a transaction that several callers share, one after the other.
type batch struct {
	tx   bun.Tx
	conn bun.Conn
	size int
	lost error // why nothing of it can be committed

	done chan struct{} // closed after the commit
	err  error         // of the commit; for all who are in the batch
}

// fail gives up what all in the batch did.
func (b *batch) fail(err error) {
	if b.lost == nil {
		b.lost = err
	}
}

// run runs fn in a batch and waits for its commit. If fn fails, it has to have
// undone its part, or to have failed the batch. It waits all the same: what made it
// fail may be what others in the batch wrote, which nobody else can see before the
// commit, and which never was when that fails. fn gets ctx without its end: a cancelled statement would take the
// others' parts with it.
func (g *group) run(ctx context.Context, fn func(context.Context, *batch) error) error {
	b, err := g.enter(ctx)
	if err != nil {
		return explain("wait for the writer", err)
	}
	err = g.take(b, func() error { return fn(context.WithoutCancel(ctx), b) })
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// take runs fn and passes the batch on, also when fn panics or leaves the
// goroutine.
func (g *group) take(b *batch, fn func() error) error {
	defer g.leave(b)
	return fn()
}

// enter returns the batch that it is the caller's turn in.
func (g *group) enter(ctx context.Context) (*batch, error) {
	turn := g.queueUp()
	if turn == nil {
		return g.open(ctx)
	}
	var b *batch
	select {
	case b = <-turn:
	case <-ctx.Done():
		if g.withdraw(turn) {
			return nil, ctx.Err()
		}
		b = <-turn // it came at the same moment
	}
	if b == nil {
		return g.open(ctx)
	}
	if err := ctx.Err(); err != nil {
		g.leave(b)
		return nil, err
	}
	return b, nil
}

// queueUp returns where the caller's turn will be announced, nil if it has come.
func (g *group) queueUp() chan *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.busy {
		g.busy = true
		return nil
	}
	turn := make(chan *batch, 1) // so that nobody waits for one who is about to withdraw
	g.waiting = append(g.waiting, turn)
	return turn
}

// withdraw reports whether it was in time.
func (g *group) withdraw(turn chan *batch) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, turn)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// next takes the first who waits out of the queue; nil if there is none.
func (g *group) next() chan *batch {
	if len(g.waiting) == 0 {
		return nil
	}
	turn := g.waiting[0]
	g.waiting = slices.Delete(g.waiting, 0, 1)
	return turn
}

// open begins a batch. If it cannot, the next caller may try.
func (g *group) open(ctx context.Context) (*batch, error) {
	b, err := g.begin(ctx)
	if err != nil {
		g.handOver()
	}
	return b, err
}

func (g *group) begin(ctx context.Context) (*batch, error) {
	g.onWriter.all(ctx)
	c, err := g.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // of the transaction, too, which is not the caller's alone
	tx, err := c.BeginTx(ctx, nil)
	if err == nil && g.reader == g.writer {
		err = g.immediate(ctx, tx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &batch{tx: tx, conn: c, size: 1, done: make(chan struct{})}, nil
}

// immediate takes the write lock before anything is read, as a transaction does
// that began immediate; nobody knows whether those of an application's pool do.
func (g *group) immediate(ctx context.Context, tx bun.Tx) error {
	_, err := g.within(&transaction{Tx: tx, stmts: g.onWriter}).exec(ctx, lockWriter)
	if err != nil {
		tx.Rollback()
	}
	return err
}

// leave hands the batch to the next caller, or ends it.
func (g *group) leave(b *batch) {
	if turn := g.admit(b); turn != nil {
		turn <- b
		return
	}
	b.finish()
	g.handOver()
}

// admit returns the next caller if it fits into the batch.
func (g *group) admit(b *batch) chan *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.lost != nil || b.size == maxBatch {
		return nil
	}
	b.size++
	return g.next()
}

// handOver lets the next caller begin a batch, or frees the writer.
func (g *group) handOver() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if turn := g.next(); turn != nil {
		turn <- nil
		return
	}
	g.busy = false
}

// finish commits and tells all who are in the batch.
func (b *batch) finish() {
	if b.lost != nil {
		b.tx.Rollback()
		b.err = fmt.Errorf("share a transaction that was lost: %w: %v", postern.ErrStoreDown, b.lost)
	} else {
		b.err = explain("commit a transaction", b.tx.Commit())
	}
	b.conn.Close()
	close(b.done)
}
