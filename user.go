package postern

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/jsontext"
	"github.com/postern-auth/postern/internal/password"
	"github.com/postern-auth/postern/internal/pkce"
)

// User is a user as the API shows it (contract: user.md §1). Times are UTC. A
// nil time has not happened.
type User struct {
	ID   uuid.UUID `json:"id"`
	Aud  string    `json:"aud"`  // the audience that the account belongs to
	Role string    `json:"role"` // becomes the role of its access tokens

	Email            string     `json:"email"` // lower case; "" when there is none
	EmailConfirmedAt *time.Time `json:"email_confirmed_at,omitempty"`
	InvitedAt        *time.Time `json:"invited_at,omitempty"`

	Phone            string     `json:"phone"` // digits only; "" when there is none
	PhoneConfirmedAt *time.Time `json:"phone_confirmed_at,omitempty"`

	ConfirmationSentAt *time.Time `json:"confirmation_sent_at,omitempty"`

	// ConfirmedAt is the earlier of the two confirmations. The database works
	// it out, so it lags behind in the answer to the request that confirms.
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`

	RecoverySentAt         *time.Time `json:"recovery_sent_at,omitempty"`
	NewEmail               string     `json:"new_email,omitempty"` // the address that waits to be confirmed
	EmailChangeSentAt      *time.Time `json:"email_change_sent_at,omitempty"`
	NewPhone               string     `json:"new_phone,omitempty"` // the number that waits to be confirmed
	PhoneChangeSentAt      *time.Time `json:"phone_change_sent_at,omitempty"`
	ReauthenticationSentAt *time.Time `json:"reauthentication_sent_at,omitempty"`
	LastSignInAt           *time.Time `json:"last_sign_in_at,omitempty"`

	AppMetadata  Metadata `json:"app_metadata"`  // what the operator says of the user
	UserMetadata Metadata `json:"user_metadata"` // what the user says

	Factors []Factor `json:"factors,omitempty"`

	// Identities are the ways in which the user signs in, oldest first. nil,
	// and null on the wire, where they were not loaded: in lists of users.
	Identities []Identity `json:"identities"`

	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	BannedUntil *time.Time `json:"banned_until,omitempty"`
	DeletedAt   *time.Time `json:"deleted_at,omitempty"` // set when the user was deleted softly
	IsAnonymous bool       `json:"is_anonymous"`
}

// Identity is one way of signing in (contract: user.md §2). Its names are the
// wire's: ID is the subject at the provider, IdentityID the row.
type Identity struct {
	IdentityID   uuid.UUID  `json:"identity_id"`
	ID           string     `json:"id"` // the user's own id for "email" and "phone"
	UserID       uuid.UUID  `json:"user_id"`
	IdentityData Metadata   `json:"identity_data,omitzero"`
	Provider     string     `json:"provider"` // "email", "phone", "google", "sso:<uuid>", …
	LastSignInAt *time.Time `json:"last_sign_in_at,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	Email        string     `json:"email,omitempty"` // of IdentityData, in lower case; the database derives it
}

// Factor is a second factor (contract: user.md §3.1). Its secret is not in it.
type Factor struct {
	ID                        uuid.UUID  `json:"id"`
	CreatedAt                 time.Time  `json:"created_at"`
	UpdatedAt                 time.Time  `json:"updated_at"`
	Status                    string     `json:"status"` // "unverified" or "verified"
	FriendlyName              string     `json:"friendly_name,omitempty"`
	FactorType                string     `json:"factor_type"` // "totp", "phone" or "webauthn"
	Phone                     string     `json:"phone"`
	LastChallengedAt          *time.Time `json:"last_challenged_at"`
	WebAuthnAAGUID            *uuid.UUID `json:"web_authn_aaguid,omitempty"`
	LastWebAuthnChallengeData Metadata   `json:"last_webauthn_challenge_data,omitzero"`
}

// Metadata is a JSON object, kept as the text that came from the database or
// the client, so that nothing is lost of what it says: no digit of a large
// number. What is no object (nil, null, an array that somebody's SQL put there)
// counts as {}.
type Metadata json.RawMessage

// NewMetadata returns v, a map or a struct, as Metadata.
func NewMetadata(v any) (Metadata, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Metadata(b), nil
}

// Decode unmarshals the object into v.
func (m Metadata) Decode(v any) error { return json.Unmarshal(m.object(), v) }

// IsZero reports whether the object has no members.
func (m Metadata) IsZero() bool { return len(m.members()) == 0 }

