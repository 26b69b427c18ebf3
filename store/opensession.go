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
	args := [][]any{{row.UserID, string(o.PasswordHash), string(o.NewHash), row.CreatedAt}, nil}
	if entry != nil {
		args[1] = arguments(entry)
	}
	args = append(args, sessionArgs(row, methods)...)
	run := s.transact
	if s.inOneStep(openSession, args) {
		run = s.write
	}
	err = run(ctx, func(ctx context.Context, c conn) error {
		found, err := c.openSession(ctx, args)
		if err != nil {
			return c.fault("open a session", err)
		}
		user = found.userRecord()
		return nil
	})
	return user, err
}

func (c conn) openSession(ctx context.Context, args [][]any) (*found, error) {
	if c.inOneStep(openSession, args) {
		return c.find(ctx, openSession, slices.Concat(args...)...)
	}
	user := args[0][0]
	n, err := c.changeAll(ctx, openSession, args...)
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	return c.find(ctx, findUser, user)
}
