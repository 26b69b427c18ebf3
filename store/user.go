package store

import (
	"context"
	"database/sql"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// userRow is a row of users. newUserRow leaves the columns of one-time tokens
// empty: they are written elsewhere, and a new user has none.
type userRow struct {
	bun.BaseModel `bun:"alias:u"`

	ID                uuid.UUID `bun:"id,pk"`
	Aud               text      `bun:"aud"`
	Role              text      `bun:"role"`
	Email             text      `bun:"email,nullzero"`
	EncryptedPassword text      `bun:"encrypted_password"`

	EmailConfirmedAt         instant  `bun:"email_confirmed_at"`
	InvitedAt                instant  `bun:"invited_at"`
	Phone                    text     `bun:"phone,nullzero"`
	PhoneConfirmedAt         instant  `bun:"phone_confirmed_at"`
	ConfirmationSentAt       instant  `bun:"confirmation_sent_at"`
	ConfirmedAt              instant  `bun:"confirmed_at,scanonly"`
	RecoverySentAt           instant  `bun:"recovery_sent_at"`
	EmailChange              text     `bun:"email_change"`
	EmailChangeSentAt        instant  `bun:"email_change_sent_at"`
	EmailChangeConfirmStatus number   `bun:"email_change_confirm_status"`
	PhoneChange              text     `bun:"phone_change"`
	PhoneChangeSentAt        instant  `bun:"phone_change_sent_at"`
	ReauthenticationSentAt   instant  `bun:"reauthentication_sent_at"`
	LastSignInAt             instant  `bun:"last_sign_in_at"`
	RawAppMetaData           document `bun:"raw_app_meta_data"`
	RawUserMetaData          document `bun:"raw_user_meta_data"`
	CreatedAt                instant  `bun:"created_at"`
	UpdatedAt                instant  `bun:"updated_at"`
	BannedUntil              instant  `bun:"banned_until"`
	DeletedAt                instant  `bun:"deleted_at"`
	IsSSOUser                flag     `bun:"is_sso_user"`
	IsAnonymous              flag     `bun:"is_anonymous"`

	ConfirmationToken       text `bun:"confirmation_token"`
	RecoveryToken           text `bun:"recovery_token"`
	EmailChangeTokenNew     text `bun:"email_change_token_new"`
	EmailChangeTokenCurrent text `bun:"email_change_token_current"`
	PhoneChangeToken        text `bun:"phone_change_token"`
	ReauthenticationToken   text `bun:"reauthentication_token"`
}

// tokenColumns hold the hashes of one-time tokens. GoTrue cannot read a row in
// which one of them is NULL.
var tokenColumns = [...]string{
	"confirmation_token", "recovery_token", "email_change_token_new",
	"email_change_token_current", "phone_change_token", "reauthentication_token",
}

func newUserRow(u *postern.UserRecord) *userRow {
	return &userRow{
		ID:                       u.ID,
		Aud:                      text(u.Aud),
		Role:                     text(u.Role),
		Email:                    text(u.Email),
		EncryptedPassword:        text(u.PasswordHash),
		EmailConfirmedAt:         optionalInstant(u.EmailConfirmedAt),
		InvitedAt:                optionalInstant(u.InvitedAt),
		Phone:                    text(u.Phone),
		PhoneConfirmedAt:         optionalInstant(u.PhoneConfirmedAt),
		ConfirmationSentAt:       optionalInstant(u.ConfirmationSentAt),
		RecoverySentAt:           optionalInstant(u.RecoverySentAt),
		EmailChange:              text(u.NewEmail),
		EmailChangeSentAt:        optionalInstant(u.EmailChangeSentAt),
		EmailChangeConfirmStatus: number(u.EmailChangeConfirmStatus),
		PhoneChange:              text(u.NewPhone),
		PhoneChangeSentAt:        optionalInstant(u.PhoneChangeSentAt),
		ReauthenticationSentAt:   optionalInstant(u.ReauthenticationSentAt),
		LastSignInAt:             optionalInstant(u.LastSignInAt),
		RawAppMetaData:           newDocument(u.AppMetadata),
		RawUserMetaData:          newDocument(u.UserMetadata),
		CreatedAt:                newInstant(u.CreatedAt),
		UpdatedAt:                newInstant(u.UpdatedAt),
		BannedUntil:              optionalInstant(u.BannedUntil),
		DeletedAt:                optionalInstant(u.DeletedAt),
		IsSSOUser:                flag(u.IsSSOUser),
		IsAnonymous:              flag(u.IsAnonymous),
	}
}

func (r *userRow) user() postern.User {
	return postern.User{
		ID:                     r.ID,
		Aud:                    string(r.Aud),
		Role:                   string(r.Role),
		Email:                  string(r.Email),
		EmailConfirmedAt:       r.EmailConfirmedAt.pointer(),
		InvitedAt:              r.InvitedAt.pointer(),
		Phone:                  string(r.Phone),
		PhoneConfirmedAt:       r.PhoneConfirmedAt.pointer(),
		ConfirmationSentAt:     r.ConfirmationSentAt.pointer(),
		ConfirmedAt:            r.ConfirmedAt.pointer(),
		RecoverySentAt:         r.RecoverySentAt.pointer(),
		NewEmail:               string(r.EmailChange),
		EmailChangeSentAt:      r.EmailChangeSentAt.pointer(),
		NewPhone:               string(r.PhoneChange),
		PhoneChangeSentAt:      r.PhoneChangeSentAt.pointer(),
		ReauthenticationSentAt: r.ReauthenticationSentAt.pointer(),
		LastSignInAt:           r.LastSignInAt.pointer(),
		AppMetadata:            r.RawAppMetaData.metadata(),
		UserMetadata:           r.RawUserMetaData.metadata(),
		CreatedAt:              r.CreatedAt.Time,
		UpdatedAt:              r.UpdatedAt.Time,
		BannedUntil:            r.BannedUntil.pointer(),
		DeletedAt:              r.DeletedAt.pointer(),
		IsAnonymous:            bool(r.IsAnonymous),
		IsSSOUser:              bool(r.IsSSOUser),
	}
}

// AddUser implements postern.Store.
func (s *Store) AddUser(ctx context.Context, u *postern.UserRecord) error {
	row := newUserRow(u)
	if err := storable(row); err != nil {
		return explain("add a user", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("users")).
			Value("instance_id", "?", uuid.Nil).
			Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
		if err != nil {
			return c.fault("add a user", err)
		}
		return c.addIdentities(ctx, newIdentityRows(u.ID, u.Identities))
	})
}

