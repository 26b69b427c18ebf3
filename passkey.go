package postern

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// PasskeyConfig is about signing in with passkeys. It needs Config.WebAuthn.
type PasskeyConfig struct {
	// Enabled lets users register passkeys and sign in with them.
	Enabled bool
	// Max is how many a user may have. Defaults to 10.
	Max int
	// ChallengeExpiry is how long a ceremony may take. Defaults to 5 minutes.
	ChallengeExpiry time.Duration
}

// Passkey is a passkey as its user sees it (contract: endpoints.md §6).
type Passkey struct {
	ID           uuid.UUID  `json:"id"`
	FriendlyName string     `json:"friendly_name,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty"`
}

func (p *PasskeyRecord) passkey() Passkey {
	return Passkey{ID: p.ID, FriendlyName: p.FriendlyName, CreatedAt: p.CreatedAt, LastUsedAt: p.LastUsedAt}
}

// credential is a passkey as ceremonies know it.
func (p *PasskeyRecord) credential() WebAuthnCredential {
	c := WebAuthnCredential{
		ID: p.CredentialID, PublicKey: p.PublicKey, AttestationType: p.AttestationType, SignCount: p.SignCount,
		Transports: p.Transports, UserPresent: true, BackupEligible: p.BackupEligible, BackedUp: p.BackedUp,
	}
	if p.AAGUID != nil {
		c.AAGUID = *p.AAGUID
	}
	return c
}

// PasskeyOptions begin a ceremony: Options go to the browser, and what it makes of
// them comes back with ChallengeID.
type PasskeyOptions struct {
	ChallengeID uuid.UUID `json:"challenge_id"`
	Options     Metadata  `json:"options"`
	ExpiresAt   int64     `json:"expires_at"` // in Unix seconds
}

// PasskeyResponse ends a ceremony.
type PasskeyResponse struct {
	ChallengeID uuid.UUID
	Credential  Metadata // what the browser made of the options, as JSON
}

// RequirePasskeys returns ErrPasskeyDisabled unless passkeys are switched on, for
// adapters whose routes are not there otherwise.
func (a *Auth) RequirePasskeys() error {
	if !a.cfg.Passkeys.Enabled {
		return fail(KindNotFound, ErrPasskeyDisabled, "Passkeys are disabled")
	}
	return nil
}

// BeginPasskeyRegistration begins to make a passkey of the caller's. The options go
// to navigator.credentials.create. Errors: ErrPasskeyDisabled, ErrNoAuthorization for
// anonymous users, ErrInsufficientAAL, ErrValidationFailed for SSO users,
// ErrTooManyPasskeys (contract: endpoints.md §6).
func (a *Auth) BeginPasskeyRegistration(ctx context.Context, c *Caller) (*PasskeyOptions, error) {
	if err := a.mayRegister(ctx, c); err != nil {
		return nil, err
	}
	passkeys, err := a.store.Passkeys(ctx, c.User.ID)
	if err != nil {
		return nil, internal("Database error counting passkeys", err)
	}
	if len(passkeys) >= a.cfg.Passkeys.Max {
		return nil, tooManyPasskeys()
	}
	u := webauthnUser(c.User)
	for _, p := range passkeys {
		u.Credentials = append(u.Credentials, p.credential())
	}
	options, session, err := a.cfg.WebAuthn.BeginRegistration(u, true)
	if err != nil {
		return nil, internal("Failed to initialize WebAuthn", err)
	}
	return a.beginCeremony(ctx, CeremonyRegistration, &c.User.ID, options, session)
}

// mayRegister says why a caller may not have a passkey.
func (a *Auth) mayRegister(ctx context.Context, c *Caller) error {
	if err := a.RequirePasskeys(); err != nil {
		return err
	}
	if c.User.IsAnonymous {
		return fail(KindForbidden, ErrNoAuthorization, "Anonymous user not allowed to perform these actions")
	}
	if err := mayManagePasskeys(c); err != nil {
		return err
	}
	user, err := a.store.FindUser(ctx, c.User.ID)
	if err != nil {
		return internal("Database error finding user", err)
	}
	if user.IsSSOUser {
		return fail(KindUnprocessable, ErrValidationFailed, "SSO users cannot register passkeys")
	}
	return nil
}

func mayManagePasskeys(c *Caller) error {
	if lacksSecondFactor(c, c.User) {
		return fail(KindForbidden, ErrInsufficientAAL, "AAL2 session is required to manage passkeys when MFA is enabled")
	}
	return nil
}

