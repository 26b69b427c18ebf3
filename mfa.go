package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/otp"
	"github.com/postern-auth/postern/internal/totp"
)

// MFAConfig is about second factors. The zero value lets users have authenticator
// apps.
type MFAConfig struct {
	TOTP          TOTPConfig
	Phone         PhoneFactorConfig
	RecoveryCodes RecoveryCodesConfig
	WebAuthn      WebAuthnFactorConfig // needs Config.WebAuthn

	// ChallengeExpiry is how long a challenge can be answered. Defaults to 5
	// minutes, which is also the least.
	ChallengeExpiry time.Duration
	// FactorExpiry is when a factor that was enrolled and never challenged makes
	// room for another. Defaults to 5 minutes, which is also the least.
	FactorExpiry time.Duration
	// MaxEnrolled is how many factors a user may have. Defaults to 10.
	MaxEnrolled int
	// MaxVerified is with how many verified ones a user may enrol another. Defaults
	// to 10.
	MaxVerified int
}

// TOTPConfig is about authenticator apps (RFC 6238).
type TOTPConfig struct {
	// NoEnroll refuses new ones.
	NoEnroll bool
	// NoVerify refuses to challenge and verify.
	NoVerify bool
}

// PhoneFactorConfig is about codes by text message as a second factor.
type PhoneFactorConfig struct {
	Enroll bool // allows new ones
	Verify bool // allows to challenge and verify

	// CodeLength is the number of digits of codes, 6 to 10. Defaults to 6.
	CodeLength int
	// MaxFrequency is the least time between two messages to one number. Defaults to
	// a minute; negative turns it off.
	MaxFrequency time.Duration
	// Text writes the message that carries a code. Defaults to "Your code is …".
	Text func(code string) (string, error)
}

// WebAuthnFactorConfig is about security keys, and what is built into devices, as a
// second factor.
type WebAuthnFactorConfig struct {
	Enroll bool // allows new ones
	Verify bool // allows to challenge and verify
}

// RecoveryCodesConfig is about codes that stand in for a factor that was lost.
type RecoveryCodesConfig struct {
	// NoEnroll refuses new sets.
	NoEnroll bool
	// NoVerify refuses codes.
	NoVerify bool
}

func (c MFAConfig) withDefaults() MFAConfig {
	c.ChallengeExpiry = max(c.ChallengeExpiry, 5*time.Minute)
	c.FactorExpiry = max(c.FactorExpiry, 5*time.Minute)
	c.MaxEnrolled = either(c.MaxEnrolled, 10)
	c.MaxVerified = either(c.MaxVerified, 10)
	c.Phone.MaxFrequency = either(c.Phone.MaxFrequency, time.Minute)
	if c.Phone.Text == nil {
		c.Phone.Text = plainText
	}
	return c
}

// ChallengeFactorParams say how a challenge is to reach the user.
type ChallengeFactorParams struct {
	Channel string // of a phone factor: "sms", the default, or "whatsapp"
}

// FactorChallenge is a challenge that VerifyFactor takes the answer to (contract:
// endpoints.md, POST /factors/{factor_id}/challenge).
type FactorChallenge struct {
	ID        uuid.UUID `json:"id"`
	Type      string    `json:"type"`       // the factor's
	ExpiresAt int64     `json:"expires_at"` // in Unix seconds

	WebAuthn *WebAuthnChallenge `json:"webauthn,omitempty"` // of a WebAuthn factor
}

// ChallengeFactor begins to verify one of the caller's factors, and sends a code to
// the number of a phone factor. Errors: ErrMFAFactorNotFound,
// ErrMFATOTPVerifyNotEnabled, ErrMFAPhoneVerifyNotEnabled,
// ErrMFAWebAuthnVerifyNotEnabled, ErrValidationFailed, ErrOverSMSSendRateLimit,
// ErrSMSSendFailed, ErrInsufficientAAL.
func (a *Auth) ChallengeFactor(ctx context.Context, c *Caller, factorID uuid.UUID, p ChallengeFactorParams) (*FactorChallenge, error) {
	f, err := a.factor(ctx, c.User.ID, factorID)
	if err != nil {
		return nil, err
	}
	if err := a.mayVerify(c, &f.Factor); err != nil {
		return nil, err
	}
	if f.FactorType == FactorPhone {
		if err := a.checkChannel(p.Channel); err != nil {
			return nil, err
		}
	}
	ch := &ChallengeRecord{ID: uuid.Must(uuid.NewRandom()), FactorID: f.ID, CreatedAt: a.now(), IP: RequestInfoFromContext(ctx).IP}
	issued := &FactorChallenge{ID: ch.ID, Type: f.FactorType}
	if f.FactorType == FactorWebAuthn {
		if issued.WebAuthn, err = a.webauthnChallenge(ctx, c.User, f, ch); err != nil {
			return nil, err
		}
	}
	var out []message
	err = a.inTx(ctx, func(tx Tx) error {
		if f.FactorType == FactorPhone {
			if out, err = a.textChallenge(ctx, tx, c.User, f, ch, p.Channel); err != nil {
				return err
			}
		}
		if err := tx.AddChallenge(ctx, ch); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionChallengeCreated, c.User, traits{"factor_id": f.ID, "factor_status": f.Status})
	})
	if errors.Is(err, ErrNoRow) {
		err = factorNotFound()
	}
	if err != nil {
		return nil, internal("Database error creating challenge", err)
	}
	if _, err := a.send(ctx, out...); err != nil {
		return nil, err
	}
	issued.ExpiresAt = ch.CreatedAt.Add(a.cfg.MFA.ChallengeExpiry).Unix()
	return issued, nil
}

