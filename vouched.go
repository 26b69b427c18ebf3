package postern

import (
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/jsontext"
)

// vouched is somebody for whom a provider or a wallet vouches.
type vouched struct {
	provider string
	subject  string
	data     Metadata       // what becomes the identity's
	emails   []ProfileEmail // normal
	email    ProfileEmail   // the one that an account is made with; zero if there is none
	aud      string
	method   string // becomes the AMR method

	otherSubjects []string // under which an identity may be known as well

	emailOptional bool
	redirectTo    string    // of a mail that may be needed
	invite        *proof    // of an invitation that is to be accepted
	target        uuid.UUID // the user who wants another identity
	exchanged     bool      // a code is exchanged for the session

	creation
}

// readProfile reads into who what a provider says. Addresses that are none are not
// heard.
func (a *Auth) readProfile(who *vouched, p *Profile) error {
	claims := p.Claims
	if claims.Subject == "" {
		return noProfile(errors.New("the provider named no subject"))
	}
	for _, e := range p.Emails {
		normal, err := address.Email(e.Email)
		if err != nil {
			continue
		}
		e.Email = normal
		who.emails = append(who.emails, e)
		if !who.email.Primary {
			who.email = e
		}
	}
	if who.email.Email == "" && !who.emailOptional {
		return unhelpful("Error getting user email from external provider", errors.New("the provider told no address"))
	}
	claims.Email, claims.EmailVerified = who.email.Email, who.email.Verified
	data, err := NewMetadata(claims)
	if err == nil {
		err = errors.Join(jsontext.Check(data), jsontext.CheckNumbers(data))
	}
	if err == nil && len(data) > a.cfg.MaxMetadata {
		err = errors.New("the profile is too large")
	}
	if err != nil {
		return noProfile(err)
	}
	who.subject, who.data = claims.Subject, data
	return nil
}

// verified are the addresses that the provider vouches for.
func (who *vouched) verified() []string {
	var emails []string
	for _, e := range who.emails {
		if e.Verified {
			emails = append(emails, e.Email)
		}
	}
	return emails
}

func noProfile(cause error) *Error {
	return unhelpful("Error getting user profile from external provider", cause)
}

// unhelpful is the error for a provider that did not do its part, for which GoTrue
// has no code. Nothing here is broken.
func unhelpful(message string, cause error) *Error {
	return &Error{Kind: KindUnprocessable, Code: ErrUnexpectedFailure, Message: message, Err: cause}
}

// claims are what the provider says, by name.
func (who *vouched) claims() map[string]any {
	claims := map[string]any{}
	for name, value := range who.data.members() {
		claims[name] = json.RawMessage(value)
	}
	return claims
}

// confirmation is the mail that proves the address of an account that somebody
// vouched for.
func (who *vouched) confirmation(u *UserRecord) mailing {
	return mailing{
		user: u, to: u.Email, kind: OneTimeConfirmation, purpose: purposeSignUp, mail: MailSignUp, redirectTo: who.redirectTo,
	}
}
