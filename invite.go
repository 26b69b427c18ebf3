package postern

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/postern-auth/postern/internal/address"
)

// InviteParams asks to invite somebody.
type InviteParams struct {
	Email      string
	Data       map[string]any // becomes user_metadata of a new account
	RedirectTo string         // where the link leads; defaults to Config.SiteURL
	Audience   string         // defaults to Config.Audience
}

// Invite makes an account for an address, whether or not sign-ups are allowed, and
// mails its owner a link that signs in. An account that nobody has proven to own
// may be invited again; what somebody else signed it up with is gone then. Errors:
// ErrValidationFailed, ErrEmailExists, and those of sending (contract:
// endpoints.md, POST /invite).
func (a *Auth) Invite(ctx context.Context, p InviteParams) (*User, error) {
	who, err := a.invited(p.Email, p.Data, p.Audience)
	if err != nil {
		return nil, err
	}
	if err := a.checkRecipient(ctx, who.address); err != nil {
		return nil, err
	}
	var user *UserRecord
	var out []message
	err = a.enrol(ctx, &who.creation, func(tx Tx) error {
		if user, err = a.invite(ctx, tx, who); err != nil {
			return err
		}
		if err := a.countMail(ctx, tx); err != nil {
			return err
		}
		out, err = a.composeMail(ctx, tx, mailing{
			user: user, to: who.address, redirectTo: p.RedirectTo,
			kind: OneTimeConfirmation, purpose: purposeInvite, mail: MailInvite,
		})
		return err
	})
	if err != nil {
		return nil, internal("Error inviting user", duplicate(err))
	}
	if _, err := a.send(ctx, append(out, who.news()...)...); err != nil {
		return nil, err
	}
	return &user.User, nil
}

func (a *Auth) invited(email string, data map[string]any, aud string) (*applicant, error) {
	normal, err := address.Email(email)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if err := a.checkData(data); err != nil {
		return nil, err
	}
	return &applicant{provider: providerEmail, address: normal, aud: either(aud, a.cfg.Audience), data: data}, nil
}

// invite makes an account an invited one, and makes it if need be.
func (a *Auth) invite(ctx context.Context, tx Tx, who *applicant) (*UserRecord, error) {
	now := a.now()
	user, err := who.account(ctx, tx)
	switch {
	case errors.Is(err, ErrNoRow):
		if user, err = a.preparedUser(who); err != nil {
			return nil, err
		}
		user.InvitedAt, user.ConfirmationSentAt = &now, &now
		err = a.addUser(ctx, tx, &who.creation, user)
	case err != nil:
	case user.EmailConfirmedAt != nil:
		return nil, emailExists()
	default:
		user, err = a.inviteClaimant(ctx, tx, user)
	}
	if err != nil {
		return nil, err
	}
	return user, a.audit(ctx, tx, actionInvited, nil, traits{"user_id": user.ID, "user_email": user.Email})
}

// inviteClaimant makes an account an invited one that nobody has proven to own. What
// a stranger left in it is gone.
func (a *Auth) inviteClaimant(ctx context.Context, tx Tx, user *UserRecord) (*UserRecord, error) {
	strangers := false
	user, err := tx.UpdateUser(ctx, user.ID, a.now(), func(u *UserRecord) error {
		if strangers = u.ofAStranger(); strangers {
			if err := a.strip(u); err != nil {
				return err
			}
		}
		u.InvitedAt, u.ConfirmationSentAt = ptr(a.now()), ptr(a.now())
		return nil
	})
	if err != nil || !strangers {
		return user, err
	}
	return user, expel(ctx, tx, user.ID)
}

// preparedUser is an account that an operator makes for an applicant: unlike at a
// sign-up, what is said of the user is not what the identity says.
func (a *Auth) preparedUser(who *applicant) (*UserRecord, error) {
	data := who.data
	bare := *who
	bare.data = nil
	user, err := a.newUser(&bare)
	if err != nil {
		return nil, err
	}
	user.UserMetadata, err = a.mergeMetadata(nil, data)
	return user, err
}

// LinkType says what GenerateLink is to make.
type LinkType string

// The types of links. The last two are the halves of a change of address.
const (
	LinkSignUp             LinkType = "signup"
	LinkInvite             LinkType = "invite"
	LinkMagicLink          LinkType = "magiclink"
	LinkRecovery           LinkType = "recovery"
	LinkEmailChangeCurrent LinkType = "email_change_current"
	LinkEmailChangeNew     LinkType = "email_change_new"
)

