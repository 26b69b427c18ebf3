package postern

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/password"
)

// AdminCreateUserParams describes an account that an operator makes. Email or
// Phone is required; both may be given.
type AdminCreateUserParams struct {
	ID    uuid.UUID // uuid.Nil for a random one
	Email string
	Phone string

	// Password, nil or empty, makes an account without a usable password.
	Password *string
	// PasswordHash is a hash from elsewhere: bcrypt, argon2i, argon2id or
	// Firebase's scrypt (contract: user.md §5). Not with Password.
	PasswordHash string

	EmailConfirm bool // the address is proven
	PhoneConfirm bool // the number is proven

	UserMetadata map[string]any
	AppMetadata  map[string]any // wins over provider and providers
	Role         string         // defaults to Config.DefaultRole
	Audience     string         // defaults to Config.Audience

	// BanDuration bans the user from now on: a Go duration, or "none".
	BanDuration string
}

// AdminCreateUser makes an account without asking anybody: sign-ups and providers
// may be switched off, the password may be weak, and nothing is sent.
//
// Errors: ErrValidationFailed, ErrEmailExists, ErrPhoneExists,
// ErrUserAlreadyExists for an id that is taken (contract: endpoints.md,
// POST /admin/users).
func (a *Auth) AdminCreateUser(ctx context.Context, p AdminCreateUserParams) (*User, error) {
	if err := a.checkCreate(&p); err != nil {
		return nil, err
	}
	hash, err := a.createHash(ctx, p)
	if err != nil {
		return nil, err
	}
	user, err := a.createdUser(p, hash)
	if err != nil {
		return nil, err
	}
	err = a.store.InTx(ctx, func(tx Tx) error {
		if err := a.checkFree(ctx, tx, user); err != nil {
			return err
		}
		if err := a.storeUser(ctx, tx, user); err != nil {
			return err
		}
		details := userTraits(&user.User)
		details["provider"] = user.Identities[0].Provider
		return a.audit(ctx, tx, actionSignedUp, nil, details)
	})
	if err != nil {
		if errors.Is(err, ErrPhoneTaken) { // said otherwise than elsewhere
			err = fail(KindUnprocessable, ErrPhoneExists, "Phone number already registered by another user")
		}
		return nil, internal("Database error creating new user", duplicate(err))
	}
	return &user.User, nil
}

// checkCreate normalises and checks what can be checked without the database.
func (a *Auth) checkCreate(p *AdminCreateUserParams) error {
	if p.Email == "" && p.Phone == "" {
		return invalid("Cannot create a user without either an email or phone")
	}
	if err := normaliseAddresses(&p.Email, &p.Phone); err != nil {
		return err
	}
	switch {
	case p.Password != nil && p.PasswordHash != "":
		return invalid("Only a password or a password hash should be provided")
	case p.PasswordHash != "":
		if err := password.Valid(p.PasswordHash); err != nil {
			return invalid("%v", err)
		}
	}
	if err := errors.Join(a.checkData(p.UserMetadata), a.checkData(p.AppMetadata)); err != nil {
		return err
	}
	_, err := a.banEnd(p.BanDuration)
	return err
}

func normaliseAddresses(email, phone *string) (err error) {
	if *email != "" {
		if *email, err = address.Email(*email); err != nil {
			return invalid("%v", err)
		}
	}
	if *phone != "" {
		if *phone, err = address.Phone(*phone); err != nil {
			return invalid("%v", err)
		}
	}
	return nil
}

// createHash returns the hash for a new account, "" for one that has no password
// until its user sets one. (GoTrue sets a random one that nobody knows, which is
// dear to hash and means the same.)
func (a *Auth) createHash(ctx context.Context, p AdminCreateUserParams) (string, error) {
	if p.Password == nil || *p.Password == "" {
		return p.PasswordHash, nil
	}
	return a.hashPassword(ctx, *p.Password)
}