// MarshalJSON returns the object.
func (m Metadata) MarshalJSON() ([]byte, error) { return m.object(), nil }

// UnmarshalJSON keeps a copy of b.
func (m *Metadata) UnmarshalJSON(b []byte) error {
	*m = bytes.Clone(b)
	return nil
}

func (m Metadata) object() []byte {
	if b := bytes.TrimSpace(m); len(b) > 0 && b[0] == '{' {
		return b
	}
	return []byte("{}")
}

// members returns the object's values by name.
func (m Metadata) members() map[string]json.RawMessage {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(m.object(), &members) // what does not parse has no members
	return members
}

// merge returns m with the members of change: those replace, a nil removes, and
// the rest stays (contract: user.md §6.1).
func (m Metadata) merge(change map[string]any) (Metadata, error) {
	members := m.members()
	for name, value := range change {
		if value == nil {
			delete(members, name)
			continue
		}
		b, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", name, err)
		}
		members[name] = b
	}
	return NewMetadata(members)
}

// Secret is text that must not be shown: its formatted and marshalled forms
// say nothing of it. Convert it to a string to use it.
type Secret string

// String returns a placeholder.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString returns a placeholder.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// The providers of identities that need nobody else.
const (
	providerEmail = "email"
	providerPhone = "phone"
)

// SignUpParams asks for an account. At most one of Email and Phone is given.
type SignUpParams struct {
	Email    string
	Phone    string // E.164
	Password string
	Data     map[string]any // becomes user_metadata
	Audience string         // defaults to Config.Audience

	// CodeChallenge and CodeChallengeMethod ask for the PKCE flow (RFC 7636),
	// with e-mail only.
	CodeChallenge       string
	CodeChallengeMethod string
}

// SignUpResult is the new account and, where addresses need no confirmation,
// its first session. Its JSON is GoTrue's: the session if there is one, the
// user otherwise.
type SignUpResult struct {
	User    *User
	Session *Session

	// Decoy says that the address already had an account and that User shows
	// nothing of it: its ID is random and must not be stored. The client must
	// not learn of this.
	Decoy bool
}

// MarshalJSON returns the session's JSON, or the user's if there is none.
func (r *SignUpResult) MarshalJSON() ([]byte, error) {
	if r.Session != nil {
		return json.Marshal(r.Session)
	}
	return json.Marshal(r.User)
}

// SignUp makes an account. Where the address counts as proven
// (EmailConfig.Autoconfirm) it is signed in at once; otherwise it waits for its
// confirmation. Whether an address is taken it tells only with Autoconfirm:
// ErrUserAlreadyExists. Otherwise the answer for an account that exists is a
// Decoy; one that waits for its confirmation gets the new password and data, and
// what was sent before is void. With neither Email nor Phone it is
// SignInAnonymously.
//
// Errors: ErrAnonymousDisabled, ErrSignUpDisabled, ErrValidationFailed,
// ErrWeakPassword, ErrEmailProviderDisabled, ErrPhoneProviderDisabled,
// ErrOverEmailSendRateLimit, ErrOverSMSSendRateLimit (contract: endpoints.md,
// POST /signup).
func (a *Auth) SignUp(ctx context.Context, p SignUpParams) (*SignUpResult, error) {
	if p.Email == "" && p.Phone == "" {
		s, err := a.SignInAnonymously(ctx, SignInAnonymouslyParams{Data: p.Data, Audience: p.Audience})
		if err != nil {
			return nil, err
		}
		return &SignUpResult{User: s.User, Session: s}, nil
	}
	who, err := a.applicant(p)
	if err != nil {
		return nil, err
	}
	if who.hash, err = a.hashPassword(ctx, p.Password); err != nil {
		return nil, err
	}
	res, session, err := a.enrol(ctx, who)
	if errors.Is(err, ErrEmailTaken) || errors.Is(err, ErrPhoneTaken) {
		res, session, err = a.enrol(ctx, who) // somebody was faster; now it can be seen
	}
	switch {
	case errors.Is(err, ErrEmailTaken), errors.Is(err, ErrPhoneTaken):
		return a.alreadyRegistered(who) // by an account of another audience
	case err != nil:
		return nil, internal("Database error saving new user", err)
	case session == nil:
		return res, nil
	}
	return a.signedUp(ctx, res, session)
}

// applicant is somebody who wants an account, checked.
type applicant struct {
	provider    string // "email" or "phone"
	address     string // normal
	aud         string
	data        map[string]any
	hash        string // of the password
	autoconfirm bool
	spacing     time.Duration // least time between two confirmations
}

