package store

import (
	"context"
	"database/sql"
	"slices"

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
	args := [][]any{{row.UserID, string(o.PasswordHash), string(o.NewHash), row.CreatedAt}, nil, arguments(row)}
	if entry != nil {
		args[1] = arguments(entry)
	}
	for i := range methods {
		args = append(args, arguments(&methods[i]))
	}
	run, open := s.write, conn.openAtOnce
	if s.sqlite || entry == nil || len(methods) != 1 {
		run, open = s.transact, conn.openStepwise
	}
	err = run(ctx, func(ctx context.Context, c conn) error {
		found, err := open(c, ctx, args)
		if err != nil {
			return c.fault("open a session", err)
		}
		user = found.userRecord()
		return nil
	})
	return user, err
}

// openAtOnce takes the arguments of a stamp, an entry, a session and its method.
func (c conn) openAtOnce(ctx context.Context, args [][]any) (*found, error) {
	return c.find(ctx, openSession, slices.Concat(args...)...)
}

// openStepwise does with no entry or one, and with any number of methods.
func (c conn) openStepwise(ctx context.Context, args [][]any) (*found, error) {
	user := args[0][0]
	n, err := c.change(ctx, stampSignIn, args[0]...)
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	if err == nil && args[1] != nil {
		_, err = c.change(ctx, addAuditEntry, args[1]...)
	}
	if err == nil {
		err = c.addSession(ctx, args[2:])
	}
	if err != nil {
		return nil, err
	}
	return c.find(ctx, findUser, user)
}