// FindUser implements postern.Store.
func (s *Store) FindUser(ctx context.Context, id uuid.UUID) (*postern.UserRecord, error) {
	return s.findUser(ctx, findUser, id)
}

// FindUserByEmail implements postern.Store. Of several spellings of the address
// that somebody's SQL stored, the one in lower case counts.
func (s *Store) FindUserByEmail(ctx context.Context, email, aud string) (*postern.UserRecord, error) {
	return s.findUserBy(ctx, findUserByEmail, strings.ToLower(email), aud)
}

// FindUserByPhone implements postern.Store.
func (s *Store) FindUserByPhone(ctx context.Context, phone, aud string) (*postern.UserRecord, error) {
	return s.findUserBy(ctx, findUserByPhone, phone, aud)
}

// FindUserByIdentity implements postern.Store.
func (s *Store) FindUserByIdentity(ctx context.Context, provider, subject string) (*postern.UserRecord, error) {
	return s.findUserBy(ctx, findUserByIdentity, provider, subject)
}

// maxByEmail is how many users UsersByEmails returns at most.
const maxByEmail = 20

// UsersByEmails implements postern.Store.
func (s *Store) UsersByEmails(ctx context.Context, emails []string) (users []*postern.UserRecord, err error) {
	if len(emails) == 0 {
		return nil, nil
	}
	if err := storable(emails); err != nil {
		return nil, explain("find users by address", err)
	}
	// Each part has an index of its own, on which equality with a list is several
	// look-ups.
	const query = `SELECT id FROM ?users WHERE instance_id = ?instance AND lower(email) IN (?emails)
		UNION SELECT user_id FROM ?identities WHERE email IN (?emails) ORDER BY 1 LIMIT ?limit`
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		var ids []uuid.UUID
		err := c.NewRaw(query, struct {
			Users, Identities bun.Ident
			Instance          uuid.UUID
			Emails            any
			Limit             int
		}{c.table("users"), c.table("identities"), uuid.Nil, bun.List(emails), maxByEmail}).Scan(ctx, &ids)
		if err == nil {
			users, err = c.findUsers(ctx, ids)
		}
		return c.fault("find users by address", err)
	})
	return users, err
}