func (a *Auth) applicant(p SignUpParams) (*applicant, error) {
	switch {
	case a.cfg.DisableSignUp:
		return nil, signUpDisabled()
	case p.Password == "":
		return nil, invalid("Signup requires a valid password")
	}
	if err := a.checkPassword(p.Password); err != nil {
		return nil, err
	}
	if p.Email != "" && p.Phone != "" {
		return nil, invalid("Only an email address or phone number should be provided on signup.")
	}
	if p.Phone != "" && p.CodeChallenge != "" {
		return nil, invalid("PKCE not supported for phone signups")
	}
	if err := pkce.Check(p.CodeChallenge, p.CodeChallengeMethod); err != nil {
		return nil, invalid("%v", err)
	}
	if err := a.checkData(p.Data); err != nil {
		return nil, err
	}
	return a.applicantAt(p)
}

func (a *Auth) applicantAt(p SignUpParams) (*applicant, error) {
	who := &applicant{
		provider: providerEmail, aud: a.audience(p.Audience), data: p.Data,
		autoconfirm: a.cfg.Email.Autoconfirm, spacing: a.cfg.Email.MaxFrequency,
	}
	normalise, given := address.Email, p.Email
	switch {
	case p.Phone != "":
		if !a.cfg.Phone.Enabled {
			return nil, fail(KindInvalid, ErrPhoneProviderDisabled, "Phone signups are disabled")
		}
		who.provider, who.autoconfirm, who.spacing = providerPhone, a.cfg.Phone.Autoconfirm, a.cfg.Phone.MaxFrequency
		normalise, given = address.Phone, p.Phone
	case a.cfg.Email.Disabled:
		return nil, fail(KindInvalid, ErrEmailProviderDisabled, "Email signups are disabled")
	}
	var err error
	if who.address, err = normalise(given); err != nil {
		return nil, invalid("%v", err)
	}
	return who, nil
}

// enrol decides in one transaction what becomes of an applicant.
func (a *Auth) enrol(ctx context.Context, who *applicant) (*SignUpResult, *SessionRecord, error) {
	var res *SignUpResult
	var session *SessionRecord
	err := a.store.InTx(ctx, func(tx Tx) error {
		existing, err := who.account(ctx, tx)
		switch {
		case errors.Is(err, ErrNoRow):
			res, session, err = a.enrolNew(ctx, tx, who)
		case err != nil:
		case a.settled(existing, who):
			if err = a.audit(ctx, tx, actionRepeatedSignUp, &existing.User, traits(who.provider)); err == nil {
				res, err = a.alreadyRegistered(who)
			}
		default:
			res, session, err = a.enrolAgain(ctx, tx, who, existing)
		}
		return err
	})
	return res, session, err
}

// account finds the account that an applicant's address has.
func (who *applicant) account(ctx context.Context, tx Tx) (*UserRecord, error) {
	if who.provider == providerPhone {
		return tx.FindUserByPhone(ctx, who.address, who.aud)
	}
	return tx.FindUserByEmail(ctx, who.address, who.aud)
}

// settled reports whether an account is not for its next applicant to take:
// its address is proven, it is banned, or an operator made it and no
// confirmation would stand between it and a stranger.
func (a *Auth) settled(u *UserRecord, who *applicant) bool {
	return u.confirmedAt(who.provider) != nil || a.banned(&u.User) || who.autoconfirm && !u.ownSignUp()
}

// ownSignUp reports whether an unproven account is nobody's but its last
// applicant's: no operator invited or made it.
func (u *User) ownSignUp() bool { return u.InvitedAt == nil && u.ConfirmationSentAt != nil }

func (u *User) confirmedAt(provider string) *time.Time {
	if provider == providerPhone {
		return u.PhoneConfirmedAt
	}
	return u.EmailConfirmedAt
}

// alreadyRegistered is the answer for an address that has an account.
func (a *Auth) alreadyRegistered(who *applicant) (*SignUpResult, error) {
	if a.cfg.Email.Autoconfirm || a.cfg.Phone.Autoconfirm {
		return nil, fail(KindUnprocessable, ErrUserAlreadyExists, "User already registered")
	}
	u, err := a.newUser(who)
	if err != nil {
		return nil, err
	}
	u.ConfirmationSentAt = &u.CreatedAt
	if !a.cfg.HideAccounts {
		// GoTrue's clients take these as the sign to say "you have an account".
		u.Role, u.Identities = "", []Identity{}
		if u.UserMetadata, err = NewMetadata(who.data); err != nil {
			return nil, err
		}
	}
	return &SignUpResult{User: &u.User, Decoy: true}, nil
}

