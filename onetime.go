package postern

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/otp"
)

// purpose is what a one-time token is good for. It is part of the token's hash,
// so that none is good for anything else (guarantees: A3).
type purpose string

const (
	purposeSignUp           purpose = "signup"         // confirms a sign-up and what came with it
	purposeInvite           purpose = "invite"         // accepts an invitation
	purposeRecovery         purpose = "recovery"       // signs in to set a new password
	purposeMagicLink        purpose = "magiclink"      // signs in
	purposeEmailChange      purpose = "email_change"   // confirms half of a change of address
	purposeSMS              purpose = "sms"            // confirms a sign-up by phone, and signs in
	purposePhoneChange      purpose = "phone_change"   // confirms a new number
	purposeReauthentication purpose = "reauthenticate" // proves presence
	purposeFactor           purpose = "mfa"            // answers the challenge of a phone factor
	purposeRecoveryCode     purpose = "recovery_code"  // stands in for a second factor
)

// oneTime is a code, and the token of a link, that were made for somebody.
type oneTime struct {
	code string
	link string // "" where there is only a code
	OneTimeToken
}

// newOneTime makes a token of a kind for an address of a user. Code and link are
// drawn by themselves: who sees one does not know the other.
func (a *Auth) newOneTime(ctx context.Context, user *User, kind OneTimeKind, what purpose, address string, usesPKCE bool) (*oneTime, error) {
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	code, err := a.newCode(address)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, sha256.Size224)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	link := hex.EncodeToString(secret)
	if usesPKCE {
		link = otp.WithPKCE(link)
	}
	return &oneTime{code: code, link: link, OneTimeToken: OneTimeToken{
		UserID: user.ID, Kind: kind, RelatesTo: address, CreatedAt: a.now(),
		CodeHash: otp.KeyedHash(key, string(what), address, code),
		LinkHash: linkHash(key, what, link),
	}}, nil
}

func linkHash(key []byte, what purpose, link string) string {
	return otp.KeyedHash(key, "link "+string(what), "", link)
}

func (a *Auth) newCode(address string) (string, error) {
	if isEmail(address) {
		return otp.Generate(rand.Reader, a.cfg.Email.CodeLength)
	}
	if code, ok := a.testCode(address); ok {
		return code, nil
	}
	return otp.Generate(rand.Reader, a.cfg.Phone.CodeLength)
}

// isEmail tells the two kinds of addresses apart, both being normal.
func isEmail(address string) bool { return strings.Contains(address, "@") }

// testCode returns the code of a number that gets no messages.
func (a *Auth) testCode(phone string) (string, bool) {
	code, ok := a.cfg.Phone.TestCodes[phone]
	until := a.cfg.Phone.TestCodesUntil
	return code, ok && (until.IsZero() || a.now().Before(until))
}

// codeKey keys the hashes of codes, which are too short to be hashed without: who
// reads the database could try them all. It comes from the configured secret,
// which is not in the database, where there is one.
func (a *Auth) codeKey(ctx context.Context) ([]byte, error) {
	if secret := a.cfg.JWT.Secret; secret != "" {
		return hkdf.Key(sha256.New, []byte(secret), nil, "postern one-time codes", sha256.Size)
	}
	if key := a.keys.codes.Load(); key != nil {
		return *key, nil
	}
	records, err := a.keysFor(ctx, KeyForCodes, a.generateCodeKey)
	if err != nil {
		return nil, internal("reading the key of codes failed", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(string(currentKey(records, KeyForCodes).Secret))
	if err != nil {
		return nil, internal("reading the key of codes failed", err)
	}
	if !a.joined {
		a.keys.codes.Store(&key)
	}
	return key, nil
}

// inTx is InTx of the store for what may make codes: the key is read before the
// transaction, in which nothing can wait for another one.
func (a *Auth) inTx(ctx context.Context, fn func(Tx) error) error {
	if _, err := a.codeKey(ctx); err != nil {
		return err
	}
	return a.store.InTx(ctx, fn)
}

func (a *Auth) generateCodeKey() (KeyRecord, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return KeyRecord{}, err
	}
	secret := base64.RawURLEncoding.EncodeToString(key)
	return KeyRecord{KID: uuid.NewString(), Purpose: KeyForCodes, Secret: Secret(secret), CreatedAt: a.now()}, nil
}

// issueTo makes a token for an address of a user, stores it, and stamps the user
// with the time.
func (a *Auth) issueTo(ctx context.Context, tx Tx, user *UserRecord, kind OneTimeKind, what purpose, address string, usesPKCE bool) (*oneTime, error) {
	token, err := a.newOneTime(ctx, &user.User, kind, what, address, usesPKCE)
	if err != nil {
		return nil, err
	}
	stamped, err := a.noteSent(ctx, tx, user.ID, kind)
	if err != nil {
		return nil, err
	}
	*user = *stamped
	return token, a.issue(ctx, tx, token)
}

// issue stores a token, in the transaction that decided on it, and forgets the
// wrong guesses at the one before.
func (a *Auth) issue(ctx context.Context, tx Tx, t *oneTime) error {
	if err := tx.PutOneTimeToken(ctx, t.OneTimeToken); err != nil {
		return err
	}
	return tx.DropCounter(ctx, guessesAt(t.Kind, t.RelatesTo))
}

// Spacing: the time since the last message of a kind to an address, whether or
// not anybody has the address.

// claimMail refuses a mail that comes too soon after the last one of its kind, or
// is one too many.
func (a *Auth) claimMail(ctx context.Context, tx Tx, kind OneTimeKind, email string) error {
	if err := a.claim(ctx, tx, sentTo(kind, email), a.cfg.Email.MaxFrequency, ErrOverEmailSendRateLimit); err != nil {
		return err
	}
	return a.countMail(ctx, tx)
}

func (a *Auth) claimSMS(ctx context.Context, tx Tx, kind OneTimeKind, phone string) error {
	if err := a.claim(ctx, tx, sentTo(kind, phone), a.cfg.Phone.MaxFrequency, ErrOverSMSSendRateLimit); err != nil {
		return err
	}
	return a.countSMS(ctx, tx, phone)
}

// claim refuses what comes too soon after the last time that a counter was set.
func (a *Auth) claim(ctx context.Context, tx Tx, counter string, spacing time.Duration, code Code) error {
	if spacing <= time.Microsecond { // finer than clocks of several processes, or off
		return nil
	}
	now := a.now()
	last, err := tx.Claim(ctx, counter, now, now.Add(-spacing))
	if errors.Is(err, ErrRowTaken) {
		left := last.Add(spacing).Sub(now)
		return fail(KindTooMany, code, "For security purposes, you can only request this after %d seconds.", int(left.Seconds()))
	}
	return err
}

// The names of counters.

func sentTo(kind OneTimeKind, to string) string    { return "sent " + string(kind) + " " + to }
func guessesAt(kind OneTimeKind, to string) string { return "guesses " + string(kind) + " " + to }
