package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/store/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *store.Store{
		"sqlite file":               openFile,
		"sqlite memory":             dbtest.SQLite,
		"sqlite, one connection":    openSingle,
		"sqlite, deferred by habit": openDeferred,
		"postgres":                  dbtest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t testing.TB) postern.Store { return open(t) })
		})
	}
}

// openFile returns a database as sqlite.Open opens it.
func openFile(t testing.TB) *store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "auth.db"))
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, st)
}

// openSingle returns an application's own database, in memory, with a pool of one
// connection: whoever needs a second waits for ever.
func openSingle(t testing.TB) *store.Store {
	t.Helper()
	return ready(t, store.New(openPool(t, ":memory:?_pragma=foreign_keys(1)", 1)))
}

// openDeferred returns an application's own database whose transactions begin
// deferred.
func openDeferred(t testing.TB) *store.Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.db")
	return ready(t, store.New(openPool(t, "file:"+file+"?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)", 4)))
}

// openPool opens SQLite as an application would.
func openPool(t testing.TB, dsn string, conns int) *bun.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return bun.NewDB(db, sqlitedialect.New())
}

// ready migrates a store, and closes it when the test ends.
func ready(t testing.TB, st *store.Store) *store.Store {
	t.Helper()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// execute runs a statement of the test's own. Table names are written as for
// PostgreSQL.
func execute(t testing.TB, db bun.IDB, query string, args ...any) {
	t.Helper()
	if _, err := db.NewRaw(inDialectOf(db, query), args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// value returns the one value that a query of the test's own finds, as text.
func value(t testing.TB, db bun.IDB, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	if err := db.NewRaw(inDialectOf(db, query), args...).Scan(t.Context(), &v); err != nil {
		t.Fatal(err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

func inDialectOf(db bun.IDB, query string) string {
	if db.Dialect().Name().String() == "pg" {
		return query
	}
	return strings.ReplaceAll(query, "auth.", "auth_")
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
}

// exists reports whether there is such a user.
func exists(t testing.TB, st *store.Store, u *postern.UserRecord) bool {
	t.Helper()
	_, err := st.FindUser(t.Context(), u.ID)
	if err != nil && !errors.Is(err, postern.ErrNoRow) {
		t.Fatal(err)
	}
	return err == nil
}

func begin(t testing.TB, st *store.Store) bun.Tx {
	t.Helper()
	tx, err := st.DB().BeginTx(t.Context(), nil)
	ok(t, err)
	return tx
}

func TestJoinedStoreCommitsWithItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		execute(t, st.DB(), `CREATE TABLE notes (user_id VARCHAR(36))`)
		u := sample("a@example.com")
		tx := begin(t, st)
		joined := st.Join(tx)
		ok(t, joined.AddUser(t.Context(), u))
		ok(t, joined.AddSession(t.Context(), sampleSession(u.ID)))
		execute(t, joined.IDB(), `INSERT INTO notes VALUES (?)`, u.ID.String())
		ok(t, joined.Close()) // leaves the database open
		if !exists(t, joined, u) {
			t.Error("got no user inside the transaction")
		}
		ok(t, tx.Commit())
		if !exists(t, st, u) || value(t, st.DB(), `SELECT user_id FROM notes`) != u.ID.String() {
			t.Error("got not both rows after the commit")
		}
	})
}

func TestJoinedStoreIsUndoneWithItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		tx := begin(t, st)
		ok(t, st.Join(tx).AddUser(t.Context(), u))
		ok(t, st.Join(tx).InTx(t.Context(), func(inner postern.Tx) error {
			return inner.AddSession(t.Context(), sampleSession(u.ID))
		}))
		ok(t, tx.Rollback())
		if exists(t, st, u) {
			t.Error("got the user after the rollback")
		}
	})
}

