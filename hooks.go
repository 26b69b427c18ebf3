package postern

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/jsontext"
	"github.com/postern-auth/postern/internal/jwk"
)

// Hooks are functions of the application that are called at turning points
// (contract: config.md §3). Each may be nil. Package webhook makes them out of an
// HTTP endpoint, or of whatever else takes JSON and returns it.
//
// But for UserCreated they are called outside of transactions and may take their
// time; an Auth from In calls them while the application's own transaction is open.
//
// A hook refuses with an *Error or a *HookError, which the client gets to see. Any
// other error is logged, and the client told no more than which hook failed.
type Hooks struct {
	// BeforeUserCreated may refuse a new account. u is as it would be stored. It is
	// not called for accounts that exist, nor for AdminCreateUser; the time that it
	// takes does not tell which addresses have an account.
	BeforeUserCreated func(ctx context.Context, u *User) error

	// UserCreated is called in the transaction that stores a new account, whoever
	// makes it: what it writes with tx is there together with the account, or not at
	// all, and its error undoes both. For rows of the application's own, store.DB
	// makes tx a bun.IDB. It must be quick, use nothing but tx, and expect to be
	// called again if the database gives up the transaction. Changes of u are lost.
	UserCreated func(ctx context.Context, tx Tx, u *User) error

	// AfterUserCreated is called once for each account that was stored, after the
	// commit and after the mail that asks to confirm it, but not for
	// AdminCreateUser. Its error is answered; the account stays. A process that dies
	// right after the commit does not call it.
	AfterUserCreated func(ctx context.Context, u *User) error

	// CustomAccessToken returns all claims of an access token that is about to be
	// signed, usually those of r with others added. Subject and session have to stay
	// as they are, as has what every token must have (contract: tokens.md §1).
	CustomAccessToken func(ctx context.Context, r AccessTokenRequest) (map[string]any, error)

	// SendEmail sends mails in place of Config.Mailer.
	SendEmail func(ctx context.Context, e EmailOperation) error

	// SendSMS sends text messages in place of Config.SMS and PhoneConfig.Check, but
	// for those to PhoneConfig.TestCodes.
	SendSMS func(ctx context.Context, s SMS) error

	// MFAVerificationAttempt hears of every answer to a factor's challenge, right
	// or wrong, and may reject it. Then all sessions of the user end.
	MFAVerificationAttempt func(ctx context.Context, f FactorAttempt) (Verdict, error)

	// PasswordVerificationAttempt hears of every password that somebody signs in
	// with to an account that exists, right or wrong, and may reject it.
	PasswordVerificationAttempt func(ctx context.Context, p PasswordAttempt) (Verdict, error)
}

// The names of hooks in messages.
const (
	hookBeforeUserCreated = "before-user-created"
	hookUserCreated       = "user-created"
	hookAfterUserCreated  = "after-user-created"
	hookAccessToken       = "custom-access-token"
	hookSendEmail         = "send-email"
	hookSendSMS           = "send-sms"
	hookFactorAttempt     = "mfa-verification-attempt"
	hookPasswordAttempt   = "password-verification-attempt"
)

// HookError is a hook's refusal, for the client to see as it is.
type HookError struct {
	// HTTPCode is the status of the answer, 400 to 599. Anything else counts as 500.
	HTTPCode int
	// Message is the text of the answer.
	Message string
}

// Error returns status and text.
func (e *HookError) Error() string {
	return fmt.Sprintf("postern: refused by a hook: %d %s", e.HTTPCode, e.Message)
}

// kinds are those of the statuses that have one.
var kinds = map[int]Kind{
	400: KindInvalid, 401: KindUnauthorized, 403: KindForbidden, 404: KindNotFound, 409: KindConflict, 413: KindTooLarge,
	422: KindUnprocessable, 429: KindTooMany, 503: KindUnavailable,
}

// answer is the refusal as GoTrue answers it, which has no code (contract:
// errors.md §1.7).
func (e *HookError) answer() *Error {
	status := e.HTTPCode
	if status < 400 || status > 599 {
		status = 500
	}
	kind, known := kinds[status]
	if !known && status < 500 {
		kind = KindUnprocessable
	}
	return &Error{Kind: kind, Status: status, Message: e.Message}
}

// hookFailure is what is answered when a hook did not do what it was called for.
func hookFailure(name string, err error) error {
	var refusal *HookError
	if err != nil && errors.As(err, &refusal) {
		return refusal.answer()
	}
	return internal("Error running hook: "+name, err)
}

