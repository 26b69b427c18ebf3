package postern

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/jsontext"
	"github.com/postern-auth/postern/internal/password"
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

	// IsSSOUser marks a user who came through single sign-on. Its address
	// need not be unique, and it has no password of its own.
	IsSSOUser bool `json:"-"`
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
	FactorType                string     `json:"factor_type"` // "totp", "phone", "webauthn" or "recovery_code"
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
	merged, err := NewMetadata(members)
	if err == nil && m != nil && merged.equal(m) {
		return m, nil // as it is written, so that nothing has to be stored
	}
	return merged, err
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
	Nonce           string         // the code of Reauthenticate, where it is asked for
	Data            map[string]any // merged into user_metadata; nil values remove
	AppMetadata     map[string]any // refused: only operators may

	Channel    string // of the code for a new Phone: "sms", the default, or "whatsapp"
	RedirectTo string // where the links for a new Email lead; defaults to Config.SiteURL
	Challenge         // for a new Email
}

// UpdateUser changes the caller's own account. A new password ends all other
// sessions and voids everything that was sent to the user. A new address or
// number has to be confirmed first, and waits in NewEmail and NewPhone until
// then; of an address, the one before has to agree as well, unless
// EmailConfig.SingleChangeConfirmation says otherwise.
//
// Errors: ErrValidationFailed, ErrWeakPassword, ErrSamePassword,
// ErrCurrentPasswordNeeded, ErrCurrentPasswordInvalid, ErrNotAdmin,
// ErrInsufficientAAL, ErrUserSSOManaged, ErrEmailExists, ErrPhoneExists,
// ErrReauthenticationNeeded, ErrReauthenticationNotValid, and those of sending
// (contract: endpoints.md, PUT /user).
func (a *Auth) UpdateUser(ctx context.Context, c *Caller, p UpdateUserParams) (*User, error) {
	if err := a.checkUpdate(ctx, &p); err != nil {
		return nil, err
	}
	user, err := a.store.FindUser(ctx, c.User.ID)
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	u := &update{caller: c, read: user, UpdateUserParams: p}
	if err := a.mayUpdate(ctx, u); err != nil {
		return nil, err
	}
	if u.nonce, err = a.reauthenticated(ctx, u); err != nil {
		return nil, err
	}
	if u.hash, err = a.replacePassword(ctx, u); err != nil {
		return nil, err
	}
	return a.applyUpdate(ctx, u)
}

// update is a change that a caller wants of its account, which was read and may be
// another one by the time of the change.
type update struct {
	UpdateUserParams
	caller *Caller
	read   *UserRecord

	// What checking the request comes to.
	nonce string // the CodeHash of the reauthentication code to take
	hash  string // of the new password
}

func (u *update) newEmail() bool { return u.Email != "" && u.Email != u.read.Email }
func (u *update) newPhone() bool { return u.Phone != "" && u.Phone != u.read.Phone }

// checkUpdate normalises and checks what can be checked without the account.
func (a *Auth) checkUpdate(ctx context.Context, p *UpdateUserParams) (err error) {
	if p.Email != "" {
		if p.Email, err = address.Email(p.Email); err != nil {
			return invalid("%v", err)
		}
	}
	if p.Phone != "" {
		if p.Phone, err = address.Phone(p.Phone); err != nil {
			return invalid("%v", err)
		}
		if err := a.checkChannel(p.Channel); err != nil {
			return err
		}
	}
	if p.Email != "" {
		if err := p.Challenge.check(); err != nil {
			return err
		}
	}
	if p.Password != nil {
		if err := a.checkPassword(ctx, *p.Password); err != nil {
			return err
		}
	}
	if p.AppMetadata != nil {
		return fail(KindForbidden, ErrNotAdmin, "Updating app_metadata requires admin privileges")
	}
	return a.checkData(p.Data)
}

