// Package postgres opens a PostgreSQL database as package store needs it, on pgx's
// connections. It needs no state of a session, and so works through PgBouncer in
// transaction mode.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/postern-auth/postern/store"
)

// The pool's size, which Store.DB().SetMaxOpenConns and its like change. What is
// idle stays open for the next request, for opening costs more than most of them.
const (
	maxConns    = 16
	maxIdleTime = 5 * time.Minute
)

// minVersion is the oldest server that has what the schema uses.
const minVersion = 13

// Open opens the database that dsn names, a URL or keywords and values as
// PostgreSQL's own clients take them, with the environment's PGHOST and so on for
// what it leaves out. It connects once, to see whether the server is fit.
//
// Statements go to the server as text, in one round trip each: they are neither
// prepared nor described beforehand. Arguments are of the types that database/sql
// knows. Sessions are in UTC whatever dsn says. The pool has 16 connections at most.
// The schema is left as it is, see Store.Migrate. The caller closes the Store.
//
// An application that wants pgx's own driver, which can do more, opens its database
// itself and hands it to store.New.
func Open(ctx context.Context, dsn string) (*store.Store, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	db := sql.OpenDB(connector{config})
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(maxIdleTime)
	if err := check(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("postgres: cannot use database %s on %s: %w", config.Database, config.Host, oneLine{err})
	}
	return store.New(bun.NewDB(db, pgdialect.New())), nil
}

// parse adds what dsn leaves open. The time zone is a parameter that PgBouncer
// knows and keeps for each of its clients.
func parse(dsn string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if mode := config.RuntimeParams[queryMode]; mode != "" && mode != "exec" {
		return nil, fmt.Errorf("%s is %q; statements are run in the mode exec alone", queryMode, mode)
	}
	maps.DeleteFunc(config.RuntimeParams, func(name, _ string) bool {
		return strings.EqualFold(name, "timezone") || slices.Contains(ofPgx, name)
	})
	config.RuntimeParams["timezone"] = "UTC"
	return config, nil
}

const queryMode = "default_query_exec_mode"

// ofPgx are parameters of pgx's own driver, which the server does not know.
var ofPgx = []string{queryMode, "statement_cache_capacity", "description_cache_capacity"}

// check refuses a server that is too old, and one that reads backslashes in
// strings as escapes: bun writes values into the text of statements, and quotes
// them by the standard.
func check(ctx context.Context, db *sql.DB) error {
	var version int
	var standard string
	const settings = `SELECT current_setting('server_version_num')::int, current_setting('standard_conforming_strings')`
	if err := db.QueryRowContext(ctx, settings).Scan(&version, &standard); err != nil {
		return err
	}
	if version < minVersion*10000 {
		return fmt.Errorf("the server is version %d, at least %d is needed", version/10000, minVersion)
	}
	if standard != "on" {
		return errors.New("standard_conforming_strings is off and has to be on")
	}
	return nil
}

// oneLine is an error in one line of text. pgx writes several when it has tried
// several addresses.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }
