// Package sqlite opens a SQLite database as package store needs it: a file in WAL
// mode, one connection that writes, several that read, and every commit on the
// disk before it is acknowledged. The driver is modernc.org/sqlite, without cgo.
//
// The file has to be on a local disk: WAL does not work across a network. The
// files beside it, of the same name with -wal and -shm, belong to it.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/postern-auth/postern/store"
)

// Open opens the database in a file, which is made, for its owner to read, if
// there is none; its directory has to be there. The path is a path and no URI:
// no character in it means anything else. The schema is left as it is, see
// Store.Migrate. The caller closes the Store.
func Open(ctx context.Context, path string) (*store.Store, error) {
	file, err := prepareFile(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %q %w", path, err)
	}
	s, err := open(ctx, location{uri: file, journal: "wal"})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %q %w", path, explain(err))
	}
	return s, nil
}

// OpenMemory opens a new and empty database in memory, for tests; it is gone when
// the Store is closed. Other than in a file, nobody reads while somebody writes:
// code that holds a transaction and reads outside it waits for itself, and fails
// after ten seconds.
func OpenMemory(ctx context.Context) (*store.Store, error) {
	// Any other name for memory means one database for each connection.
	s, err := open(ctx, location{uri: url.URL{Scheme: "file", Path: "/" + rand.Text()}, vfs: "memdb", journal: "memory"})
	if err != nil {
		return nil, fmt.Errorf("sqlite: a database in memory %w", explain(err))
	}
	return s, nil
}

// open opens the writing connection, then those that read, and looks at one of
// each.
func open(ctx context.Context, at location) (*store.Store, error) {
	write, read := at.pragmas("0"), at.pragmas("1")
	writer, err := pool(at.dsn(write), 1)
	if err != nil {
		return nil, err
	}
	reader, err := pool(at.dsn(read), max(4, runtime.GOMAXPROCS(0)))
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	s := store.NewSplit(writer, reader)
	err = check(ctx, writer, write)
	if err == nil {
		err = checkWritable(ctx, writer)
	}
	if err == nil {
		err = check(ctx, reader, read)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// pool returns up to size connections, which stay open once they are: the last
// one takes a database in memory with it.
func pool(dsn string, size int) (*bun.DB, error) {
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return bun.NewDB(db, sqlitedialect.New()), nil
}

// location is where a database is.
type location struct {
	uri     url.URL
	vfs     string
	journal string
}

// pragma is a setting of a connection.
type pragma struct{ name, value string }

// pragmas are the settings that deviate from SQLite's. What is left out on
// purpose: mmap_size, which makes reads a quarter cheaper, but counts the file as
// resident memory once for each connection, and turns a disk's error into a
// signal that ends the process; and a larger cache, which gained nothing.
func (at location) pragmas(queryOnly string) []pragma {
	return []pragma{
		{"busy_timeout", "10000"}, // ms, for transactions of other processes
		{"foreign_keys", "1"},
		{"journal_mode", at.journal},
		{"query_only", queryOnly},
		{"synchronous", "2"}, // FULL: a commit outlives a power cut
		{"temp_store", "2"},  // memory: sorting goes on when the disk is full
	}
}

// dsn gives the pragmas to the driver, which sets them in every connection that
// it opens.
func (at location) dsn(pragmas []pragma) string {
	q := url.Values{"_txlock": {"immediate"}}
	for _, p := range pragmas {
		q.Add("_pragma", p.name+"("+p.value+")")
	}
	if at.vfs != "" {
		q.Set("vfs", at.vfs)
	}
	at.uri.RawQuery = q.Encode()
	return at.uri.String()
}

// check reads the pragmas back: neither the driver nor SQLite says anything when
// it does not know one, or cannot do what it asks for.
func check(ctx context.Context, db *bun.DB, pragmas []pragma) error {
	conn, err := db.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, p := range pragmas {
		var got string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return err
		}
		if got != p.value {
			return fmt.Errorf("cannot be used: its %s is %s and has to be %s", p.name, got, p.value)
		}
	}
	return nil
}

// checkWritable makes a change and takes it back: SQLite opens what it may only
// read as well, and even begins a transaction there. That somebody else is
// writing is an answer too.
func checkWritable(ctx context.Context, db *bun.DB) error {
	tx, err := db.DB.BeginTx(ctx, nil)
	if resultCode(err) == sqlite3.SQLITE_BUSY {
		return nil
	}
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "PRAGMA user_version = 1")
	return err
}

// explain says what is wrong with the database, as the end of a sentence that
// starts with its path.
func explain(err error) error {
	switch resultCode(err) {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("is not a SQLite database: %w", err)
	case sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("cannot be opened, or the files beside it cannot be made: %w", err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("cannot be written to: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("is locked by another program: %w", err)
	}
	return err
}

// resultCode returns SQLite's primary result code, 0 when err has none.
func resultCode(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
