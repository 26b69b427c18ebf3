// Package journal opens databases that note what they are sent, for tests of how
// much a request asks of its database.
package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"

	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

// Journal notes the first word of each statement that a database is sent. It is
// safe for concurrent use.
type Journal struct {
	mu    sync.Mutex
	verbs []string
}

func (j *Journal) note(query string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.verbs = append(j.verbs, strings.Fields(query)[0])
}

// During returns what was noted while f ran.
func (j *Journal) During(f func()) []string {
	j.mu.Lock()
	j.verbs = nil
	j.mu.Unlock()
	f()
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.verbs
}

// Each runs test on a new migrated database of each kind, opened as store/sqlite
// and store/postgres do. The tests run one after the other.
func Each(t *testing.T, test func(t *testing.T, st *store.Store, j *Journal)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T, *Journal) *store.Store{"sqlite": openSQLite, "postgres": openPostgres} {
		t.Run(name, func(t *testing.T) {
			j := &Journal{}
			st := open(t, j)
			t.Cleanup(func() { st.Close() })
			if err := st.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, st, j)
		})
	}
}

func openSQLite(t *testing.T, j *Journal) *store.Store {
	path := filepath.Join(t.TempDir(), "auth.db")
	open := func(pragmas string) *bun.DB {
		c, err := sqlite.NewConnector("file:" + path + "?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=foreign_keys(1)" + pragmas)
		if err != nil {
			t.Fatal(err)
		}
		return bun.NewDB(sql.OpenDB(connector{c, j}), sqlitedialect.New())
	}
	return store.NewSplit(open(""), open("&_pragma=query_only(1)"))
}

func openPostgres(t *testing.T, j *Journal) *store.Store {
	config, err := pgx.ParseConfig(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return store.New(bun.NewDB(sql.OpenDB(connector{stdlib.GetConnector(*config), j}), pgdialect.New()))
}

// connector makes connections that note what they are sent.
type connector struct {
	driver.Connector
	journal *Journal
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn{inner.(fullConn), c.journal}, nil
}

// fullConn is what the connections of both drivers can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type conn struct {
	fullConn
	journal *Journal
}

// CheckNamedValue leaves arguments to the driver that wants to see them as they are.
func (c conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.journal.note("BEGIN")
	return c.fullConn.BeginTx(ctx, o)
}

func (c conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.journal.note(query)
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.journal.note(query)
	return c.fullConn.QueryContext(ctx, query, args)
}

func (c conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt{inner.(fullStmt), query, c.journal}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	fullStmt
	query   string
	journal *Journal
}

func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.journal.note(s.query)
	return s.fullStmt.ExecContext(ctx, args)
}

func (s stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.journal.note(s.query)
	return s.fullStmt.QueryContext(ctx, args)
}
