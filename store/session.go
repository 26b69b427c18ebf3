package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// sessionRow is a row of sessions.
type sessionRow struct {
	bun.BaseModel `bun:"alias:s"`

	ID                  uuid.UUID  `bun:"id,pk"`
	UserID              uuid.UUID  `bun:"user_id"`
	CreatedAt           instant    `bun:"created_at"`
	UpdatedAt           instant    `bun:"updated_at"`
	FactorID            *uuid.UUID `bun:"factor_id"`
	AAL                 text       `bun:"aal,nullzero"`
	NotAfter            instant    `bun:"not_after"`
	RefreshedAt         instant    `bun:"refreshed_at"` // without a zone in PostgreSQL
	UserAgent           text       `bun:"user_agent,nullzero"`
	IP                  address    `bun:"ip"`
	Tag                 text       `bun:"tag,nullzero"`
	OAuthClientID       *uuid.UUID `bun:"oauth_client_id"`
	Scopes              text       `bun:"scopes,nullzero"`
	RefreshTokenHMACKey text       `bun:"refresh_token_hmac_key,nullzero"`
	RefreshTokenCounter *int64     `bun:"refresh_token_counter"`
}

func newSessionRow(s *postern.SessionRecord) *sessionRow {
	return &sessionRow{
		ID:                  s.ID,
		UserID:              s.UserID,
		CreatedAt:           newInstant(s.CreatedAt),
		UpdatedAt:           newInstant(s.UpdatedAt),
		FactorID:            s.FactorID,
		AAL:                 text(s.AAL),
		NotAfter:            optionalInstant(s.NotAfter),
		RefreshedAt:         optionalInstant(s.RefreshedAt),
		UserAgent:           text(s.UserAgent),
		IP:                  address{s.IP},
		Tag:                 text(s.Tag),
		OAuthClientID:       s.OAuthClientID,
		Scopes:              text(s.Scopes),
		RefreshTokenHMACKey: text(s.RefreshTokenKey),
		RefreshTokenCounter: s.RefreshTokenCounter,
	}
}

func (r *sessionRow) session() *postern.SessionRecord {
	return &postern.SessionRecord{
		ID:                  r.ID,
		UserID:              r.UserID,
		CreatedAt:           r.CreatedAt.Time,
		UpdatedAt:           r.UpdatedAt.Time,
		FactorID:            r.FactorID,
		AAL:                 string(r.AAL),
		NotAfter:            r.NotAfter.pointer(),
		RefreshedAt:         r.RefreshedAt.pointer(),
		UserAgent:           string(r.UserAgent),
		IP:                  r.IP.Addr,
		Tag:                 string(r.Tag),
		OAuthClientID:       r.OAuthClientID,
		Scopes:              string(r.Scopes),
		RefreshTokenKey:     postern.Secret(r.RefreshTokenHMACKey),
		RefreshTokenCounter: r.RefreshTokenCounter,
	}
}

// amrRow is a row of mfa_amr_claims. When the method was last used is UpdatedAt.
type amrRow struct {
	bun.BaseModel

	ID                   uuid.UUID `bun:"id,pk"`
	SessionID            uuid.UUID `bun:"session_id"`
	AuthenticationMethod text      `bun:"authentication_method"`
	CreatedAt            instant   `bun:"created_at"`
	UpdatedAt            instant   `bun:"updated_at"`
}

// newAMRRows makes the entries' ids out of what is unique in them.
func newAMRRows(sessionID uuid.UUID, entries []postern.AMREntry) []amrRow {
	rows := make([]amrRow, len(entries))
	for i, entry := range entries {
		at := newInstant(entry.At)
		rows[i] = amrRow{
			ID:                   uuid.NewSHA1(sessionID, []byte(entry.Method)),
			SessionID:            sessionID,
			AuthenticationMethod: text(entry.Method),
			CreatedAt:            at,
			UpdatedAt:            at,
		}
	}
	return rows
}

