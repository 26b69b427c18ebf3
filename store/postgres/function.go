package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
)

const (
	functionTimeout = 2 * time.Second // of the statement (contract: config.md §3.2)
	functionWait    = 3 * time.Second // for a connection, besides
)

// Function returns what calls a function of the database for a hook, which
// webhook.Through makes one of:
//
//	hook := webhook.Through(postgres.Function(st, "public", "on_sign_up"))
//
// The function takes a payload as jsonb and returns its answer likewise. It has 2
// seconds, and a transaction of its own. What it raises is a postern.DatabaseError.
// An Auth that joined a transaction of the application's needs a second connection
// for it. The store has to be of PostgreSQL.
func Function(st *store.Store, schema, name string) func(ctx context.Context, payload []byte) ([]byte, error) {
	query := "SELECT " + quoted(schema) + "." + quoted(name) + "($1::jsonb)::text"
	return func(parent context.Context, payload []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(parent, functionTimeout+functionWait)
		defer cancel()
		answer, err := callFunction(ctx, st.DB().DB, query, payload)
		switch {
		case err == nil:
			return []byte(answer.String), nil
		case parent.Err() != nil:
			return nil, parent.Err()
		}
		return nil, &postern.Error{
			Kind: postern.KindInternal, Code: postern.ErrUnexpectedFailure,
			Message: fmt.Sprintf("Error running hook URI: pg-functions://postgres/%s/%s", schema, name), Err: raised(err),
		}
	}
}

// callFunction calls a function and keeps what it wrote.
func callFunction(ctx context.Context, db *sql.DB, query string, payload []byte) (answer sql.NullString, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return answer, err
	}
	defer tx.Rollback() // unless it was committed
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", functionTimeout.Milliseconds())); err != nil {
		return answer, err
	}
	if err := tx.QueryRowContext(ctx, query, string(payload)).Scan(&answer); err != nil {
		return answer, err
	}
	return answer, tx.Commit()
}

// quoted writes a name into a statement, where no byte 0 can be.
func quoted(name string) string {
	return `"` + strings.NewReplacer(`"`, `""`, "\x00", "").Replace(name) + `"`
}

// raised is an error with what the database says of it.
func raised(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	return &postern.DatabaseError{State: e.Code, Message: e.Message, Hint: e.Hint, Detail: e.Detail, Err: err}
}