func (a *Auth) enrolNew(ctx context.Context, tx Tx, who *applicant) (*SignUpResult, *SessionRecord, error) {
	u, err := a.newUser(who)
	if err != nil {
		return nil, nil, err
	}
	if err := a.await(u, who); err != nil {
		return nil, nil, err
	}
	if err := tx.AddUser(ctx, u); err != nil {
		return nil, nil, err
	}
	return a.enrolled(ctx, tx, who, u)
}

// enrolAgain starts an unproven account over: its new applicant's password and
// data replace what the one before left.
func (a *Auth) enrolAgain(ctx context.Context, tx Tx, who *applicant, existing *UserRecord) (*SignUpResult, *SessionRecord, error) {
	if err := a.checkSpacing(existing, who); err != nil {
		return nil, nil, err
	}
	u, err := tx.UpdateUser(ctx, existing.ID, a.now(), func(u *UserRecord) error {
		if !u.ownSignUp() {
			u.ConfirmationSentAt = ptr(a.now())
			return nil
		}
		return a.startOver(u, who)
	})
	if err != nil {
		return nil, nil, err
	}
	if err := tx.DropOneTimeTokens(ctx, u.ID); err != nil {
		return nil, nil, err
	}
	res, session, err := a.enrolled(ctx, tx, who, u)
	if err != nil || session != nil {
		return res, session, err
	}
	decoy, err := a.newUser(who)
	if err != nil {
		return nil, nil, err
	}
	decoy.ConfirmationSentAt = &decoy.CreatedAt
	return &SignUpResult{User: &decoy.User, Decoy: true}, nil, nil
}

func (a *Auth) startOver(u *UserRecord, who *applicant) error {
	identity, err := who.identity(u.ID, a.now())
	if err != nil {
		return err
	}
	for _, old := range u.Identities {
		if old.Provider == who.provider {
			identity.IdentityID, identity.CreatedAt = old.IdentityID, old.CreatedAt
		}
	}
	u.Identities, u.UserMetadata = []Identity{*identity}, identity.IdentityData
	return a.await(u, who)
}

// await gives an account its password, and confirms it or lets it wait.
func (a *Auth) await(u *UserRecord, who *applicant) (err error) {
	if u.PasswordHash, err = a.cfg.Encryption.seal(u.ID, who.hash); err != nil {
		return err
	}
	now := a.now()
	switch {
	case !who.autoconfirm:
		u.ConfirmationSentAt = &now
	case who.provider == providerPhone:
		u.PhoneConfirmedAt, u.LastSignInAt = &now, &now
	default:
		u.EmailConfirmedAt, u.LastSignInAt = &now, &now
		u.UserMetadata, err = u.UserMetadata.merge(map[string]any{"email_verified": true})
	}
	return err
}

// enrolled finishes a sign-up: with a session if the account is confirmed.
func (a *Auth) enrolled(ctx context.Context, tx Tx, who *applicant, u *UserRecord) (*SignUpResult, *SessionRecord, error) {
	res := &SignUpResult{User: &u.User}
	if !who.autoconfirm {
		return res, nil, a.audit(ctx, tx, actionConfirmationRequested, &u.User, traits(who.provider))
	}
	if err := a.audit(ctx, tx, actionSignedUp, &u.User, traits(who.provider)); err != nil {
		return nil, nil, err
	}
	session, err := a.addSession(ctx, tx, u, methodPassword)
	return res, session, err
}

// signedUp answers a sign-up that needs no confirmation.
func (a *Auth) signedUp(ctx context.Context, res *SignUpResult, session *SessionRecord) (*SignUpResult, error) {
	s, err := a.firstSession(ctx, &UserRecord{User: *res.User}, session)
	if err != nil {
		return nil, err
	}
	// The answer shows the address as verified although the identity's row does
	// not (contract: user.md §6.1, "Autoconfirm sign-up wart").
	u := s.User
	u.Identities = slices.Clone(u.Identities)
	for i, identity := range u.Identities {
		if u.Identities[i].IdentityData, err = identity.IdentityData.merge(map[string]any{"email_verified": u.EmailConfirmedAt != nil}); err != nil {
			return nil, err
		}
	}
	return &SignUpResult{User: u, Session: s}, nil
}

