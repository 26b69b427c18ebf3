package postern

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// The types of a WebAuthn factor's challenge.
const (
	WebAuthnCreate  = "create"  // makes the credential of a new factor
	WebAuthnRequest = "request" // uses it
)

// WebAuthnChallenge is what a browser needs to answer a challenge (contract:
// endpoints.md, POST /factors/{factor_id}/challenge).
type WebAuthnChallenge struct {
	Type              string                    `json:"type"` // WebAuthnCreate or WebAuthnRequest
	CredentialOptions WebAuthnCredentialOptions `json:"credential_options"`
}

// WebAuthnCredentialOptions are the argument of navigator.credentials.create or get.
type WebAuthnCredentialOptions struct {
	PublicKey Metadata `json:"publicKey"`
}

// WebAuthnAnswer is what the browser has made of a challenge.
type WebAuthnAnswer struct {
	Type               string   // as in the challenge
	CredentialResponse Metadata // as JSON
}

// ceremonyType is that of a factor's next challenge.
func (f *FactorRecord) ceremonyType() string {
	if f.Status == factorVerified {
		return WebAuthnRequest
	}
	return WebAuthnCreate
}

// webauthnChallenge begins the ceremony of a challenge.
func (a *Auth) webauthnChallenge(ctx context.Context, u *User, f *FactorRecord, ch *ChallengeRecord) (*WebAuthnChallenge, error) {
	user := webauthnUser(u)
	var options Metadata
	var err error
	if f.ceremonyType() == WebAuthnRequest {
		user.Credentials = []WebAuthnCredential{f.credential()}
		options, ch.WebAuthnSessionData, err = a.cfg.WebAuthn.BeginAssertion(&user)
	} else {
		if user.Credentials, err = a.otherCredentials(ctx, u); err != nil {
			return nil, err
		}
		options, ch.WebAuthnSessionData, err = a.cfg.WebAuthn.BeginRegistration(user, false)
	}
	if err != nil {
		return nil, internal("Failed to initialize WebAuthn", err)
	}
	return &WebAuthnChallenge{Type: f.ceremonyType(), CredentialOptions: WebAuthnCredentialOptions{PublicKey: options}}, nil
}

func (f *FactorRecord) credential() WebAuthnCredential {
	return WebAuthnCredential{Record: f.WebAuthnCredential}
}

// otherCredentials are those of a user's factors, for an authenticator to refuse to
// be two of them.
func (a *Auth) otherCredentials(ctx context.Context, u *User) (all []WebAuthnCredential, err error) {
	for _, other := range u.Factors {
		if other.FactorType != FactorWebAuthn || other.Status != factorVerified {
			continue
		}
		f, err := a.store.FindFactor(ctx, u.ID, other.ID)
		if errors.Is(err, ErrNoRow) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, f.credential())
	}
	return all, nil
}

// checkWebAuthnParams says what is wrong with an answer before it is looked at.
func checkWebAuthnParams(f *FactorRecord, w *WebAuthnAnswer) error {
	switch {
	case w == nil:
		return invalid("WebAuthn config required")
	case w.Type != WebAuthnCreate && w.Type != WebAuthnRequest:
		return invalid("WebAuthn type must be create or request")
	case w.CredentialResponse == nil:
		return invalid("credential_response required")
	case w.Type != f.ceremonyType():
		return invalid("WebAuthn type must be %s", f.ceremonyType())
	}
	return nil
}

// checkWebAuthn says whether an answer is right, and what it makes of the factor.
func (a *Auth) checkWebAuthn(ctx context.Context, u *User, f *FactorRecord, ch *ChallengeRecord, w *WebAuthnAnswer) (spending, error) {
	user := webauthnUser(u)
	var c *WebAuthnCredential
	var err error
	if w.Type == WebAuthnCreate {
		c, err = a.cfg.WebAuthn.FinishRegistration(user, ch.WebAuthnSessionData, w.CredentialResponse)
	} else {
		user.Credentials = []WebAuthnCredential{f.credential()}
		c, err = a.cfg.WebAuthn.FinishAssertion(ch.WebAuthnSessionData, w.CredentialResponse, func([]byte) (*WebAuthnUser, error) {
			return &user, nil
		})
	}
	if err == nil {
		err = a.judgeCredential(ctx, c, f.ID)
	}
	if err != nil {
		return nil, factorFailure(err)
	}
	return func(ctx context.Context, tx Tx) error {
		_, err := tx.UpdateFactor(ctx, f.ID, a.now(), func(f *FactorRecord) error {
			f.WebAuthnCredential = c.Record
			if c.AAGUID != uuid.Nil {
				f.WebAuthnAAGUID = &c.AAGUID
			}
			return nil
		})
		return missing(err, factorNotFound())
	}, nil
}

// factorFailure is what a client is told of an answer that was not accepted.
func factorFailure(err error) error {
	var refused *WebAuthnError
	switch {
	case !errors.As(err, &refused):
		return internal("Failed to validate WebAuthn MFA response", err)
	case refused.Malformed:
		e := invalid("Invalid credential_response")
		e.Err = err
		return e
	}
	e := fail(KindUnprocessable, ErrMFAVerificationFailed, "Failed to validate WebAuthn MFA response")
	e.Err = err
	return e
}