// mayUpdate says why the account may not be changed like this.
func (a *Auth) mayUpdate(ctx context.Context, u *update) error {
	user, credentials := u.read, u.Password != nil || u.newEmail() || u.newPhone()
	switch {
	case credentials && lacksSecondFactor(u.caller, &user.User):
		return insufficientAAL()
	case user.IsAnonymous && u.Password != nil && u.Email == "" && u.Phone == "":
		return fail(KindUnprocessable, ErrValidationFailed, "Updating password of an anonymous user without an email or phone is not allowed")
	case user.IsSSOUser && credentials:
		return fail(KindUnprocessable, ErrUserSSOManaged, "Updating email, phone, password of a SSO account only possible via SSO")
	}
	if u.newEmail() && !(user.IsAnonymous && a.cfg.Email.Autoconfirm) { // it is mailed
		if err := a.checkRecipient(ctx, u.Email); err != nil {
			return err
		}
	}
	if u.newEmail() && !a.cfg.HideAccounts {
		if err := a.refuseTaken(ctx, a.store.EmailTaken, u.Email, user.ID, emailExists()); err != nil {
			return err
		}
	}
	if u.newPhone() {
		return a.refuseTaken(ctx, a.store.PhoneTaken, u.Phone, user.ID, phoneExists())
	}
	return nil
}

func (a *Auth) refuseTaken(ctx context.Context, taken func(context.Context, string, uuid.UUID) (bool, error), address string, user uuid.UUID, refusal error) error {
	yes, err := taken(ctx, address, user)
	if err != nil {
		return internal("Database error checking email", err)
	}
	if yes {
		return refusal
	}
	return nil
}

func emailExists() *Error {
	return fail(KindUnprocessable, ErrEmailExists, "A user with this email address has already been registered")
}

func phoneExists() *Error {
	return fail(KindUnprocessable, ErrPhoneExists, "A user with this phone number has already been registered")
}

// freshSession is how long after sign-in a new password needs no reauthentication.
const freshSession = 24 * time.Hour

// reauthenticated returns the hash of the code that proves that the caller is
// still there, "" if no proof is asked for.
func (a *Auth) reauthenticated(ctx context.Context, u *update) (string, error) {
	session := u.caller.session
	fresh := session != nil && !a.over(session.CreatedAt, freshSession)
	switch {
	case u.Password == nil || !a.cfg.Password.RequireReauthentication || fresh:
		return "", nil
	case u.Nonce == "":
		return "", fail(KindInvalid, ErrReauthenticationNeeded, "Password update requires reauthentication")
	}
	return a.checkNonce(ctx, u.read, u.Nonce)
}

// replacePassword checks the right to a new password and returns its hash, ""
// if none was asked for.
func (a *Auth) replacePassword(ctx context.Context, u *update) (string, error) {
	if u.Password == nil {
		return "", nil
	}
	if err := a.checkCurrentPassword(ctx, u); err != nil {
		return "", err
	}
	if u.read.PasswordHash != "" {
		same, _, err := a.verifyPassword(ctx, u.read, *u.Password)
		if err != nil {
			return "", err
		}
		if same {
			return "", fail(KindUnprocessable, ErrSamePassword, "New password should be different from the old password.")
		}
	}
	return a.hashPassword(ctx, *u.Password)
}