func TestInTxOfAJoinedStoreIsASavepoint(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		before, undone, after := sample("before@example.com"), sample("undone@example.com"), sample("after@example.com")
		tx := begin(t, st)
		joined := st.Join(tx)
		ok(t, joined.AddUser(t.Context(), before))
		err := joined.InTx(t.Context(), func(inner postern.Tx) error {
			ok(t, inner.AddUser(t.Context(), undone))
			return inner.AddUser(t.Context(), before)
		})
		if !errors.Is(err, postern.ErrIDTaken) && !errors.Is(err, postern.ErrEmailTaken) {
			t.Errorf("got error %v, want one of a user who is there", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = joined.InTx(t.Context(), func(inner postern.Tx) error {
				ok(t, inner.AddUser(t.Context(), undone))
				panic("undone as well")
			})
		}()
		ok(t, joined.AddUser(t.Context(), after)) // the transaction goes on
		ok(t, tx.Commit())
		for u, want := range map[*postern.UserRecord]bool{before: true, undone: false, after: true} {
			if got := exists(t, st, u); got != want {
				t.Errorf("%s: found %v, want %v", u.Email, got, want)
			}
		}
	})
}

func TestInTxInsideInTxIsASavepoint(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		outer, inner := sample("outer@example.com"), sample("inner@example.com")
		ok(t, st.InTx(t.Context(), func(tx postern.Tx) error {
			ok(t, tx.AddUser(t.Context(), outer))
			err := tx.(*store.Store).InTx(t.Context(), func(tx postern.Tx) error {
				ok(t, tx.AddUser(t.Context(), inner))
				return tx.AddUser(t.Context(), outer)
			})
			if err == nil {
				t.Error("got no error of the inner transaction")
			}
			return tx.AddSession(t.Context(), sampleSession(outer.ID))
		}))
		if !exists(t, st, outer) || exists(t, st, inner) {
			t.Errorf("got outer %v, inner %v, want true, false", exists(t, st, outer), exists(t, st, inner))
		}
	})
}

func TestFailedStatementEndsTheTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		first, second, third := sample("a@example.com"), sample("b@example.com"), sample("c@example.com")
		ok(t, st.AddUser(t.Context(), first))
		again := sample(first.Email)
		err := st.InTx(t.Context(), func(tx postern.Tx) error {
			ok(t, tx.AddUser(t.Context(), second))
			if err := tx.AddUser(t.Context(), again); !errors.Is(err, postern.ErrEmailTaken) {
				t.Errorf("got error %v, want ErrEmailTaken", err)
			}
			if err := tx.AddUser(t.Context(), third); err == nil {
				t.Error("got no error of a statement after the one that failed")
			}
			return nil // as if nothing had happened
		})
		if !errors.Is(err, postern.ErrEmailTaken) {
			t.Errorf("got error %v, want ErrEmailTaken", err)
		}
		for _, u := range []*postern.UserRecord{second, again, third} {
			if exists(t, st, u) {
				t.Errorf("got user %s, want none of the transaction", u.Email)
			}
		}
	})
}

func TestTxIsOfNoUseWhenItIsOver(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		var kept postern.Tx
		ok(t, st.InTx(t.Context(), func(tx postern.Tx) error { kept = tx; return nil }))
		u := sample("a@example.com")
		if err := kept.AddUser(t.Context(), u); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("got error %v, want sql.ErrTxDone", err)
		}
		if exists(t, st, u) {
			t.Error("got the user")
		}
	})
}

// In SQLite an interrupted statement undoes its whole transaction.
func TestCancelledContextLeavesACallersTransactionAlone(t *testing.T) {
	t.Parallel()
	st := dbtest.SQLite(t)
	before, after := sample("before@example.com"), sample("after@example.com")
	tx := begin(t, st)
	joined := st.Join(tx)
	ok(t, joined.AddUser(t.Context(), before))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := joined.AddUser(ctx, after); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	ok(t, joined.AddUser(t.Context(), after))
	ok(t, tx.Commit())
	if !exists(t, st, before) || !exists(t, st, after) {
		t.Error("got not both users")
	}
}
