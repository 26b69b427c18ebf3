package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

// journal notes the first word of each statement that a database is sent.
type journal struct {
	mu    sync.Mutex
	verbs []string
}

func (j *journal) note(query string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.verbs = append(j.verbs, strings.Fields(query)[0])
}

// during returns what was noted while f ran.
func (j *journal) during(t *testing.T, f func() error) []string {
	t.Helper()
	j.verbs = nil
	if err := f(); err != nil {
		t.Fatal(err)
	}
	return j.verbs
}

// connector makes connections that note what they are sent.
type connector struct {
	driver.Connector
	journal *journal
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
	journal *journal
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
	journal *journal
}

func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.journal.note(s.query)
	return s.fullStmt.ExecContext(ctx, args)
}

func (s stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.journal.note(s.query)
	return s.fullStmt.QueryContext(ctx, args)
}

// noted opens a database of each kind as store/sqlite and store/postgres do, with
// a journal of what it is sent.
var noted = map[string]func(t *testing.T, j *journal) *store.Store{"sqlite": notedSQLite, "postgres": notedPostgres}

func notedSQLite(t *testing.T, j *journal) *store.Store {
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

func notedPostgres(t *testing.T, j *journal) *store.Store {
	config, err := pgx.ParseConfig(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return store.New(bun.NewDB(sql.OpenDB(connector{stdlib.GetConnector(*config), j}), pgdialect.New()))
}

func TestHotRequestsNeedAsFewStatementsAsPossible(t *testing.T) {
	t.Parallel()
	for name, open := range noted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var j journal
			st := open(t, &j)
			t.Cleanup(func() { st.Close() })
			if err := st.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			a, err := newAuth(st)
			if err != nil {
				t.Fatal(err)
			}
			checkStatements(t, a, &j, name == "sqlite")
		})
	}
}

func checkStatements(t *testing.T, a *postern.Auth, j *journal, sqlite bool) {
	res, err := a.SignUp(t.Context(), postern.SignUpParams{Email: "ada@example.com", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	s := res.Session
	authenticate := func() error {
		_, err := a.Authenticate(t.Context(), s.AccessToken)
		return err
	}
	refresh := func() (err error) {
		s, err = a.RefreshToken(t.Context(), s.RefreshToken)
		return err
	}
	list := func() error {
		_, err := a.AdminListUsers(t.Context(), postern.AdminListUsersParams{})
		return err
	}
	write := []string{"UPDATE"}
	if sqlite { // writers that wait for each other share a transaction
		write = []string{"BEGIN", "UPDATE"}
	}
	for _, c := range []struct {
		name string
		run  func() error
		want []string
	}{
		{"Authenticate, which is all that GET /user needs", authenticate, []string{"SELECT"}},
		{"RefreshToken", refresh, append([]string{"SELECT"}, write...)},
		{"AdminListUsers, with its count", list, []string{"SELECT", "SELECT"}},
	} {
		if got := j.during(t, c.run); !slices.Equal(got, c.want) {
			t.Errorf("%s sent the statements %v, want %v", c.name, got, c.want)
		}
	}
}
