package postern

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/otp"
)

// VerifyType says what a code or link is for (contract: endpoints.md, /verify).
type VerifyType string

// The types of codes and links. VerifyEmail is any of VerifySignUp and
// VerifyMagicLink.
const (
	VerifySignUp      VerifyType = "signup"
	VerifyInvite      VerifyType = "invite"
	VerifyMagicLink   VerifyType = "magiclink"
	VerifyRecovery    VerifyType = "recovery"
	VerifyEmail       VerifyType = "email"
	VerifyEmailChange VerifyType = "email_change"
	VerifySMS         VerifyType = "sms"
	VerifyPhoneChange VerifyType = "phone_change"
)

// place is where the token of a type may be, and what it may be good for.
type place struct {
	kind     OneTimeKind
	purposes []purpose
}

var places = map[VerifyType][]place{
	VerifySignUp:    {{OneTimeConfirmation, []purpose{purposeSignUp}}},
	VerifyInvite:    {{OneTimeConfirmation, []purpose{purposeInvite}}},
	VerifyMagicLink: {{OneTimeRecovery, []purpose{purposeMagicLink}}},
	VerifyRecovery:  {{OneTimeRecovery, []purpose{purposeRecovery}}},
	VerifyEmail: {
		{OneTimeConfirmation, []purpose{purposeSignUp}},
		{OneTimeRecovery, []purpose{purposeMagicLink}},
	},
	VerifyEmailChange: {
		{OneTimeEmailChangeNew, []purpose{purposeEmailChange}},
		{OneTimeEmailChangeCurrent, []purpose{purposeEmailChange}},
	},
	VerifySMS:         {{OneTimeConfirmation, []purpose{purposeSMS}}},
	VerifyPhoneChange: {{OneTimePhoneChange, []purpose{purposePhoneChange}}},
}

// VerifyOTPParams carries a code with the address that it was sent to, or the
// token hash of a link alone.
type VerifyOTPParams struct {
	Type      VerifyType
	Token     string // the code
	TokenHash string // what a link carries
	Email     string
	Phone     string
	Audience  string // defaults to Config.Audience
}

// Verification is the answer to a good code or link: a session or, for the first
// of two halves of a change of address, a message.
type Verification struct {
	Session *Session
	Message string
}

// MarshalJSON returns the session's JSON, or GoTrue's for a message.
func (v *Verification) MarshalJSON() ([]byte, error) {
	if v.Session != nil {
		return json.Marshal(v.Session)
	}
	return json.Marshal(map[string]string{"code": "200", "msg": v.Message})
}

const halfDone = "Confirmation link accepted. Please proceed to confirm link sent to the other email"

// VerifyOTP redeems a code or link, once, and signs in. Five wrong guesses void a
// code. Errors: ErrOTPExpired for whatever is not good, ErrUserBanned,
// ErrValidationFailed (contract: endpoints.md, POST /verify).
func (a *Auth) VerifyOTP(ctx context.Context, p VerifyOTPParams) (_ *Verification, err error) {
	defer a.attempted(ctx, "otp", &err)
	found, err := a.findProof(ctx, p)
	if err != nil {
		return nil, err
	}
	return a.redeem(ctx, found, "otp", nil)
}

func (a *Auth) findProof(ctx context.Context, p VerifyOTPParams) (*proof, error) {
	switch {
	case p.Type == "":
		return nil, invalid("Verify requires a verification type")
	case (p.Token == "") == (p.TokenHash == ""):
		return nil, invalid("Verify requires either a token or a token hash")
	case p.TokenHash != "" && p.Email+p.Phone != "":
		return nil, invalid("Only the token_hash and type should be provided")
	case p.TokenHash != "":
		return a.findByLink(ctx, p.Type, p.TokenHash)
	case (p.Email == "") == (p.Phone == ""):
		return nil, invalid("Only an email address or phone number should be provided on verify")
	}
	return a.findByCode(ctx, p)
}

// proof is a token that somebody presented and that is good, as far as can be
// seen before it is taken.
type proof struct {
	user    *UserRecord
	kind    OneTimeKind
	purpose purpose
	stored  string // the CodeHash to take
	address string // that the token was sent to
}