// AddSession implements postern.Store.
func (s *Store) AddSession(ctx context.Context, r *postern.SessionRecord) error {
	row, entries := newSessionRow(r), newAMRRows(r.ID, r.AMR)
	if err := storable(row, entries); err != nil {
		return explain("add a session", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		_, err := c.changeAll(ctx, startSession, sessionArgs(row, entries)...)
		return c.orphan("add a session", err)
	})
}

// sessionArgs are what a session takes, and each of its methods.
func sessionArgs(row *sessionRow, methods []amrRow) [][]any {
	args := [][]any{arguments(row)}
	for i := range methods {
		args = append(args, arguments(&methods[i]))
	}
	return args
}

// orphan explains the error of an INSERT: a reference that it broke was to a row
// that is not there.
func (c conn) orphan(doing string, err error) error {
	err = c.fault(doing, err)
	if errors.Is(err, postern.ErrReferenced) {
		return explain(doing, sql.ErrNoRows)
	}
	return err
}

// FindCaller implements postern.Store.
func (s *Store) FindCaller(ctx context.Context, userID, sessionID uuid.UUID) (*postern.UserRecord, *postern.SessionRecord, error) {
	return s.findCaller(ctx, findCaller, userID, sessionID)
}

// FindSession implements postern.Store.
func (s *Store) FindSession(ctx context.Context, id uuid.UUID) (*postern.SessionRecord, *postern.UserRecord, error) {
	user, session, err := s.findCaller(ctx, findSession, id)
	return session, user, err
}

func (s *Store) findCaller(ctx context.Context, by statement, args ...any) (user *postern.UserRecord, session *postern.SessionRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		found, err := c.find(ctx, by, args...)
		if err != nil {
			return c.fault("find a session", err)
		}
		user, session = found.userRecord(), found.sessionRecord()
		return nil
	})
	return user, session, err
}

// UserSessions implements postern.Store. The oldest comes first.
func (s *Store) UserSessions(ctx context.Context, userID uuid.UUID) (sessions []postern.SessionRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		var rows []sessionRow
		err := c.NewSelect().Model(&rows).ModelTableExpr("? AS s", c.table("sessions")).
			Where("s.user_id = ?", userID).OrderExpr("s.created_at, s.id").Scan(ctx)
		for i := range rows {
			sessions = append(sessions, *rows[i].session())
		}
		return c.fault("list a user's sessions", err)
	})
	return sessions, err
}

// RotateSession implements postern.Store.
func (s *Store) RotateSession(ctx context.Context, r postern.SessionRotation) error {
	if err := storable(r); err != nil {
		return explain("rotate a session", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		n, err := c.change(ctx, rotateSession, rotationArgs(r)...)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return c.fault("rotate a session", err)
	})
}

func rotationArgs(r postern.SessionRotation) []any {
	at, agent := newInstant(r.At), sql.Null[string]{V: r.UserAgent, Valid: r.UserAgent != ""}
	return []any{r.ID, r.From, r.From + 1, at, at, agent, address{r.IP}}
}