// mayVerify says why a caller may not use a factor. One that was never verified is
// a new one: who has another must have used that, or an unverified factor from
// before it would be a way around it (guarantees: B11).
func (a *Auth) mayVerify(c *Caller, f *Factor) error {
	mfa := a.cfg.MFA
	switch {
	case c.session == nil:
		return fail(KindForbidden, ErrSessionNotFound, "A valid session is required to verify a factor")
	case f.FactorType == FactorTOTP && mfa.TOTP.NoVerify:
		return fail(KindUnprocessable, ErrMFATOTPVerifyNotEnabled, "MFA verification is disabled for TOTP")
	case f.FactorType == FactorPhone && !mfa.Phone.Verify:
		return fail(KindUnprocessable, ErrMFAPhoneVerifyNotEnabled, "MFA verification is disabled for Phone")
	case f.FactorType == FactorWebAuthn && !mfa.WebAuthn.Verify:
		return fail(KindUnprocessable, ErrMFAWebAuthnVerifyNotEnabled, "MFA verification is disabled for WebAuthn")
	case f.Status != factorVerified && lacksSecondFactor(c, c.User):
		return needsAAL2ToEnroll()
	}
	return nil
}

// textChallenge gives a challenge its code and writes the message with it.
func (a *Auth) textChallenge(ctx context.Context, tx Tx, u *User, f *FactorRecord, ch *ChallengeRecord, channel string) ([]message, error) {
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	claim := sentTo(OneTimeKind(purposeFactor), f.Phone)
	if err := a.claim(ctx, tx, claim, a.cfg.MFA.Phone.MaxFrequency, ErrOverSMSSendRateLimit); err != nil {
		return nil, err
	}
	code, known := a.testCode(f.Phone)
	if !known {
		if code, err = otp.Generate(rand.Reader, a.cfg.MFA.Phone.CodeLength); err != nil {
			return nil, err
		}
	}
	words, err := a.cfg.MFA.Phone.Text(code)
	if err != nil {
		return nil, internal("error generating sms template", err)
	}
	ch.Code = Secret(challengeHash(key, f, ch, code))
	return []message{{claim: claim, failure: "MFA", sms: &SMS{
		Phone: f.Phone, Channel: either(channel, "sms"), Code: Secret(code), Text: words, User: u, ForFactor: true,
	}}}, nil
}

// challengeHash binds a code to the challenge that it was made for.
func challengeHash(key []byte, f *FactorRecord, ch *ChallengeRecord, code string) string {
	return otp.KeyedHash(key, string(purposeFactor)+" "+ch.ID.String(), f.Phone, code)
}

// VerifyFactorParams answer a challenge.
type VerifyFactorParams struct {
	ChallengeID uuid.UUID
	Code        string          // of an app, or from a text message
	WebAuthn    *WebAuthnAnswer // of a WebAuthn factor
}

