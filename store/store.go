// Package store keeps what a postern.Auth decides in PostgreSQL or SQLite, through
// bun. It brings no driver: packages store/postgres and store/sqlite open a
// database as it should be, and New takes the application's own.
//
// The tables are GoTrue's, in the schema auth of PostgreSQL and with the prefix
// auth_ in SQLite. Rows that GoTrue or somebody's SQL wrote are read as they are,
// with NULL wherever the schema allows it; rows written here are such that GoTrue
// can read them.
//
// In SQLite, which has one writer at a time, transactions that wait for each
// other share one commit and so one sync of the disk. Each still succeeds or
// fails by itself.
package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/postern-auth/postern"
)

var _ postern.Store = (*Store)(nil)

// Store is a postern.Store on bun. It is safe for concurrent use.
//
// Every failed call returns an error that names what was being done and wraps
// its cause, and a postern.StoreError where one applies: ErrStoreDown also when
// ctx reached its deadline, for then the database was too slow, and
// ErrUnstorable from any method that is given NUL or invalid UTF-8.
type Store struct {
	*database

	// tx is the transaction that the Store's methods belong to; nil where each
	// is a transaction of its own.
	tx *transaction
}

// database is what a Store and those made from it share.
type database struct {
	writer, reader *bun.DB
	sqlite         bool
	hot            statements
	group          *group // SQLite's writers; nil for PostgreSQL
	totals         totals // of long lists

	// SQLite's prepared statements. PostgreSQL gets none, whose names would not
	// outlive a transaction behind PgBouncer.
	onWriter, onReader *prepared
}

// New returns a Store in the application's own database, whose dialect has to
// be bun's for PostgreSQL or SQLite. It opens nothing.
//
// A SQLite database should be opened like store/sqlite does, with foreign keys
// on, WAL, and transactions that begin immediate (modernc: _txlock=immediate,
// _pragma=foreign_keys(1), …). A pool of one connection is enough.
func New(db *bun.DB) *Store { return newStore(db, db) }

// NewSplit returns a Store in a SQLite database that writes through a pool of
// one connection, whose transactions must begin immediate, and reads through
// another of many.
func NewSplit(writer, reader *bun.DB) *Store { return newStore(writer, reader) }

func newStore(writer, reader *bun.DB) *Store {
	d := &database{writer: writer, reader: reader, sqlite: writer.Dialect().Name() == dialect.SQLite}
	d.hot = newStatements(d.sqlite)
	if d.sqlite {
		d.onWriter = &prepared{db: writer.DB, texts: d.hot}
		d.onReader = d.onWriter
		if reader != writer {
			d.onReader = &prepared{db: reader.DB, texts: d.hot}
		}
		d.group = &group{database: d}
	}
	return &Store{database: d}
}

// DB returns the database that the Store writes to: for what the Store has no
// method for, and to begin the transaction that is handed to Join.
func (s *Store) DB() *bun.DB { return s.writer }

// IDB returns where the Store's statements run, so that an application's rows can
// go into the same transaction: the transaction of a Store from Join or InTx, and
// otherwise DB.
func (s *Store) IDB() bun.IDB {
	if s.tx != nil {
		return s.tx.Tx
	}
	return s.writer
}

// Join returns a Store that belongs to the caller's transaction: what it writes
// is there when the caller commits, and gone when the caller rolls back. Its InTx
// is a savepoint. After a failed statement PostgreSQL takes no other in the
// transaction, unless the call was made inside InTx.
//
// In SQLite the transaction must have begun immediate (modernc: _txlock=immediate,
// which sqlite.Open sets); a deferred one that reads before it writes fails with
// SQLITE_BUSY as soon as somebody else wrote in between. While it is open, others
// wait for the writer. A cancelled ctx stops no statement there, since SQLite would
// give up the caller's whole transaction; it is looked at before each.
func (s *Store) Join(tx bun.Tx) *Store {
	return &Store{database: s.database, tx: &transaction{Tx: tx, callers: true}}
}

