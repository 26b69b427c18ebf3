package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Each file is run whole, in one transaction with its entry in the ledger, and is
// named by that entry for ever.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// Migrate brings the database's schema up to date: it makes what is missing and
// enters what it did into a table of its own, so that it has nothing to do the
// next time.
//
// An empty PostgreSQL database gets GoTrue's schema auth. One that GoTrue has
// used is adopted: what GoTrue made is neither changed nor removed, so that GoTrue
// can run on it again; what an older GoTrue lacks whole is added, and where its
// tables lack columns Migrate fails and names them. A database that a newer
// version has migrated is left as it is.
//
// Any number of processes may call it at once: each migration is made by one
// while the others wait. When it is interrupted, by an error or by death, what was
// begun is undone, and the next call resumes. It must not be called on a Store
// from Join or InTx, where it returns an error: it needs transactions of its own.
func (s *Store) Migrate(ctx context.Context) error {
	if s.tx != nil {
		return errors.New("migrate: the Store belongs to a transaction")
	}
	l := ledgerOf(s.sqlite)
	pending, err := l.pending(ctx, s.writer.DB)
	if err != nil {
		return explain("read which migrations were made", err)
	}
	for _, name := range pending {
		if err := l.migrate(ctx, s.writer.DB, name); err != nil {
			return explain("migration "+name, err)
		}
	}
	if !s.sqlite {
		return explain("make functions", makeFunctions(ctx, s.writer.DB))
	}
	return nil
}

// ledger is the table of the migrations that were made, and how it is used. Its
// times are the database's, for whoever reads them: nothing here does.
type ledger struct {
	dir    string // of the migrations
	table  string
	exists string // a query without rows when there is no table
	create string // makes the table unless there is one
	begin  string // begins a transaction, and waits until no other migration is made
}

func ledgerOf(sqlite bool) ledger {
	if sqlite {
		return sqliteLedger
	}
	return postgresLedger
}

var sqliteLedger = ledger{
	dir:    "migrations/sqlite",
	table:  "auth_postern_migrations",
	exists: `SELECT name FROM sqlite_schema WHERE name = 'auth_postern_migrations'`,
	create: `CREATE TABLE IF NOT EXISTS auth_postern_migrations (
		name       TEXT NOT NULL PRIMARY KEY,
		applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
	) STRICT`,
	begin: `BEGIN IMMEDIATE`,
}

// The schema is looked for and not made with IF NOT EXISTS, which wants the right
// to make schemas even if it is there. The lock ends with the transaction, which
// is all that one can hold on to behind PgBouncer; its number means nothing. Read
// committed, so that what was made while waiting for it is seen.
var postgresLedger = ledger{
	dir:    "migrations/postgres",
	table:  "auth.postern_migrations",
	exists: `SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'auth' AND tablename = 'postern_migrations'`,
	create: `DO $$ BEGIN
		IF to_regnamespace('auth') IS NULL THEN
			CREATE SCHEMA auth;
		END IF;
		IF to_regclass('auth.postern_migrations') IS NULL THEN
			CREATE TABLE auth.postern_migrations (
				name       text PRIMARY KEY,
				applied_at timestamptz NOT NULL DEFAULT now()
			);
			ALTER TABLE auth.postern_migrations ENABLE ROW LEVEL SECURITY;
		END IF;
	END $$`,
	begin: `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(5083140273746517)`,
}

// pending returns the migrations that were not made, in their order.
func (l ledger) pending(ctx context.Context, db querier) ([]string, error) {
	made, err := l.made(ctx, db)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(migrations, l.dir+"/*.sql")
	if err != nil {
		return nil, err
	}
	var pending []string
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".sql"); !slices.Contains(made, name) {
			pending = append(pending, name)
		}
	}
	return pending, nil
}

// made returns what the table has, which may be more than this version knows.
func (l ledger) made(ctx context.Context, db querier) ([]string, error) {
	tables, err := names(ctx, db, l.exists)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	return names(ctx, db, "SELECT name FROM "+l.table)
}

// names returns the one column of a query.
func names(ctx context.Context, db querier, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// migrate makes one migration, unless somebody else has made it by now.
func (l ledger) migrate(ctx context.Context, db *sql.DB, name string) error {
	script, err := migrations.ReadFile(l.dir + "/" + name + ".sql")
	if err != nil {
		return err
	}
	return l.alone(ctx, db, func(conn *sql.Conn) error {
		if made, err := l.made(ctx, conn); err != nil || slices.Contains(made, name) {
			return err
		}
		entry := fmt.Sprintf("INSERT INTO %s (name) VALUES ('%s')", l.table, name)
		// Without arguments pgx sends a script by the simple protocol, which
		// takes any number of statements, whatever its query mode.
		for _, statements := range []string{l.create, string(script), entry} {
			if _, err := conn.ExecContext(ctx, statements); err != nil {
				return err
			}
		}
		return nil
	})
}

// alone runs fn in a transaction that no other one begun here can be beside, in
// whatever process. It does not use BeginTx, since an application's own SQLite
// pool may begin transactions deferred.
func (l ledger) alone(ctx context.Context, db *sql.DB, fn func(*sql.Conn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	_, err = conn.ExecContext(ctx, l.begin)
	if err == nil {
		err = fn(conn)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Fails only where nothing is left to be undone. A half-made begin of
		// PostgreSQL's, such as one that waited in vain, is.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}
