package postern

import (
	"context"
	"errors"
	"time"

	"github.com/postern-auth/postern/internal/address"
)

// ResetPasswordParams asks for a recovery mail.
type ResetPasswordParams struct {
	Email      string
	RedirectTo string // where the link leads; defaults to Config.SiteURL
	Audience   string // defaults to Config.Audience
	Challenge
}

// ResetPasswordForEmail sends a code and a link that sign in, so that a new
// password can be set. It says nothing of whether the address has an account.
// Errors: ErrValidationFailed, ErrEmailProviderDisabled, and those of sending
// (contract: endpoints.md, POST /recover).
func (a *Auth) ResetPasswordForEmail(ctx context.Context, p ResetPasswordParams) error {
	if a.cfg.Email.Disabled {
		return fail(KindInvalid, ErrEmailProviderDisabled, "Email logins are disabled")
	}
	if p.Email == "" {
		return invalid("Password recovery requires an email")
	}
	email, err := address.Email(p.Email)
	if err != nil {
		return invalid("%v", err)
	}
	if err := p.Challenge.check(); err != nil {
		return err
	}
	if err := a.checkRecipient(ctx, email); err != nil {
		return err
	}
	began := time.Now()
	var out []message
	err = a.inTx(ctx, func(tx Tx) error {
		user, err := tx.FindUserByEmail(ctx, email, a.audience(p.Audience))
		if errors.Is(err, ErrNoRow) {
			return a.claimMail(ctx, tx, OneTimeRecovery, email)
		}
		if err != nil {
			return err
		}
		out, err = a.mail(ctx, tx, mailing{
			user: user, to: email, redirectTo: p.RedirectTo, challenge: p.Challenge,
			kind: OneTimeRecovery, purpose: purposeRecovery, mail: MailRecovery, method: "recovery",
		})
		if err != nil {
			return err
		}
		return a.audit(ctx, tx, actionRecoveryRequested, &user.User, nil)
	})
	if err != nil {
		return internal("Unable to process request", err)
	}
	_, err = a.sendEvenly(ctx, &a.paces.recovery, began, out...)
	return err
}
