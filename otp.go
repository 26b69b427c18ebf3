package postern

import (
	"context"
	"errors"
	"time"
)

// SignInWithOTPParams asks for a code and, by e-mail, a link. Exactly one of Email
// and Phone is given.
type SignInWithOTPParams struct {
	Email      string
	Phone      string
	Channel    string         // "sms", the default, or "whatsapp"; with Phone only
	NoSignUp   bool           // refuse addresses that have no account
	Data       map[string]any // becomes user_metadata of a new account
	RedirectTo string         // where the link leads; defaults to Config.SiteURL
	Audience   string         // defaults to Config.Audience
	Challenge                 // with Email only
}

// SentMessage is what is known of a message that was sent.
type SentMessage struct {
	// ID is the SMS service's id, "" for mails, and "test-otp" for numbers of
	// PhoneConfig.TestCodes.
	ID string `json:"message_id,omitempty"`
}

// SignInWithOTP sends a code to an address, and makes an account for it where
// there is none. The code or link goes to VerifyOTP. Errors: ErrValidationFailed,
// ErrOTPDisabled, ErrSignUpDisabled, ErrEmailProviderDisabled,
// ErrPhoneProviderDisabled, and those of sending (contract: endpoints.md, POST
// /otp).
func (a *Auth) SignInWithOTP(ctx context.Context, p SignInWithOTPParams) (*SentMessage, error) {
	if p.Email != "" && p.Phone != "" {
		return nil, invalid("Only an email address or phone number should be provided")
	}
	if p.Email != "" && p.Channel != "" {
		return nil, invalid("Channel should only be specified with Phone OTP")
	}
	if err := p.Challenge.check(); err != nil {
		return nil, err
	}
	if err := a.checkData(p.Data); err != nil {
		return nil, err
	}
	switch {
	case p.Email != "":
		return &SentMessage{}, a.signInByMail(ctx, p)
	case p.Phone != "":
		return a.signInBySMS(ctx, p)
	}
	return nil, invalid("One of email or phone must be set")
}

func otpDisabled() *Error {
	return fail(KindUnprocessable, ErrOTPDisabled, "Signups not allowed for otp")
}

func (a *Auth) signInByMail(ctx context.Context, p SignInWithOTPParams) error {
	switch {
	case a.cfg.Email.Disabled:
		return fail(KindUnprocessable, ErrEmailProviderDisabled, "Email logins are disabled")
	case a.cfg.Email.NoMagicLinks:
		return fail(KindUnprocessable, ErrEmailProviderDisabled, "Login with magic link is disabled")
	}
	who, err := a.otpApplicant(p, providerEmail, p.Email)
	if err != nil {
		return err
	}
	if err := a.checkRecipient(ctx, who.address); err != nil {
		return err
	}
	began := time.Now()
	var out []message
	err = a.enrol(ctx, &who.creation, func(tx Tx) error {
		out, err = a.otpByMail(ctx, tx, who, p)
		return err
	})
	a.hideCreation(ctx, &who.creation)
	if err != nil {
		return internal("Database error finding user", err)
	}
	_, err = a.sendEvenly(ctx, &a.paces.otp, began, append(out, who.news()...)...)
	return err
}

// otpApplicant is whoever asks for a code as somebody who may want an account.
func (a *Auth) otpApplicant(p SignInWithOTPParams, provider, given string) (*applicant, error) {
	who, err := a.applicantAt(provider, given, p.Audience)
	if err != nil {
		if p.NoSignUp && !a.cfg.HideAccounts {
			return nil, otpDisabled()
		}
		return nil, err
	}
	who.data = p.Data
	return who, nil
}

// otpByMail decides on the mail that an address gets.
func (a *Auth) otpByMail(ctx context.Context, tx Tx, who *applicant, p SignInWithOTPParams) ([]message, error) {
	user, err := a.otpAccount(ctx, tx, who, p.NoSignUp)
	if user == nil || err != nil {
		return nil, err
	}
	m := confirmation(user)
	m.redirectTo, m.challenge = p.RedirectTo, p.Challenge
	return a.mailAskedFor(ctx, tx, m)
}

// mailAskedFor writes a mail from confirmation, for which somebody asked.
func (a *Auth) mailAskedFor(ctx context.Context, tx Tx, m mailing) ([]message, error) {
	out, err := a.mail(ctx, tx, m)
	switch {
	case err != nil:
		return nil, err
	case m.purpose == purposeSignUp:
		return out, a.audit(ctx, tx, actionConfirmationRequested, &m.user.User, viaProvider(providerEmail))
	}
	return out, a.audit(ctx, tx, actionRecoveryRequested, &m.user.User, nil)
}

