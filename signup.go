package postern

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
)

// SignUpParams asks for an account. At most one of Email and Phone is given.
type SignUpParams struct {
	Email    string
	Phone    string // E.164
	Password string
	Data     map[string]any // becomes user_metadata
	Audience string         // defaults to Config.Audience

	Channel    string // of the code for a Phone: "sms", the default, or "whatsapp"
	RedirectTo string // where the mailed link leads; defaults to Config.SiteURL
	Challenge         // with Email only
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
func (a *Auth) SignUp(ctx context.Context, p SignUpParams) (_ *SignUpResult, err error) {
	if p.Email == "" && p.Phone == "" {
		s, err := a.SignInAnonymously(ctx, SignInAnonymouslyParams{Data: p.Data, Audience: p.Audience})
		if err != nil {
			return nil, err
		}
		return &SignUpResult{User: s.User, Session: s}, nil
	}
	defer a.attempted(ctx, "sign_up", &err)
	who, err := a.applicant(ctx, p)
	if err != nil {
		return nil, err
	}
	if who.provider == providerEmail && !who.autoconfirm {
		if err := a.checkRecipient(ctx, who.address); err != nil {
			return nil, err
		}
	}
	began := time.Now() // how long it takes is not for Config.Now to say
	if who.hash, err = a.hashPassword(ctx, p.Password); err != nil {
		return nil, err
	}
	var res *SignUpResult
	var session *SessionRecord
	var out []message
	err = a.enrol(ctx, &who.creation, func(tx Tx) error {
		res, session, out, err = a.apply(ctx, tx, who)
		return err
	})
	a.hideCreation(ctx, &who.creation)
	switch {
	case errors.Is(err, ErrEmailTaken), errors.Is(err, ErrPhoneTaken):
		return a.alreadyRegistered(who) // by an account of another audience
	case err != nil:
		return nil, internal("Database error saving new user", err)
	}
	out = append(out, who.news()...)
	if session != nil {
		if _, err := a.send(ctx, out...); err != nil {
			return nil, err
		}
		return a.signedUp(ctx, res, session)
	}
	if _, err := a.sendEvenly(ctx, &a.paces.signUp, began, out...); err != nil {
		return nil, err
	}
	return res, nil
}

// applicant is somebody who wants an account, checked.
type applicant struct {
	provider    string // "email" or "phone"
	address     string // normal
	aud         string
	data        map[string]any
	hash        string // of the password
	autoconfirm bool

	channel    string
	redirectTo string
	challenge  Challenge

	creation
}

func (a *Auth) applicant(ctx context.Context, p SignUpParams) (*applicant, error) {
	switch {
	case a.cfg.DisableSignUp:
		return nil, signUpDisabled()
	case p.Password == "":
		return nil, invalid("Signup requires a valid password")
	}
	if err := a.checkPassword(ctx, p.Password); err != nil {
		return nil, err
	}
	if p.Email != "" && p.Phone != "" {
		return nil, invalid("Only an email address or phone number should be provided on signup.")
	}
	if err := a.checkChannel(p.Channel); p.Phone != "" && err != nil {
		return nil, err
	}
	if p.Phone != "" && p.CodeChallenge != "" {
		return nil, invalid("PKCE not supported for phone signups")
	}
	if err := p.Challenge.check(); err != nil {
		return nil, err
	}
	if err := a.checkData(p.Data); err != nil {
		return nil, err
	}
	provider, given := providerEmail, p.Email
	if p.Phone != "" {
		provider, given = providerPhone, p.Phone
	}
	who, err := a.applicantAt(provider, given, p.Audience)
	if err != nil {
		return nil, err
	}
	who.data, who.channel, who.redirectTo, who.challenge = p.Data, p.Channel, p.RedirectTo, p.Challenge
	return who, nil
}

// applicantAt is somebody at an address of a provider that is switched on.
func (a *Auth) applicantAt(provider, given, aud string) (*applicant, error) {
	who := &applicant{provider: provider, aud: a.audience(aud), autoconfirm: a.cfg.Email.Autoconfirm}
	normalise := address.Email
	switch {
	case provider == providerPhone && !a.cfg.Phone.Enabled:
		return nil, fail(KindInvalid, ErrPhoneProviderDisabled, "Phone signups are disabled")
	case provider == providerPhone:
		who.autoconfirm, normalise = a.cfg.Phone.Autoconfirm, address.Phone
	case a.cfg.Email.Disabled:
		return nil, fail(KindInvalid, ErrEmailProviderDisabled, "Email signups are disabled")
	}
	var err error
	if who.address, err = normalise(given); err != nil {
		return nil, invalid("%v", err)
	}
	return who, nil
}

// claim makes an applicant wait whose last confirmation is too recent, as if
// nobody knew whether the address has an account.
func (who *applicant) claim(ctx context.Context, a *Auth, tx Tx) error {
	switch {
	case who.autoconfirm:
		return nil
	case who.provider == providerPhone:
		return a.claimSMS(ctx, tx, OneTimeConfirmation, who.address)
	}
	return a.claimMail(ctx, tx, OneTimeConfirmation, who.address)
}

// apply decides what becomes of an applicant.
func (a *Auth) apply(ctx context.Context, tx Tx, who *applicant) (res *SignUpResult, session *SessionRecord, out []message, err error) {
	if err := who.claim(ctx, a, tx); err != nil {
		return nil, nil, nil, err
	}
	existing, err := who.account(ctx, tx)
	switch {
	case errors.Is(err, ErrNoRow):
		return a.enrolNew(ctx, tx, who)
	case err != nil:
		return nil, nil, nil, err
	case !a.settled(existing, who):
		return a.enrolAgain(ctx, tx, who, existing)
	}
	if err := a.audit(ctx, tx, actionRepeatedSignUp, &existing.User, viaProvider(who.provider)); err != nil {
		return nil, nil, nil, err
	}
	res, err = a.alreadyRegistered(who)
	return res, nil, nil, err
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

// ofAStranger reports whether nobody ever proved to own an account's address, and
// what it holds came from somebody who only claimed it: no operator invited or made
// it.
func (u *User) ofAStranger() bool {
	return u.EmailConfirmedAt == nil && u.PhoneConfirmedAt == nil && u.InvitedAt == nil &&
		(u.ConfirmationSentAt != nil || u.LastSignInAt != nil)
}

// ownSignUp reports whether an unproven account is nobody's but its last
// applicant's: it is a stranger's, and nobody is at home in it yet.
func (u *User) ownSignUp() bool { return u.ofAStranger() && u.LastSignInAt == nil }

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

func (a *Auth) enrolNew(ctx context.Context, tx Tx, who *applicant) (*SignUpResult, *SessionRecord, []message, error) {
	u, err := a.newUser(who)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := a.await(u, who); err != nil {
		return nil, nil, nil, err
	}
	if err := a.addUser(ctx, tx, &who.creation, u); err != nil {
		return nil, nil, nil, err
	}
	res, session, out, err := a.enrolled(ctx, tx, who, u)
	if err == nil && session == nil {
		// As decoys are: PostgreSQL keeps the members of metadata in an order of its own.
		res.User = who.made.shown()
	}
	return res, session, out, err
}

// enrolAgain starts an unproven account over: its new applicant's password and
// data replace what the one before left. What an operator prepared stays as it is.
func (a *Auth) enrolAgain(ctx context.Context, tx Tx, who *applicant, u *UserRecord) (*SignUpResult, *SessionRecord, []message, error) {
	if u.ownSignUp() {
		var err error
		u, err = tx.UpdateUser(ctx, u.ID, a.now(), func(u *UserRecord) error { return a.startOver(u, who) })
		if err != nil {
			return nil, nil, nil, err
		}
		if err := tx.DropOneTimeTokens(ctx, u.ID); err != nil {
			return nil, nil, nil, err
		}
	}
	res, session, out, err := a.enrolled(ctx, tx, who, u)
	if err != nil || session != nil {
		return res, session, out, err
	}
	decoy, err := a.newUser(who)
	if err != nil {
		return nil, nil, nil, err
	}
	decoy.ConfirmationSentAt = &decoy.CreatedAt
	return &SignUpResult{User: &decoy.User, Decoy: true}, nil, out, nil
}

func (a *Auth) startOver(u *UserRecord, who *applicant) error {
	identity, err := who.identity(u.ID, a.now())
	if err != nil {
		return err
	}
	u.reduceTo(*identity)
	return a.await(u, who)
}

// reduceTo leaves an account nothing but one identity and what that says. It takes
// the place of the account's own of its provider.
func (u *User) reduceTo(identity Identity) {
	for _, old := range u.Identities {
		if old.Provider == identity.Provider {
			identity.IdentityID, identity.CreatedAt = old.IdentityID, old.CreatedAt
		}
	}
	u.Identities, u.UserMetadata = []Identity{identity}, identity.IdentityData
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

// enrolled finishes a sign-up: with a session if the account is confirmed, and
// otherwise with a message that asks for it.
func (a *Auth) enrolled(ctx context.Context, tx Tx, who *applicant, u *UserRecord) (*SignUpResult, *SessionRecord, []message, error) {
	if !who.autoconfirm {
		out, err := a.askToConfirm(ctx, tx, who, u)
		if err == nil {
			err = a.audit(ctx, tx, actionConfirmationRequested, &u.User, viaProvider(who.provider))
		}
		return &SignUpResult{User: &u.User}, nil, out, err
	}
	if err := a.audit(ctx, tx, actionSignedUp, &u.User, viaProvider(who.provider)); err != nil {
		return nil, nil, nil, err
	}
	session, err := a.recordSignIn(ctx, tx, u, viaProvider(who.provider), methodPassword)
	return &SignUpResult{User: &u.User}, session, nil, err
}

func (a *Auth) askToConfirm(ctx context.Context, tx Tx, who *applicant, u *UserRecord) ([]message, error) {
	if who.provider == providerPhone {
		return a.composeText(ctx, tx, texting{
			user: u, to: who.address, channel: who.channel, kind: OneTimeConfirmation, purpose: purposeSMS, failure: "confirmation",
		})
	}
	m := confirmation(u)
	m.redirectTo, m.challenge = who.redirectTo, who.challenge
	return a.composeMail(ctx, tx, m)
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
