package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// commits counts the transactions that a database commits.
type commits struct{ atomic.Int64 }

func (c *commits) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (c *commits) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	if event.Query == "COMMIT" && event.Err == nil {
		c.Add(1)
	}
}

// counting returns a store in the same database, whose commits are counted.
func counting(st *store.Store) (*store.Store, *commits) {
	var c commits
	return store.New(st.DB().WithQueryHook(&c)), &c
}

// crowd is callers who wait for the writer.
type crowd struct {
	errs []error // what they were answered, once they are let in
	let  func()
}

// gather has n callers wait, one behind the other, for a transaction that holds the
// writer until they are let in. It has to run in a bubble.
func gather(t *testing.T, st *store.Store, n int, call func(i int) error) *crowd {
	t.Helper()
	c := &crowd{errs: make([]error, n)}
	var all sync.WaitGroup
	free := make(chan struct{})
	all.Go(func() {
		_ = st.InTx(t.Context(), func(postern.Tx) error { <-free; return nil })
	})
	synctest.Wait()
	for i := range n {
		all.Go(func() { c.errs[i] = call(i) })
		synctest.Wait()
	}
	c.let = func() {
		close(free)
		all.Wait()
	}
	return c
}

func TestWritersWhoWaitShareACommit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ writers, commits int64 }{
		{1, 1}, {10, 1}, {63, 1}, {64, 2}, {200, 4}, // the one that is waited for is in the first batch
	} {
		t.Run(fmt.Sprint(c.writers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := dbtest.SQLite(t)
				users := make([]*postern.UserRecord, c.writers)
				for i := range users {
					users[i] = sample(fmt.Sprintf("user%d@example.com", i))
				}
				counted, counter := counting(st)
				waiting := gather(t, counted, len(users), func(i int) error { return counted.AddUser(t.Context(), users[i]) })
				waiting.let()
				for i, u := range users {
					if waiting.errs[i] != nil || !exists(t, st, u) {
						t.Errorf("writer %d: got error %v, found %v", i, waiting.errs[i], exists(t, st, u))
					}
				}
				if got := counter.Load(); got != c.commits {
					t.Errorf("got %d commits, want %d", got, c.commits)
				}
			})
		})
	}
}

func TestWriterWhoseContextEndsLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := dbtest.SQLite(t)
		stays, leaves := sample("stays@example.com"), sample("leaves@example.com")
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		waiting := gather(t, st, 2, func(i int) error {
			if i == 0 {
				err := st.AddUser(ctx, leaves)
				left <- err
				return err
			}
			return st.AddUser(t.Context(), stays)
		})
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) { // while the writer is still busy
			t.Errorf("got error %v, want context.Canceled", err)
		}
		waiting.let()
		if waiting.errs[1] != nil || !exists(t, st, stays) || exists(t, st, leaves) {
			t.Errorf("got error %v, stays %v, leaves %v, want none, true, false",
				waiting.errs[1], exists(t, st, stays), exists(t, st, leaves))
		}
	})
}

func TestDeadlineInTheQueueSaysThatTheStoreIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := dbtest.SQLite(t)
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		waiting := gather(t, st, 1, func(int) error {
			<-ctx.Done()
			return st.AddUser(ctx, sample("a@example.com"))
		})
		waiting.let()
		if err := waiting.errs[0]; !errors.Is(err, postern.ErrStoreDown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want ErrStoreDown for the deadline", err)
		}
	})
}

func TestOneWritersTroubleIsNotItsNeighbours(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, trouble := range map[string]func() error{
		"an error":           func() error { return refused },
		"a panic":            func() error { panic("trouble") },
		"an ended goroutine": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := dbtest.SQLite(t)
				counted, counter := counting(st)
				users := []*postern.UserRecord{sample("first@example.com"), sample("trouble@example.com"), sample("last@example.com")}
				waiting := gather(t, counted, len(users), func(i int) error {
					defer func() { _ = recover() }()
					return counted.InTx(t.Context(), func(tx postern.Tx) error {
						ok(t, tx.AddUser(t.Context(), users[i]))
						if strings.HasPrefix(users[i].Email, "trouble") {
							return trouble()
						}
						return nil
					})
				})
				waiting.let()
				for i, want := range []bool{true, false, true} {
					if got := exists(t, st, users[i]); got != want {
						t.Errorf("%s: found %v, want %v", users[i].Email, got, want)
					}
				}
				if got := counter.Load(); got != 1 {
					t.Errorf("got %d commits, want 1 of all", got)
				}
			})
		})
	}
}

func TestNobodyIsToldOfSuccessBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last string // what the last of the batch does
		want error  // what the others are told
	}{
		"a commit that fails":     {`INSERT INTO notes VALUES ('nobody')`, postern.ErrReferenced},
		"a transaction that ends": {`ROLLBACK`, postern.ErrStoreDown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := dbtest.SQLite(t)
				execute(t, st.DB(), `CREATE TABLE notes (user_id TEXT REFERENCES auth_users (id) DEFERRABLE INITIALLY DEFERRED)`)
				users := []*postern.UserRecord{sample("a@example.com"), sample("b@example.com")}
				waiting := gather(t, st, len(users)+1, func(i int) error {
					if i < len(users) {
						return st.AddUser(t.Context(), users[i])
					}
					return st.InTx(t.Context(), func(tx postern.Tx) error {
						execute(t, tx.(*store.Store).IDB(), c.last)
						return nil
					})
				})
				waiting.let()
				for i, u := range users {
					if err := waiting.errs[i]; !errors.Is(err, c.want) || exists(t, st, u) {
						t.Errorf("neighbour %d: got error %v, found %v, want %v and nothing", i, err, exists(t, st, u), c.want)
					}
				}
				if waiting.errs[len(users)] == nil {
					t.Error("who is to blame: got no error")
				}
				ok(t, st.AddUser(t.Context(), users[0])) // the writer is free again
			})
		})
	}
}

func TestWritersWaitForAnApplicationsTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := dbtest.SQLite(t)
		u, later := sample("a@example.com"), sample("b@example.com")
		tx := begin(t, st)
		ctx, cancel := context.WithCancel(t.Context())
		left, waited := make(chan error, 1), make(chan error, 1)
		go func() { left <- st.AddUser(ctx, u) }()
		synctest.Wait()
		go func() { waited <- st.AddUser(t.Context(), later) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
		ok(t, tx.Commit())
		ok(t, <-waited)
		if exists(t, st, u) || !exists(t, st, later) {
			t.Errorf("got %v, %v, want false, true", exists(t, st, u), exists(t, st, later))
		}
	})
}