// confirmation is the mail that proves an account's address. An account that is
// proven already, or that an operator made, gets one that signs in: what it holds
// is nobody's to replace.
func confirmation(u *UserRecord) mailing {
	if u.EmailConfirmedAt != nil || !u.ownSignUp() {
		return mailing{
			user: u, to: u.Email, kind: OneTimeRecovery, purpose: purposeMagicLink, mail: MailMagicLink, method: "magiclink",
		}
	}
	return mailing{user: u, to: u.Email, kind: OneTimeConfirmation, purpose: purposeSignUp, mail: MailSignUp, method: methodSignUp}
}

// otpAccount returns the account of an address, and makes it if need be. One that
// nobody has proven to own starts over, as if it were signed up again: what it holds
// is what whoever the code goes to asked for.
func (a *Auth) otpAccount(ctx context.Context, tx Tx, who *applicant, noSignUp bool) (*UserRecord, error) {
	user, err := who.account(ctx, tx)
	switch {
	case errors.Is(err, ErrNoRow):
		return a.otpNewAccount(ctx, tx, who, noSignUp)
	case err != nil || user.confirmedAt(who.provider) != nil || !user.ownSignUp():
		return user, err
	}
	return tx.UpdateUser(ctx, user.ID, a.now(), func(u *UserRecord) error {
		if err := a.startOver(u, who); err != nil {
			return err
		}
		u.LastSignInAt = nil // the code has yet to come back
		return nil
	})
}

// otpNewAccount makes an account. It returns none, and says so or not, where none
// may be made.
func (a *Auth) otpNewAccount(ctx context.Context, tx Tx, who *applicant, noSignUp bool) (*UserRecord, error) {
	switch {
	case a.cfg.HideAccounts && (noSignUp || a.cfg.DisableSignUp):
		return nil, who.claim(ctx, a, tx)
	case noSignUp:
		return nil, otpDisabled()
	case a.cfg.DisableSignUp:
		return nil, signUpDisabled()
	}
	user, err := a.newUser(who)
	if err != nil {
		return nil, err
	}
	if err := a.await(user, who); err != nil {
		return nil, err
	}
	user.LastSignInAt = nil
	return user, a.addUser(ctx, tx, &who.creation, user)
}

func (a *Auth) signInBySMS(ctx context.Context, p SignInWithOTPParams) (*SentMessage, error) {
	if !a.cfg.Phone.Enabled {
		return nil, fail(KindInvalid, ErrPhoneProviderDisabled, "Unsupported phone provider")
	}
	if err := a.checkChannel(p.Channel); err != nil {
		return nil, err
	}
	who, err := a.otpApplicant(p, providerPhone, p.Phone)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var out []message
	var known bool
	err = a.enrol(ctx, &who.creation, func(tx Tx) error {
		out, known, err = a.otpBySMS(ctx, tx, who, p)
		return err
	})
	a.hideCreation(ctx, &who.creation)
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	id, err := a.sendEvenly(ctx, &a.paces.otp, began, append(out, who.news()...)...)
	if !known { // GoTrue does not show the id for an account that it has just made
		id = ""
	}
	return &SentMessage{ID: id}, err
}

func (a *Auth) otpBySMS(ctx context.Context, tx Tx, who *applicant, p SignInWithOTPParams) (out []message, known bool, err error) {
	user, err := a.otpAccount(ctx, tx, who, p.NoSignUp)
	if user == nil || err != nil {
		return nil, false, err
	}
	known = user.PhoneConfirmedAt != nil
	out, err = a.textAskedFor(ctx, tx, user, p.Channel)
	return out, known, err
}

// textAskedFor writes a text message that proves a user's number, for which somebody
// asked.
func (a *Auth) textAskedFor(ctx context.Context, tx Tx, user *UserRecord, channel string) ([]message, error) {
	what, details := actionConfirmationRequested, viaProvider(providerPhone)
	if user.PhoneConfirmedAt != nil {
		what, details = actionRecoveryRequested, traits{"channel": either(channel, "sms")}
	}
	out, err := a.text(ctx, tx, texting{
		user: user, to: user.Phone, channel: channel, kind: OneTimeConfirmation, purpose: purposeSMS, failure: "confirmation",
	})
	if err != nil {
		return nil, err
	}
	return out, a.audit(ctx, tx, what, &user.User, details)
}

func (a *Auth) checkChannel(channel string) error {
	if channel == "" || channel == "sms" || channel == "whatsapp" && a.cfg.Phone.WhatsApp {
		return nil
	}
	return invalid("Invalid channel, supported values are 'sms' or 'whatsapp'. " +
		"'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider.")
}