// findUserBy keeps "", which stands for no address at all, from finding a row.
func (s *Store) findUserBy(ctx context.Context, by statement, address, aud string) (*postern.UserRecord, error) {
	if address == "" {
		return nil, explain("find a user", sql.ErrNoRows)
	}
	if err := storable(address, aud); err != nil {
		return nil, explain("find a user", err)
	}
	return s.findUser(ctx, by, address, aud)
}

func (s *Store) findUser(ctx context.Context, by statement, args ...any) (u *postern.UserRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		found, err := c.find(ctx, by, args...)
		if err != nil {
			return c.fault("find a user", err)
		}
		u = found.userRecord()
		return nil
	})
	return u, err
}

// EmailTaken implements postern.Store.
func (s *Store) EmailTaken(ctx context.Context, email string, except uuid.UUID) (taken bool, err error) {
	email = strings.ToLower(email)
	if err := storable(email); err != nil {
		return false, explain("look for an address", err)
	}
	// Each part has an index of its own: the first is the rule of the unique
	// index, the second finds spellings in upper case that SQL has stored.
	const query = `SELECT
		EXISTS (SELECT 1 FROM ?users u WHERE u.email = ?email AND u.is_sso_user = ?no AND u.id <> ?except)
		OR EXISTS (SELECT 1 FROM ?users u WHERE u.instance_id = ?instance AND lower(u.email) = ?email
			AND u.is_sso_user = ?no AND u.id <> ?except)
		OR EXISTS (SELECT 1 FROM ?identities i JOIN ?users u ON u.id = i.user_id
			WHERE i.email = ?email AND u.is_sso_user = ?no AND u.id <> ?except)`
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewRaw(query, struct {
			Users, Identities bun.Ident
			Email             string
			Except, Instance  uuid.UUID
			No                bun.Safe
		}{c.table("users"), c.table("identities"), email, except, uuid.Nil, c.boolean(false)}).Scan(ctx, &taken)
		return c.fault("look for an address", err)
	})
	return taken, err
}

// PhoneTaken implements postern.Store.
func (s *Store) PhoneTaken(ctx context.Context, phone string, except uuid.UUID) (taken bool, err error) {
	if err := storable(phone); err != nil {
		return false, explain("look for a number", err)
	}
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewRaw(`SELECT EXISTS (SELECT 1 FROM ? u WHERE u.phone = ? AND u.id <> ?)`,
			c.table("users"), phone, except).Scan(ctx, &taken)
		return c.fault("look for a number", err)
	})
	return taken, err
}