// VerifyFactor takes the answer to a challenge and raises the caller's session to
// AAL2, with new tokens in place of all that it had. A new factor counts from then
// on. The user's sessions at AAL1 end. Errors: ErrMFAFactorNotFound,
// ErrMFAIPAddressMismatch, ErrMFAChallengeExpired, ErrMFAVerificationFailed,
// ErrOverRequestRateLimit, ErrSessionNotFound, and those of ChallengeFactor
// (contract: endpoints.md, POST /factors/{factor_id}/verify).
func (a *Auth) VerifyFactor(ctx context.Context, c *Caller, factorID uuid.UUID, p VerifyFactorParams) (_ *Session, err error) {
	defer a.attempted(ctx, "mfa", &err)
	f, err := a.factor(ctx, c.User.ID, factorID)
	if err != nil {
		return nil, err
	}
	if err := checkVerification(f, p); err != nil {
		return nil, err
	}
	if err := a.mayVerify(c, &f.Factor); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Code == ErrMFAWebAuthnVerifyNotEnabled {
			e.Code = ErrMFAWebAuthnEnrollNotEnabled // which is what GoTrue says here
		}
		return nil, err
	}
	ch, err := a.challengeOf(ctx, f, p.ChallengeID)
	if err != nil {
		return nil, err
	}
	spend, err := a.checkAnswer(ctx, c.User, f, ch, p)
	if err := a.judgeAnswer(ctx, c, &f.Factor, err); err != nil {
		return nil, err
	}
	details := factorTraits(&f.Factor)
	details["challenge_id"] = ch.ID
	session, err := a.raise(ctx, c, &f.Factor, details, func(ctx context.Context, tx Tx) error {
		if err := tx.TakeChallenge(ctx, ch.ID, a.now()); err != nil {
			return missing(err, challengeUsed())
		}
		if err := spend(ctx, tx); err != nil {
			return err
		}
		return a.countsFromNow(ctx, tx, f)
	})
	if err == nil && f.Status != factorVerified && a.cfg.Email.Notify.FactorEnrolled {
		u := session.User
		a.tell(ctx, a.notice(ctx, Mail{Type: MailFactorEnrolled, To: u.Email, User: u, FactorType: f.FactorType})...)
	}
	return session, err
}

// checkVerification says what is missing of an answer.
func checkVerification(f *FactorRecord, p VerifyFactorParams) error {
	switch {
	case f.FactorType == FactorWebAuthn:
		return checkWebAuthnParams(f, p.WebAuthn)
	case p.Code == "":
		return invalid("Code needs to be non-empty")
	}
	return nil
}

// challengeOf returns a challenge that can still be answered, from where it was
// asked for.
func (a *Auth) challengeOf(ctx context.Context, f *FactorRecord, id uuid.UUID) (*ChallengeRecord, error) {
	ch, err := a.store.FindChallenge(ctx, f.ID, id)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, fail(KindUnprocessable, ErrMFAFactorNotFound, "MFA factor with the provided challenge ID not found")
	case err != nil:
		return nil, internal("Database error finding Challenge", err)
	case ch.VerifiedAt != nil, ch.IP != RequestInfoFromContext(ctx).IP:
		return nil, challengeUsed()
	case a.over(ch.CreatedAt, a.cfg.MFA.ChallengeExpiry):
		return nil, fail(KindUnprocessable, ErrMFAChallengeExpired,
			"MFA challenge %v has expired, verify against another challenge or create a new challenge.", ch.ID)
	}
	return ch, nil
}

func challengeUsed() *Error {
	return fail(KindUnprocessable, ErrMFAIPAddressMismatch, "Challenge and verify IP addresses mismatch.")
}

// A factor can be tried so often in so long a time, by all sessions together: a
// code has a million values, three of which are right at any time.
const (
	maxFactorTries  = 5
	factorTriesTime = 15 * time.Minute
)

func triesOf(factorID uuid.UUID) string { return "tries " + factorID.String() }

// countTry counts an answer before it is looked at, so that no number of them at
// once gets more than its share.
func (a *Auth) countTry(ctx context.Context, factorID uuid.UUID, refusal Code) error {
	now := a.now()
	n, err := a.store.Count(ctx, triesOf(factorID), now, now.Add(-factorTriesTime))
	switch {
	case err != nil:
		return internal("Database error verifying MFA", err)
	case n > maxFactorTries:
		return tooMany(refusal, fmt.Sprintf("Too many codes were tried, wait for %d minutes", int(factorTriesTime.Minutes())), factorTriesTime)
	}
	return nil
}

// spending uses up what was shown, in the transaction that raises a session.
type spending func(ctx context.Context, tx Tx) error

// checkAnswer says whether an answer is right, and what it uses up then besides its
// challenge.
func (a *Auth) checkAnswer(ctx context.Context, u *User, f *FactorRecord, ch *ChallengeRecord, p VerifyFactorParams) (spending, error) {
	if f.FactorType == FactorWebAuthn { // what cannot be guessed need not be counted
		return a.checkWebAuthn(ctx, u, f, ch, p.WebAuthn)
	}
	if err := a.countTry(ctx, f.ID, ErrOverRequestRateLimit); err != nil {
		return nil, err
	}
	if f.FactorType == FactorPhone {
		return nothingMore, a.checkPhoneCode(ctx, f, ch, strings.TrimSpace(p.Code))
	}
	return a.checkTOTP(f, p.Code)
}

func nothingMore(context.Context, Tx) error { return nil }

