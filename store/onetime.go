package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// tokenRow is a row of one_time_tokens. The times' columns have no zone in
// PostgreSQL.
type tokenRow struct {
	bun.BaseModel `bun:"alias:o"`

	ID        uuid.UUID `bun:"id,pk"`
	UserID    uuid.UUID `bun:"user_id"`
	TokenType text      `bun:"token_type"`
	TokenHash text      `bun:"token_hash"`
	RelatesTo text      `bun:"relates_to"`
	CreatedAt instant   `bun:"created_at"`
	UpdatedAt instant   `bun:"updated_at"`
}

func newTokenRow(t postern.OneTimeToken) *tokenRow {
	at := newInstant(t.CreatedAt)
	return &tokenRow{
		ID:        uuid.New(),
		UserID:    t.UserID,
		TokenType: text(t.Kind),
		TokenHash: text(t.LinkHash),
		RelatesTo: text(t.RelatesTo),
		CreatedAt: at,
		UpdatedAt: at,
	}
}

// codeHashes returns what is outstanding, nil if nothing is.
func (r *userRow) codeHashes() (hashes map[postern.OneTimeKind]string) {
	for _, token := range [...]struct {
		kind postern.OneTimeKind
		hash text
	}{
		{postern.OneTimeConfirmation, r.ConfirmationToken},
		{postern.OneTimeRecovery, r.RecoveryToken},
		{postern.OneTimeEmailChangeNew, r.EmailChangeTokenNew},
		{postern.OneTimeEmailChangeCurrent, r.EmailChangeTokenCurrent},
		{postern.OneTimePhoneChange, r.PhoneChangeToken},
		{postern.OneTimeReauthentication, r.ReauthenticationToken},
	} {
		if token.hash == "" {
			continue
		}
		if hashes == nil {
			hashes = make(map[postern.OneTimeKind]string)
		}
		hashes[token.kind] = string(token.hash)
	}
	return hashes
}

// tokenColumn returns the column of users that belongs to a kind. A kind that
// there is not must never become the name of one.
func tokenColumn(kind postern.OneTimeKind) (bun.Ident, error) {
	if !slices.Contains(tokenColumns[:], string(kind)) {
		return "", fmt.Errorf("%w: one-time token of kind %q", postern.ErrUnstorable, kind)
	}
	return bun.Ident(kind), nil
}

// PutOneTimeToken implements postern.Store. ErrNoRow when the user is gone, and
// ErrRowTaken when another user's token of the kind has the same CodeHash, as is
// possible by accident only.
func (s *Store) PutOneTimeToken(ctx context.Context, t postern.OneTimeToken) error {
	column, err := tokenColumn(t.Kind)
	if err == nil {
		err = storable(t)
	}
	if err != nil {
		return explain("put a one-time token", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("users")).
			Set("? = ?", column, t.CodeHash).Where("id = ?", t.UserID).Exec(ctx)
		if err := c.oneRow("put a one-time token", result, err); err != nil {
			return err
		}
		_, err = c.NewInsert().Model(newTokenRow(t)).ModelTableExpr("? AS o", c.table("one_time_tokens")).
			On("CONFLICT (user_id, token_type) DO UPDATE").Set("id = excluded.id").
			Set("token_hash = excluded.token_hash").Set("relates_to = excluded.relates_to").
			Set("created_at = excluded.created_at").Set("updated_at = excluded.updated_at").Exec(ctx)
		return c.fault("put a one-time token's link", err)
	})
}

// TakeOneTimeToken implements postern.Store. The column of users decides, also where
// the link's row is missing.
func (s *Store) TakeOneTimeToken(ctx context.Context, userID uuid.UUID, kind postern.OneTimeKind, codeHash string) error {
	column, err := tokenColumn(kind)
	if err == nil {
		err = storable(codeHash)
	}
	if err != nil {
		return explain("take a one-time token", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("users")).Set("? = ''", column).
			Where("id = ?", userID).Where("? = ?", column, codeHash).Where("? <> ''", column).Exec(ctx)
		if err := c.oneRow("take a one-time token", result, err); err != nil {
			return err
		}
		_, err = c.NewDelete().TableExpr("?", c.table("one_time_tokens")).
			Where("user_id = ?", userID).Where("token_type = ?", string(kind)).Exec(ctx)
		return c.fault("take a one-time token's link", err)
	})
}

// foundToken is what FindOneTimeToken reads.
type foundToken struct {
	UserID    uuid.UUID `bun:"user_id"`
	TokenType text      `bun:"token_type"`
	TokenHash text      `bun:"token_hash"`
	RelatesTo text      `bun:"relates_to"`
	CreatedAt instant   `bun:"created_at"`
	CodeHash  text      `bun:"code_hash"`
}

func (r *foundToken) token() *postern.OneTimeToken {
	return &postern.OneTimeToken{
		UserID:    r.UserID,
		Kind:      postern.OneTimeKind(r.TokenType),
		CodeHash:  string(r.CodeHash),
		LinkHash:  string(r.TokenHash),
		RelatesTo: string(r.RelatesTo),
		CreatedAt: r.CreatedAt.Time,
	}
}

