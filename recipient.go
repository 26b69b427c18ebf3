package postern

import (
	"context"
	"errors"
)

// checkRecipient refuses to mail an address that is not authorized, or of which
// EmailConfig.Validate knows that it is wrong. That may ask the network, so it is
// for no transaction; flows call it before they look whether anybody has the
// address, so that nothing is learned from it (guarantees: D19).
func (a *Auth) checkRecipient(ctx context.Context, email string) error {
	if err := a.checkAuthorized(email); err != nil || a.cfg.Email.Validate == nil {
		return err
	}
	if cause := a.cfg.Email.Validate(ctx, email); cause != nil {
		e := fail(KindInvalid, ErrEmailAddressInvalid, "Email address %q is invalid", email)
		e.Err = cause
		return e
	}
	return nil
}

// checkVouched is checkRecipient for somebody whom a mail may ask for the proof that
// the provider does not give. Who has given it before is asked no more.
func (a *Auth) checkVouched(ctx context.Context, who *vouched) error {
	if a.cfg.Email.Validate == nil || who.email.Email == "" || who.invite != nil || a.takesAsProven(who.email) || a.cfg.Email.AllowUnverifiedSignIns {
		return nil
	}
	known, err := a.store.FindUserByIdentity(ctx, who.provider, who.subject)
	switch {
	case err == nil && known.EmailConfirmedAt != nil:
		return nil
	case err != nil && !errors.Is(err, ErrNoRow):
		return internal("Database error finding user", err)
	}
	return a.checkRecipient(ctx, who.email.Email)
}