// RaiseSession implements postern.Store.
func (s *Store) RaiseSession(ctx context.Context, r postern.SessionRaise) (raised *postern.SessionRecord, err error) {
	if err := storable(r); err != nil {
		return nil, explain("raise a session", err)
	}
	entry := newAMRRows(r.ID, []postern.AMREntry{{Method: r.Method, At: r.At}})
	err = s.transact(ctx, func(ctx context.Context, c conn) error {
		// This locks the session, so that no other entry or token comes in between.
		result, err := c.NewUpdate().TableExpr("?", c.table("sessions")).
			Set("factor_id = ?", r.FactorID).Set("aal = ?", bun.NullZero(r.AAL)).
			Set("refresh_token_hmac_key = ?", bun.NullZero(string(r.Key))).
			Set("refresh_token_counter = COALESCE(refresh_token_counter, 0) + 2").
			Set("updated_at = ?", newInstant(r.At)).Where("id = ?", r.ID).Exec(ctx)
		if err := c.oneRow("raise a session", result, err); err != nil {
			return err
		}
		_, err = c.NewInsert().Model(&entry).ModelTableExpr("?", c.table("mfa_amr_claims")).
			On("CONFLICT (session_id, authentication_method) DO UPDATE").
			Set("updated_at = excluded.updated_at").Exec(ctx)
		if err != nil {
			return c.fault("add a session's method", err)
		}
		_, err = c.NewDelete().TableExpr("?", c.table("refresh_tokens")).Where("session_id = ?", r.ID).Exec(ctx)
		if err != nil {
			return c.fault("remove a session's legacy tokens", err)
		}
		found, err := c.find(ctx, findSession, r.ID)
		if err != nil {
			return c.fault("find a session", err)
		}
		raised = found.sessionRecord()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return raised, nil
}

// LowerSessions implements postern.Store. No index leads to the sessions of a factor:
// they are looked for among those of its user.
func (s *Store) LowerSessions(ctx context.Context, userID, factorID uuid.UUID, methods []string, at time.Time) error {
	if err := storable(methods); err != nil {
		return explain("lower sessions", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		var ids []uuid.UUID
		_, err := c.NewUpdate().TableExpr("?", c.table("sessions")).
			Set("factor_id = NULL").Set("aal = 'aal1'").Set("updated_at = ?", newInstant(at)).
			Where("user_id = ?", userID).Where("factor_id = ?", factorID).Returning("id").Exec(ctx, &ids)
		if err != nil {
			return c.fault("lower sessions", err)
		}
		if len(ids) == 0 || len(methods) == 0 {
			return nil
		}
		_, err = c.NewDelete().TableExpr("?", c.table("mfa_amr_claims")).
			Where("session_id IN (?)", bun.List(ids)).
			Where("authentication_method IN (?)", bun.List(methods)).Exec(ctx)
		return c.fault("remove sessions' methods", err)
	})
}

// EndLowSessions implements postern.Store.
func (s *Store) EndLowSessions(ctx context.Context, userID uuid.UUID) (ended []uuid.UUID, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		ended = nil
		_, err := c.NewDelete().TableExpr("?", c.table("sessions")).
			Where("user_id = ?", userID).Where("(aal = 'aal1' OR aal IS NULL)").Returning("id").Exec(ctx, &ended)
		return c.fault("end a user's low sessions", err)
	})
	return ended, err
}

// EndSession implements postern.Store.
func (s *Store) EndSession(ctx context.Context, id uuid.UUID) (userID uuid.UUID, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		var users []uuid.UUID
		_, err := c.NewDelete().TableExpr("?", c.table("sessions")).Where("id = ?", id).
			Returning("user_id").Exec(ctx, &users)
		for _, user := range users {
			userID = user
		}
		return c.fault("end a session", err)
	})
	return userID, err
}

// EndSessions implements postern.Store.
func (s *Store) EndSessions(ctx context.Context, userID, except uuid.UUID) (ended []uuid.UUID, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		ended = nil
		_, err := c.NewDelete().TableExpr("?", c.table("sessions")).
			Where("user_id = ?", userID).Where("id <> ?", except).Returning("id").Exec(ctx, &ended)
		return c.fault("end a user's sessions", err)
	})
	return ended, err
}

// DropSessions implements postern.Store. A session that lives on legacy tokens was
// used last when one of them changed. refreshed_at has no zone in PostgreSQL, so that
// it cannot stand beside created_at in one expression.
func (s *Store) DropSessions(ctx context.Context, over postern.SessionsOver, limit int) (more bool, err error) {
	condition, args := "t.not_after < ?", []any{newInstant(over.NotAfter)}
	if !over.SignedIn.IsZero() {
		condition += " OR t.created_at < ?"
		args = append(args, newInstant(over.SignedIn))
	}
	if idle := newInstant(over.LastRefresh); !idle.IsZero() {
		condition += ` OR (t.refreshed_at < ? OR t.refreshed_at IS NULL AND t.created_at < ?)
			AND NOT EXISTS (SELECT 1 FROM ? r WHERE r.session_id = t.id AND r.updated_at >= ?)`
		args = append(args, idle, idle, s.table("refresh_tokens"), idle)
	}
	return s.dropSome(ctx, "sessions", "id", limit, condition, args...)
}
