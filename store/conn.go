package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// transaction is what a Store from Join or InTx belongs to.
type transaction struct {
	bun.Tx
	stmts *prepared // SQLite's; nil in a caller's transaction, which may be of another pool

	// callers marks a transaction that the caller began and ends.
	callers bool
	// end says why no more statements may run: one has failed, or it is over.
	end atomic.Pointer[error]
}

// fail ends the transaction, unless it is for the caller to do.
func (t *transaction) fail(err error) {
	if !t.callers {
		t.end.CompareAndSwap(nil, &err)
	}
}

// undo goes back to the savepoint, or tells that all of the transaction is lost.
func (t *transaction) undo(ctx context.Context, lost func(error)) {
	ctx = context.WithoutCancel(ctx) // it may have been cancelled, which is why
	for _, query := range []string{"ROLLBACK TO SAVEPOINT postern", "RELEASE SAVEPOINT postern"} {
		if _, err := t.ExecContext(ctx, query); err != nil {
			lost(explain("go back to a savepoint", err))
			return
		}
	}
}

// conn is where a method's statements run: a transaction, or a pool.
type conn struct {
	bun.IDB
	*database
	raw   querier      // the same, for statements with placeholders
	stmts *prepared    // of SQLite
	tx    *transaction // nil in a pool
}

// querier is what a sql.DB and a sql.Tx have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (d *database) within(tx *transaction) conn {
	return conn{IDB: tx, database: d, raw: tx.Tx.Tx, stmts: tx.stmts, tx: tx}
}

func (d *database) outside(db *bun.DB, stmts *prepared) conn {
	return conn{IDB: db, database: d, raw: db.DB, stmts: stmts}
}

// read runs a method that changes nothing.
func (s *Store) read(ctx context.Context, fn func(context.Context, conn) error) error {
	if s.tx != nil {
		return s.inside(ctx, fn)
	}
	return fn(ctx, s.outside(s.reader, s.onReader))
}

// write runs a method of a single statement, which needs no transaction around it
// in PostgreSQL and no savepoint in SQLite.
func (s *Store) write(ctx context.Context, fn func(context.Context, conn) error) error {
	switch {
	case s.tx != nil:
		return s.inside(ctx, fn)
	case s.group != nil:
		return s.group.run(ctx, func(ctx context.Context, b *batch) error {
			err := fn(ctx, s.within(&transaction{Tx: b.tx, stmts: s.onWriter}))
			if rolledBack(err) {
				b.fail(err)
			}
			return err
		})
	}
	return retry(ctx, func() error { return fn(ctx, s.outside(s.writer, nil)) })
}

// transact runs a method of several statements.
func (s *Store) transact(ctx context.Context, fn func(context.Context, conn) error) error {
	if s.tx != nil {
		return s.inside(ctx, fn)
	}
	return s.inTx(ctx, func(tx *Store) error { return tx.inside(ctx, fn) })
}

// inside runs a method in the transaction that the Store belongs to. In SQLite a
// statement that is cancelled takes the whole transaction with it, and with that
// what others did before: there ctx is looked at once, and then left aside.
func (s *Store) inside(ctx context.Context, fn func(context.Context, conn) error) error {
	if end := s.tx.end.Load(); end != nil {
		return *end
	}
	if s.sqlite {
		if err := ctx.Err(); err != nil {
			return explain("go on in a transaction", err)
		}
		ctx = context.WithoutCancel(ctx)
	}
	return fn(ctx, s.within(s.tx))
}

// fault explains an error, and ends the transaction if it comes from a statement
// that failed.
func (c conn) fault(doing string, err error) error {
	err = explain(doing, err)
	if err != nil && c.tx != nil && !errors.Is(err, postern.ErrNoRow) {
		c.tx.fail(err)
	}
	return err
}

// oneRow explains an error, and that no row was there to be changed.
func (c conn) oneRow(doing string, result sql.Result, err error) error {
	if err != nil {
		return c.fault(doing, err)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return c.fault(doing, err)
}

// table names a table as the database does; sqliteText does so for the hot
// statements.
func (d *database) table(name string) bun.Ident {
	if d.sqlite {
		return bun.Ident("auth_" + name)
	}
	return bun.Ident("auth." + name)
}

// boolean writes a value as the partial indexes have it: SQLite uses one only for a
// query that repeats its condition to the letter.
func (d *database) boolean(v bool) bun.Safe {
	switch {
	case d.sqlite && v:
		return "1"
	case d.sqlite:
		return "0"
	case v:
		return "TRUE"
	}
	return "FALSE"
}

// lock ends a SELECT of a row that is to be updated. In SQLite the transaction
// itself is the lock.
func (d *database) lock() string {
	if d.sqlite {
		return ""
	}
	return "UPDATE"
}
