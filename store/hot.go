package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync/atomic"
)

// The statements in this file have placeholders and a text that never changes.
// bun's have their values in the text, so that the database has to parse and plan
// each anew, which for these took longer than their work: they are behind every
// authenticated request and every refresh. SQLite keeps them prepared.
//
// Each is one statement, as the way to the database and back is the larger part
// of its cost in PostgreSQL; what a user or session has several of comes as JSON.

// statement names one of them.
type statement int

const (
	findUser        statement = iota // user id
	findUserByEmail                  // address in lower case, audience
	findUserByPhone                  // number, audience
	findCaller                       // user id, session id
	findSession                      // session id
	rotateSession                    // session id, old and new counter, time, time, user agent, address
	lockWriter
	statementCount
)

// statements are their texts in one of the databases.
type statements [statementCount]string

func newStatements(sqlite bool) statements {
	users := "SELECT " + selectList[userRow]("u") + ", " +
		jsonList[identityRow]("auth.identities", "l.user_id = u.id", "l.created_at, l.id") + ", " +
		jsonList[factorRow]("auth.mfa_factors", "l.user_id = u.id", "l.created_at, l.id")
	callers := users + ", " + selectList[sessionRow]("s") + ", " +
		jsonList[amrRow]("auth.mfa_amr_claims", "l.session_id = s.id", "l.updated_at DESC, l.authentication_method")
	texts := statements{
		findUser:        users + userByID,
		findUserByEmail: users + userByEmail,
		findUserByPhone: users + userByPhone,
		findCaller:      callers + callerByIDs,
		findSession:     callers + callerBySession,
		rotateSession:   rotation,
		lockWriter:      `UPDATE auth.users SET id = id WHERE FALSE`,
	}
	if sqlite {
		for i, text := range texts {
			texts[i] = sqliteText.Replace(text)
		}
	}
	return texts
}

// sqliteText makes SQLite's text out of PostgreSQL's.
var sqliteText = strings.NewReplacer(
	"auth.", "auth_",
	"json_agg(", "json_group_array(",
	"json_build_object(", "json_object(",
	"$", "?",
)

// Look-ups by an address see what GoTrue sees: rows of its only instance.
const (
	userByID = ` FROM auth.users u WHERE u.id = $1`

	// Somebody's SQL may have stored several spellings of one address. The one in
	// lower case is the one that uniqueness was checked for.
	userByEmail = ` FROM auth.users u WHERE u.instance_id = '` + nilID + `' AND lower(u.email) = $1
		AND u.aud = $2 AND u.is_sso_user = FALSE ORDER BY u.email = $1 DESC, u.id LIMIT 1`

	userByPhone = ` FROM auth.users u WHERE u.instance_id = '` + nilID + `' AND u.phone = $1
		AND u.aud = $2 AND u.is_sso_user = FALSE`

	callerByIDs = ` FROM auth.users u LEFT JOIN auth.sessions s ON s.id = $2 AND s.user_id = u.id WHERE u.id = $1`

	callerBySession = ` FROM auth.sessions s JOIN auth.users u ON u.id = s.user_id WHERE s.id = $1`

	// The time is there twice because the columns' types differ in PostgreSQL.
	rotation = `UPDATE auth.sessions SET refresh_token_counter = $3, refreshed_at = $4, updated_at = $5,
		user_agent = $6, ip = $7 WHERE id = $1 AND refresh_token_counter = $2`

	nilID = "00000000-0000-0000-0000-000000000000"
)

// prepared are a SQLite pool's statements, each prepared when it is first used.
type prepared struct {
	db    *sql.DB
	texts statements
	stmts [statementCount]atomic.Pointer[sql.Stmt]
}

// get prepares a statement unless it is. It needs a connection of the pool, so it
// must not be called by one who holds the last.
func (p *prepared) get(ctx context.Context, id statement) (*sql.Stmt, error) {
	if stmt := p.stmts[id].Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := p.db.PrepareContext(ctx, p.texts[id])
	if err != nil {
		return nil, err
	}
	if !p.stmts[id].CompareAndSwap(nil, stmt) {
		stmt.Close() // somebody else did it meanwhile
	}
	return p.stmts[id].Load(), nil
}

// all prepares every statement. One that cannot be is used unprepared, and says
// itself why.
func (p *prepared) all(ctx context.Context) {
	for id := range statementCount {
		if _, err := p.get(ctx, id); err != nil {
			return
		}
	}
}

// query runs a hot statement that returns rows.
func (c conn) query(ctx context.Context, id statement, args ...any) (*sql.Rows, error) {
	args = plain(args)
	if stmt := c.prepared(ctx, id); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return c.raw.QueryContext(ctx, c.hot[id], args...)
}

// queryRow runs a hot statement that finds one row, or else sql.ErrNoRows.
func (c conn) queryRow(ctx context.Context, targets []any, id statement, args ...any) error {
	rows, err := c.query(ctx, id, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return cmp.Or(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(targets...); err != nil {
		return err
	}
	return rows.Close()
}

// exec runs a hot statement that returns none.
func (c conn) exec(ctx context.Context, id statement, args ...any) (sql.Result, error) {
	args = plain(args)
	if stmt := c.prepared(ctx, id); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return c.raw.ExecContext(ctx, c.hot[id], args...)
}

// plain returns what columns of the arguments' types would store. pgx would look
// at the types itself, and take other decisions than bun does.
func plain(args []any) []any {
	for i, arg := range args {
		if v, ok := arg.(driver.Valuer); ok {
			args[i], _ = v.Value() // those of this package and of uuid.UUID never fail
		}
	}
	return args
}

// prepared returns the statement prepared, or nil where it has to go as text. In a
// transaction it takes what is there: to prepare would need another connection.
func (c conn) prepared(ctx context.Context, id statement) *sql.Stmt {
	switch {
	case c.stmts == nil:
		return nil
	case c.tx == nil:
		stmt, _ := c.stmts.get(ctx, id)
		return stmt
	}
	if stmt := c.stmts.stmts[id].Load(); stmt != nil {
		return c.tx.StmtContext(ctx, stmt)
	}
	return nil
}
