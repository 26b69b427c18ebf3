package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/postern-auth/postern"
)

// OpenSession implements postern.Store. PostgreSQL does it in one step.
func (s *Store) OpenSession(ctx context.Context, o postern.SessionOpening) (user *postern.UserRecord, err error) {
	row, methods := newSessionRow(o.Session), newAMRRows(o.Session.ID, o.Session.AMR)
	var entry *auditRow
	if o.Entry != nil {
		entry = newAuditRow(*o.Entry)
	}
	if err := storable(row, methods, entry, o.PasswordHash, o.NewHash); err != nil {
		return nil, explain("open a session", err)
	}
	stamp := []any{row.UserID, string(o.PasswordHash), string(o.NewHash), row.CreatedAt}
	if s.sqlite || entry == nil || len(methods) != 1 {
		err = s.transact(ctx, func(ctx context.Context, c conn) error {
			user, err = c.openSession(ctx, stamp, entry, row, methods)
			return err
		})
		return user, err
	}
	args := append(append(append(stamp, arguments(entry)...), arguments(row)...), arguments(&methods[0])...)
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		found, err := c.find(ctx, openSession, args...)
		if err != nil {
			return c.fault("open a session", err)
		}
		user = found.userRecord()
		return nil
	})
	return user, err
}

// openSession does by several statements what opening does by one.
func (c conn) openSession(ctx context.Context, stamp []any, entry *auditRow, row *sessionRow, methods []amrRow) (*postern.UserRecord, error) {
	n, err := c.change(ctx, stampSignIn, stamp...)
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, c.fault("note a sign-in", err)
	}
	if entry != nil {
		if _, err := c.change(ctx, addAuditEntry, arguments(entry)...); err != nil {
			return nil, c.fault("write to the audit log", err)
		}
	}
	if err := c.addSession(ctx, row, methods); err != nil {
		return nil, err
	}
	found, err := c.find(ctx, findUser, row.UserID)
	if err != nil {
		return nil, c.fault("find a user", err)
	}
	return found.userRecord(), nil
}

const (
	signInStamp       = `UPDATE auth.users SET encrypted_password = $3, last_sign_in_at = $4, updated_at = $4 WHERE id = $1 AND encrypted_password = $2`
	signInStampParams = "uuid, text, text, timestamptz"
)

// opening notes a sign-in if the password is what it was, and reads the user. Its
// parameters are those of signInStamp, and an auditRow, a sessionRow and an amrRow.
var opening = func() function {
	lists := []string{signInStampParams, auditParams, sessionParams, methodParams}
	first := 1
	next := func(list string) int {
		first += strings.Count(list, ",") + 1
		return first
	}
	audit := next(lists[0])
	session := next(lists[1])
	method := next(lists[2])
	return function{
		params:  strings.Join(lists, ", "),
		returns: "text",
		definition: fmt.Sprintf("BEGIN %s; IF NOT FOUND THEN RETURN NULL; END IF; %s; %s; %s; RETURN %s; END", signInStamp,
			insertion[auditRow]("audit_log_entries", audit), insertion[sessionRow]("sessions", session),
			insertion[amrRow]("mfa_amr_claims", method), parts(userParts(`$1`))),
	}
}()
