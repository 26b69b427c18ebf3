package webauthn

import (
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	library "github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// webauthnUser is a user as the library wants it.
type webauthnUser struct {
	postern.WebAuthnUser
	credentials []library.Credential
}

func user(u postern.WebAuthnUser) *webauthnUser {
	known := &webauthnUser{WebAuthnUser: u}
	for _, c := range u.Credentials {
		known.credentials = append(known.credentials, record(c))
	}
	return known
}

// WebAuthnID implements the library's User.
func (u *webauthnUser) WebAuthnID() []byte { return u.Handle() }

// WebAuthnName implements the library's User.
func (u *webauthnUser) WebAuthnName() string { return u.Name }

// WebAuthnDisplayName implements the library's User.
func (u *webauthnUser) WebAuthnDisplayName() string { return u.DisplayName }

// WebAuthnCredentials implements the library's User.
func (u *webauthnUser) WebAuthnCredentials() []library.Credential { return u.credentials }

// record is a credential as the library has it: from its own record, if there is
// one, or put together from what was stored of it.
func record(c postern.WebAuthnCredential) library.Credential {
	var r library.Credential
	if c.Record != nil && json.Unmarshal(c.Record, &r) == nil && len(r.ID) > 0 {
		return r
	}
	r = library.Credential{
		ID: c.ID, PublicKey: c.PublicKey, AttestationType: c.AttestationType,
		Flags: library.NewCredentialFlags(flags(c)),
		Authenticator: library.Authenticator{
			AAGUID: c.AAGUID[:], SignCount: c.SignCount,
		},
	}
	for _, t := range c.Transports {
		r.Transport = append(r.Transport, protocol.AuthenticatorTransport(t))
	}
	return r
}

func flags(c postern.WebAuthnCredential) (f protocol.AuthenticatorFlags) {
	for flag, set := range map[protocol.AuthenticatorFlags]bool{
		protocol.FlagUserPresent: c.UserPresent, protocol.FlagUserVerified: c.UserVerified,
		protocol.FlagBackupEligible: c.BackupEligible, protocol.FlagBackupState: c.BackedUp,
	} {
		if set {
			f |= flag
		}
	}
	return f
}

// credential is what is to be stored of the library's.
func credential(r *library.Credential) (*postern.WebAuthnCredential, error) {
	whole, err := postern.NewMetadata(r)
	if err != nil {
		return nil, err
	}
	aaguid, err := uuid.FromBytes(r.Authenticator.AAGUID)
	if err != nil {
		aaguid = uuid.Nil
	}
	c := &postern.WebAuthnCredential{
		ID: r.ID, PublicKey: r.PublicKey, AttestationType: r.AttestationType, AAGUID: aaguid, SignCount: r.Authenticator.SignCount,
		UserPresent: r.Flags.UserPresent, UserVerified: r.Flags.UserVerified,
		BackupEligible: r.Flags.BackupEligible, BackedUp: r.Flags.BackupState, Record: whole, Authenticator: models[aaguid],
	}
	for _, t := range r.Transport {
		c.Transports = append(c.Transports, string(t))
	}
	return c, nil
}
