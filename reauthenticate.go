package postern

import (
	"context"
	"errors"
)

// Reauthenticate sends the caller a code that UpdateUser takes as the proof that
// it is still there: by mail, or by phone to a user without an address. Errors:
// ErrValidationFailed, ErrEmailNotConfirmed, ErrPhoneNotConfirmed, and those of
// sending (contract: endpoints.md, GET /reauthenticate).
func (a *Auth) Reauthenticate(ctx context.Context, c *Caller) (*SentMessage, error) {
	switch u := c.User; {
	case u.Email == "" && u.Phone == "":
		return nil, invalid("Reauthentication requires the user to have an email or a phone number")
	case u.Email != "" && u.EmailConfirmedAt == nil:
		return nil, fail(KindUnprocessable, ErrEmailNotConfirmed, "Please verify your email first.")
	case u.Email == "" && u.PhoneConfirmedAt == nil:
		return nil, fail(KindUnprocessable, ErrPhoneNotConfirmed, "Please verify your phone first.")
	}
	if c.User.Email != "" {
		if err := a.checkRecipient(ctx, c.User.Email); err != nil {
			return nil, err
		}
	}
	var out []message
	err := a.inTx(ctx, func(tx Tx) error {
		user, err := tx.FindUser(ctx, c.User.ID)
		if err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionReauthRequested, &user.User, nil); err != nil {
			return err
		}
		if user.Email != "" {
			out, err = a.mail(ctx, tx, mailing{
				user: user, to: user.Email, kind: OneTimeReauthentication, purpose: purposeReauthentication, mail: MailReauthentication,
			})
			return err
		}
		out, err = a.text(ctx, tx, texting{
			user: user, to: user.Phone, kind: OneTimeReauthentication, purpose: purposeReauthentication, failure: "reauthentication",
		})
		return err
	})
	if err != nil {
		return nil, missingUser("Error during reauthentication", err)
	}
	id, err := a.send(ctx, out...)
	return &SentMessage{ID: id}, err
}

// checkNonce returns the hash of a reauthentication code to take, or why the code
// is not good.
func (a *Auth) checkNonce(ctx context.Context, user *UserRecord, nonce string) (string, error) {
	to := either(user.Email, user.Phone)
	if to == "" {
		return "", fail(KindUnprocessable, ErrReauthenticationNotValid, "Reauthentication requires an email or a phone number")
	}
	key, err := a.codeKey(ctx)
	if err != nil {
		return "", err
	}
	at := place{OneTimeReauthentication, []purpose{purposeReauthentication}}
	if _, ok := matches(key, user, at, to, nonce); ok && !a.expired(&user.User, at.kind, to) {
		return user.CodeHashes[at.kind], nil
	}
	if err := a.wrongGuess(ctx, []*UserRecord{user}, []place{at}, to); !errors.Is(err, ErrOTPExpired) {
		return "", err
	}
	return "", nonceInvalid()
}

func nonceInvalid() *Error {
	return fail(KindUnprocessable, ErrReauthenticationNotValid, "Nonce has expired or is invalid")
}