// FindOneTimeToken implements postern.Store. Of several the newest counts.
func (s *Store) FindOneTimeToken(ctx context.Context, linkHashes []string) (*postern.OneTimeToken, error) {
	const query = `SELECT o.user_id, o.token_type, o.token_hash, o.relates_to, o.created_at,
		CASE o.token_type
			WHEN 'confirmation_token' THEN u.confirmation_token
			WHEN 'recovery_token' THEN u.recovery_token
			WHEN 'email_change_token_new' THEN u.email_change_token_new
			WHEN 'email_change_token_current' THEN u.email_change_token_current
			WHEN 'phone_change_token' THEN u.phone_change_token
			WHEN 'reauthentication_token' THEN u.reauthentication_token
		END AS code_hash
		FROM ?tokens o JOIN ?users u ON u.id = o.user_id
		WHERE o.token_hash IN (?hashes) ORDER BY o.created_at DESC, o.id LIMIT 1`
	if err := storable(linkHashes); err != nil {
		return nil, explain("find a one-time token", err)
	}
	var row foundToken
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewRaw(query, struct {
			Tokens, Users bun.Ident
			Hashes        any
		}{c.table("one_time_tokens"), c.table("users"), bun.List(linkHashes)}).Scan(ctx, &row)
		return c.fault("find a one-time token", err)
	})
	if err != nil {
		return nil, err
	}
	return row.token(), nil
}

// DropOldOneTimeTokens implements postern.Store. GoTrue looks for a token in the
// columns of users as well, where the hash stays: that it is over is seen by the time
// beside it.
func (s *Store) DropOldOneTimeTokens(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "one_time_tokens", "id", limit, "t.created_at < ?", newInstant(before))
}

// maxWaiting bounds how many users a look-up by a pending address returns.
const maxWaiting = 10

// pending says where users keep an address that they wait to have confirmed. Its
// columns have no index: the row of the token that was sent to it leads there.
type pending struct {
	address, sentAt bun.Safe // of users u
	kinds           []postern.OneTimeKind
}

// UsersByNewEmail implements postern.Store. It returns ten at most, those first
// to whom a token was sent last. Like FindUserByEmail it passes over SSO users. An
// address is waited for as long as there is a token of that kind whose RelatesTo
// is the address in lower case.
func (s *Store) UsersByNewEmail(ctx context.Context, email, aud string) ([]*postern.UserRecord, error) {
	if err := storable(email); err != nil { // before ToLower mends it
		return nil, explain("find users by a new address", err)
	}
	return s.usersWaiting(ctx, strings.ToLower(email), aud, pending{
		"lower(u.email_change)", "u.email_change_sent_at",
		[]postern.OneTimeKind{postern.OneTimeEmailChangeNew, postern.OneTimeEmailChangeCurrent},
	})
}

// UsersByNewPhone implements postern.Store, as UsersByNewEmail does.
func (s *Store) UsersByNewPhone(ctx context.Context, phone, aud string) ([]*postern.UserRecord, error) {
	return s.usersWaiting(ctx, phone, aud, pending{
		"u.phone_change", "u.phone_change_sent_at",
		[]postern.OneTimeKind{postern.OneTimePhoneChange},
	})
}

func (s *Store) usersWaiting(ctx context.Context, address, aud string, p pending) (users []*postern.UserRecord, err error) {
	if address == "" {
		return nil, nil // stands for no address at all
	}
	if err := storable(address, aud); err != nil {
		return nil, explain("find users by a new address", err)
	}
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		ids, err := c.waiting(ctx, address, aud, p)
		if err != nil {
			return c.fault("find users by a new address", err)
		}
		users, err = c.findUsers(ctx, ids)
		return c.fault("find users", err)
	})
	return users, err
}

func (c conn) waiting(ctx context.Context, address, aud string, p pending) (ids []uuid.UUID, err error) {
	tokens := c.NewSelect().TableExpr("? AS o", c.table("one_time_tokens")).Column("o.user_id").
		Where("o.relates_to = ?", address).Where("o.token_type IN (?)", bun.List(p.kinds))
	err = c.NewSelect().TableExpr("? AS u", c.table("users")).Column("u.id").
		Where("u.id IN (?)", tokens).Where("? = ?", p.address, address).
		Where("u.instance_id = ?", uuid.Nil).Where("u.aud = ?", aud).Where("u.is_sso_user = FALSE").
		OrderExpr("? DESC NULLS LAST, u.id", p.sentAt).Limit(maxWaiting).Scan(ctx, &ids)
	return ids, err
}

// findUsers returns those that are still there.
func (c conn) findUsers(ctx context.Context, ids []uuid.UUID) (users []*postern.UserRecord, err error) {
	for _, id := range ids {
		found, err := c.find(ctx, findUser, id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		users = append(users, found.userRecord())
	}
	return users, nil
}
