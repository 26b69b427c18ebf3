package postern

import (
	"bytes"
	"context"
	"errors"

	"github.com/google/uuid"
)

// methodPasskey is the AMR method of a passkey. However it was unlocked, its session
// is at AAL1, as in GoTrue.
const methodPasskey = "passkey"

// BeginPasskeySignIn begins to sign somebody in with a passkey, whoever it is. The
// options go to navigator.credentials.get. ErrPasskeyDisabled (contract: endpoints.md
// §6).
func (a *Auth) BeginPasskeySignIn(ctx context.Context) (*PasskeyOptions, error) {
	if err := a.RequirePasskeys(); err != nil {
		return nil, err
	}
	options, session, err := a.cfg.WebAuthn.BeginAssertion(nil)
	if err != nil {
		return nil, internal("Failed to initialize WebAuthn", err)
	}
	return a.beginCeremony(ctx, CeremonyAuthentication, nil, options, session)
}

// SignInWithPasskey ends the ceremony and opens a session. Errors:
// ErrPasskeyDisabled, ErrValidationFailed, ErrWebAuthnChallengeNotFound,
// ErrWebAuthnChallengeExpired, ErrWebAuthnVerificationFailed, ErrUserBanned,
// ErrEmailNotConfirmed, ErrPhoneNotConfirmed (contract: endpoints.md §6).
func (a *Auth) SignInWithPasskey(ctx context.Context, r PasskeyResponse) (_ *Session, err error) {
	defer a.attempted(ctx, "passkey", &err)
	if err := a.RequirePasskeys(); err != nil {
		return nil, err
	}
	ceremony, err := a.takeCeremony(ctx, CeremonyAuthentication, r.ChallengeID)
	if err != nil {
		return nil, err
	}
	var passkeys []PasskeyRecord
	used, err := a.cfg.WebAuthn.FinishAssertion(ceremony.SessionData, r.Credential, func(handle []byte) (*WebAuthnUser, error) {
		u, found, err := a.passkeyOwner(ctx, handle)
		passkeys = found
		return u, err
	})
	if err != nil {
		return nil, webauthnFailure(err)
	}
	for _, p := range passkeys {
		if bytes.Equal(p.CredentialID, used.ID) {
			if err := a.judgeCredential(ctx, used, p.ID); err != nil {
				return nil, webauthnFailure(err)
			}
			return a.openPasskeySession(ctx, &p, used)
		}
	}
	return nil, webauthnFailure(&WebAuthnError{Err: errors.New("the credential is none of the user's")})
}

// passkeyOwner returns the user that an authenticator says it belongs to, and its
// passkeys. It says nothing of whether there is one.
func (a *Auth) passkeyOwner(ctx context.Context, handle []byte) (*WebAuthnUser, []PasskeyRecord, error) {
	id, err := uuid.Parse(string(handle))
	if err != nil || id.String() != string(handle) {
		return nil, nil, invalid("Invalid user handle in assertion")
	}
	passkeys, err := a.store.Passkeys(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	u := &WebAuthnUser{ID: id}
	for _, p := range passkeys {
		u.Credentials = append(u.Credentials, p.credential())
	}
	return u, passkeys, nil
}

// openPasskeySession notes how a passkey was used and opens a session, unless the
// passkey was removed meanwhile.
func (a *Auth) openPasskeySession(ctx context.Context, p *PasskeyRecord, used *WebAuthnCredential) (*Session, error) {
	var user *UserRecord
	var session *SessionRecord
	err := a.store.InTx(ctx, func(tx Tx) error {
		_, err := tx.UpdatePasskey(ctx, p.UserID, p.ID, a.now(), func(p *PasskeyRecord) error {
			p.SignCount, p.BackupEligible, p.BackedUp = used.SignCount, used.BackupEligible, used.BackedUp
			p.LastUsedAt = ptr(a.now())
			return nil
		})
		if err != nil {
			return err
		}
		if user, err = a.stampSignIn(ctx, tx, p.UserID, a.mayUsePasskey); err != nil {
			return err
		}
		session, err = a.recordSignIn(ctx, tx, user, passkeyTraits(p.ID), methodPasskey)
		return err
	})
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, webauthnFailure(&WebAuthnError{Err: err})
	case err != nil:
		return nil, internal("Database error granting user", err)
	}
	return a.firstSession(ctx, user, session)
}

// mayUsePasskey says why a user who has proven to have a passkey may not sign in.
func (a *Auth) mayUsePasskey(u *UserRecord) error {
	if err := a.refuseBanned(u); err != nil {
		return err
	}
	switch {
	case u.EmailConfirmedAt != nil || u.PhoneConfirmedAt != nil:
		return nil
	case u.Email != "":
		return fail(KindForbidden, ErrEmailNotConfirmed, "Email not confirmed")
	case u.Phone != "":
		return fail(KindForbidden, ErrPhoneNotConfirmed, "Phone not confirmed")
	}
	return nil
}