// UpdateUser implements postern.Store. Only columns that were changed are
// written.
func (s *Store) UpdateUser(ctx context.Context, id uuid.UUID, now time.Time, change func(*postern.UserRecord) error) (u *postern.UserRecord, err error) {
	err = s.transact(ctx, func(ctx context.Context, c conn) error {
		if u, err = c.lockUser(ctx, id); err != nil {
			return err
		}
		before, identities := newUserRow(u), newIdentityRows(id, u.Identities)
		confirmedAt, codeHashes := u.ConfirmedAt, maps.Clone(u.CodeHashes)
		if err := change(u); err != nil {
			return err
		}
		u.ID, u.UpdatedAt, u.ConfirmedAt, u.CodeHashes = id, newInstant(now).Time, confirmedAt, codeHashes
		if err := c.updateUser(ctx, before, newUserRow(u)); err != nil {
			return err
		}
		return c.updateIdentities(ctx, identities, newIdentityRows(id, u.Identities))
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// lockUser reads a user that nobody else can update until the transaction ends. In
// SQLite the transaction itself is the lock.
func (c conn) lockUser(ctx context.Context, id uuid.UUID) (*postern.UserRecord, error) {
	find := lockUser
	if c.sqlite {
		find = findUser
	}
	found, err := c.find(ctx, find, id)
	if err != nil {
		return nil, c.fault("find a user", err)
	}
	return found.userRecord(), nil
}

func (c conn) updateUser(ctx context.Context, before, after *userRow) error {
	changed, values := changes(before, after)
	if len(changed) == 0 {
		return nil
	}
	if err := storable(values...); err != nil {
		return c.fault("update a user", err)
	}
	_, err := c.NewUpdate().Model(after).ModelTableExpr("?", c.table("users")).
		Column(changed...).Where("id = ?", after.ID).Exec(ctx)
	return c.fault("update a user", err)
}

// DeleteUser implements postern.Store. What refers to the user goes with it; the
// tables in which GoTrue names it without a reference are seen to here.
func (s *Store) DeleteUser(ctx context.Context, id uuid.UUID) error {
	return s.transact(ctx, func(ctx context.Context, c conn) error { return c.deleteUser(ctx, id, "TRUE") })
}

// deleteUser deletes a user of whom a condition is true.
func (c conn) deleteUser(ctx context.Context, id uuid.UUID, condition string) error {
	result, err := c.NewDelete().TableExpr("?", c.table("users")).Where("id = ?", id).Where(condition).Exec(ctx)
	if err := c.oneRow("delete a user", result, err); err != nil {
		return err
	}
	_, err = c.NewDelete().TableExpr("?", c.table("refresh_tokens")).
		Where("user_id = ?", id.String()).Where("(instance_id = ? OR instance_id IS NULL)", uuid.Nil).Exec(ctx)
	if err != nil {
		return c.fault("delete a user's refresh tokens", err)
	}
	_, err = c.NewDelete().TableExpr("?", c.table("flow_state")).Where("user_id = ?", id).Exec(ctx)
	return c.fault("delete a user's flows", err)
}

// AnonymousUsers implements postern.Store. They come all at once, in no order:
// GoTrue's tables have no index that would hand them out page by page, and a million
// ids take 16 MB.
func (s *Store) AnonymousUsers(ctx context.Context, before time.Time) (ids []uuid.UUID, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		return c.fault("look for anonymous users", c.NewSelect().TableExpr("? AS u", c.table("users")).Column("u.id").
			Where("u.is_anonymous = ?", c.boolean(true)).Where("u.created_at < ?", newInstant(before)).Scan(ctx, &ids))
	})
	return ids, err
}

// DeleteAnonymousUser implements postern.Store.
func (s *Store) DeleteAnonymousUser(ctx context.Context, id uuid.UUID) error {
	return s.transact(ctx, func(ctx context.Context, c conn) error { return c.deleteUser(ctx, id, "is_anonymous = TRUE") })
}

// DropFactors implements postern.Store.
func (s *Store) DropFactors(ctx context.Context, userID uuid.UUID) error {
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		return c.dropOf(ctx, userID, "mfa_factors", "postern_recovery_factors", "webauthn_credentials")
	})
}

// dropOf removes a user's rows from tables.
func (c conn) dropOf(ctx context.Context, userID uuid.UUID, tables ...string) error {
	for _, table := range tables {
		_, err := c.NewDelete().TableExpr("?", c.table(table)).Where("user_id = ?", userID).Exec(ctx)
		if err != nil {
			return c.fault("empty "+table, err)
		}
	}
	return nil
}
