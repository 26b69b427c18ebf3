package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// This is what database/sql needs of a driver, on pgx's connections: everything goes
// as text, in one round trip, and nothing is prepared. pgx has a driver of its own,
// which brings a codec for each of PostgreSQL's types, an eighth of a whole server.

// closeTimeout is for what has to be said to the server whether or not anybody still
// waits.
const closeTimeout = 5 * time.Second

// connector opens connections.
type connector struct{ config *pgconn.Config }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, err
	}
	return &conn{pg: pg}, nil
}

// Driver is what database/sql shows to those who ask which driver it has.
func (c connector) Driver() driver.Driver { return sqlDriver{} }

type sqlDriver struct{}

func (sqlDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("postgres: connections are opened by postgres.Open")
}

// conn is a connection. It is used by one goroutine at a time.
type conn struct {
	pg   *pgconn.PgConn
	used time.Time // when it was last handed out
}

var (
	_ driver.ExecerContext   = (*conn)(nil)
	_ driver.QueryerContext  = (*conn)(nil)
	_ driver.ConnBeginTx     = (*conn)(nil)
	_ driver.Pinger          = (*conn)(nil)
	_ driver.SessionResetter = (*conn)(nil)
	_ driver.Validator       = (*conn)(nil)
)

func (c *conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.pg.Close(ctx)
}

// IsValid reports whether the connection is worth keeping.
func (c *conn) IsValid() bool { return !c.pg.IsClosed() }

// idleTrust is how long a connection is taken to be alive without asking.
const idleTrust = time.Second

// ResetSession is called before the connection is used again. One that the server
// has ended is not used, nor one whose transaction somebody left open.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.pg.IsClosed() || c.pg.TxStatus() != 'I' {
		return driver.ErrBadConn
	}
	now := time.Now()
	if now.Sub(c.used) > idleTrust && c.pg.Ping(ctx) != nil {
		return driver.ErrBadConn
	}
	c.used = now
	return nil
}

func (c *conn) Ping(ctx context.Context) error {
	return failure(c.pg.Ping(ctx))
}

// failure makes of an error what database/sql understands: where nothing was sent,
// it takes another connection.
func failure(err error) error {
	if err != nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	tag, err := c.exec(ctx, query, args)
	if err != nil {
		return nil, failure(err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// exec runs a statement, or without arguments several, of which the last one counts.
func (c *conn) exec(ctx context.Context, query string, args []driver.NamedValue) (tag pgconn.CommandTag, err error) {
	if c.pg.IsClosed() {
		return tag, driver.ErrBadConn
	}
	if len(args) > 0 {
		return c.pg.ExecParams(ctx, query, parameters(args), nil, nil, nil).Close()
	}
	results := c.pg.Exec(ctx, query)
	for results.NextResult() {
		tag, _ = results.ResultReader().Close() // Close says what is wrong
	}
	return tag, results.Close()
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.pg.IsClosed() {
		return nil, driver.ErrBadConn
	}
	result := c.pg.ExecParams(ctx, query, parameters(args), nil, nil, nil)
	fields := result.FieldDescriptions()
	r := &rows{result: result, names: make([]string, len(fields)), types: make([]uint32, len(fields))}
	for i, f := range fields {
		r.names[i], r.types[i] = f.Name, f.DataTypeOID
	}
	// Most statements fail before their first row, and those that have none are done.
	if r.ahead = result.NextRow(); !r.ahead {
		if err := r.Close(); err != nil {
			return nil, failure(err)
		}
	}
	return r, nil
}

// isolations are the words for what database/sql numbers.
var isolations = map[sql.IsolationLevel]string{
	sql.LevelDefault:         "",
	sql.LevelReadUncommitted: " ISOLATION LEVEL READ UNCOMMITTED",
	sql.LevelReadCommitted:   " ISOLATION LEVEL READ COMMITTED",
	sql.LevelRepeatableRead:  " ISOLATION LEVEL REPEATABLE READ",
	sql.LevelSnapshot:        " ISOLATION LEVEL REPEATABLE READ",
	sql.LevelSerializable:    " ISOLATION LEVEL SERIALIZABLE",
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	level, ok := isolations[sql.IsolationLevel(opts.Isolation)]
	if !ok {
		return nil, fmt.Errorf("PostgreSQL has no isolation level %v", sql.IsolationLevel(opts.Isolation))
	}
	begin := "BEGIN" + level
	if opts.ReadOnly {
		begin += " READ ONLY"
	}
	if _, err := c.exec(ctx, begin, nil); err != nil {
		return nil, failure(err)
	}
	return &transaction{c: c, ctx: ctx}, nil
}

// Begin is for callers older than contexts, of whom there are none.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

type transaction struct {
	c   *conn
	ctx context.Context // of who began it
}

// Commit fails for a transaction in which a statement has failed, although the
// server is content: it has rolled back.
func (t *transaction) Commit() error {
	tag, err := t.c.exec(t.ctx, "COMMIT", nil)
	if err != nil {
		if t.c.pg.TxStatus() != 'I' {
			_ = t.c.Close()
		}
		return err
	}
	if tag.String() == "ROLLBACK" {
		return errors.New("nothing was committed, for a statement of the transaction had failed")
	}
	return nil
}

// Rollback does not depend on whether anybody waits. A connection on which it fails
// is of no more use.
func (t *transaction) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), closeTimeout)
	defer cancel()
	if _, err := t.c.exec(ctx, "ROLLBACK", nil); err != nil {
		_ = t.c.Close()
		return err
	}
	return nil
}

// Prepare prepares nothing: see Open.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return &statement{c: c, query: query}, nil
}

type statement struct {
	c     *conn
	query string
}

var (
	_ driver.StmtExecContext  = (*statement)(nil)
	_ driver.StmtQueryContext = (*statement)(nil)
)

func (s *statement) Close() error { return nil }

// NumInput leaves it to the server to count.
func (s *statement) NumInput() int { return -1 }

func (s *statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.query, args)
}

func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.query, args)
}

var errNoContext = errors.New("postgres: a statement is run with a context")

func (s *statement) Exec([]driver.Value) (driver.Result, error) { return nil, errNoContext }

func (s *statement) Query([]driver.Value) (driver.Rows, error) { return nil, errNoContext }

// rows are what a statement returns, as they come from the server.
type rows struct {
	result *pgconn.ResultReader
	names  []string
	types  []uint32
	ahead  bool // the result stands on a row that Next has not returned
}

func (r *rows) Columns() []string { return r.names }

// Close leaves the rest of the rows unread.
func (r *rows) Close() error {
	_, err := r.result.Close()
	return err
}

func (r *rows) Next(row []driver.Value) error {
	if !r.ahead && !r.result.NextRow() {
		if err := r.Close(); err != nil {
			return err
		}
		return io.EOF
	}
	r.ahead = false
	for i, text := range r.result.Values() {
		v, err := value(r.types[i], text)
		if err != nil {
			return fmt.Errorf("column %s: %w", strconv.Quote(r.names[i]), err)
		}
		row[i] = v
	}
	return nil
}
