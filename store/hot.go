package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// The statements in this file have placeholders and a text that never changes.
// bun's have their values in the text, so that the database has to parse and plan
// each anew, which for these took longer than their work: they are behind every
// authenticated request and every refresh. SQLite keeps them prepared, PostgreSQL in
// functions (function.go).
//
// Each is one statement, as the way to the database and back is a large part of
// its cost. What they read comes from several tables, as a union of JSON arrays
// with a row's columns: PostgreSQL plans that in two thirds of the time that it
// takes for joins and sub-selects in one row, and decoding it is no dearer than
// to scan some sixty columns.

// statement names one of them.
type statement int

const (
	findUser           statement = iota // user id
	findUserByEmail                     // address in lower case, audience
	findUserByPhone                     // number, audience
	findUserByIdentity                  // provider, subject
	findCaller                          // user id, session id
	findSession                         // session id
	rotateSession                       // session id, counter, next counter, time, time, user agent, address
	refreshSession                      // the same, what is signed, signature; PostgreSQL only
	lockUser                            // user id; PostgreSQL only
	addSession                          // a sessionRow
	addMethod                           // an amrRow
	addAuditEntry                       // an auditRow
	stampSignIn                         // user id, hash that is there, hash to be there, time
	putCode                             // user id, kind, hash
	putLink                             // a tokenRow
	takeCode                            // user id, kind, hash
	takeLink                            // user id, kind
	dropCodes                           // user id
	dropLinks                           // user id
	findToken                           // four hashes
	dropCounter                         // key
	openSession                         // what the steps of each compound take (compound.go)
	startSession                        //
	putToken                            //
	takeToken                           //
	dropTokens                          //
	spendToken                          // key, full after the first token, time, time for a token, latest time that is not too late
	bucketFull                          // key
	dropBucket                          // key
	lockWriter
	listUsers        // audience, limit, offset
	listUsersCounted // audience, limit, offset
	listUsersAfter   // audience, time, user id, limit, offset
	countUsersSince  // audience, time
	statementCount
)

// statements are their texts for one of the databases.
type statements [statementCount]string

func newStatements(sqlite bool) statements {
	texts := statements{
		spendToken: spending,
		bucketFull: fullAt,
		dropBucket: bucketGone,
		lockWriter: `UPDATE auth.users SET id = id WHERE FALSE`,
	}
	for id, f := range functions {
		if sqlite {
			texts[id] = cmp.Or(f.sqlite, f.text) // "" for what only PostgreSQL does
		} else {
			texts[id] = f.call()
		}
	}
	for text, id := range commonLists {
		texts[id] = text
	}
	if sqlite {
		for i, text := range texts {
			texts[i] = sqliteText.Replace(text)
		}
	}
	return texts
}

// sqliteText makes SQLite's text out of PostgreSQL's.
var sqliteText = strings.NewReplacer("auth.", "auth_", "json_build_array(", "json_array(", "greatest(", "max(", "$", "?")

// userParts selects a user, and what hangs on it.
func userParts(id string) string {
	return part[userRow](userPart, "users", "id", id) +
		` UNION ALL ` + part[identityRow](identityPart, "identities", "user_id", id) +
		` UNION ALL ` + part[factorRow](factorPart, "mfa_factors", "user_id", id) +
		` UNION ALL ` + recoveryPart(id)
}

// sessionParts selects a session, and what hangs on it. The session comes last, so
// that another condition can be added.
func sessionParts(id string) string {
	return ` UNION ALL ` + part[amrRow](amrPart, "mfa_amr_claims", "session_id", id) +
		` UNION ALL ` + part[sessionRow](sessionPart, "sessions", "id", id)
}

func part[Row any](kind partKind, table, key, value string) string {
	return fmt.Sprintf(`SELECT json_build_array(%d, %s) FROM auth.%s t WHERE t.%s = %s`, kind, columnList[Row]("t"), table, key, value)
}

