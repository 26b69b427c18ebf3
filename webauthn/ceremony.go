package webauthn

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	library "github.com/go-webauthn/webauthn/webauthn"

	"github.com/postern-auth/postern"
)

// BeginRegistration implements postern.WebAuthn. Authenticators that have one of
// the user's credentials refuse to make another.
func (w *WebAuthn) BeginRegistration(u postern.WebAuthnUser, passkey bool) (options, session postern.Metadata, err error) {
	selection := protocol.AuthenticatorSelection{UserVerification: w.verify}
	if passkey {
		selection.ResidentKey, selection.RequireResidentKey = protocol.ResidentKeyRequirementRequired, protocol.ResidentKeyRequired()
	}
	known := user(u)
	creation, data, err := w.library.BeginRegistration(known, library.WithAuthenticatorSelection(selection),
		library.WithExclusions(library.Credentials(known.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, nil, err
	}
	return marshal(creation.Response, data)
}

// FinishRegistration implements postern.WebAuthn.
func (w *WebAuthn) FinishRegistration(u postern.WebAuthnUser, session, response postern.Metadata) (*postern.WebAuthnCredential, error) {
	data, err := sessionData(session)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, &postern.WebAuthnError{Malformed: true, Err: err}
	}
	made, err := w.library.CreateCredential(user(u), *data, parsed)
	if err != nil {
		return nil, &postern.WebAuthnError{Err: err}
	}
	return credential(made)
}

// BeginAssertion implements postern.WebAuthn.
func (w *WebAuthn) BeginAssertion(u *postern.WebAuthnUser) (options, session postern.Metadata, err error) {
	verify := library.WithUserVerification(w.verify)
	var assertion *protocol.CredentialAssertion
	var data *library.SessionData
	if u == nil {
		assertion, data, err = w.library.BeginDiscoverableLogin(verify)
	} else {
		assertion, data, err = w.library.BeginLogin(user(*u), verify)
	}
	if err != nil {
		return nil, nil, err
	}
	return marshal(assertion.Response, data)
}

// FinishAssertion implements postern.WebAuthn.
func (w *WebAuthn) FinishAssertion(session, response postern.Metadata, find func(handle []byte) (*postern.WebAuthnUser, error)) (*postern.WebAuthnCredential, error) {
	data, err := sessionData(session)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, &postern.WebAuthnError{Malformed: true, Err: err}
	}
	handle := data.UserID
	if handle == nil {
		handle = parsed.Response.UserHandle
	}
	found, err := find(handle)
	if err != nil {
		return nil, err
	}
	return w.validate(user(*found), *data, parsed)
}

// validate checks an assertion by one of a user's credentials. One that is said to
// be eligible for backup, or not, otherwise than when it was made is taken as it now
// is: some authenticators learn to synchronise.
func (w *WebAuthn) validate(u *webauthnUser, data library.SessionData, parsed *protocol.ParsedCredentialAssertionData) (*postern.WebAuthnCredential, error) {
	flags := parsed.Response.AuthenticatorData.Flags
	changed := false
	if i := slices.IndexFunc(u.credentials, func(c library.Credential) bool { return bytes.Equal(c.ID, parsed.RawID) }); i >= 0 {
		stored := &u.credentials[i].Flags
		changed = stored.BackupEligible != flags.HasBackupEligible()
		stored.BackupEligible = flags.HasBackupEligible()
	}
	var used *library.Credential
	var err error
	if data.UserID == nil {
		used, err = w.library.ValidateDiscoverableLogin(func(_, _ []byte) (library.User, error) { return u, nil }, data, parsed)
	} else {
		used, err = w.library.ValidateLogin(u, data, parsed)
	}
	if err != nil {
		return nil, &postern.WebAuthnError{Err: err}
	}
	c, err := credential(used)
	if err != nil {
		return nil, err
	}
	c.CloneWarning, c.BackupEligibleChanged = used.Authenticator.CloneWarning, changed
	return c, nil
}

func marshal(options any, data *library.SessionData) (postern.Metadata, postern.Metadata, error) {
	text, err := postern.NewMetadata(options)
	if err != nil {
		return nil, nil, err
	}
	session, err := postern.NewMetadata(data)
	return text, session, err
}

func sessionData(text postern.Metadata) (*library.SessionData, error) {
	var data library.SessionData
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, err
	}
	if data.Challenge == "" {
		return nil, errors.New("webauthn: what is remembered of the ceremony has no challenge")
	}
	return &data, nil
}
