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
// server's process, whoever calls it. It returns one value: to call what returns rows
// is a third dearer.
//
// A function is named by what it does, so that several versions of this package can
// use one database.
type function struct {
	params     string // types
	text       string // the statement, with $1 and so on
	sqlite     string // what SQLite runs in its place, if that is something else
	returns    string // type and volatility
	definition string // in PL/pgSQL
}

// reading is a function that returns the parts that a query finds (find.go) in one text.
// JSON has no such character in it (RFC 7464 §2.1).
func reading(params, query string) function {
	return function{params: params, text: query, returns: "text STABLE", definition: "BEGIN RETURN " + parts(query) + "; END"}
}

func parts(query string) string {
	return fmt.Sprintf(`(SELECT string_agg(p.part::text, chr(%d)) FROM (%s) p(part))`, partSeparator, query)
}

// changing is a function that changes rows, and returns how many.
func changing(params, statement string) function {
	return function{
		params: params, text: statement, returns: "bigint",
		definition: "DECLARE n bigint; BEGIN " + statement + "; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END",
	}
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
	return fmt.Sprintf("SELECT auth.%s(%s)", f.name(), strings.Join(args, ", "))
}

// create makes the function under a name. Its plans are kept for as long as nobody
// analyses the tables, and so must not depend on how small these were at first, nor be
// made for the arguments of a call.
func (f function) create(name string) string {
	return fmt.Sprintf("CREATE OR REPLACE FUNCTION auth.%s(%s) RETURNS %s LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $query$ %s $query$",
		name, f.params, f.returns, f.definition)
}

// functions are those of the statements that take longer to plan than to run.
var functions = func() map[statement]function {
	all := map[statement]function{
		findUser:           reading("uuid", userParts(`$1`)),
		findUserByEmail:    reading("text, text", userParts(idByEmail)),
		findUserByPhone:    reading("text, text", userParts(idByPhone)),
		findUserByIdentity: reading("text, text", userParts(idByIdentity)),
		findCaller:         reading("uuid, uuid", userParts(`$1`)+sessionParts(`$2`)+` AND t.user_id = $1`),
		findSession:        reading("uuid", foundBySession),
		findToken:          findingToken,
		lockUser:           locking,
		rotateSession:      changing(rotationParams, rotation),
		refreshSession:     refreshing,
		addSession:         changing(sessionParams, insertion[sessionRow]("sessions", 1)),
		addMethod:          changing(methodParams, insertion[amrRow]("mfa_amr_claims", 1)),
		addAuditEntry:      changing(auditParams, insertion[auditRow]("audit_log_entries", 1)),
		stampSignIn:        changing("uuid, text, text, timestamptz", signInStamp),
		putCode:            changing("uuid, text, text", codePut),
		putLink:            changing("uuid, uuid, auth.one_time_token_type, text, text, timestamp, timestamp", linkPut),
		takeCode:           changing("uuid, text, text", codeTaken),
		takeLink:           changing("uuid, auth.one_time_token_type", `DELETE FROM auth.one_time_tokens WHERE user_id = $1 AND token_type = $2`),
		dropCodes:          changing("uuid", codesDropped),
		dropLinks:          changing("uuid", `DELETE FROM auth.one_time_tokens WHERE user_id = $1`),
		dropCounter:        changing("text", `DELETE FROM auth.postern_counters WHERE key = $1`),
	}
	for id, c := range compounds {
		all[id] = c.function(all)
	}
	return all
}()

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
