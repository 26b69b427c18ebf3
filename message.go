package postern

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/redirect"
)

// Mailer delivers mails. It is called after the transaction that decided on a
// mail was committed, never inside it. Package message/mail has one that writes
// GoTrue's mails and sends them by SMTP.
type Mailer interface {
	// SendMail delivers m, or says why it could not. The text of its error goes
	// to the log; the client is told that the mail could not be sent.
	SendMail(ctx context.Context, m Mail) error
}

// MailType says what a mail is for (contract: config.md §2.3).
type MailType string

// The mails that carry a code and a link, or a code alone.
const (
	MailSignUp           MailType = "signup"
	MailInvite           MailType = "invite"
	MailRecovery         MailType = "recovery"
	MailMagicLink        MailType = "magiclink"
	MailEmailChange      MailType = "email_change"
	MailReauthentication MailType = "reauthentication"
)

// The mails that only tell of a change.
const (
	MailPasswordChanged  MailType = "password_changed_notification"
	MailEmailChanged     MailType = "email_changed_notification"
	MailPhoneChanged     MailType = "phone_changed_notification"
	MailIdentityLinked   MailType = "identity_linked_notification"
	MailIdentityUnlinked MailType = "identity_unlinked_notification"
	MailFactorEnrolled   MailType = "mfa_factor_enrolled_notification"
	MailFactorUnenrolled MailType = "mfa_factor_unenrolled_notification"
)

// Mail is what a Mailer needs to know to write one. Which fields are set depends
// on Type (contract: config.md §2.4).
type Mail struct {
	Type MailType
	To   string
	User *User // as it is after the change

	// Languages are those of the user or of the request, the best first, as
	// BCP 47 tags.
	Languages []string

	SiteURL string
	// ConfirmationURL is the link to click. It is good once.
	ConfirmationURL string
	// Token is the code to type. It is good once.
	Token Secret
	// TokenHash is what ConfirmationURL carries.
	TokenHash Secret
	// RedirectTo is where the link leads in the end.
	RedirectTo string

	NewEmail   string
	OldEmail   string
	OldPhone   string
	Provider   string
	FactorType string
}

// SMSSender delivers text messages. Package message/sms has one for each service
// that GoTrue knows.
type SMSSender interface {
	// SendSMS delivers m and returns the service's id of the message, "" if it
	// gives none. The text of its error is shown to the client, as GoTrue does.
	SendSMS(ctx context.Context, m SMS) (id string, err error)
}

// SMS is a text message with a code.
type SMS struct {
	Phone   string // digits only
	Channel string // "sms" or "whatsapp"
	Code    Secret
	Text    string // with the code in it
	User    *User

	// ForFactor says that the code answers the challenge of a second factor.
	ForFactor bool
}

// message is a mail or a text message that was decided on, to be sent after the
// commit, or a new account to tell AfterUserCreated of.
type message struct {
	mail    *Mail
	current *Mail // the other half of a change of address, to the one before
	sms     *SMS
	created *User
	claim   string // the counter that keeps the next one waiting; dropped when this one fails
	failure string // what could not be sent, for the error
}

// outbox keeps messages until a transaction of the application is committed.
type outbox struct {
	mu      sync.Mutex
	held    []message
	entries []AuditEntry // to be logged
}

func (o *outbox) holdEntries(entries []AuditEntry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, entries...)
}

