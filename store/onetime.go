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

// storableToken refuses what no token can have, such as a kind that there is not.
func storableToken(kind postern.OneTimeKind, rest any) error {
	if !slices.Contains(tokenColumns[:], string(kind)) {
		return fmt.Errorf("%w: one-time token of kind %q", postern.ErrUnstorable, kind)
	}
	return storable(rest)
}

// What is done to the hashes of codes, which are in columns of users, and to the rows
// of links, in hot statements. Which column is meant depends on the kind, $2.
var (
	codePut      = setCodes(func(column string) string { return ofKind(column, "$3") }) + ` WHERE id = $1`
	codeTaken    = setCodes(func(column string) string { return ofKind(column, "''") }) + ` WHERE id = $1 AND $3 <> '' AND $3 = ` + codeOfKind("$2", "")
	codesDropped = setCodes(func(string) string { return "''" }) + ` WHERE id = $1 AND (` + strings.Join(tokenColumns[:], ` <> '' OR `) + ` <> '')`

	linkPut = insertion[tokenRow]("one_time_tokens", 1) + ` ON CONFLICT (user_id, token_type) DO UPDATE SET id = excluded.id,
		token_hash = excluded.token_hash, relates_to = excluded.relates_to, created_at = excluded.created_at, updated_at = excluded.updated_at`
)

func setCodes(value func(column string) string) string {
	var sets []string
	for _, column := range tokenColumns {
		sets = append(sets, column+" = "+value(column))
	}
	return "UPDATE auth.users SET " + strings.Join(sets, ", ")
}

// ofKind is a value in the column of the kind, and what is there in the others.
func ofKind(column, value string) string {
	return fmt.Sprintf("CASE $2 WHEN '%s' THEN %s ELSE %s END", column, value, column)
}

// codeOfKind is what stands in the column of a kind.
func codeOfKind(kind, table string) string {
	text := "CASE " + kind
	for _, column := range tokenColumns {
		text += fmt.Sprintf(" WHEN '%s' THEN %s%s", column, table, column)
	}
	return text + " END"
}

// PutOneTimeToken implements postern.Store. ErrNoRow when the user is gone, and
// ErrRowTaken when another user's token of the kind has the same CodeHash, as is
// possible by accident only.
func (s *Store) PutOneTimeToken(ctx context.Context, t postern.OneTimeToken) error {
	if err := storableToken(t.Kind, t); err != nil {
		return explain("put a one-time token", err)
	}
	code := []any{t.UserID, string(t.Kind), t.CodeHash}
	return s.changeToken(ctx, "put a one-time token", putToken, code, arguments(newTokenRow(t)))
}

// TakeOneTimeToken implements postern.Store. The column of users decides, also where
// the link's row is missing.
func (s *Store) TakeOneTimeToken(ctx context.Context, userID uuid.UUID, kind postern.OneTimeKind, codeHash string) error {
	if err := storableToken(kind, codeHash); err != nil {
		return explain("take a one-time token", err)
	}
	code, link := []any{userID, string(kind), codeHash}, []any{userID, string(kind)}
	return s.changeToken(ctx, "take a one-time token", takeToken, code, link)
}

// changeToken runs a compound of which the first step has to find a user.
func (s *Store) changeToken(ctx context.Context, doing string, id statement, args ...[]any) error {
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		n, err := c.changeAll(ctx, id, args...)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return c.fault(doing, err)
	})
}

// DropOneTimeTokens implements postern.Store.
func (s *Store) DropOneTimeTokens(ctx context.Context, userID uuid.UUID) error {
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		_, err := c.changeAll(ctx, dropTokens, []any{userID}, []any{userID})
		return c.fault("drop one-time tokens", err)
	})
}

// foundToken is what FindOneTimeToken reads.
type foundToken struct {
	UserID    uuid.UUID
	TokenType text
	TokenHash text
	RelatesTo text
	CreatedAt instant
	CodeHash  text
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

// maxHashes is how many hashes FindOneTimeToken looks for.
const maxHashes = 4

// tokenByHash selects the newest of the tokens that have one of the hashes $1 to $4,
// with the user's id behind its kind.
func tokenByHash(tokens string) string {
	return fmt.Sprintf(`SELECT json_build_array(%d, o.user_id, o.token_type, o.token_hash, o.relates_to, o.created_at, %s)
		FROM %s JOIN auth.users u ON u.id = o.user_id ORDER BY o.created_at DESC, o.id LIMIT 1`,
		tokenPart, codeOfKind("o.token_type", "u."), tokens)
}

// findingToken reads a token and its user. While there are few tokens, PostgreSQL would
// rather read them all than look for one hash after the other: it has to be made to.
var findingToken = func() function {
	token := tokenByHash(`(VALUES ($1), ($2), ($3), ($4)) h(hash)
		CROSS JOIN LATERAL (SELECT * FROM auth.one_time_tokens t WHERE t.token_hash = h.hash OFFSET 0) o`)
	return function{
		params:  strings.TrimSuffix(strings.Repeat("text, ", maxHashes), ", "),
		text:    token,
		returns: "text STABLE",
		definition: fmt.Sprintf(`DECLARE token json; owner_id uuid; BEGIN token := (%s); owner_id := token->>1;
			RETURN concat(token, chr(%d), %s); END`, token, partSeparator, parts(userParts("owner_id"))),
		sqlite: tokenByHash(`(SELECT * FROM auth.one_time_tokens WHERE token_hash IN ($1, $2, $3, $4)) o`),
	}
}()

// FindOneTimeToken implements postern.Store. Of several the newest counts. It looks for
// four hashes at most.
func (s *Store) FindOneTimeToken(ctx context.Context, linkHashes []string) (token *postern.OneTimeToken, user *postern.UserRecord, err error) {
	if err := storable(linkHashes); err != nil {
		return nil, nil, explain("find a one-time token", err)
	}
	args := make([]any, maxHashes)
	for i := range args[:min(len(linkHashes), maxHashes)] {
		args[i] = linkHashes[i]
	}
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		found, err := c.findToken(ctx, args)
		if err != nil {
			return c.fault("find a one-time token", err)
		}
		token, user = found.token.token(), found.userRecord()
		return nil
	})
	return token, user, err
}

func (c conn) findToken(ctx context.Context, args []any) (*found, error) {
	var f found
	err := c.findParts(ctx, &f, findToken, args...)
	if err == nil && c.sqlite && f.token != nil { // which has found no more
		err = c.findParts(ctx, &f, findUser, f.token.UserID)
	}
	return f.withUser(err)
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