func (a *Auth) createdUser(p AdminCreateUserParams, hash string) (*UserRecord, error) {
	now := a.now()
	u := &UserRecord{User: User{
		ID: p.ID, Aud: either(p.Audience, a.cfg.Audience), Role: either(p.Role, a.cfg.DefaultRole),
		Email: p.Email, Phone: p.Phone, CreatedAt: now, UpdatedAt: now,
	}}
	if u.ID == uuid.Nil {
		u.ID = uuid.Must(uuid.NewRandom())
	}
	var err error
	if u.PasswordHash, err = a.cfg.Encryption.seal(u.ID, hash); err != nil {
		return nil, err
	}
	if err := addAdminIdentities(u, now); err != nil {
		return nil, err
	}
	if u.BannedUntil, err = a.banEnd(p.BanDuration); err != nil {
		return nil, err
	}
	confirm(u, p.EmailConfirm && p.Email != "", p.PhoneConfirm && p.Phone != "", now)
	userData := p.UserMetadata
	if u.EmailConfirmedAt != nil {
		userData = with(userData, "email_verified", true)
	}
	return u, a.edit(u, userData, p.AppMetadata, "")
}

// addAdminIdentities gives an account that an operator makes the identities and
// the list of providers that its addresses stand for.
func addAdminIdentities(u *UserRecord, now time.Time) error {
	var providers []string
	for _, of := range []struct{ provider, key, address string }{
		{providerEmail, "email", u.Email}, {providerPhone, "phone", u.Phone},
	} {
		if of.address == "" {
			continue
		}
		identity, err := newIdentity(u.ID, of.provider, nil, map[string]any{of.key: of.address}, now)
		if err != nil {
			return err
		}
		providers = append(providers, of.provider)
		u.Identities = append(u.Identities, *identity)
		now = now.Add(time.Microsecond) // identities are in the order of their creation
	}
	u.AppMetadata = providersMetadata(providers...)
	return nil
}

func confirm(u *UserRecord, email, phone bool, now time.Time) {
	if email {
		u.EmailConfirmedAt = &now
	}
	if phone {
		u.PhoneConfirmedAt = &now
	}
}

func with(m map[string]any, name string, value any) map[string]any {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]any{}
	}
	m[name] = value
	return m
}

// checkFree refuses addresses that other accounts have. What it cannot see,
// another request at the same moment, the database's own rules refuse.
func (a *Auth) checkFree(ctx context.Context, tx Tx, u *UserRecord) error {
	for _, check := range []struct {
		address string
		taken   func(context.Context, string, uuid.UUID) (bool, error)
		refusal StoreError
	}{
		{u.Email, tx.EmailTaken, ErrEmailTaken}, {u.Phone, tx.PhoneTaken, ErrPhoneTaken},
	} {
		if check.address == "" {
			continue
		}
		taken, err := check.taken(ctx, check.address, u.ID)
		if err != nil {
			return err
		}
		if taken {
			return check.refusal
		}
	}
	return nil
}

// duplicate says in the API's words that an address or id is taken.
func duplicate(err error) error {
	switch {
	case errors.Is(err, ErrEmailTaken):
		return emailExists()
	case errors.Is(err, ErrPhoneTaken):
		return phoneExists()
	case errors.Is(err, ErrIDTaken):
		return fail(KindUnprocessable, ErrUserAlreadyExists, "A user with this id already exists")
	}
	return err
}

// banEnd is when a ban of a duration ends, nil for none.
func (a *Auth) banEnd(duration string) (*time.Time, error) {
	if duration == "" || duration == "none" {
		return nil, nil
	}
	d, err := time.ParseDuration(duration)
	if err != nil {
		return nil, invalid("invalid format for ban duration: %v", err)
	}
	if d == 0 {
		return nil, nil
	}
	return ptr(a.now().Add(d)), nil
}

// AdminUser returns any user. ErrUserNotFound when there is none.
func (a *Auth) AdminUser(ctx context.Context, id uuid.UUID) (*User, error) {
	user, err := a.store.FindUser(ctx, id)
	if err != nil {
		return nil, missingUser("Database error loading user", err)
	}
	return &user.User, nil
}