// Deliver sends the messages that the methods of an Auth from In decided on, and
// logs what AuditConfig.Log wants logged. Call it after the commit, and not at all
// after a rollback. It tries all messages and returns the errors joined.
func (a *Auth) Deliver(ctx context.Context) error {
	if a.outbox == nil {
		return nil
	}
	a.events.wake()
	a.outbox.mu.Lock()
	held, entries := a.outbox.held, a.outbox.entries
	a.outbox.held, a.outbox.entries = nil, nil
	a.outbox.mu.Unlock()
	outside := *a
	outside.outbox = nil
	outside.logAudit(ctx, entries)
	var errs []error
	for _, m := range held {
		_, err := outside.send(ctx, m)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// send delivers messages after the commit and returns the id of a text message.
// A message that cannot be sent keeps nobody waiting for the next.
func (a *Auth) send(ctx context.Context, out ...message) (id string, err error) {
	for _, m := range out {
		if a.outbox != nil {
			a.outbox.mu.Lock()
			a.outbox.held = append(a.outbox.held, m)
			a.outbox.mu.Unlock()
			continue
		}
		began := time.Now()
		sent, sendErr := a.sendOne(ctx, m)
		a.sent(ctx, m, began, sendErr)
		if sendErr != nil {
			what := "a message could not be sent"
			if m.created != nil {
				what = "a hook failed"
			}
			a.cfg.Logger.ErrorContext(ctx, what, "what", m.failure, "error", sendErr)
			err = errors.Join(a.store.DropCounter(context.WithoutCancel(ctx), m.claim), a.sendError(m, sendErr))
		}
		id = either(sent, id)
	}
	return id, err
}

// tell is send for mails that nobody waits for: that they were not sent is only
// logged.
func (a *Auth) tell(ctx context.Context, out ...message) {
	for _, m := range out {
		if err := a.countMail(ctx, a.store); err != nil {
			a.cfg.Logger.ErrorContext(ctx, "a message could not be sent", "what", m.failure, "error", err)
			continue
		}
		_, _ = a.send(ctx, m)
	}
}

func (a *Auth) sendOne(ctx context.Context, m message) (id string, err error) {
	if name, call := a.hookFor(m); call != nil {
		return "", hookFailure(name, call(ctx))
	}
	switch {
	case m.current != nil && a.cfg.Mailer != nil:
		return "", errors.Join(a.cfg.Mailer.SendMail(ctx, *m.mail), a.cfg.Mailer.SendMail(ctx, *m.current))
	case m.mail != nil && a.cfg.Mailer != nil:
		return "", a.cfg.Mailer.SendMail(ctx, *m.mail)
	case m.sms != nil:
		if _, ok := a.testCode(m.sms.Phone); ok {
			return "test-otp", nil
		}
		if a.cfg.SMS == nil {
			return "", errors.New("no SMS service is configured")
		}
		return a.cfg.SMS.SendSMS(ctx, *m.sms)
	}
	return "", nil
}

// hookFor returns the hook that a message is for, if one is.
func (a *Auth) hookFor(m message) (name string, call func(context.Context) error) {
	hooks := a.cfg.Hooks
	switch {
	case m.created != nil && hooks.AfterUserCreated != nil:
		return hookAfterUserCreated, func(ctx context.Context) error { return hooks.AfterUserCreated(ctx, m.created) }
	case m.mail != nil && hooks.SendEmail != nil:
		return hookSendEmail, func(ctx context.Context) error { return hooks.SendEmail(ctx, a.emailOperation(m)) }
	case m.sms != nil && hooks.SendSMS != nil:
		if _, test := a.testCode(m.sms.Phone); !test {
			return hookSendSMS, func(ctx context.Context) error { return hooks.SendSMS(ctx, *m.sms) }
		}
	}
	return "", nil
}

// sendError is what the client is told (contract: endpoints.md §0.5).
func (a *Auth) sendError(m message, cause error) error {
	if _, hook := a.hookFor(m); hook != nil {
		return cause
	}
	if m.sms != nil {
		e := fail(KindUnprocessable, ErrSMSSendFailed, "Error sending %s OTP to provider: %v", m.failure, cause)
		e.Err = cause
		return e
	}
	return &Error{Kind: KindInternal, Code: ErrUnexpectedFailure, Message: "Error sending " + m.failure + " email", Err: cause}
}

// mailing is a mail with a code and a link that a flow wants to send.
type mailing struct {
	user       *UserRecord
	to         string
	kind       OneTimeKind
	purpose    purpose
	mail       MailType
	method     string // of the PKCE flow, if challenge asks for one
	redirectTo string
	challenge  Challenge
	account    string // whose mails of this kind are spaced; defaults to to
}

// spacedBy names what mails of a kind are spaced by.
func (m mailing) spacedBy() string { return either(m.account, m.to) }

// What failed, in GoTrue's words.
var mailFailures = map[MailType]string{
	MailSignUp: "confirmation", MailInvite: "invite", MailRecovery: "recovery", MailMagicLink: "magic link",
	MailEmailChange: "email change", MailReauthentication: "reauthentication",
}

// mail makes the token of a mail and notes that it is sent, all in the
// transaction; the mail goes out after the commit.
func (a *Auth) mail(ctx context.Context, tx Tx, m mailing) ([]message, error) {
	if err := a.checkAuthorized(m.to); err != nil {
		return nil, err
	}
	if err := a.claimMail(ctx, tx, m.kind, m.spacedBy()); err != nil {
		return nil, err
	}
	return a.composeMail(ctx, tx, m)
}

// composeMail makes and stores the token of a mail and writes down what the mail
// says.
func (a *Auth) composeMail(ctx context.Context, tx Tx, m mailing) ([]message, error) {
	if err := a.beginFlow(ctx, tx, m.user.ID, m.challenge, m.method); err != nil {
		return nil, err
	}
	token, err := a.issueTo(ctx, tx, m.user, m.kind, m.purpose, m.to, m.challenge.Used())
	if err != nil {
		return nil, err
	}
	return []message{{mail: a.newMail(ctx, m, token), claim: sentTo(m.kind, m.spacedBy()), failure: mailFailures[m.mail]}}, nil
}

// newMail is a mail with a token.
func (a *Auth) newMail(ctx context.Context, m mailing, token *oneTime) *Mail {
	target := a.Redirect(m.redirectTo)
	return &Mail{
		Type: m.mail, To: m.to, User: ptr(m.user.User), Languages: a.languages(ctx, &m.user.User), SiteURL: a.cfg.SiteURL,
		ConfirmationURL: a.mailedURL(ctx, m.mail, token.link, target), Token: Secret(token.code), TokenHash: Secret(token.link),
		RedirectTo: target, NewEmail: m.user.NewEmail,
	}
}

// mailedURL is the link of a mail: to GET /verify or, so that no program uses it
// up by looking, to the page before it. Mails with a code alone have none.
func (a *Auth) mailedURL(ctx context.Context, t MailType, link, target string) string {
	switch {
	case t == MailReauthentication:
		return ""
	case a.cfg.Email.ScannerSafeLinks:
		if at, ok := strings.CutSuffix(strings.TrimSuffix(a.linkPath(t), "/"), "/verify"); ok { // no path of the application's own
			return redirect.MailLink(a.externalURL(ctx), at+"/confirm", link, string(t), target)
		}
	}
	return a.actionURL(ctx, t, link, target)
}

// actionURL is the link that GET /verify takes.
func (a *Auth) actionURL(ctx context.Context, t MailType, link, target string) string {
	return redirect.MailLink(a.externalURL(ctx), a.linkPath(t), link, string(t), target)
}

// externalURL is the base of links in the mails of a request.
func (a *Auth) externalURL(ctx context.Context) string {
	return either(RequestInfoFromContext(ctx).ExternalURL, a.cfg.ExternalURL)
}

func (a *Auth) linkPath(t MailType) string {
	switch paths := a.cfg.Email.LinkPaths; t {
	case MailInvite:
		return paths.Invite
	case MailRecovery, MailMagicLink:
		return paths.Recovery
	case MailEmailChange:
		return paths.EmailChange
	default:
		return paths.Confirmation
	}
}

func (p LinkPaths) withDefault(externalURL string) LinkPaths {
	path := "/verify"
	if u, err := url.Parse(externalURL); err == nil {
		path = strings.TrimSuffix(u.Path, "/") + path
	}
	return LinkPaths{
		Invite: either(p.Invite, path), Confirmation: either(p.Confirmation, path),
		Recovery: either(p.Recovery, path), EmailChange: either(p.EmailChange, path),
	}
}

// languages are what a user would like to read: what its metadata says, then what
// the request does.
func (a *Auth) languages(ctx context.Context, u *User) []string {
	var profile struct {
		Locale string `json:"locale"`
	}
	wanted := RequestInfoFromContext(ctx).Languages
	if u.UserMetadata.Decode(&profile) == nil && profile.Locale != "" {
		return append([]string{profile.Locale}, wanted...)
	}
	return wanted
}

// checkAuthorized refuses mails to others than the authorized addresses, if there
// are any.
func (a *Auth) checkAuthorized(email string) error {
	if len(a.cfg.Email.AuthorizedAddresses) == 0 {
		return nil
	}
	local, host, _ := strings.Cut(email, "@")
	plain, _, _ := strings.Cut(local, "+")
	for _, allowed := range a.cfg.Email.AuthorizedAddresses {
		if strings.EqualFold(allowed, email) || strings.EqualFold(allowed, plain+"@"+host) {
			return nil
		}
	}
	return fail(KindInvalid, ErrEmailAddressNotAuthorized, "Email address %q cannot be used as it is not authorized", email)
}

// noteSent stamps a user with the time of a message.
func (a *Auth) noteSent(ctx context.Context, tx Tx, user uuid.UUID, kind OneTimeKind) (*UserRecord, error) {
	return tx.UpdateUser(ctx, user, a.now(), func(u *UserRecord) error {
		now := ptr(a.now())
		switch kind {
		case OneTimeConfirmation:
			u.ConfirmationSentAt = now
		case OneTimeRecovery:
			u.RecoverySentAt = now
		case OneTimeEmailChangeNew, OneTimeEmailChangeCurrent:
			u.EmailChangeSentAt = now
		case OneTimePhoneChange:
			u.PhoneChangeSentAt = now
		case OneTimeReauthentication:
			u.ReauthenticationSentAt = now
		}
		return nil
	})
}

// texting is a text message with a code that a flow wants to send.
type texting struct {
	user    *UserRecord
	to      string
	channel string
	kind    OneTimeKind
	purpose purpose
	failure string
}

// text is mail for a phone.
func (a *Auth) text(ctx context.Context, tx Tx, t texting) ([]message, error) {
	if err := a.claimSMS(ctx, tx, t.kind, t.to); err != nil {
		return nil, err
	}
	return a.composeText(ctx, tx, t)
}

// composeText is composeMail for a phone.
func (a *Auth) composeText(ctx context.Context, tx Tx, t texting) ([]message, error) {
	token, err := a.issueTo(ctx, tx, t.user, t.kind, t.purpose, t.to, false)
	if err != nil {
		return nil, err
	}
	words, err := a.cfg.Phone.Text(token.code)
	if err != nil {
		return nil, internal("error generating sms template", err)
	}
	return []message{{claim: sentTo(t.kind, t.to), failure: t.failure, sms: &SMS{
		Phone: t.to, Channel: either(t.channel, "sms"), Code: Secret(token.code), Text: words, User: ptr(t.user.User),
	}}}, nil
}

// notices are the mails that tell a user which of its addresses were changed, as
// far as they are switched on.
func (a *Auth) notices(ctx context.Context, before, after *User) []message {
	var out []message
	if a.cfg.Email.Notify.EmailChanged && before.Email != after.Email {
		out = append(out, a.notice(ctx, Mail{Type: MailEmailChanged, To: before.Email, User: after, OldEmail: before.Email})...)
	}
	if a.cfg.Email.Notify.PhoneChanged && before.Phone != after.Phone {
		out = append(out, a.notice(ctx, Mail{Type: MailPhoneChanged, To: after.Email, User: after, OldPhone: before.Phone})...)
	}
	return out
}

// passwordNotice tells a user that its password was changed.
func (a *Auth) passwordNotice(ctx context.Context, u *User) []message {
	if !a.cfg.Email.Notify.PasswordChanged {
		return nil
	}
	return a.notice(ctx, Mail{Type: MailPasswordChanged, To: u.Email, User: u})
}

// notice is a mail without a code, none to a user without an address.
func (a *Auth) notice(ctx context.Context, m Mail) []message {
	if m.To == "" {
		return nil
	}
	m.SiteURL, m.Languages = a.cfg.SiteURL, a.languages(ctx, m.User)
	change := strings.ReplaceAll(strings.TrimSuffix(string(m.Type), "_notification"), "_", " ")
	return []message{{mail: &m, failure: change + " notification"}}
}