// GenerateLinkParams asks for a link that an operator sends by other means.
type GenerateLinkParams struct {
	Type       LinkType
	Email      string
	Password   string         // with LinkSignUp
	NewEmail   string         // with LinkEmailChangeCurrent and LinkEmailChangeNew
	Data       map[string]any // with LinkSignUp and LinkInvite
	RedirectTo string         // where the link leads; defaults to Config.SiteURL
	Audience   string         // defaults to Config.Audience
}

// GeneratedLink is a link, and what it is made of.
type GeneratedLink struct {
	User *User

	ActionLink       string   // to click
	EmailOTP         string   // the code, for VerifyOTP with the address
	HashedToken      string   // for VerifyOTP by token hash
	VerificationType LinkType // what was made: LinkSignUp for a magic link of an unknown address
	RedirectTo       string
}

// MarshalJSON returns the user's JSON with the link's members beside.
func (l *GeneratedLink) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		*User
		ActionLink       string   `json:"action_link"`
		EmailOTP         string   `json:"email_otp"`
		HashedToken      string   `json:"hashed_token"`
		VerificationType LinkType `json:"verification_type"`
		RedirectTo       string   `json:"redirect_to"`
	}{l.User, l.ActionLink, l.EmailOTP, l.HashedToken, l.VerificationType, l.RedirectTo})
}

// GenerateLink makes what a mail of a type would carry, and mails nothing. Errors:
// ErrValidationFailed, ErrWeakPassword, ErrUserNotFound, ErrEmailExists (contract:
// endpoints.md, POST /admin/generate_link).
func (a *Auth) GenerateLink(ctx context.Context, p GenerateLinkParams) (*GeneratedLink, error) {
	who, newEmail, err := a.checkLink(p)
	if err != nil {
		return nil, err
	}
	if p.Type == LinkSignUp && p.Password != "" {
		if who.hash, err = a.linkPassword(ctx, who, p); err != nil {
			return nil, err
		}
	}
	var link *GeneratedLink
	err = a.enrol(ctx, &who.creation, func(tx Tx) error {
		m, linkType, err := a.linked(ctx, tx, who, p, newEmail)
		if err != nil {
			return err
		}
		if err := a.recordLink(ctx, tx, m, linkType); err != nil {
			return err
		}
		link, err = a.makeLink(ctx, tx, m, linkType)
		return err
	})
	if err != nil {
		return nil, internal("Database error finding user", duplicate(err))
	}
	if _, err := a.send(ctx, who.news()...); err != nil {
		return nil, err
	}
	return link, nil
}

func (a *Auth) checkLink(p GenerateLinkParams) (who *applicant, newEmail string, err error) {
	if who, err = a.invited(p.Email, p.Data, p.Audience); err != nil {
		return nil, "", err
	}
	switch p.Type {
	case LinkSignUp, LinkInvite, LinkMagicLink, LinkRecovery:
		return who, "", nil
	case LinkEmailChangeCurrent, LinkEmailChangeNew:
	default:
		return nil, "", invalid("Invalid email action link type requested: %s", p.Type)
	}
	if p.Type == LinkEmailChangeCurrent && a.cfg.Email.SingleChangeConfirmation {
		return nil, "", invalid("Enable secure email change to generate link for current email")
	}
	if newEmail, err = address.Email(p.NewEmail); err != nil {
		return nil, "", invalid("%v", err)
	}
	return who, newEmail, nil
}

// linkPassword hashes the password of a new account. That of an old one is none of
// the link's concern.
func (a *Auth) linkPassword(ctx context.Context, who *applicant, p GenerateLinkParams) (string, error) {
	_, err := a.store.FindUserByEmail(ctx, who.address, who.aud)
	if !errors.Is(err, ErrNoRow) {
		return "", internal("Database error finding user", err)
	}
	if err := a.checkPassword(ctx, p.Password); err != nil {
		return "", err
	}
	return a.hashPassword(ctx, p.Password)
}