func linkExpired() *Error {
	return fail(KindForbidden, ErrOTPExpired, "Email link is invalid or has expired")
}

func codeExpired() *Error {
	return fail(KindForbidden, ErrOTPExpired, "Token has expired or is invalid")
}

// findByLink finds the token that a link carries.
func (a *Auth) findByLink(ctx context.Context, t VerifyType, link string) (*proof, error) {
	if t == VerifySMS || t == VerifyPhoneChange || places[t] == nil {
		return nil, invalid("Invalid email verification type")
	}
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	hashes := map[string]purpose{link: ""} // GoTrue stores what the link carries
	for _, pl := range places[t] {
		for _, what := range pl.purposes {
			hashes[linkHash(key, what, link)] = what
		}
	}
	var candidates []string
	for hash := range hashes {
		candidates = append(candidates, hash)
	}
	token, user, err := a.store.FindOneTimeToken(ctx, candidates)
	if errors.Is(err, ErrNoRow) || errors.Is(err, ErrUnstorable) {
		return nil, linkExpired()
	}
	if err != nil {
		return nil, internal("Database error finding user from email link", err)
	}
	what, ok := purposeOf(token, hashes[token.LinkHash], places[t])
	if !ok {
		return nil, linkExpired()
	}
	if a.expired(&user.User, token.Kind, token.RelatesTo) {
		return nil, linkExpired()
	}
	return &proof{user: user, kind: token.Kind, purpose: what, stored: token.CodeHash, address: token.RelatesTo}, nil
}

// purposeOf says what a token is good for. One of GoTrue's is good for what its
// place is: its two hashes are the same, which they never are in one of ours, so
// that what stands in the database is of no use to who has read it.
func purposeOf(t *OneTimeToken, found purpose, allowed []place) (purpose, bool) {
	if found == "" && t.CodeHash != t.LinkHash {
		return "", false
	}
	for _, pl := range allowed {
		switch {
		case pl.kind != t.Kind:
		case found == "":
			return pl.purposes[0], true
		case slices.Contains(pl.purposes, found):
			return found, true
		}
	}
	return "", false
}

// expired reports whether a user's token of a kind is past its time. The codes of
// test numbers have none.
func (a *Auth) expired(u *User, kind OneTimeKind, to string) bool {
	sent, life := u.sentAt(kind), a.cfg.Email.CodeExpiry
	if !isEmail(to) {
		if _, ok := a.testCode(to); ok {
			return false
		}
		life = a.cfg.Phone.CodeExpiry
	}
	return sent == nil || a.over(*sent, life)
}

func (u *User) sentAt(kind OneTimeKind) *time.Time {
	switch kind {
	case OneTimeConfirmation:
		return u.ConfirmationSentAt
	case OneTimeRecovery:
		return u.RecoverySentAt
	case OneTimeEmailChangeNew, OneTimeEmailChangeCurrent:
		return u.EmailChangeSentAt
	case OneTimePhoneChange:
		return u.PhoneChangeSentAt
	}
	return u.ReauthenticationSentAt
}

// findByCode finds the account that a code was sent to, if it is the right code.
func (a *Auth) findByCode(ctx context.Context, p VerifyOTPParams) (*proof, error) {
	to, err := normalForVerify(p)
	if err != nil {
		return nil, err
	}
	users, err := a.usersForCode(ctx, p.Type, to, a.audience(p.Audience))
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	right, err := a.checkRemotely(ctx, to, p.Token)
	if err != nil {
		return nil, err
	}
	for _, user := range users {
		for _, pl := range places[p.Type] {
			what, ok := matches(key, user, pl, to, p.Token)
			if right != nil {
				what, ok = pl.purposes[0], *right && user.CodeHashes[pl.kind] != ""
			}
			if ok && a.relates(user, pl.kind, to) && !a.expired(&user.User, pl.kind, to) {
				return &proof{user: user, kind: pl.kind, purpose: what, stored: user.CodeHashes[pl.kind], address: to}, nil
			}
		}
	}
	return nil, a.wrongGuess(ctx, users, places[p.Type], to)
}