// AccessTokenRequest is what CustomAccessToken makes claims of.
type AccessTokenRequest struct {
	// Claims are those that the token has by itself.
	Claims *Claims
	// Method is how the user authenticated just now, as in the claim amr, or
	// "token_refresh".
	Method string
}

// Map returns the claims by name, numbers as json.Number, for a hook to change.
func (c *Claims) Map() map[string]any {
	text, err := json.Marshal(c)
	if err != nil {
		return nil // metadata that is no JSON is never stored
	}
	m, _ := decodeClaims(text)
	return m
}

func decodeClaims(text []byte) (m map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return m, d.Decode(&m)
}

// sign signs the claims of a token, or what the hook makes of them.
func (a *Auth) sign(ctx context.Context, keys *jwk.Set, c *Claims, info RefreshInfo) (string, error) {
	if a.cfg.Hooks.CustomAccessToken == nil {
		return keys.Sign(c)
	}
	claims, err := a.customClaims(ctx, c, info)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err == nil {
		err = jsontext.Check(text)
	}
	if err != nil {
		return "", badClaims("output claims cannot be written", err)
	}
	read, err := readClaims(text, c)
	if err != nil {
		return "", err
	}
	access, err := keys.Sign(jwt.MapClaims(claims))
	if err == nil && checkLength(access, read) != nil {
		err = badClaims("output claims are too long", nil)
	}
	return access, err
}

// customClaims asks the hook for the claims of a token.
func (a *Auth) customClaims(ctx context.Context, c *Claims, info RefreshInfo) (map[string]any, error) {
	method := "token_refresh"
	if !info.Rotated && len(info.ReuseCauses) == 0 && len(c.AMR) > 0 {
		method = c.AMR[0].Method // the newest
	}
	given := *c
	claims, err := a.cfg.Hooks.CustomAccessToken(ctx, AccessTokenRequest{Claims: &given, Method: method})
	switch {
	case err != nil:
		return nil, hookFailure(hookAccessToken, err)
	case claims == nil:
		return nil, badClaims("output claims field is missing", nil)
	}
	return claims, nil
}

func badClaims(message string, cause error) *Error {
	return &Error{Kind: KindInternal, Code: ErrUnexpectedFailure, Message: message, Err: cause}
}

// claimTypes say what claims have to be, and which have to be there, in GoTrue's
// order (contract: tokens.md §1).
var claimTypes = []struct {
	name     string
	required bool
	expected string
	is       func(any) bool
}{
	{"aud", true, "string or array of strings", isAudience},
	{"exp", true, "integer", isInteger},
	{"iat", true, "integer", isInteger},
	{"sub", true, "string", is[string]},
	{"email", true, "string", is[string]},
	{"phone", true, "string", is[string]},
	{"role", true, "string", is[string]},
	{"aal", true, "string", is[string]},
	{"session_id", true, "string", is[string]},
	{"is_anonymous", true, "boolean", is[bool]},
	{"nbf", false, "integer", isInteger},
	{"client_id", false, "string", is[string]},
	{"iss", false, "string", is[string]},
	{"jti", false, "string", is[string]},
	{"app_metadata", false, "object", isObject},
	{"user_metadata", false, "object", isObject},
	{"amr", false, "array of strings or objects", isAMR},
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func isInteger(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	f, err := n.Float64()
	return err == nil && f == math.Trunc(f)
}

func isObject(v any) bool { return v == nil || is[map[string]any](v) }

func isAudience(v any) bool { return is[string](v) || eachIs(v, is[string]) }

func isAMR(v any) bool {
	return eachIs(v, func(v any) bool { return is[string](v) || is[map[string]any](v) })
}

func eachIs(v any, good func(any) bool) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(v any) bool { return !good(v) })
}

// readClaims reads the claims that a hook made out of given ones, or says what is
// wrong with them. They are of the same user and session, or a token would let in
// somebody else.
func readClaims(text []byte, given *Claims) (*Claims, error) {
	claims, err := decodeClaims(text)
	if err != nil {
		return nil, badClaims("output claims cannot be read", err)
	}
	var faults strings.Builder
	for _, t := range claimTypes {
		switch v, there := claims[t.name]; {
		case !there && t.required:
			fmt.Fprintf(&faults, "- (root): %s is required\n", t.name)
		case there && !t.is(v):
			fmt.Fprintf(&faults, "- %s: Invalid type. Expected: %s\n", t.name, t.expected)
		}
	}
	if claims["sub"] != given.Subject || claims["session_id"] != given.SessionID {
		faults.WriteString("- (root): sub and session_id must stay as they are\n")
	}
	if faults.Len() > 0 {
		return nil, badClaims("output claims do not conform to the expected schema: \n"+faults.String(), nil)
	}
	read := &Claims{}
	if err := json.Unmarshal(text, read); err != nil { // nobody could read the token
		return nil, badClaims("output claims cannot be read", err)
	}
	return read, nil
}