// checkSpacing refuses a confirmation that comes too soon after the last.
func (a *Auth) checkSpacing(u *UserRecord, who *applicant) error {
	if who.autoconfirm || u.ConfirmationSentAt == nil {
		return nil
	}
	left := u.ConfirmationSentAt.Add(who.spacing).Sub(a.now())
	if left <= 0 {
		return nil
	}
	code := ErrOverEmailSendRateLimit
	if who.provider == providerPhone {
		code = ErrOverSMSSendRateLimit
	}
	return fail(KindTooMany, code, "For security purposes, you can only request this after %d seconds.", int(left.Seconds()))
}

// newUser is an applicant as an account that is neither confirmed nor stored.
func (a *Auth) newUser(who *applicant) (*UserRecord, error) {
	now := a.now()
	u := &UserRecord{User: User{
		ID: uuid.Must(uuid.NewRandom()), Aud: who.aud, Role: a.cfg.DefaultRole, CreatedAt: now, UpdatedAt: now,
		AppMetadata: providersMetadata(who.provider),
	}}
	if who.provider == providerPhone {
		u.Phone = who.address
	} else {
		u.Email = who.address
	}
	identity, err := who.identity(u.ID, now)
	if err != nil {
		return nil, err
	}
	u.Identities = []Identity{*identity}
	u.UserMetadata = identity.IdentityData // GoTrue replaces the one by the other (contract: user.md §6.1)
	return u, nil
}

// identity is the one of an applicant who signs up. That of a phone number does
// not name the number (contract: user.md §2).
func (who *applicant) identity(user uuid.UUID, now time.Time) (*Identity, error) {
	claims := map[string]any{}
	if who.provider == providerEmail {
		claims["email"] = who.address
	}
	return newIdentity(user, who.provider, who.data, claims, now)
}

// newIdentity is an identity of a provider that needs nobody else, unverified.
// claims win over extra, and the subject over both.
func newIdentity(user uuid.UUID, provider string, extra, claims map[string]any, now time.Time) (*Identity, error) {
	data := map[string]any{}
	maps.Copy(data, extra)
	maps.Copy(data, map[string]any{"sub": user.String(), "email_verified": false, "phone_verified": false})
	maps.Copy(data, claims)
	text, err := NewMetadata(data)
	if err != nil {
		return nil, err
	}
	identity := &Identity{
		IdentityID: uuid.Must(uuid.NewRandom()), ID: user.String(), UserID: user, Provider: provider,
		IdentityData: text, LastSignInAt: &now, CreatedAt: now, UpdatedAt: now,
	}
	identity.Email, _ = data["email"].(string)
	return identity, nil
}

// providersMetadata is the app_metadata of a new account.
func providersMetadata(providers ...string) Metadata {
	m, _ := NewMetadata(map[string]any{"provider": providers[0], "providers": providers}) // strings always marshal
	return m
}

func signUpDisabled() *Error {
	return fail(KindUnprocessable, ErrSignUpDisabled, "Signups not allowed for this instance")
}

func ptr[T any](v T) *T { return &v }

// SignInAnonymouslyParams is what an anonymous user may bring along.
type SignInAnonymouslyParams struct {
	Data     map[string]any // becomes user_metadata
	Audience string         // defaults to Config.Audience
}

// SignInAnonymously makes an account without an address and signs it in. Whoever
// loses the session has lost the account. Errors: ErrAnonymousDisabled,
// ErrSignUpDisabled, ErrValidationFailed (contract: user.md §10).
func (a *Auth) SignInAnonymously(ctx context.Context, p SignInAnonymouslyParams) (*Session, error) {
	if !a.cfg.AnonymousUsers {
		return nil, fail(KindUnprocessable, ErrAnonymousDisabled, "Anonymous sign-ins are disabled")
	}
	if a.cfg.DisableSignUp {
		return nil, signUpDisabled()
	}
	if err := a.checkData(p.Data); err != nil {
		return nil, err
	}
	now := a.now()
	user := &UserRecord{User: User{
		ID: uuid.Must(uuid.NewRandom()), Aud: a.audience(p.Audience), Role: a.cfg.DefaultRole, IsAnonymous: true,
		Identities: []Identity{}, CreatedAt: now, UpdatedAt: now, LastSignInAt: &now,
	}}
	var err error
	if user.UserMetadata, err = a.mergeMetadata(nil, p.Data); err != nil {
		return nil, err
	}
	session, err := a.enrolAnonymous(ctx, user)
	if err != nil {
		return nil, internal("Database error creating anonymous user", err)
	}
	return a.firstSession(ctx, user, session)
}