// checkRemotely asks the service that made a code, nil if none did.
func (a *Auth) checkRemotely(ctx context.Context, to, code string) (*bool, error) {
	if _, test := a.testCode(to); a.cfg.Phone.Check == nil || isEmail(to) || test {
		return nil, nil
	}
	right, err := a.cfg.Phone.Check(ctx, to, code)
	if err != nil {
		e := fail(KindUnprocessable, ErrSMSSendFailed, "The code could not be checked: %v", err)
		e.Err = err
		return nil, e
	}
	return &right, nil
}

func normalForVerify(p VerifyOTPParams) (string, error) {
	if p.Phone != "" {
		phone, err := address.Phone(p.Phone)
		if err != nil {
			return "", invalid("%v", err)
		}
		return phone, nil
	}
	email, err := address.Email(p.Email)
	if err != nil {
		return "", fail(KindUnprocessable, ErrValidationFailed, "Invalid email format")
	}
	return email, nil
}

// usersForCode returns the accounts that a code sent to an address may belong to.
func (a *Auth) usersForCode(ctx context.Context, t VerifyType, to, aud string) ([]*UserRecord, error) {
	find := a.store.FindUserByEmail
	if !isEmail(to) {
		find = a.store.FindUserByPhone
	}
	var users []*UserRecord
	if t != VerifyPhoneChange {
		user, err := find(ctx, to, aud)
		if err == nil {
			users = append(users, user)
		} else if !errors.Is(err, ErrNoRow) {
			return nil, err
		}
	}
	var waiting []*UserRecord
	var err error
	switch t {
	case VerifyEmailChange:
		waiting, err = a.store.UsersByNewEmail(ctx, to, aud)
	case VerifyPhoneChange:
		waiting, err = a.store.UsersByNewPhone(ctx, to, aud)
	}
	return append(users, waiting...), err
}

// relates reports whether a user's token of a kind was sent to an address.
func (a *Auth) relates(u *UserRecord, kind OneTimeKind, to string) bool {
	switch kind {
	case OneTimeEmailChangeNew:
		return strings.EqualFold(u.NewEmail, to)
	case OneTimePhoneChange:
		return u.NewPhone == to
	}
	return strings.EqualFold(u.Email, to) || u.Phone == to
}

// matches compares a code with what is stored: a hash of ours, which tells what it
// is good for, or one of GoTrue's.
func matches(key []byte, u *UserRecord, pl place, to, code string) (purpose, bool) {
	stored := u.CodeHashes[pl.kind]
	if otp.Equal(otp.TrimPKCE(stored), otp.Hash(to, code)) {
		return pl.purposes[0], true
	}
	for _, what := range pl.purposes {
		if otp.Equal(stored, otp.KeyedHash(key, string(what), to, code)) {
			return what, true
		}
	}
	return "", false
}

// maxGuesses is how many wrong codes void the right one.
const maxGuesses = 5

// wrongGuess counts a wrong code for an address, whether or not it has an account,
// and voids the right one after some.
func (a *Auth) wrongGuess(ctx context.Context, users []*UserRecord, at []place, to string) error {
	err := a.store.InTx(ctx, func(tx Tx) error {
		for _, pl := range at {
			n, err := tx.Count(ctx, guessesAt(pl.kind, to), a.now(), a.now().Add(-a.cfg.Email.CodeExpiry))
			if err != nil {
				return err
			}
			if n < maxGuesses {
				continue
			}
			for _, u := range users {
				if err := a.void(ctx, tx, u, pl.kind); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return internal("Database error finding user", err)
	}
	return codeExpired()
}

// void takes a token away without giving anything for it.
func (a *Auth) void(ctx context.Context, tx Tx, u *UserRecord, kind OneTimeKind) error {
	if u.CodeHashes[kind] == "" {
		return nil
	}
	err := tx.TakeOneTimeToken(ctx, u.ID, kind, u.CodeHashes[kind])
	if errors.Is(err, ErrNoRow) {
		return nil // somebody was faster
	}
	return err
}