// Close closes the database or databases that the Store was made with. An
// application that gave its own need not call it. On a Store from Join or InTx it
// does nothing.
func (s *Store) Close() error {
	if s.tx != nil {
		return nil
	}
	err := s.writer.Close()
	if s.reader != s.writer {
		err = errors.Join(err, s.reader.Close())
	}
	return err
}

// InTx runs fn in a transaction, which is undone when fn returns an error, panics
// or leaves its goroutine. fn is run in the goroutine of the caller.
//
// A statement that failed ends the transaction, in SQLite as in PostgreSQL: those
// that follow fail as well, and so does InTx if fn returns nil all the same. What
// is no failure of a statement, such as ErrNoRow, ends nothing.
//
// A PostgreSQL transaction that was given up because of a deadlock or a
// serialisation failure is run again, a few times at most.
func (s *Store) InTx(ctx context.Context, fn func(postern.Tx) error) error {
	return s.inTx(ctx, func(tx *Store) error { return fn(tx) })
}

func (s *Store) inTx(ctx context.Context, fn func(*Store) error) error {
	switch {
	case s.tx != nil:
		return s.inside(ctx, func(ctx context.Context, c conn) error {
			return s.savepoint(ctx, &transaction{Tx: c.tx.Tx, stmts: c.tx.stmts}, c.tx.fail, fn)
		})
	case s.group != nil:
		return s.group.run(ctx, func(ctx context.Context, b *batch) error {
			return s.savepoint(ctx, &transaction{Tx: b.tx, stmts: s.onWriter}, b.fail, fn)
		})
	}
	return retry(ctx, func() error { return s.begin(ctx, fn) })
}

// begin runs fn in a PostgreSQL transaction.
func (s *Store) begin(ctx context.Context, fn func(*Store) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return explain("begin a transaction", err)
	}
	committing := false
	defer func() { // also when fn panics or leaves the goroutine
		if !committing {
			tx.Rollback()
		}
	}()
	if err := s.call(&transaction{Tx: tx}, fn); err != nil {
		return err
	}
	committing = true
	return explain("commit a transaction", tx.Commit())
}

// savepoint runs fn as a part of a transaction that can be undone by itself. lost
// is told when it could not be: when all of the transaction is gone, as in SQLite
// after some errors.
func (s *Store) savepoint(ctx context.Context, tx *transaction, lost func(error), fn func(*Store) error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT postern"); err != nil {
		err = explain("set a savepoint", err)
		lost(err)
		return err
	}
	released := false
	defer func() { // also when fn panics or leaves the goroutine
		if !released {
			tx.undo(ctx, lost)
		}
	}()
	if err := s.call(tx, fn); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT postern")
	released = err == nil
	return explain("release a savepoint", err)
}

// call runs fn and sees to it that no failed statement is passed over, and that
// nothing runs in the transaction later.
func (s *Store) call(tx *transaction, fn func(*Store) error) error {
	defer tx.fail(sql.ErrTxDone)
	if err := fn(&Store{database: s.database, tx: tx}); err != nil {
		return err
	}
	if end := tx.end.Load(); end != nil {
		return *end
	}
	return nil
}

// Ping reads the table of migrations, which a database without a schema has not.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewSelect().TableExpr("?", c.table("postern_migrations")).Count(ctx)
		return c.fault("ask whether the database answers", err)
	})
}

// maxAttempts is how often a transaction is tried that PostgreSQL gives up.
const maxAttempts = 5

func retry(ctx context.Context, run func() error) error {
	for attempt := 1; ; attempt++ {
		err := run()
		if !retryable(err) || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
	}
}

// DB returns where the statements of a transaction of a Store run, for the
// application's own rows in a hook such as postern.Hooks.UserCreated:
//
//	_, err := store.DB(tx).NewInsert().Model(&profile).Exec(ctx)
//
// It panics if tx is not a Store's. bun writes arguments into the text of the
// statement, so that no error of it should be logged together with that.
func DB(tx postern.Tx) bun.IDB {
	for {
		around, ok := tx.(interface{ Unwrap() postern.Tx })
		if !ok {
			return tx.(*Store).IDB()
		}
		tx = around.Unwrap()
	}
}