func missingUser(doing string, err error) error {
	if errors.Is(err, ErrNoRow) {
		return fail(KindNotFound, ErrUserNotFound, "User not found")
	}
	return internal(doing, err)
}

// AdminUpdateUserParams says what an operator changes of a user. Zero values
// change nothing.
type AdminUpdateUserParams struct {
	Email        string
	Phone        string
	Password     *string
	EmailConfirm bool
	PhoneConfirm bool
	UserMetadata map[string]any // merged; nil values remove
	AppMetadata  map[string]any // merged; nil values remove
	Role         string
	BanDuration  string // a Go duration from now; "none" lifts a ban
}

// AdminUpdateUser changes any user at once: nothing is sent, nobody confirms. A
// new password ends all of the user's sessions. The answer shows identities as
// they were before.
//
// Errors: ErrUserNotFound, ErrValidationFailed, ErrWeakPassword, ErrEmailExists,
// ErrPhoneExists (contract: endpoints.md, PUT /admin/users/{user_id}).
func (a *Auth) AdminUpdateUser(ctx context.Context, id uuid.UUID, p AdminUpdateUserParams) (*User, error) {
	if _, err := a.AdminUser(ctx, id); err != nil {
		return nil, err
	}
	hash, err := a.checkAdminUpdate(ctx, &p)
	if err != nil {
		return nil, err
	}
	var user *UserRecord
	var before []Identity
	err = a.store.InTx(ctx, func(tx Tx) error {
		user, err = tx.UpdateUser(ctx, id, a.now(), func(u *UserRecord) error {
			before = slices.Clone(u.Identities)
			return a.adminEdit(u, p, hash)
		})
		if err != nil {
			return err
		}
		if p.Email != "" || p.Phone != "" || hash != "" {
			if err := credentialsReplaced(ctx, tx, user, hash != ""); err != nil {
				return err
			}
		}
		return a.audit(ctx, tx, actionModified, nil, userTraits(&user.User))
	})
	if err != nil {
		return nil, missingUser("Error updating user", duplicate(err))
	}
	user.Identities = before
	return &user.User, nil
}

// credentialsReplaced voids what was sent to addresses that an operator
// replaced, and with a password the sessions that the old one opened.
func credentialsReplaced(ctx context.Context, tx Tx, user *UserRecord, password bool) error {
	if password {
		return passwordChanged(ctx, tx, user, uuid.Nil)
	}
	return tx.DropOneTimeTokens(ctx, user.ID)
}

// checkAdminUpdate normalises and checks what can be checked without the
// account, and returns the hash of a new password, "" for none.
func (a *Auth) checkAdminUpdate(ctx context.Context, p *AdminUpdateUserParams) (string, error) {
	if p.Password != nil {
		if err := a.checkPassword(ctx, *p.Password); err != nil {
			return "", err
		}
	}
	if err := normaliseAddresses(&p.Email, &p.Phone); err != nil {
		return "", err
	}
	if err := errors.Join(a.checkData(p.UserMetadata), a.checkData(p.AppMetadata)); err != nil {
		return "", err
	}
	if _, err := a.banEnd(p.BanDuration); err != nil {
		return "", err
	}
	if p.Password == nil {
		return "", nil
	}
	return a.hashPassword(ctx, *p.Password)
}

// adminEdit applies an operator's change in GoTrue's order.
func (a *Auth) adminEdit(u *UserRecord, p AdminUpdateUserParams, hash string) error {
	now := a.now()
	u.Role = either(p.Role, u.Role)
	confirm(u, p.EmailConfirm, p.PhoneConfirm, now)
	if err := setAddress(u, providerEmail, p.Email, p.EmailConfirm, now); err != nil {
		return err
	}
	if err := setAddress(u, providerPhone, p.Phone, p.PhoneConfirm, now); err != nil {
		return err
	}
	if p.Email != "" && p.EmailConfirm || p.Phone != "" && p.PhoneConfirm {
		u.IsAnonymous = false
	}
	userData := p.UserMetadata
	if p.EmailConfirm {
		userData = with(userData, "email_verified", true)
	}
	if p.BanDuration != "" {
		u.BannedUntil, _ = a.banEnd(p.BanDuration) // checked before
	}
	return a.edit(u, userData, p.AppMetadata, hash)
}