// checkTOTP compares a code with those that an app shows about now.
func (a *Auth) checkTOTP(f *FactorRecord, code string) (spending, error) {
	secret, err := a.cfg.Encryption.open(f.ID, f.Secret)
	if err != nil {
		return nil, internal("Database error decrypting a factor's secret", err)
	}
	step, ok, err := totp.Match(string(secret), code, a.cfg.Now()) // the time that the app knows
	if err != nil {
		return nil, internal("a factor's secret is not one", err)
	}
	if !ok {
		return nil, wrongTOTP()
	}
	return func(ctx context.Context, tx Tx) error { return takeStep(ctx, tx, f, step) }, nil
}

// takeStep uses up a time step, and those before it (RFC 6238 §5.2).
func takeStep(ctx context.Context, tx Tx, f *FactorRecord, step int64) error {
	_, err := tx.Claim(ctx, "step "+f.ID.String(), totp.StepTime(step), totp.StepTime(step-1))
	if errors.Is(err, ErrRowTaken) {
		return wrongTOTP()
	}
	return err
}

func wrongTOTP() *Error {
	return fail(KindUnprocessable, ErrMFAVerificationFailed, "Invalid TOTP code entered")
}

// checkPhoneCode compares a code with the one that was sent last. GoTrue, which may
// have sent it, keeps it as it is, and does not tell which challenge is the newest.
func (a *Auth) checkPhoneCode(ctx context.Context, f *FactorRecord, ch *ChallengeRecord, code string) error {
	wrong := fail(KindUnprocessable, ErrMFAVerificationFailed, "Invalid MFA Phone code entered")
	if _, test := a.testCode(f.Phone); !test && a.cfg.Phone.Check != nil {
		right, err := a.cfg.Phone.Check(ctx, f.Phone, code)
		switch {
		case err != nil:
			return internal("Failed to get SMS provider", err)
		case !right:
			return codeExpired()
		}
		return nil
	}
	key, err := a.codeKey(ctx)
	if err != nil {
		return err
	}
	sent, err := a.cfg.Encryption.open(ch.ID, ch.Code)
	if err != nil {
		return internal("Database error decrypting a challenge's code", err)
	}
	newest := f.LastChallengedAt != nil && f.LastChallengedAt.Equal(ch.CreatedAt)
	asItIs := len(code) <= otp.MaxDigits // no hash, which nobody is to use as a code
	if newest && otp.Equal(string(sent), challengeHash(key, f, ch, code)) || asItIs && otp.Equal(string(sent), code) {
		return nil
	}
	return wrong
}

// raise raises the caller's session by a factor, in the transaction that uses up what
// was shown: once of however many times at once.
func (a *Auth) raise(ctx context.Context, c *Caller, f *Factor, details traits, spend spending) (*Session, error) {
	key, err := a.newRefreshKey(c.SessionID)
	if err != nil {
		return nil, err
	}
	var user *UserRecord
	var session *SessionRecord
	err = a.store.InTx(ctx, func(tx Tx) (err error) {
		if err := spend(ctx, tx); err != nil {
			return err
		}
		session, err = tx.RaiseSession(ctx, SessionRaise{
			ID: c.SessionID, FactorID: &f.ID, AAL: aal2, Method: factorMethods[f.FactorType], Key: key, At: a.now(),
		})
		if err != nil {
			return missing(err, fail(KindForbidden, ErrSessionNotFound, "Session from session_id claim in JWT does not exist"))
		}
		if _, err := tx.EndLowSessions(ctx, c.User.ID); err != nil {
			return err
		}
		if err := tx.DropCounter(ctx, triesOf(f.ID)); err != nil {
			return err
		}
		if user, err = tx.FindUser(ctx, c.User.ID); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionFactorTried, &user.User, details)
	})
	if err != nil {
		return nil, internal("Database error verifying MFA", err)
	}
	return a.firstSession(ctx, user, session)
}

// missing is why a row that is not there is refused, and any other error itself.
func missing(err error, refusal *Error) error {
	if errors.Is(err, ErrNoRow) {
		return refusal
	}
	return err
}

// countsFromNow marks a factor as verified, and removes those of its type that are
// not.
func (a *Auth) countsFromNow(ctx context.Context, tx Tx, f *FactorRecord) error {
	if f.Status != factorVerified {
		_, err := tx.UpdateFactor(ctx, f.ID, a.now(), func(f *FactorRecord) error {
			f.Status = factorVerified
			return nil
		})
		if err != nil {
			return missing(err, factorNotFound())
		}
	}
	user, err := tx.FindUser(ctx, f.UserID)
	if err != nil {
		return err
	}
	for _, other := range user.Factors {
		if other.FactorType != f.FactorType || other.Status == factorVerified {
			continue
		}
		if err := tx.DeleteFactor(ctx, other.ID); err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
	}
	return nil
}