// checkCurrentPassword asks for the password where it must be known to change
// it: not by somebody who came in by a code because it was forgotten.
func (a *Auth) checkCurrentPassword(ctx context.Context, u *update) error {
	if !a.cfg.Password.RequireCurrent || u.read.PasswordHash == "" || u.caller.recovering() {
		return nil
	}
	const message = "Current password required when setting new password."
	if u.CurrentPassword == "" {
		return fail(KindInvalid, ErrCurrentPasswordNeeded, message)
	}
	ok, _, err := a.verifyPassword(ctx, u.read, u.CurrentPassword)
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

// applyUpdate writes an update in one transaction, and then tells.
func (a *Auth) applyUpdate(ctx context.Context, u *update) (*User, error) {
	var user *UserRecord
	var out []message
	err := a.inTx(ctx, func(tx Tx) error {
		if err := a.takeNonce(ctx, tx, u); err != nil {
			return err
		}
		var err error
		user, err = tx.UpdateUser(ctx, u.read.ID, a.now(), func(r *UserRecord) error { return a.applyTo(r, u) })
		if err != nil {
			return err
		}
		if err := a.recordUpdate(ctx, tx, user, u); err != nil {
			return err
		}
		out, err = a.askForAddresses(ctx, tx, user, u)
		return err
	})
	if err != nil {
		return nil, internal("Error updating user", duplicate(err))
	}
	if _, err := a.send(ctx, out...); err != nil {
		return nil, err
	}
	if u.hash != "" {
		a.tell(ctx, a.passwordNotice(ctx, &user.User)...)
	}
	return &user.User, nil
}

func (a *Auth) takeNonce(ctx context.Context, tx Tx, u *update) error {
	if u.nonce == "" {
		return nil
	}
	err := tx.TakeOneTimeToken(ctx, u.read.ID, OneTimeReauthentication, u.nonce)
	if errors.Is(err, ErrNoRow) {
		return nonceInvalid()
	}
	return err
}

// applyTo edits an account. Addresses that count as proven are replaced at once,
// others wait.
func (a *Auth) applyTo(r *UserRecord, u *update) error {
	if u.hash != "" && r.PasswordHash != u.read.PasswordHash {
		return fail(KindConflict, ErrConflict, "The password was changed by another request at the same time")
	}
	if err := a.edit(r, u.Data, nil, u.hash); err != nil {
		return err
	}
	if u.newEmail() {
		if r.IsAnonymous && a.cfg.Email.Autoconfirm {
			if err := replaceEmail(r, u.Email, a.now()); err != nil {
				return err
			}
		} else {
			r.NewEmail, r.EmailChangeConfirmStatus = u.Email, 0
		}
	}
	if !u.newPhone() {
		return nil
	}
	if a.cfg.Phone.Autoconfirm {
		return replacePhone(r, u.Phone, a.now())
	}
	r.NewPhone = u.Phone
	return nil
}

func (a *Auth) recordUpdate(ctx context.Context, tx Tx, user *UserRecord, u *update) error {
	if u.hash != "" {
		if err := passwordChanged(ctx, tx, user, u.caller.SessionID); err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionUpdatedPassword, &user.User, nil); err != nil {
			return err
		}
	}
	return a.audit(ctx, tx, actionModified, &user.User, nil)
}

// askForAddresses sends what has to be confirmed.
func (a *Auth) askForAddresses(ctx context.Context, tx Tx, user *UserRecord, u *update) ([]message, error) {
	var out []message
	if u.newEmail() && user.NewEmail == u.Email {
		mails, err := a.mailEmailChange(ctx, tx, user, u.RedirectTo, u.Challenge)
		if err != nil {
			return nil, err
		}
		out = append(out, mails...)
	}
	if u.newPhone() && user.NewPhone == u.Phone {
		texts, err := a.text(ctx, tx, texting{
			user: user, to: u.Phone, channel: u.Channel, kind: OneTimePhoneChange, purpose: purposePhoneChange, failure: "phone_change",
		})
		if err != nil {
			return nil, err
		}
		out = append(out, texts...)
	}
	return out, nil
}

// mailEmailChange asks the new address, and the one before it, to agree.
func (a *Auth) mailEmailChange(ctx context.Context, tx Tx, user *UserRecord, redirectTo string, c Challenge) ([]message, error) {
	m := mailing{
		user: user, to: user.NewEmail, account: user.ID.String(), redirectTo: redirectTo, challenge: c,
		kind: OneTimeEmailChangeNew, purpose: purposeEmailChange, mail: MailEmailChange, method: "email_change",
	}
	out, err := a.mail(ctx, tx, m)
	if err != nil || a.cfg.Email.SingleChangeConfirmation || user.Email == "" {
		return out, err
	}
	token, err := a.newOneTime(ctx, &user.User, OneTimeEmailChangeCurrent, purposeEmailChange, user.Email, c.Used())
	if err != nil {
		return nil, err
	}
	if err := a.issue(ctx, tx, token); err != nil {
		return nil, err
	}
	m.to = user.Email
	out[0].current = a.newMail(ctx, m, token)
	return out, nil
}