func tooManyPasskeys() *Error {
	return fail(KindUnprocessable, ErrTooManyPasskeys, "Maximum number of passkeys reached")
}

// RegisterPasskey ends the ceremony. The passkey is called as its authenticator, or
// "Passkey". Errors: those of BeginPasskeyRegistration, ErrWebAuthnChallengeNotFound,
// ErrWebAuthnChallengeExpired, ErrWebAuthnVerificationFailed,
// ErrWebAuthnCredentialExists.
func (a *Auth) RegisterPasskey(ctx context.Context, c *Caller, r PasskeyResponse) (*Passkey, error) {
	if err := a.mayRegister(ctx, c); err != nil {
		return nil, err
	}
	ceremony, err := a.takeCeremony(ctx, CeremonyRegistration, r.ChallengeID)
	if err != nil {
		return nil, err
	}
	if ceremony.UserID == nil || *ceremony.UserID != c.User.ID {
		return nil, challengeNotFound()
	}
	made, err := a.cfg.WebAuthn.FinishRegistration(webauthnUser(c.User), ceremony.SessionData, r.Credential)
	if err != nil {
		return nil, webauthnFailure(err)
	}
	p := a.newPasskey(c.User.ID, made)
	err = a.store.InTx(ctx, func(tx Tx) error {
		if err := a.roomForPasskey(ctx, tx, c.User.ID); err != nil {
			return err
		}
		if err := tx.AddPasskey(ctx, p); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionPasskeyCreated, c.User, passkeyTraits(p.ID))
	})
	switch {
	case errors.Is(err, ErrRowTaken):
		return nil, fail(KindUnprocessable, ErrWebAuthnCredentialExists, "This credential is already registered")
	case err != nil:
		return nil, internal("Database error creating passkey", err)
	}
	return ptr(p.passkey()), nil
}

func (a *Auth) newPasskey(userID uuid.UUID, made *WebAuthnCredential) *PasskeyRecord {
	now := a.now()
	p := &PasskeyRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: userID, FriendlyName: either(made.Authenticator, "Passkey"),
		CreatedAt: now, UpdatedAt: now, CredentialID: made.ID, PublicKey: made.PublicKey,
		AttestationType: made.AttestationType, SignCount: made.SignCount, Transports: made.Transports,
		BackupEligible: made.BackupEligible, BackedUp: made.BackedUp,
	}
	if made.AAGUID != uuid.Nil {
		p.AAGUID = &made.AAGUID
	}
	return p
}

// roomForPasskey refuses one that is too many, of several at once too.
func (a *Auth) roomForPasskey(ctx context.Context, tx Tx, userID uuid.UUID) error {
	if _, err := a.enrolling(ctx, tx, userID); err != nil {
		return err
	}
	passkeys, err := tx.Passkeys(ctx, userID)
	if err == nil && len(passkeys) >= a.cfg.Passkeys.Max {
		return tooManyPasskeys()
	}
	return err
}

// beginCeremony stores what is to be remembered of a ceremony.
func (a *Auth) beginCeremony(ctx context.Context, kind CeremonyKind, user *uuid.UUID, options, session Metadata) (*PasskeyOptions, error) {
	now := a.now()
	c := CeremonyRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: user, Kind: kind, SessionData: session,
		CreatedAt: now, ExpiresAt: now.Add(a.cfg.Passkeys.ChallengeExpiry),
	}
	if err := a.store.AddCeremony(ctx, c); err != nil {
		return nil, internal("Database error creating challenge", err)
	}
	return &PasskeyOptions{ChallengeID: c.ID, Options: options, ExpiresAt: c.ExpiresAt.Unix()}, nil
}

// takeCeremony uses a ceremony up: whatever comes of the first attempt, there is no
// second.
func (a *Auth) takeCeremony(ctx context.Context, kind CeremonyKind, id uuid.UUID) (*CeremonyRecord, error) {
	c, err := a.store.TakeCeremony(ctx, id, kind)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, challengeNotFound()
	case err != nil:
		return nil, internal("Database error consuming challenge", err)
	case a.over(c.CreatedAt, c.ExpiresAt.Sub(c.CreatedAt)):
		return nil, fail(KindInvalid, ErrWebAuthnChallengeExpired, "Challenge has expired")
	}
	return c, nil
}

func challengeNotFound() *Error {
	return fail(KindInvalid, ErrWebAuthnChallengeNotFound, "Challenge not found or already used")
}

