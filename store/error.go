package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/postern-auth/postern"
)

// explain wraps an error of the database in what the store was doing, and in the
// StoreError that it amounts to, if any. nil stays nil.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known postern.StoreError
	if errors.As(err, &known) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if meaning := meaningOf(err); meaning != "" {
		return fmt.Errorf("%s: %w: %w", doing, meaning, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// The drivers' errors are known by their methods, so that this package needs
// neither driver.
type (
	postgresError interface{ SQLState() string }  // pgx: *pgconn.PgError
	sqliteError   interface{ Code() int }         // modernc: *sqlite.Error, with the extended code
	unsentError   interface{ SafeToRetry() bool } // pgx: its connection was gone before it sent anything
)

// meaningOf returns the StoreError that err amounts to, "" for one without a name.
func meaningOf(err error) postern.StoreError {
	var (
		pg     postgresError
		lite   sqliteError
		unsent unsentError
		netErr net.Error // what becomes of connections, and context.DeadlineExceeded
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return postern.ErrNoRow
	case errors.As(err, &pg):
		return postgresMeaning(pg.SQLState(), err.Error())
	case errors.As(err, &lite):
		return sqliteMeaning(lite.Code(), err.Error())
	case errors.Is(err, context.Canceled):
		return "" // nobody waits for the answer
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.As(err, &netErr), errors.As(err, &unsent):
		return postern.ErrStoreDown
	}
	return ""
}

// uniqueness says what a broken constraint means: by its name in PostgreSQL, where
// an adopted database has GoTrue's names, and by its column in SQLite.
var uniqueness = map[string]postern.StoreError{
	"users_email_partial_key": postern.ErrEmailTaken,
	"users_phone_key":         postern.ErrPhoneTaken,
	"users_pkey":              postern.ErrIDTaken,
	"auth_users.email":        postern.ErrEmailTaken,
	"auth_users.phone":        postern.ErrPhoneTaken,
	"auth_users.id":           postern.ErrIDTaken,

	"identities_provider_id_provider_unique": postern.ErrIdentityTaken,
	"auth_identities.provider_id":            postern.ErrIdentityTaken,
}

// unique finds the constraint in the words of the message, the one place where
// both databases name it.
func unique(message string) postern.StoreError {
	words := strings.FieldsFunc(message, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
	for _, word := range words {
		if meaning, ok := uniqueness[word]; ok {
			return meaning
		}
	}
	return postern.ErrRowTaken
}

// postgresMeaning reads an SQLSTATE (PostgreSQL manual, appendix A).
func postgresMeaning(state, message string) postern.StoreError {
	switch state {
	case "23505": // unique_violation
		return unique(message)
	case "23503", "23001": // foreign_key_violation, restrict_violation
		return postern.ErrReferenced
	case "23514", "54000": // check_violation; program_limit_exceeded: too long for its index
		return postern.ErrUnstorable
	case "25006": // read_only_sql_transaction: a standby that will be promoted
		return postern.ErrStoreDown
	case "55P03", "57014": // lock_not_available, query_canceled: took too long
		return postern.ErrStoreDown
	}
	switch state[:min(2, len(state))] {
	case "22": // data exception: NUL, encoding, length, range
		return postern.ErrUnstorable
	case "08", "53", "57", "58": // connection, resources, shutdown, I/O
		return postern.ErrStoreDown
	case "40": // deadlock or serialisation failure, again and again
		return postern.ErrStoreDown
	}
	return ""
}

// sqliteMeaning reads an extended result code (https://sqlite.org/rescode.html).
func sqliteMeaning(code int, message string) postern.StoreError {
	switch code {
	case 2067, 1555, 2579: // CONSTRAINT_UNIQUE, CONSTRAINT_PRIMARYKEY, CONSTRAINT_ROWID
		return unique(message)
	case 787, 1811: // CONSTRAINT_FOREIGNKEY, CONSTRAINT_TRIGGER: how SQLite reports RESTRICT
		return postern.ErrReferenced
	case 275, 3091: // CONSTRAINT_CHECK, CONSTRAINT_DATATYPE
		return postern.ErrUnstorable
	}
	switch code & 0xff {
	case 18, 20: // TOOBIG, MISMATCH
		return postern.ErrUnstorable
	case 5, 6, 7, 8, 10, 13, 14, 15: // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL
		return postern.ErrStoreDown
	}
	return ""
}

// retryable reports whether PostgreSQL gave a transaction up that may succeed
// when it is run again: serialization_failure, deadlock_detected.
func retryable(err error) bool {
	var pg postgresError
	return errors.As(err, &pg) && (pg.SQLState() == "40001" || pg.SQLState() == "40P01")
}

// rolledBack reports whether SQLite may have given up the whole transaction and
// not just the statement (https://sqlite.org/lang_transaction.html §3).
func rolledBack(err error) bool {
	var lite sqliteError
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case 5, 7, 9, 10, 13: // BUSY, NOMEM, INTERRUPT, IOERR, FULL
		return true
	}
	return false
}