// replaceEmail gives an account a proven address.
func replaceEmail(u *UserRecord, email string, now time.Time) error {
	if err := setAddress(u, providerEmail, email, true, now); err != nil {
		return err
	}
	u.EmailConfirmedAt = either(u.EmailConfirmedAt, &now)
	u.NewEmail, u.EmailChangeConfirmStatus = "", 0
	u.IsAnonymous = false
	return nil
}

// replacePhone gives an account a proven number.
func replacePhone(u *UserRecord, phone string, now time.Time) error {
	if err := setAddress(u, providerPhone, phone, true, now); err != nil {
		return err
	}
	u.PhoneConfirmedAt = &now
	u.NewPhone = ""
	u.IsAnonymous = false
	return nil
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
	if err := a.identifyByEmail(u); err != nil {
		return err
	}
	u.ConfirmationSentAt, u.RecoverySentAt, u.EmailChangeSentAt, u.PhoneChangeSentAt, u.ReauthenticationSentAt = nil, nil, nil, nil, nil
	u.PasswordHash, err = a.cfg.Encryption.seal(u.ID, hash)
	return err
}

// identifyByEmail gives an account that is about to get its first password the
// identity that goes with it (contract: user.md §10).
func (a *Auth) identifyByEmail(u *UserRecord) error {
	has := slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.Provider == providerEmail })
	if !a.cfg.Password.EmailIdentity || has || u.PasswordHash != "" || u.EmailConfirmedAt == nil || u.IsSSOUser || u.IsAnonymous {
		return nil
	}
	if err := setAddress(u, providerEmail, u.Email, true, a.now()); err != nil {
		return err
	}
	var err error
	u.AppMetadata, err = u.AppMetadata.merge(providersOf(u.Identities))
	return err
}

// passwordChanged ends what an old password may have let in: every session but
// one, and everything that was sent.
func passwordChanged(ctx context.Context, tx Tx, user *UserRecord, keep uuid.UUID) error {
	if err := tx.DropOneTimeTokens(ctx, user.ID); err != nil {
		return err
	}
	_, err := tx.EndSessions(ctx, user.ID, keep)
	return err
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
func (c PasswordConfig) hasher(observe func(ctx context.Context, outcome string, waited time.Duration)) (*password.Hasher, error) {
	return password.New(password.Params{
		Algorithm: password.Algorithm(c.Algorithm), Cost: c.BcryptCost,
		Memory: int(c.Argon2.MemoryKiB), Passes: int(c.Argon2.Passes), Lanes: int(c.Argon2.Parallelism),
	}, password.Limit{Running: c.MaxHashing, Observe: observe})
}

// checkPassword refuses a password that is too long to be compared whole, weaker
// than the policy asks, or known to everybody. It may ask the network, so it is for
// no transaction; nor does it know of accounts, so that it takes as long with one
// as without (guarantees: D19).
func (a *Auth) checkPassword(ctx context.Context, pass string) error {
	if len(pass) > password.MaxLength {
		return invalid("%v", password.ErrTooLong)
	}
	weak, err := a.weakness(ctx, pass)
	switch {
	case err != nil:
		return err
	case weak != nil:
		return &Error{Kind: KindUnprocessable, Code: ErrWeakPassword, Message: weak.Message, Reasons: weak.Reasons}
	}
	return nil
}

// weakness says what a password lacks, nil for nothing. With an error it may lack
// more.
func (a *Auth) weakness(ctx context.Context, pass string) (*WeakPassword, error) {
	policy := password.Policy{MinLength: a.cfg.Password.MinLength, RequiredCharacters: a.cfg.Password.RequiredCharacters}
	leaked, err := a.leaked(ctx, pass)
	reasons, message := policy.Weakness(pass, leaked)
	if len(reasons) == 0 {
		return nil, err
	}
	return &WeakPassword{Message: message, Reasons: reasons}, err
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