// setAddress gives an account another address and brings its identity along.
func setAddress(u *UserRecord, provider, address string, verified bool, now time.Time) error {
	if address == "" {
		return nil
	}
	if provider == providerPhone {
		u.Phone = address
	} else {
		u.Email = address
	}
	claims := map[string]any{provider: address, provider + "_verified": verified}
	i := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.Provider == provider })
	if i < 0 {
		identity, err := newIdentity(u.ID, provider, nil, claims, now)
		if err != nil {
			return err
		}
		u.Identities = append(u.Identities, *identity)
		return nil
	}
	identity := &u.Identities[i]
	var err error
	identity.IdentityData, err = identity.IdentityData.merge(claims)
	identity.UpdatedAt = now
	if provider == providerEmail {
		identity.Email = address
	}
	return err
}

// AdminDeleteUser removes a user. Hard, nothing remains of it. Soft, the row
// stays, with addresses, names and credentials made unrecognisable, and the
// addresses are free again (contract: user.md §9). ErrUserNotFound when there is
// none; ErrConflict when rows of the application still point to it.
func (a *Auth) AdminDeleteUser(ctx context.Context, id uuid.UUID, soft bool) error {
	err := a.store.InTx(ctx, func(tx Tx) error {
		user, err := tx.FindUser(ctx, id)
		if err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionDeleted, nil, userTraits(&user.User)); err != nil {
			return err
		}
		if soft {
			return a.softDelete(ctx, tx, user)
		}
		return tx.DeleteUser(ctx, id)
	})
	if errors.Is(err, ErrReferenced) {
		return fail(KindConflict, ErrConflict, "The user cannot be deleted while other data refers to it")
	}
	return missingUser("Database error deleting user", err)
}

func (a *Auth) softDelete(ctx context.Context, tx Tx, user *UserRecord) error {
	if user.DeletedAt != nil {
		return nil
	}
	_, err := tx.UpdateUser(ctx, user.ID, a.now(), func(u *UserRecord) error {
		a.obscure(u)
		return nil
	})
	if err != nil {
		return err
	}
	if err := tx.DropOneTimeTokens(ctx, user.ID); err != nil {
		return err
	}
	if err := tx.DropFactors(ctx, user.ID); err != nil {
		return err
	}
	_, err = tx.EndSessions(ctx, user.ID, uuid.Nil)
	return err
}

