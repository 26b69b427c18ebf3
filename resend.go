package postern

import (
	"context"
	"errors"
	"time"

	"github.com/postern-auth/postern/internal/address"
)

// ResendParams asks for a message once more.
type ResendParams struct {
	Type       VerifyType // VerifySignUp, VerifyEmailChange, VerifySMS or VerifyPhoneChange
	Email      string     // the current one
	Phone      string     // the current one
	RedirectTo string     // where the link leads; defaults to Config.SiteURL
	Audience   string     // defaults to Config.Audience
	Challenge             // with mails only
}

// Resend sends a new code in place of one that waits. It says nothing of whether
// there was one to send. Errors: ErrValidationFailed, ErrEmailProviderDisabled,
// ErrPhoneProviderDisabled, and those of sending (contract: endpoints.md, POST
// /resend).
func (a *Auth) Resend(ctx context.Context, p ResendParams) (*SentMessage, error) {
	to, err := a.checkResend(p)
	if err != nil {
		return nil, err
	}
	if p.Email != "" {
		if err := a.checkRecipient(ctx, to); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	var out []message
	err = a.inTx(ctx, func(tx Tx) error {
		find := tx.FindUserByEmail
		if p.Phone != "" {
			find = tx.FindUserByPhone
		}
		user, err := find(ctx, to, a.audience(p.Audience))
		if errors.Is(err, ErrNoRow) || err == nil && !user.waitsFor(p.Type) {
			return a.claimResend(ctx, tx, p.Type, to)
		}
		if err != nil {
			return err
		}
		out, err = a.resend(ctx, tx, user, p)
		return err
	})
	if err != nil {
		return nil, internal("Unable to process request", err)
	}
	id, err := a.sendEvenly(ctx, &a.paces.resend, began, out...)
	return &SentMessage{ID: id}, err
}

func (a *Auth) checkResend(p ResendParams) (string, error) {
	if err := checkResendParams(p); err != nil {
		return "", err
	}
	if err := p.Challenge.check(); err != nil {
		return "", err
	}
	if p.Email != "" {
		if a.cfg.Email.Disabled {
			return "", fail(KindInvalid, ErrEmailProviderDisabled, "Email logins are disabled")
		}
		email, err := address.Email(p.Email)
		if err != nil {
			return "", invalid("%v", err)
		}
		return email, nil
	}
	if !a.cfg.Phone.Enabled {
		return "", fail(KindInvalid, ErrPhoneProviderDisabled, "Phone logins are disabled")
	}
	phone, err := address.Phone(p.Phone)
	if err != nil {
		return "", invalid("%v", err)
	}
	return phone, nil
}

func checkResendParams(p ResendParams) error {
	byMail := p.Type == VerifySignUp || p.Type == VerifyEmailChange
	switch {
	case !byMail && p.Type != VerifySMS && p.Type != VerifyPhoneChange:
		return invalid("Missing one of these types: signup, email_change, sms, phone_change")
	case p.Type == VerifySignUp && p.Email == "":
		return invalid("Type provided requires an email address")
	case p.Type == VerifySMS && p.Phone == "":
		return invalid("Type provided requires a phone number")
	case p.Email != "" && p.Phone != "":
		return invalid("Only an email address or phone number should be provided.")
	case p.Email == "" && p.Phone == "":
		return invalid("Missing email address or phone number")
	}
	return nil
}

// waitsFor reports whether a message of a type is outstanding.
func (u *User) waitsFor(t VerifyType) bool {
	switch t {
	case VerifySignUp:
		return u.EmailConfirmedAt == nil && u.Email != ""
	case VerifySMS:
		return u.PhoneConfirmedAt == nil && u.Phone != ""
	case VerifyEmailChange:
		return u.NewEmail != ""
	}
	return u.NewPhone != ""
}

// claimResend makes a request for nothing count as one for something.
func (a *Auth) claimResend(ctx context.Context, tx Tx, t VerifyType, to string) error {
	switch kind := places[t][0].kind; t {
	case VerifySignUp, VerifyEmailChange:
		return a.claimMail(ctx, tx, kind, to)
	default:
		return a.claimSMS(ctx, tx, kind, to)
	}
}

func (a *Auth) resend(ctx context.Context, tx Tx, user *UserRecord, p ResendParams) ([]message, error) {
	switch p.Type {
	case VerifySignUp:
		m := confirmation(user)
		m.redirectTo, m.challenge = p.RedirectTo, p.Challenge
		return a.mailAskedFor(ctx, tx, m)
	case VerifyEmailChange:
		return a.mailEmailChange(ctx, tx, user, p.RedirectTo, p.Challenge)
	case VerifySMS:
		return a.textAskedFor(ctx, tx, user, "")
	}
	return a.text(ctx, tx, texting{user: user, to: user.NewPhone, kind: OneTimePhoneChange, purpose: purposePhoneChange, failure: "phone_change"})
}
