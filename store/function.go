package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// function is a hot statement in PostgreSQL's own keeping. What is sent through a
// pooler in transaction mode is planned anew each time, which for these takes several
// times as long as their work; the plans of a function's statements stay with the
// server's process, whoever calls it.
//
// A function is named by what it does, so that several versions of this package can
// use one database.
type function struct {
	params  string // types
	text    string // the statement, with $1 and so on
	changes bool   // it changes rows, and says how many, instead of reading the rows kind and part
}

func (f function) name() string {
	sum := sha256.Sum256([]byte(f.create("")))
	return "postern_q_" + hex.EncodeToString(sum[:8])
}

// call is the statement that is sent in place of f's.
func (f function) call() string {
	var args []string
	for i := range strings.Split(f.params, ",") {
		args = append(args, fmt.Sprintf("$%d", i+1))
	}
	columns := "kind, part"
	if f.changes {
		columns = "rows"
	}
	return fmt.Sprintf("SELECT %s FROM auth.%s(%s)", columns, f.name(), strings.Join(args, ", "))
}

// create makes the function under a name. Its plans are kept for as long as nobody
// analyses the tables, and so must not depend on how small these were at first.
func (f function) create(name string) string {
	returns, body := "TABLE (kind integer, part json) STABLE ROWS 5", "BEGIN RETURN QUERY "+f.text+"; END"
	if f.changes {
		returns, body = "TABLE (rows bigint) ROWS 1", "BEGIN "+f.text+"; GET DIAGNOSTICS rows = ROW_COUNT; RETURN NEXT; END"
	}
	return fmt.Sprintf("CREATE OR REPLACE FUNCTION auth.%s(%s) RETURNS %s LANGUAGE plpgsql SET enable_seqscan = off AS $query$ %s $query$", name, f.params, returns, body)
}

// functions are those of the statements that take longer to plan than to run.
var functions = map[statement]function{
	findUser:           {params: "uuid", text: userParts(`$1`)},
	findUserByEmail:    {params: "text, text", text: userParts(idByEmail)},
	findUserByPhone:    {params: "text, text", text: userParts(idByPhone)},
	findUserByIdentity: {params: "text, text", text: userParts(idByIdentity)},
	findCaller:         {params: "uuid, uuid", text: userParts(`$1`) + sessionParts(`$2`) + ` AND t.user_id = $1`},
	findSession:        {params: "uuid", text: userParts(idBySession) + sessionParts(`$1`)},
	rotateSession:      {params: "uuid, bigint, bigint, timestamp, timestamptz, text, inet", text: rotation, changes: true},
}

// makeFunctions makes those that are not there. Those of other versions stay, which may
// be in use.
func makeFunctions(ctx context.Context, db *sql.DB) error {
	const query = `SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = 'auth'::regnamespace AND proname LIKE 'postern\_q\_%'`
	made, err := names(ctx, db, query)
	if err != nil {
		return err
	}
	var missing []string
	for _, f := range functions {
		if !slices.Contains(made, f.name()) {
			missing = append(missing, f.create(f.name()))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return postgresLedger.alone(ctx, db, func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, strings.Join(missing, ";\n"))
		return err
	})
}