// obscure replaces what could tell who a user was.
func (a *Auth) obscure(u *UserRecord) {
	hash := func(value string) string {
		sum := sha256.Sum256([]byte(u.ID.String() + value))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	const phoneLength = 15 // the longest number there is
	u.Email, u.NewEmail = hash(u.Email), hash(u.NewEmail)
	u.Phone, u.NewPhone = hash(u.Phone)[:phoneLength], hash(u.NewPhone)[:phoneLength]
	u.PasswordHash = ""
	u.AppMetadata, u.UserMetadata = nil, nil
	u.DeletedAt = ptr(a.now())
	for i := range u.Identities {
		identity := &u.Identities[i]
		identity.ID, identity.IdentityData = hash(identity.Provider+":"+identity.ID), nil
	}
}

// AdminListUsersParams asks for a page of users.
type AdminListUsersParams struct {
	Page     int    // from 1; 0 is 1
	PerPage  int    // defaults to 50, at most 1000
	Filter   string // see AdminListUsers
	Audience string // defaults to Config.Audience
	// Ascending lists the oldest users first.
	Ascending bool

	// ByCursor pages by place instead of number, which stays fast in a large
	// list: Cursor is "" for the first page, and NextCursor of the last one after.
	ByCursor bool
	Cursor   string
}

// UserList is a page of users. Their identities and factors are not loaded.
type UserList struct {
	Users []User `json:"users"`
	Aud   string `json:"aud"`

	// Pagination is set when the list was asked for by cursor.
	Pagination *Pagination `json:"pagination,omitempty"`

	// Total and Page and PerPage describe a list by page number. With more than
	// 10,000, users who were deleted within the last minute may still count in Total.
	Total   int `json:"-"`
	Page    int `json:"-"`
	PerPage int `json:"-"`
}

// Pagination says where a list by cursor goes on.
type Pagination struct {
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor,omitempty"`
}

const (
	defaultPerPage = 50
	maxPerPage     = 1000
)

// pageSize is the size of a page that is asked for, within limits.
func pageSize(asked int) int { return min(max(either(asked, defaultPerPage), 1), maxPerPage) }

// AdminListUsers lists users by creation, newest first. Softly deleted users are
// among them (contract: endpoints.md, GET /admin/users).
//
// A filter that is a whole address lists those who have it, in any case, if there are
// any. Otherwise it lists those with the filter in their address, as stored, or in
// their full_name, in any case; for that all of the audience are read.
//
// A list may change between two pages. Who reads all of it, newest first, sees nobody
// left out because of others who were added, at most some twice. By page number, who
// follows somebody who was deleted meanwhile may be left out. The cursor has no such
// gaps, and takes as long for the last page as for the first.
func (a *Auth) AdminListUsers(ctx context.Context, p AdminListUsersParams) (*UserList, error) {
	p.Page = max(p.Page, 1)
	p.PerPage = pageSize(p.PerPage)
	q := UserQuery{
		Aud: either(p.Audience, a.cfg.Audience), Filter: p.Filter, Ascending: p.Ascending, Limit: p.PerPage,
	}
	if p.ByCursor {
		return a.listByCursor(ctx, q, p.Cursor)
	}
	q.Count = true
	q.Offset = (p.Page - 1) * p.PerPage
	page, err := a.listUsers(ctx, q)
	if err != nil {
		return nil, internal("Database error finding users", err)
	}
	return &UserList{Users: page.Users, Aud: q.Aud, Total: page.Total, Page: p.Page, PerPage: p.PerPage}, nil
}

// listUsers asks for a filter that could be somebody's address as for one, which an
// index knows, before it has all addresses searched.
func (a *Auth) listUsers(ctx context.Context, q UserQuery) (*UserPage, error) {
	whole, err := address.Email(q.Filter)
	if err != nil {
		return a.store.ListUsers(ctx, q)
	}
	exact := q
	exact.Filter, exact.Email, exact.Count = "", whole, true
	page, err := a.store.ListUsers(ctx, exact)
	if err != nil || page.Total > 0 {
		return page, err
	}
	return a.store.ListUsers(ctx, q)
}

func (a *Auth) listByCursor(ctx context.Context, q UserQuery, cursor string) (*UserList, error) {
	if cursor != "" {
		after, err := parseCursor(cursor)
		if err != nil {
			return nil, invalid("Bad Pagination Parameters: invalid cursor")
		}
		q.After = after
	}
	page, err := a.listUsers(ctx, q)
	if err != nil {
		return nil, internal("Database error finding users", err)
	}
	list := &UserList{Users: page.Users, Aud: q.Aud, Pagination: &Pagination{HasMore: page.More}}
	if page.More {
		last := page.Users[len(page.Users)-1]
		list.Pagination.NextCursor, err = UserCursor{CreatedAt: last.CreatedAt, ID: last.ID}.encode()
	}
	return list, err
}

func (c UserCursor) encode() (string, error) {
	text, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text), err
}

func parseCursor(s string) (*UserCursor, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	var c UserCursor
	return &c, json.Unmarshal(text, &c)
}
