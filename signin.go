package postern

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
)

// PasswordSession is a Session that was got with a password.
type PasswordSession struct {
	Session
	// WeakPassword says what the password lacks by today's rules. nil when it
	// is strong. Sign-in succeeds in any case.
	WeakPassword *WeakPassword `json:"weak_password"`
}

// WeakPassword says what a password lacks: "length", "characters", "pwned".
type WeakPassword struct {
	Message string   `json:"message,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// How a user authenticated, in AMREntry.Method (contract: tokens.md §1).
const (
	methodPassword  = "password"
	methodAnonymous = "anonymous"
)

// SignInWithPasswordParams names an account by address or number.
type SignInWithPasswordParams struct {
	Email    string
	Phone    string
	Password string
	Audience string // defaults to Config.Audience
}

// SignInWithPassword opens a session for whoever knows the password. Its
// refusals are alike, in what they say and how long they take, for accounts
// that exist and accounts that do not: ErrInvalidCredentials. Only with the
// right password it says ErrUserBanned, ErrEmailNotConfirmed or
// ErrPhoneNotConfirmed. A hash whose parameters are weaker than configured is
// replaced.
func (a *Auth) SignInWithPassword(ctx context.Context, p SignInWithPasswordParams) (_ *PasswordSession, err error) {
	defer a.attempted(ctx, "password", &err)
	provider := providerEmail
	if p.Phone != "" {
		provider = providerPhone
	}
	user, account, err := a.findForPassword(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := a.limitPassword(ctx, account, user); err != nil {
		return nil, err
	}
	rehash, err := a.provePassword(ctx, user, p.Password)
	if err != nil {
		return nil, err
	}
	if err := a.passwordProven(ctx, account); err != nil {
		return nil, err
	}
	if err := a.maySignIn(user, provider); err != nil {
		return nil, err
	}
	weak := a.weaknessKnown(ctx, p.Password)
	s, err := a.openPasswordSession(ctx, user, provider, rehash)
	if err != nil {
		return nil, err
	}
	return &PasswordSession{Session: *s, WeakPassword: weak}, nil
}

// weaknessPatience is how long whoever signs in waits to hear that a password is
// weak.
const weaknessPatience = time.Second

// weaknessKnown is weakness as far as it can be told soon. Whoever has the right
// password is not kept out by what cannot.
func (a *Auth) weaknessKnown(ctx context.Context, pass string) *WeakPassword {
	ctx, cancel := context.WithTimeout(ctx, weaknessPatience)
	defer cancel()
	weak, err := a.weakness(ctx, pass)
	if err != nil {
		a.cfg.Logger.WarnContext(ctx, "the strength of a password could not be checked at sign-in", "error", err)
	}
	return weak
}

// findForPassword returns the account that p names, nil if there is none, and what
// tries at its password are counted by.
func (a *Auth) findForPassword(ctx context.Context, p SignInWithPasswordParams) (user *UserRecord, account string, err error) {
	switch {
	case p.Email != "" && p.Phone != "":
		return nil, "", invalid("Only an email address or phone number should be provided on login.")
	case p.Email != "":
		if a.cfg.Email.Disabled {
			return nil, "", fail(KindUnprocessable, ErrEmailProviderDisabled, "Email logins are disabled")
		}
		return a.lookUp(ctx, p.Email, p.Audience, address.LookupEmail, a.store.FindUserByEmail)
	case p.Phone != "":
		if !a.cfg.Phone.Enabled {
			return nil, "", fail(KindUnprocessable, ErrPhoneProviderDisabled, "Phone logins are disabled")
		}
		return a.lookUp(ctx, p.Phone, p.Audience, address.LookupPhone, a.store.FindUserByPhone)
	}
	return nil, "", invalid("missing email or phone")
}

func (a *Auth) lookUp(ctx context.Context, typed, aud string, normalise func(string) (string, bool),
	find func(ctx context.Context, address, aud string) (*UserRecord, error),
) (user *UserRecord, account string, err error) {
	normal, possible := normalise(typed)
	if !possible {
		return nil, "", nil
	}
	aud = a.audience(aud)
	user, err = find(ctx, normal, aud)
	if errors.Is(err, ErrNoRow) {
		user, err = nil, nil
	}
	return user, aud + " " + normal, internal("Database error querying schema", err)
}

// provePassword checks a password against an account's, which may be nil for
// one that does not exist: that takes as long. It returns the hash that should
// replace the stored one, if any.
func (a *Auth) provePassword(ctx context.Context, user *UserRecord, pass string) (rehash Secret, err error) {
	ok, weaker, err := a.verifyPassword(ctx, user, pass)
	if err == nil {
		err = a.judgePassword(ctx, user, ok)
	}
	if err != nil {
		return "", err
	}
	switch {
	case !ok:
		return "", invalidCredentials()
	case weaker:
		hash, err := a.hashPassword(ctx, pass)
		if err != nil {
			return "", err
		}
		return a.cfg.Encryption.seal(user.ID, hash)
	case a.cfg.Encryption.stale(user.PasswordHash):
		hash, err := a.cfg.Encryption.open(user.ID, user.PasswordHash)
		if err != nil {
			return "", internal("reading the password failed", err)
		}
		return a.cfg.Encryption.seal(user.ID, string(hash))
	}
	return "", nil
}

func invalidCredentials() *Error {
	return fail(KindInvalid, ErrInvalidCredentials, "Invalid login credentials")
}

// maySignIn says why an account that proved its password may not sign in.
func (a *Auth) maySignIn(user *UserRecord, provider string) error {
	switch {
	case a.banned(&user.User):
		return fail(KindInvalid, ErrUserBanned, "User is banned")
	case user.confirmedAt(provider) != nil:
		return nil
	case provider == providerPhone:
		return fail(KindInvalid, ErrPhoneNotConfirmed, "Phone not confirmed")
	}
	return fail(KindInvalid, ErrEmailNotConfirmed, "Email not confirmed")
}

func (a *Auth) banned(u *User) bool {
	return u.BannedUntil != nil && u.BannedUntil.After(a.now())
}

// refuseBanned says to whoever acts as a user, or has proven to be it, that the
// account is banned.
func (a *Auth) refuseBanned(u *UserRecord) error {
	if a.banned(&u.User) {
		return fail(KindForbidden, ErrUserBanned, "User is banned")
	}
	return nil
}

// openPasswordSession opens the session, unless the password that was proven
// was changed while it was being checked. rehash replaces its hash, unless empty.
func (a *Auth) openPasswordSession(ctx context.Context, proven *UserRecord, provider string, rehash Secret) (*Session, error) {
	session, err := a.newSession(ctx, proven.ID, methodPassword)
	if err != nil {
		return nil, err
	}
	entry, err := a.auditEntry(ctx, actionLogin, &proven.User, viaProvider(provider))
	if err != nil {
		return nil, err
	}
	user, err := a.store.OpenSession(ctx, SessionOpening{
		PasswordHash: proven.PasswordHash, NewHash: Secret(either(string(rehash), string(proven.PasswordHash))),
		Session: session, Entry: &entry,
	})
	if errors.Is(err, ErrNoRow) { // changed, or deleted since it was looked up
		return nil, invalidCredentials()
	}
	if err != nil {
		return nil, internal("Database error granting user", err)
	}
	return a.firstSession(ctx, user, session)
}

// stampSignIn notes when a user signed in last, with what edit decides and changes.
func (a *Auth) stampSignIn(ctx context.Context, tx Tx, id uuid.UUID, edit func(*UserRecord) error) (*UserRecord, error) {
	return tx.UpdateUser(ctx, id, a.now(), func(u *UserRecord) error {
		u.LastSignInAt = ptr(a.now())
		return edit(u)
	})
}

// recordSignIn writes a sign-in into the audit log and opens its session.
func (a *Auth) recordSignIn(ctx context.Context, tx Tx, user *UserRecord, details traits, method string) (*SessionRecord, error) {
	if err := a.audit(ctx, tx, actionLogin, &user.User, details); err != nil {
		return nil, err
	}
	return a.addSession(ctx, tx, user, method)
}