func (a *Auth) enrolAnonymous(ctx context.Context, user *UserRecord) (session *SessionRecord, err error) {
	err = a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.AddUser(ctx, user); err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionSignedUp, &user.User, traits(methodAnonymous)); err != nil {
			return err
		}
		session, err = a.addSession(ctx, tx, user, methodAnonymous)
		return err
	})
	return session, err
}

// User returns the caller's user as it was when the caller authenticated
// (contract: endpoints.md, GET /user). requestedAudience is what the request's
// X-JWT-AUD says, "" for nothing; it must be the token's.
func (a *Auth) User(_ context.Context, c *Caller, requestedAudience string) (*User, error) {
	if requestedAudience != "" && c.Claims != nil && requestedAudience != c.Claims.Audience[0] {
		return nil, invalid("Token audience doesn't match request audience")
	}
	return c.User, nil
}

// UpdateUserParams says what a user changes of itself.
type UpdateUserParams struct {
	Email           string
	Phone           string
	Password        *string        // nil keeps it
	CurrentPassword string         // where PasswordConfig.RequireCurrent asks for it
	Data            map[string]any // merged into user_metadata; nil values remove
	AppMetadata     map[string]any // refused: only operators may
}

// UpdateUser changes the caller's own account. A new password ends all other
// sessions and voids everything that was sent to the user.
//
// Errors: ErrValidationFailed, ErrWeakPassword, ErrSamePassword,
// ErrCurrentPasswordNeeded, ErrCurrentPasswordInvalid, ErrNotAdmin,
// ErrInsufficientAAL, ErrUserSSOManaged, ErrEmailExists, ErrPhoneExists
// (contract: endpoints.md, PUT /user).
func (a *Auth) UpdateUser(ctx context.Context, c *Caller, p UpdateUserParams) (*User, error) {
	if err := a.checkUpdate(&p); err != nil {
		return nil, err
	}
	user, err := a.store.FindUser(ctx, c.User.ID)
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	if err := a.mayUpdate(ctx, c, user, p); err != nil {
		return nil, err
	}
	hash, err := a.replacePassword(ctx, c, user, p)
	if err != nil {
		return nil, err
	}
	return a.applyUpdate(ctx, c, user, p, hash)
}

// checkUpdate normalises and checks what can be checked without the account.
func (a *Auth) checkUpdate(p *UpdateUserParams) (err error) {
	if p.Email != "" {
		if p.Email, err = address.Email(p.Email); err != nil {
			return invalid("%v", err)
		}
	}
	if p.Phone != "" {
		if p.Phone, err = address.Phone(p.Phone); err != nil {
			return invalid("%v", err)
		}
	}
	if p.Password != nil {
		if err := a.checkPassword(*p.Password); err != nil {
			return err
		}
	}
	if p.AppMetadata != nil {
		return fail(KindForbidden, ErrNotAdmin, "Updating app_metadata requires admin privileges")
	}
	return a.checkData(p.Data)
}

// mayUpdate says why the account may not be changed like this.
func (a *Auth) mayUpdate(ctx context.Context, c *Caller, user *UserRecord, p UpdateUserParams) error {
	newEmail, newPhone := p.Email != "" && p.Email != user.Email, p.Phone != "" && p.Phone != user.Phone
	credentials := p.Password != nil || newEmail || newPhone
	switch {
	case credentials && user.highestAAL() == aal2 && c.level() != aal2:
		return fail(KindUnauthorized, ErrInsufficientAAL, "AAL2 session is required to update email or password when MFA is enabled.")
	case user.IsAnonymous && p.Password != nil && p.Email == "" && p.Phone == "":
		return fail(KindUnprocessable, ErrValidationFailed, "Updating password of an anonymous user without an email or phone is not allowed")
	case user.IsSSOUser && credentials:
		return fail(KindUnprocessable, ErrUserSSOManaged, "Updating email, phone, password of a SSO account only possible via SSO")
	}
	if newEmail {
		return a.refuseNewEmail(ctx, p.Email, user.ID)
	}
	if newPhone {
		return a.refuseNewPhone(ctx, p.Phone, user.ID)
	}
	return nil
}

// level is the assurance level of the caller's session.
func (c *Caller) level() string {
	if c.session == nil {
		return aal1
	}
	return c.session.level()
}