// The types of the columns of rows that are inserted.
const (
	sessionParams = "uuid, uuid, timestamptz, timestamptz, uuid, auth.aal_level, timestamptz, timestamp, text, inet, text, uuid, text, text, bigint"
	methodParams  = "uuid, uuid, text, timestamptz, timestamptz"
	auditParams   = "uuid, uuid, json, timestamptz, text"
)

const signInStamp = `UPDATE auth.users SET encrypted_password = $3, last_sign_in_at = $4, updated_at = $4
	WHERE id = $1 AND encrypted_password = $2`

// locking reads a user that nobody else can update until the transaction ends.
// PostgreSQL needs a statement of its own for the lock: one that has to wait for it
// would go on to read the identities as they were before. The lock is the one that an
// UPDATE takes; it leaves others free to add what refers to the user.
var locking = function{
	params:     "uuid",
	returns:    "text",
	definition: "BEGIN PERFORM 1 FROM auth.users WHERE id = $1 FOR NO KEY UPDATE; RETURN " + parts(userParts(`$1`)) + "; END",
}

// foundBySession selects a session and its user.
var foundBySession = userParts(idBySession) + sessionParts(`$1`)

// Look-ups by an address see what GoTrue sees: rows of its only instance.
const (
	// Somebody's SQL may have stored several spellings of one address. The one in
	// lower case is the one that uniqueness is checked for.
	idByEmail = `(SELECT u.id FROM auth.users u WHERE u.instance_id = '00000000-0000-0000-0000-000000000000'
		AND lower(u.email) = $1 AND u.aud = $2 AND u.is_sso_user = FALSE ORDER BY u.email = $1 DESC, u.id LIMIT 1)`

	// The number alone finds the row. PostgreSQL knows no better, of a table that
	// nobody has analysed yet, than to read all users of the instance.
	idByPhone = `(SELECT owner.id FROM (SELECT * FROM auth.users WHERE phone = $1 LIMIT 1) owner
		WHERE owner.instance_id = '00000000-0000-0000-0000-000000000000' AND owner.aud = $2 AND owner.is_sso_user = FALSE)`

	idByIdentity = `(SELECT i.user_id FROM auth.identities i WHERE i.provider = $1 AND i.provider_id = $2)`

	idBySession = `(SELECT s.user_id FROM auth.sessions s WHERE s.id = $1)`

	// The time is there twice because the columns' types differ in PostgreSQL.
	rotationParams = "uuid, bigint, bigint, timestamp, timestamptz, text, inet"

	rotation = `UPDATE auth.sessions SET refresh_token_counter = $3, refreshed_at = $4, updated_at = $5,
		user_agent = $6, ip = $7 WHERE id = $1 AND refresh_token_counter = $2`
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
	for id, text := range p.texts {
		if text == "" {
			continue
		}
		if _, err := p.get(ctx, statement(id)); err != nil {
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

// exec runs a hot statement that returns none.
func (c conn) exec(ctx context.Context, id statement, args ...any) (sql.Result, error) {
	args = plain(args)
	if stmt := c.prepared(ctx, id); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return c.raw.ExecContext(ctx, c.hot[id], args...)
}

// number runs a hot statement that returns one.
func (c conn) number(ctx context.Context, id statement, args ...any) (n int64, err error) {
	rows, err := c.query(ctx, id, args...)
	return onlyNumber(rows, err)
}

// onlyNumber reads the number that a query returns.
func onlyNumber(rows *sql.Rows, err error) (n int64, _ error) {
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if !rows.Next() {
		return 0, errors.Join(rows.Err(), sql.ErrNoRows)
	}
	return n, errors.Join(rows.Scan(&n), rows.Close())
}

// change runs a hot statement that changes rows, and says how many.
func (c conn) change(ctx context.Context, id statement, args ...any) (int64, error) {
	if !c.sqlite {
		return c.number(ctx, id, args...)
	}
	result, err := c.exec(ctx, id, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
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