// linked finds or makes the account of a link and says what the link is to be.
func (a *Auth) linked(ctx context.Context, tx Tx, who *applicant, p GenerateLinkParams, newEmail string) (mailing, LinkType, error) {
	user, err := who.account(ctx, tx)
	missing := errors.Is(err, ErrNoRow)
	if err != nil && !missing {
		return mailing{}, "", err
	}
	linkType := p.Type
	if missing && linkType == LinkMagicLink {
		linkType = LinkSignUp
	}
	m := mailing{user: user, to: who.address, redirectTo: p.RedirectTo}
	switch linkType {
	case LinkInvite:
		m.kind, m.purpose, m.mail = OneTimeConfirmation, purposeInvite, MailInvite
		m.user, err = a.invite(ctx, tx, who)
	case LinkSignUp:
		m.kind, m.purpose, m.mail = OneTimeConfirmation, purposeSignUp, MailSignUp
		m.user, err = a.linkedSignUp(ctx, tx, who, user, p)
	default:
		if missing {
			return m, "", fail(KindNotFound, ErrUserNotFound, "User with this email not found")
		}
		m, err = a.linkedExisting(ctx, tx, m, linkType, newEmail)
	}
	return m, linkType, err
}

func (a *Auth) linkedSignUp(ctx context.Context, tx Tx, who *applicant, user *UserRecord, p GenerateLinkParams) (*UserRecord, error) {
	switch {
	case user == nil && p.Type == LinkSignUp && p.Password == "":
		return nil, invalid("Signup requires a valid password")
	case user == nil:
		return a.linkedNew(ctx, tx, who)
	case user.EmailConfirmedAt != nil:
		return nil, emailExists()
	}
	return tx.UpdateUser(ctx, user.ID, a.now(), func(u *UserRecord) (err error) {
		u.UserMetadata, err = a.mergeMetadata(u.UserMetadata, who.data)
		return err
	})
}

func (a *Auth) linkedNew(ctx context.Context, tx Tx, who *applicant) (*UserRecord, error) {
	user, err := a.preparedUser(who)
	if err != nil {
		return nil, err
	}
	if user.PasswordHash, err = a.cfg.Encryption.seal(user.ID, who.hash); err != nil {
		return nil, err
	}
	return user, a.addUser(ctx, tx, &who.creation, user)
}

func (a *Auth) linkedExisting(ctx context.Context, tx Tx, m mailing, t LinkType, newEmail string) (mailing, error) {
	switch t {
	case LinkMagicLink:
		m.kind, m.purpose, m.mail = OneTimeRecovery, purposeMagicLink, MailMagicLink
		return m, nil
	case LinkRecovery:
		m.kind, m.purpose, m.mail = OneTimeRecovery, purposeRecovery, MailRecovery
		return m, nil
	case LinkEmailChangeCurrent:
		m.kind = OneTimeEmailChangeCurrent
	case LinkEmailChangeNew:
		m.kind, m.to = OneTimeEmailChangeNew, newEmail
	}
	m.purpose, m.mail = purposeEmailChange, MailEmailChange
	taken, err := tx.EmailTaken(ctx, newEmail, m.user.ID)
	if err != nil {
		return m, err
	}
	if taken || newEmail == m.user.Email {
		return m, emailExists()
	}
	m.user, err = tx.UpdateUser(ctx, m.user.ID, a.now(), func(u *UserRecord) error {
		if u.NewEmail != newEmail {
			u.NewEmail, u.EmailChangeConfirmStatus = newEmail, 0
		}
		return nil
	})
	return m, err
}

// recordLink writes into the audit log what an operator's link is to do. An invitation
// has its entry by now.
func (a *Auth) recordLink(ctx context.Context, tx Tx, m mailing, t LinkType) error {
	what := actionModified
	switch t {
	case LinkInvite:
		return nil
	case LinkSignUp:
		what = actionConfirmationRequested
	case LinkMagicLink, LinkRecovery:
		what = actionRecoveryRequested
	}
	return a.audit(ctx, tx, what, nil, userTraits(&m.user.User))
}

func (a *Auth) makeLink(ctx context.Context, tx Tx, m mailing, t LinkType) (*GeneratedLink, error) {
	token, err := a.issueTo(ctx, tx, m.user, m.kind, m.purpose, m.to, false)
	if err != nil {
		return nil, err
	}
	target := a.Redirect(m.redirectTo)
	return &GeneratedLink{
		User: &m.user.User, ActionLink: a.actionURL(ctx, m.mail, token.link, target), EmailOTP: token.code,
		HashedToken: token.link, VerificationType: t, RedirectTo: target,
	}, nil
}