// refuseNewEmail: an address has to be proven before it replaces another, and
// there is nothing yet that could ask for the proof.
func (a *Auth) refuseNewEmail(ctx context.Context, email string, user uuid.UUID) error {
	taken, err := a.store.EmailTaken(ctx, email, user)
	if err != nil {
		return internal("Database error checking email", err)
	}
	if taken {
		return emailExists()
	}
	return fail(KindUnprocessable, ErrEmailProviderDisabled, "Changing the e-mail address needs a mailer, and none is configured")
}

func (a *Auth) refuseNewPhone(ctx context.Context, phone string, user uuid.UUID) error {
	taken, err := a.store.PhoneTaken(ctx, phone, user)
	if err != nil {
		return internal("Database error checking phone", err)
	}
	if taken {
		return fail(KindUnprocessable, ErrPhoneExists, "A user with this phone number has already been registered")
	}
	return fail(KindUnprocessable, ErrPhoneProviderDisabled, "Changing the phone number needs an SMS service, and none is configured")
}

func emailExists() *Error {
	return fail(KindUnprocessable, ErrEmailExists, "A user with this email address has already been registered")
}

// replacePassword checks the right to a new password and returns its hash, ""
// if none was asked for.
func (a *Auth) replacePassword(ctx context.Context, c *Caller, user *UserRecord, p UpdateUserParams) (string, error) {
	if p.Password == nil {
		return "", nil
	}
	if err := a.checkCurrentPassword(ctx, c, user, p.CurrentPassword); err != nil {
		return "", err
	}
	if user.PasswordHash != "" {
		same, _, err := a.verifyPassword(ctx, user, *p.Password)
		if err != nil {
			return "", err
		}
		if same {
			return "", fail(KindUnprocessable, ErrSamePassword, "New password should be different from the old password.")
		}
	}
	return a.hashPassword(ctx, *p.Password)
}

// checkCurrentPassword asks for the password where it must be known to change
// it: not by somebody who came in by a code because it was forgotten.
func (a *Auth) checkCurrentPassword(ctx context.Context, c *Caller, user *UserRecord, current string) error {
	if !a.cfg.Password.RequireCurrent || user.PasswordHash == "" || c.recovering() {
		return nil
	}
	const message = "Current password required when setting new password."
	if current == "" {
		return fail(KindInvalid, ErrCurrentPasswordNeeded, message)
	}
	ok, _, err := a.verifyPassword(ctx, user, current)
	if err != nil {
		return err
	}
	if !ok {
		return fail(KindInvalid, ErrCurrentPasswordInvalid, message)
	}
	return nil
}

// recovering reports whether the caller's session came from a code or link.
func (c *Caller) recovering() bool {
	return c.session != nil && slices.ContainsFunc(c.session.AMR, func(e AMREntry) bool {
		return e.Method == "otp" || e.Method == "magiclink" || e.Method == "recovery"
	})
}

// applyUpdate writes an update that was allowed for the account as it was read.
func (a *Auth) applyUpdate(ctx context.Context, c *Caller, read *UserRecord, p UpdateUserParams, hash string) (*User, error) {
	var user *UserRecord
	err := a.store.InTx(ctx, func(tx Tx) error {
		var err error
		user, err = tx.UpdateUser(ctx, read.ID, a.now(), func(u *UserRecord) error {
			if hash != "" && u.PasswordHash != read.PasswordHash {
				return fail(KindConflict, ErrConflict, "The password was changed by another request at the same time")
			}
			return a.edit(u, p.Data, nil, hash)
		})
		if err != nil {
			return err
		}
		if hash != "" {
			return a.passwordChanged(ctx, tx, user, c.SessionID)
		}
		return a.audit(ctx, tx, actionModified, &user.User, nil)
	})
	if err != nil {
		return nil, internal("Error updating user", err)
	}
	return &user.User, nil
}

// edit merges metadata into an account and gives it a new password's hash, each
// if there is one.
func (a *Auth) edit(u *UserRecord, userData, appData map[string]any, hash string) (err error) {
	if u.UserMetadata, err = a.mergeMetadata(u.UserMetadata, userData); err != nil {
		return err
	}
	if u.AppMetadata, err = a.mergeMetadata(u.AppMetadata, appData); err != nil {
		return err
	}
	if hash == "" {
		return nil
	}
	u.ConfirmationSentAt, u.RecoverySentAt, u.EmailChangeSentAt, u.PhoneChangeSentAt, u.ReauthenticationSentAt = nil, nil, nil, nil, nil
	u.PasswordHash, err = a.cfg.Encryption.seal(u.ID, hash)
	return err
}

