package postern

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// WebAuthn does the ceremonies of passkeys and security keys (WebAuthn Level 3).
// Package webauthn has one. What is left to be remembered between the beginning and
// the end of a ceremony is the implementation's to write; Auth keeps it in GoTrue's
// tables, where GoTrue finds it too.
//
// Errors about the client's response are *WebAuthnError.
type WebAuthn interface {
	// BeginRegistration begins to make a credential for a user, who is known to the
	// authenticator from then on if it is to be a passkey. Options are those of
	// navigator.credentials.create, as JSON.
	BeginRegistration(u WebAuthnUser, passkey bool) (options, session Metadata, err error)

	// FinishRegistration checks the client's response (RegistrationResponseJSON).
	FinishRegistration(u WebAuthnUser, session, response Metadata) (*WebAuthnCredential, error)

	// BeginAssertion begins to use one of a user's credentials or, if u is nil, a
	// passkey of whoever has one. Options are those of navigator.credentials.get.
	BeginAssertion(u *WebAuthnUser) (options, session Metadata, err error)

	// FinishAssertion checks the client's response (AuthenticationResponseJSON), and
	// returns the credential that was used as it is from then on. If the ceremony
	// began without a user, find returns the one with a handle; an error of find is
	// returned unchanged.
	FinishAssertion(session, response Metadata, find func(handle []byte) (*WebAuthnUser, error)) (*WebAuthnCredential, error)
}

// WebAuthnUser is a user as authenticators know it. Its handle is the text of ID, as
// in GoTrue.
type WebAuthnUser struct {
	ID          uuid.UUID
	Name        string // that it recognises the account by
	DisplayName string
	Credentials []WebAuthnCredential
}

// Handle is what the authenticator keeps of the user.
func (u WebAuthnUser) Handle() []byte { return []byte(u.ID.String()) }

// WebAuthnCredential is a credential record (WebAuthn Level 3 §4).
type WebAuthnCredential struct {
	ID              []byte
	PublicKey       []byte // COSE
	AttestationType string
	AAGUID          uuid.UUID
	SignCount       uint32
	Transports      []string
	UserPresent     bool
	UserVerified    bool
	BackupEligible  bool
	BackedUp        bool

	// Record is the whole of it as the implementation writes it, where it is kept
	// whole: for factors.
	Record Metadata

	// Authenticator is what the authenticator's model is called, "" if that is not
	// known.
	Authenticator string

	// What the last assertion was like.
	CloneWarning          bool // the counter went back, as it does when there are two of the credential
	BackupEligibleChanged bool // which it never should
}

// WebAuthnError says why a client's response was not accepted. Malformed tells one
// that cannot be read from one that is not true.
type WebAuthnError struct {
	Malformed bool
	Err       error
}

// Error returns the cause.
func (e *WebAuthnError) Error() string { return "webauthn: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WebAuthnError) Unwrap() error { return e.Err }

// webauthnUser is a user as authenticators know it, without credentials.
func webauthnUser(u *User) WebAuthnUser {
	name := either(u.Email, either(u.Phone, u.ID.String()))
	var profile struct {
		FullName string `json:"full_name"`
		Name     string `json:"name"`
	}
	_ = u.UserMetadata.Decode(&profile) // what is not there has no name
	return WebAuthnUser{ID: u.ID, Name: name, DisplayName: either(profile.FullName, either(profile.Name, name))}
}

// judgeCredential looks at what an assertion has told of its authenticator. A
// counter that went back says that there may be two of it; not all count, and some
// lose count.
func (a *Auth) judgeCredential(ctx context.Context, c *WebAuthnCredential, id uuid.UUID) error {
	if c.BackupEligibleChanged {
		a.cfg.Logger.WarnContext(ctx, "a credential's eligibility for backup has changed", "credential", id, "eligible", c.BackupEligible)
	}
	if !c.CloneWarning {
		return nil
	}
	a.cfg.Logger.WarnContext(ctx, "a credential's counter went back: there may be two of it", "credential", id, "refused", a.cfg.RefuseClonedCredentials)
	if a.cfg.RefuseClonedCredentials {
		return &WebAuthnError{Err: errors.New("the credential's counter went back")}
	}
	return nil
}