// webauthnFailure is what a client is told of a response that was not accepted.
func webauthnFailure(err error) error {
	var refused *WebAuthnError
	if !errors.As(err, &refused) {
		return internal("Failed to validate WebAuthn response", err)
	}
	e := fail(KindInvalid, ErrWebAuthnVerificationFailed, "Credential verification failed")
	if refused.Malformed {
		e.Message = "Invalid credential response"
	}
	e.Err = err
	return e
}

// ListPasskeys returns the caller's passkeys, oldest first. ErrPasskeyDisabled.
func (a *Auth) ListPasskeys(ctx context.Context, c *Caller) ([]Passkey, error) {
	if err := a.RequirePasskeys(); err != nil {
		return nil, err
	}
	return a.passkeys(ctx, c.User.ID)
}

func (a *Auth) passkeys(ctx context.Context, userID uuid.UUID) ([]Passkey, error) {
	records, err := a.store.Passkeys(ctx, userID)
	if err != nil {
		return nil, internal("Database error loading passkeys", err)
	}
	list := make([]Passkey, len(records))
	for i := range records {
		list[i] = records[i].passkey()
	}
	return list, nil
}

// maxPasskeyName is in bytes, as in GoTrue.
const maxPasskeyName = 120

// RenamePasskey changes what the caller calls one of its passkeys. Errors:
// ErrPasskeyDisabled, ErrValidationFailed, KindNotFound when there is none.
func (a *Auth) RenamePasskey(ctx context.Context, c *Caller, id uuid.UUID, friendlyName string) (*Passkey, error) {
	if err := a.RequirePasskeys(); err != nil {
		return nil, err
	}
	switch {
	case friendlyName == "":
		return nil, invalid("friendly_name is required")
	case len(friendlyName) > maxPasskeyName:
		return nil, invalid("friendly_name must be %d characters or less", maxPasskeyName)
	}
	var renamed *PasskeyRecord
	err := a.store.InTx(ctx, func(tx Tx) (err error) {
		renamed, err = tx.UpdatePasskey(ctx, c.User.ID, id, a.now(), func(p *PasskeyRecord) error {
			p.FriendlyName = friendlyName
			return nil
		})
		if err != nil {
			return missing(err, passkeyNotFound())
		}
		return a.audit(ctx, tx, actionPasskeyUpdated, c.User, passkeyTraits(id))
	})
	if err != nil {
		return nil, internal("Database error updating passkey", err)
	}
	return ptr(renamed.passkey()), nil
}

func passkeyNotFound() *Error { return fail(KindNotFound, ErrValidationFailed, "Passkey not found") }

// DeletePasskey removes one of the caller's passkeys. Errors: ErrPasskeyDisabled,
// ErrInsufficientAAL, KindNotFound when there is none.
func (a *Auth) DeletePasskey(ctx context.Context, c *Caller, id uuid.UUID) error {
	if err := a.RequirePasskeys(); err != nil {
		return err
	}
	if err := mayManagePasskeys(c); err != nil {
		return err
	}
	return a.dropPasskey(ctx, c.User.ID, id, c.User, passkeyTraits(id))
}

// dropPasskey removes a passkey; by is nil for an operator.
func (a *Auth) dropPasskey(ctx context.Context, userID, id uuid.UUID, by *User, details traits) error {
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.DeletePasskey(ctx, userID, id); err != nil {
			return missing(err, passkeyNotFound())
		}
		return a.audit(ctx, tx, actionPasskeyDeleted, by, details)
	})
	return internal("Database error deleting passkey", err)
}

func passkeyTraits(id uuid.UUID) traits { return traits{"passkey_id": id} }

// AdminListPasskeys returns a user's passkeys, oldest first, also while they are
// switched off. ErrUserNotFound.
func (a *Auth) AdminListPasskeys(ctx context.Context, userID uuid.UUID) ([]Passkey, error) {
	if _, err := a.AdminUser(ctx, userID); err != nil {
		return nil, err
	}
	return a.passkeys(ctx, userID)
}

// AdminDeletePasskey removes a user's passkey, also while they are switched off.
// Errors: ErrUserNotFound, KindNotFound when there is none.
func (a *Auth) AdminDeletePasskey(ctx context.Context, userID, id uuid.UUID) error {
	if _, err := a.AdminUser(ctx, userID); err != nil {
		return err
	}
	return a.dropPasskey(ctx, userID, id, nil, passkeyTraits(id).of(userID))
}