// passwordChanged ends what an old password may have let in: every session but
// one, and everything that was sent.
func (a *Auth) passwordChanged(ctx context.Context, tx Tx, user *UserRecord, keep uuid.UUID) error {
	if err := tx.DropOneTimeTokens(ctx, user.ID); err != nil {
		return err
	}
	if err := tx.EndSessions(ctx, user.ID, keep); err != nil {
		return err
	}
	return a.audit(ctx, tx, actionUpdatedPassword, &user.User, nil)
}

// mergeMetadata refuses what would grow beyond the limit. Larger metadata of
// old may stay and shrink.
func (a *Auth) mergeMetadata(m Metadata, change map[string]any) (Metadata, error) {
	if len(change) == 0 {
		return m, nil
	}
	merged, err := m.merge(change)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if len(merged) > a.cfg.MaxMetadata && len(merged) > len(m) {
		return nil, invalid("Metadata cannot be larger than %d bytes", a.cfg.MaxMetadata)
	}
	return merged, nil
}

// checkData refuses metadata that cannot be stored.
func (a *Auth) checkData(data map[string]any) error {
	if len(data) == 0 {
		return nil
	}
	text, err := json.Marshal(data)
	if err == nil {
		err = errors.Join(jsontext.Check(text), jsontext.CheckNumbers(text))
	}
	if err != nil {
		return invalid("Metadata cannot be stored: %v", err)
	}
	if len(text) > a.cfg.MaxMetadata {
		return invalid("Metadata cannot be larger than %d bytes", a.cfg.MaxMetadata)
	}
	return nil
}

// hasher makes the password hasher that c describes.
func (c PasswordConfig) hasher() (*password.Hasher, error) {
	return password.New(password.Params{
		Algorithm: password.Algorithm(c.Algorithm), Cost: c.BcryptCost,
		Memory: int(c.Argon2.MemoryKiB), Passes: int(c.Argon2.Passes), Lanes: int(c.Argon2.Parallelism),
	}, password.Limit{Running: c.MaxHashing})
}

// checkPassword refuses a password that is too long to be compared whole, or
// weaker than the policy asks.
func (a *Auth) checkPassword(pass string) error {
	if len(pass) > password.MaxLength {
		return invalid("%v", password.ErrTooLong)
	}
	if weak := a.weakness(pass); weak != nil {
		return &Error{Kind: KindUnprocessable, Code: ErrWeakPassword, Message: weak.Message, Reasons: weak.Reasons}
	}
	return nil
}

// weakness says what a password lacks, nil for nothing.
func (a *Auth) weakness(pass string) *WeakPassword {
	policy := password.Policy{MinLength: a.cfg.Password.MinLength, RequiredCharacters: a.cfg.Password.RequiredCharacters}
	reasons, message := policy.Weakness(pass)
	if len(reasons) == 0 {
		return nil
	}
	return &WeakPassword{Message: message, Reasons: reasons}
}

func (a *Auth) hashPassword(ctx context.Context, pass string) (string, error) {
	hash, err := a.passwords.Hash(ctx, pass)
	return hash, hashingError(err)
}

// verifyPassword compares a password with an account's, which may be nil: that
// takes as long and matches nothing.
func (a *Auth) verifyPassword(ctx context.Context, user *UserRecord, pass string) (ok, weaker bool, err error) {
	var hash Secret
	if user != nil {
		if hash, err = a.cfg.Encryption.open(user.ID, user.PasswordHash); err != nil {
			return false, false, internal("reading the password failed", err)
		}
	}
	ok, weaker, err = a.passwords.Verify(ctx, string(hash), pass)
	if errors.Is(err, password.ErrUnsupported) {
		a.cfg.Logger.WarnContext(ctx, "an account's password hash cannot be read", "user_id", user.ID, "error", err)
		return false, false, nil
	}
	return ok, weaker, hashingError(err)
}

// hashingError says what a failure to hash means for whoever asked.
func hashingError(err error) error {
	switch {
	case errors.Is(err, password.ErrTooLong), errors.Is(err, password.ErrNUL):
		return invalid("%v", err)
	case errors.Is(err, password.ErrBusy):
		return &Error{Kind: KindUnavailable, Code: ErrUnexpectedFailure, Message: "Too many passwords are being checked, try again in a moment", Err: err}
	}
	return internal("hashing the password failed", err)
}
