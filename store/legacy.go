package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// legacyRow is what FindLegacyToken reads of refresh_tokens.
type legacyRow struct {
	ID        int64     `bun:"id"`
	Token     text      `bun:"token"`
	SessionID uuid.UUID `bun:"session_id"`
	Revoked   bool      `bun:"revoked"`
	UpdatedAt instant   `bun:"updated_at"`
	Successor text      `bun:"successor"`
	Newest    bool      `bun:"newest"`
}

func (r *legacyRow) token() *postern.LegacyToken {
	return &postern.LegacyToken{
		ID:        r.ID,
		Token:     postern.Secret(r.Token),
		SessionID: r.SessionID,
		Revoked:   r.Revoked,
		UpdatedAt: r.UpdatedAt.Time,
		Successor: postern.Secret(r.Successor),
		Newest:    r.Newest,
	}
}

// FindLegacyToken implements postern.Store. A session's active token is the newest
// that is not revoked (contract: tokens.md §5).
func (s *Store) FindLegacyToken(ctx context.Context, token string) (*postern.LegacyToken, error) {
	const query = `SELECT t.id, t.token, t.session_id, COALESCE(t.revoked, FALSE) AS revoked, t.updated_at,
		(SELECT CASE WHEN a.parent = t.token THEN a.token END FROM ?table a
			WHERE a.session_id = t.session_id AND a.revoked = FALSE ORDER BY a.id DESC LIMIT 1) AS successor,
		NOT EXISTS (SELECT 1 FROM ?table n WHERE n.session_id = t.session_id AND n.id > t.id) AS newest
		FROM ?table t WHERE t.token = ?token`
	if err := storable(token); err != nil {
		return nil, explain("find a refresh token", err)
	}
	var row legacyRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewRaw(query, struct {
			Table bun.Ident
			Token string
		}{c.table("refresh_tokens"), token}).Scan(ctx, &row)
		return c.fault("find a refresh token", err)
	})
	if err != nil {
		return nil, err
	}
	return row.token(), nil
}

// UpgradeSession implements postern.Store.
func (s *Store) UpgradeSession(ctx context.Context, u postern.SessionUpgrade) error {
	if err := storable(u); err != nil {
		return explain("upgrade a session", err)
	}
	at := newInstant(u.At)
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("refresh_tokens")).
			Set("revoked = TRUE").Set("updated_at = ?", at).
			Where("id = ?", u.TokenID).Where("session_id = ?", u.SessionID).Where("revoked = FALSE").Exec(ctx)
		if err := c.oneRow("spend a refresh token", result, err); err != nil {
			return err
		}
		result, err = c.NewUpdate().TableExpr("?", c.table("sessions")).
			Set("refresh_token_hmac_key = ?", string(u.Key)).Set("refresh_token_counter = 0").
			Set("refreshed_at = ?", at).Set("updated_at = ?", at).
			Set("user_agent = ?", bun.NullZero(u.UserAgent)).Set("ip = ?", address{u.IP}).
			Where("id = ?", u.SessionID).Where("refresh_token_counter IS NULL").Exec(ctx)
		return c.oneRow("upgrade a session", result, err)
	})
}

// DropLegacyToken implements postern.Store. It is no error if there is none.
func (s *Store) DropLegacyToken(ctx context.Context, id int64) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewDelete().TableExpr("?", c.table("refresh_tokens")).
			Where("id = ?", id).Where("session_id IS NULL").Exec(ctx)
		return c.fault("drop a refresh token", err)
	})
}

// DropLegacyTokens implements postern.Store. What stays are the parent of an active
// token, and the last token of a session of version 2 whose first has not been used:
// the client may know nothing newer (contract: tokens.md §5).
func (s *Store) DropLegacyTokens(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	const condition = `t.revoked = TRUE AND t.updated_at < ?
		AND NOT EXISTS (SELECT 1 FROM ? a WHERE a.parent = t.token AND a.session_id = t.session_id AND a.revoked = FALSE)
		AND NOT EXISTS (SELECT 1 FROM ? s WHERE s.id = t.session_id AND s.refresh_token_counter = 0
			AND NOT EXISTS (SELECT 1 FROM ? n WHERE n.session_id = t.session_id AND n.id > t.id))`
	tokens := s.table("refresh_tokens")
	return s.dropSome(ctx, "refresh_tokens", "id", limit, condition, newInstant(before), tokens, s.table("sessions"), tokens)
}