// EmailOperation is what has to be mailed (contract: config.md §3.3). A change of
// address that both addresses have to agree to is one operation with two mails.
type EmailOperation struct {
	Type MailType
	User *User // as it is after the change

	// Token is the code, and TokenHash what the link carries.
	//
	// In a change of address that both have to agree to, Token and TokenHashNew are
	// for the current address (User.Email), TokenNew and TokenHash for the new one
	// (User.NewEmail): crossed over, as GoTrue has it.
	Token        Secret
	TokenHash    Secret
	TokenNew     Secret
	TokenHashNew Secret

	RedirectTo string
	SiteURL    string // Config.ExternalURL, as GoTrue has it

	OldEmail   string
	OldPhone   string
	Provider   string
	FactorType string
}

// emailOperation is what the hook is told of a mail, or two.
func (a *Auth) emailOperation(m message) EmailOperation {
	mail := m.mail
	e := EmailOperation{
		Type: mail.Type, User: mail.User, Token: mail.Token, TokenHash: mail.TokenHash,
		RedirectTo: mail.RedirectTo, SiteURL: a.cfg.ExternalURL,
		OldEmail: mail.OldEmail, OldPhone: mail.OldPhone, Provider: mail.Provider, FactorType: mail.FactorType,
	}
	if m.current != nil {
		e.Token, e.TokenNew, e.TokenHashNew = m.current.Token, mail.Token, m.current.TokenHash
	}
	return e
}

// Verdict is what a hook says of an attempt. The zero value lets it go on as if
// there were no hook.
type Verdict struct {
	Reject bool
	// Message tells the client why. It defaults to GoTrue's text.
	Message string
	// SignOut ends all sessions of the user, with Reject. A rejected answer to a
	// factor's challenge does so in any case.
	SignOut bool
}

// PasswordAttempt is a password that somebody tried.
type PasswordAttempt struct {
	UserID uuid.UUID
	Valid  bool
}

// FactorAttempt is an answer to a factor's challenge.
type FactorAttempt struct {
	UserID     uuid.UUID
	FactorID   uuid.UUID
	FactorType string
	Valid      bool
}

// judgePassword lets the hook judge a password that was tried. user is nil if there
// is none: then there is no judge, which takes as long as the last judgement and
// fails if that failed (guarantees: D19).
func (a *Auth) judgePassword(ctx context.Context, user *UserRecord, valid bool) error {
	hook := a.cfg.Hooks.PasswordVerificationAttempt
	switch {
	case hook == nil:
		return nil
	case user == nil:
		return a.paces.password.Repeat(ctx, 0)
	}
	var v Verdict
	err := a.paces.password.Run(ctx, func() (err error) {
		v, err = hook(ctx, PasswordAttempt{UserID: user.ID, Valid: valid})
		return hookFailure(hookPasswordAttempt, err)
	})
	if err != nil || !v.Reject {
		return err
	}
	if v.SignOut {
		if err := a.SignOut(ctx, &Caller{User: &user.User}, SignOutGlobal); err != nil {
			return err
		}
	}
	if a.cfg.HideAccounts && !valid {
		return invalidCredentials()
	}
	return fail(KindInvalid, ErrInvalidCredentials, "%s",
		either(v.Message, "Further password verification attempts will be rejected."))
}

// judgeAnswer lets the hook judge an answer to a challenge, given what came of it.
// What was no answer at all is not for the hook.
func (a *Auth) judgeAnswer(ctx context.Context, c *Caller, f *Factor, result error) error {
	hook := a.cfg.Hooks.MFAVerificationAttempt
	wrong := errors.Is(result, ErrMFAVerificationFailed) || errors.Is(result, ErrOTPExpired)
	if hook == nil || result != nil && !wrong {
		return result
	}
	v, err := hook(ctx, FactorAttempt{UserID: c.User.ID, FactorID: f.ID, FactorType: f.FactorType, Valid: result == nil})
	switch {
	case err != nil:
		return hookFailure(hookFactorAttempt, err)
	case !v.Reject:
		return result
	}
	if err := a.SignOut(ctx, c, SignOutGlobal); err != nil {
		return err
	}
	return fail(KindForbidden, ErrMFAVerificationRejected, "%s",
		either(v.Message, "Further MFA verification attempts will be rejected."))
}
