package postern_test

import (
	"context"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/totp"
)

// app is a user's authenticator app.
type app struct {
	factor uuid.UUID
	secret string
}

// code is what the app shows at a time.
func (s service) code(a app, at time.Time) string { return must(totp.Code(a.secret, totp.Step(at))) }

func (s service) enroll(t *testing.T, session *postern.Session, name string) app {
	t.Helper()
	f := must(s.EnrollFactor(t.Context(), s.caller(t, session), postern.EnrollFactorParams{FactorType: postern.FactorTOTP, FriendlyName: name}))
	return app{f.ID, f.TOTP.Secret}
}

func (s service) challenge(t *testing.T, session *postern.Session, factor uuid.UUID) uuid.UUID {
	t.Helper()
	return must(s.ChallengeFactor(t.Context(), s.caller(t, session), factor, postern.ChallengeFactorParams{})).ID
}

// answer challenges a factor and answers with a code.
func (s service) answer(t *testing.T, session *postern.Session, factor uuid.UUID, code string) (*postern.Session, error) {
	t.Helper()
	id := s.challenge(t, session, factor)
	return s.VerifyFactor(t.Context(), s.caller(t, session), factor, postern.VerifyFactorParams{ChallengeID: id, Code: code})
}

// again signs in once more.
func (s service) again(t *testing.T) *postern.Session { return &s.signIn(t, goodPassword).Session }

// withApp gives a signed-in user an app and uses it.
func (s service) withApp(t *testing.T, session *postern.Session) (*postern.Session, app) {
	t.Helper()
	a := s.enroll(t, session, "app")
	return must(s.answer(t, session, a.factor, s.code(a, s.Now()))), a
}

func TestTOTPFactorRaisesTheSession(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		other := s.signIn(t, goodPassword)
		raised, a := s.withApp(t, session)
		claims := s.caller(t, raised).Claims
		if claims.AAL != "aal2" || !slices.Equal(methods(claims), []string{"password", "totp"}) || raised.ID != session.ID {
			t.Errorf("got %s by %v in session %v, want aal2 by totp and password in the same one", claims.AAL, methods(claims), raised.ID)
		}
		if f := raised.User.Factors; len(f) != 1 || f[0].ID != a.factor || f[0].Status != "verified" || f[0].LastChallengedAt == nil {
			t.Errorf("got factors %+v, want the app, verified", f)
		}
		if aal := s.caller(t, s.refresh(t, raised.RefreshToken)).AAL(); aal != "aal2" {
			t.Errorf("after a refresh: got %s, want aal2", aal)
		}
		if _, err := s.Authenticate(t.Context(), other.AccessToken); !isCode(err, postern.ErrSessionNotFound) {
			t.Errorf("another session: got error %v, want it to have ended", err)
		}
	})
}

func TestTokensFromBeforeNeverYieldTheRaisedLevel(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		before := s.refresh(t, session.RefreshToken)
		s.withApp(t, before)
		for _, token := range []string{session.RefreshToken, before.RefreshToken} {
			_, err := s.RefreshToken(t.Context(), token)
			wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenNotFound)
		}
		if aal := s.caller(t, before).AAL(); aal != "aal1" {
			t.Errorf("an access token from before: got %s, want aal1", aal)
		}
		err := s.UnenrollFactor(t.Context(), s.caller(t, before), s.caller(t, before).User.Factors[0].ID)
		wantError(t, err, postern.KindUnprocessable, postern.ErrInsufficientAAL)
	})
}

func TestTimeStepIsUsedOnce(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		at := s.Now()
		raised, a := s.withApp(t, s.signUp(t))
		for name, code := range map[string]string{"the same step": s.code(a, at), "the one before": s.code(a, at.Add(-totp.Period))} {
			if _, err := s.answer(t, raised, a.factor, code); !isCode(err, postern.ErrMFAVerificationFailed) {
				t.Errorf("%s: got error %v, want ErrMFAVerificationFailed", name, err)
			}
		}
		s.Advance(2 * totp.Period)
		if _, err := s.answer(t, raised, a.factor, s.code(a, s.Now())); err != nil {
			t.Errorf("a later step: got error %v, want none", err)
		}
	})
}

func TestOneOfManyUsesOfAChallengeWins(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		a := s.enroll(t, session, "app")
		id, c, code := s.challenge(t, session, a.factor), s.caller(t, session), s.code(a, s.Now())
		var won, wrong atomic.Int32
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := s.VerifyFactor(t.Context(), c, a.factor, postern.VerifyFactorParams{ChallengeID: id, Code: code})
				switch {
				case err == nil:
					won.Add(1)
				case !isCode(err, postern.ErrMFAIPAddressMismatch) && !isCode(err, postern.ErrMFAVerificationFailed):
					wrong.Add(1)
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("got %d that succeeded, want 1", won.Load())
		}
	})
}

func TestGuessesAtAFactorAreLimitedOverAllSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		a := s.enroll(t, session, "app")
		id, c := s.challenge(t, session, a.factor), s.caller(t, session)
		var tried, refused atomic.Int32
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				_, err := s.VerifyFactor(t.Context(), c, a.factor, postern.VerifyFactorParams{ChallengeID: id, Code: "nothing"})
				switch {
				case isCode(err, postern.ErrMFAVerificationFailed):
					tried.Add(1)
				case isCode(err, postern.ErrOverRequestRateLimit):
					refused.Add(1)
				default:
					t.Errorf("got error %v, want one of two", err)
				}
			})
		}
		wg.Wait()
		if tried.Load() != 5 || refused.Load() != 295 {
			t.Errorf("got %d tried and %d refused, want 5 and 295", tried.Load(), refused.Load())
		}
		_, err := s.answer(t, session, a.factor, s.code(a, s.Now()))
		wantError(t, err, postern.KindTooMany, postern.ErrOverRequestRateLimit)
		s.Advance(16 * time.Minute)
		if _, err := s.answer(t, session, a.factor, s.code(a, s.Now())); err != nil {
			t.Errorf("a quarter of an hour later: got error %v, want none", err)
		}
	})
}

func TestFactorFromBeforeIsNoWayAroundTheSecond(t *testing.T) {
	each(t, phoneFactors, func(t *testing.T, s service) {
		thief := s.signUp(t)
		s.withNumber(t, thief, "15550100001") // enrolled, and never verified
		s.withApp(t, s.again(t))
		again := s.again(t)
		planted := s.caller(t, again).User.Factors
		for _, f := range planted {
			if f.FactorType != postern.FactorPhone {
				continue
			}
			_, err := s.ChallengeFactor(t.Context(), s.caller(t, again), f.ID, postern.ChallengeFactorParams{})
			wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
			_, err = s.VerifyFactor(t.Context(), s.caller(t, again), f.ID, postern.VerifyFactorParams{ChallengeID: uuid.New(), Code: "123456"})
			wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
		}
		_, err := s.EnrollFactor(t.Context(), s.caller(t, again), postern.EnrollFactorParams{FactorType: postern.FactorTOTP, FriendlyName: "mine"})
		wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
	})
}

func TestEnrollmentRefuses(t *testing.T) {
	each(t, phoneFactors, func(t *testing.T, s service) {
		session := s.signUp(t)
		c := s.caller(t, session)
		s.enroll(t, session, "one")
		s.withNumber(t, session, "15550100001")
		for name, tt := range map[string]struct {
			p    postern.EnrollFactorParams
			kind postern.Kind
			code postern.Code
		}{
			"no type":         {postern.EnrollFactorParams{}, postern.KindInvalid, postern.ErrValidationFailed},
			"an unknown type": {postern.EnrollFactorParams{FactorType: "sms"}, postern.KindInvalid, postern.ErrValidationFailed},
			"no number":       {postern.EnrollFactorParams{FactorType: "phone"}, postern.KindInvalid, postern.ErrValidationFailed},
			"no real number":  {postern.EnrollFactorParams{FactorType: "phone", Phone: "abc"}, postern.KindInvalid, postern.ErrValidationFailed},
			"a name twice":    {postern.EnrollFactorParams{FactorType: "totp", FriendlyName: "one"}, postern.KindUnprocessable, postern.ErrMFAFactorNameConflict},
			"a long name":     {postern.EnrollFactorParams{FactorType: "totp", FriendlyName: strings.Repeat("a", 256)}, postern.KindInvalid, postern.ErrValidationFailed},
			"webauthn":        {postern.EnrollFactorParams{FactorType: "webauthn"}, postern.KindUnprocessable, postern.ErrMFAWebAuthnEnrollNotEnabled},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := s.EnrollFactor(t.Context(), c, tt.p)
				wantError(t, err, tt.kind, tt.code)
			})
		}
		if _, err := s.EnrollFactor(t.Context(), must(s.Caller(t.Context(), c.User.ID)), postern.EnrollFactorParams{FactorType: "totp"}); !isCode(err, postern.ErrSessionNotFound) {
			t.Errorf("without a session: got error %v, want ErrSessionNotFound", err)
		}
		if got := len(s.caller(t, session).User.Factors); got != 2 {
			t.Errorf("got %d factors, want 2", got)
		}
	})
}

func TestFactorsAreLimitedAndAbandonedOnesMakeRoom(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		for i := range 10 {
			s.enroll(t, session, string(rune('a'+i)))
		}
		_, err := s.EnrollFactor(t.Context(), s.caller(t, session), postern.EnrollFactorParams{FactorType: "totp", FriendlyName: "more"})
		wantError(t, err, postern.KindUnprocessable, postern.ErrTooManyEnrolledMFAFactors)
		s.Advance(6 * time.Minute)
		s.enroll(t, session, "a")
		if got := len(s.caller(t, session).User.Factors); got != 1 {
			t.Errorf("got %d factors, want the new one alone", got)
		}
	})
}

func TestUnenrollingLowersTheSession(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		raised, a := s.withApp(t, s.signUp(t))
		low := s.again(t)
		err := s.UnenrollFactor(t.Context(), s.caller(t, low), a.factor)
		wantError(t, err, postern.KindUnprocessable, postern.ErrInsufficientAAL)
		bob := s.SignedIn(t, "bob@example.com")
		wantError(t, s.UnenrollFactor(t.Context(), s.caller(t, bob), a.factor), postern.KindNotFound, postern.ErrMFAFactorNotFound)
		if err := s.UnenrollFactor(t.Context(), s.caller(t, raised), a.factor); err != nil {
			t.Fatal(err)
		}
		after := s.caller(t, s.refresh(t, raised.RefreshToken))
		if after.AAL() != "aal1" || after.Claims.AAL != "aal1" || len(after.User.Factors) != 0 {
			t.Errorf("got %s with factors %+v, want aal1 and none", after.Claims.AAL, after.User.Factors)
		}
		if aal := s.caller(t, raised).AAL(); aal != "aal1" {
			t.Errorf("the access token from before: got %s, want aal1", aal)
		}
	})
}

func TestChallengeIsForItsFactorItsTimeAndItsPlace(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		a, b := s.enroll(t, session, "a"), s.enroll(t, session, "b")
		c := s.caller(t, session)
		id := s.challenge(t, session, a.factor)
		verify := func(ctx context.Context, factor, challenge uuid.UUID, code string) error {
			_, err := s.VerifyFactor(ctx, c, factor, postern.VerifyFactorParams{ChallengeID: challenge, Code: code})
			return err
		}
		wantError(t, verify(t.Context(), b.factor, id, s.code(b, s.Now())), postern.KindUnprocessable, postern.ErrMFAFactorNotFound)
		wantError(t, verify(t.Context(), a.factor, uuid.Nil, s.code(a, s.Now())), postern.KindUnprocessable, postern.ErrMFAFactorNotFound)
		wantError(t, verify(t.Context(), uuid.New(), id, "123456"), postern.KindNotFound, postern.ErrMFAFactorNotFound)
		wantError(t, verify(t.Context(), a.factor, id, ""), postern.KindInvalid, postern.ErrValidationFailed)
		elsewhere := postern.WithRequestInfo(t.Context(), postern.RequestInfo{IP: netip.MustParseAddr("203.0.113.9")})
		wantError(t, verify(elsewhere, a.factor, id, s.code(a, s.Now())), postern.KindUnprocessable, postern.ErrMFAIPAddressMismatch)
		s.Advance(5 * time.Minute)
		wantError(t, verify(t.Context(), a.factor, id, s.code(a, s.Now())), postern.KindUnprocessable, postern.ErrMFAChallengeExpired)
	})
}

func TestAdminSeesRenamesAndDeletesFactors(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		raised, a := s.withApp(t, s.signUp(t))
		user := raised.User.ID
		if got := must(s.AdminListFactors(t.Context(), user)); len(got) != 1 || got[0].ID != a.factor {
			t.Errorf("got %+v, want the app", got)
		}
		name := "new name"
		if got := must(s.AdminUpdateFactor(t.Context(), user, a.factor, postern.AdminUpdateFactorParams{FriendlyName: &name})); got.FriendlyName != name {
			t.Errorf("got name %q, want %q", got.FriendlyName, name)
		}
		_, err := s.AdminDeleteFactor(t.Context(), s.SignedIn(t, "bob@example.com").User.ID, a.factor)
		wantError(t, err, postern.KindNotFound, postern.ErrMFAFactorNotFound)
		if got := must(s.AdminDeleteFactor(t.Context(), user, a.factor)); got.ID != a.factor || got.Status != "verified" {
			t.Errorf("got %+v, want what it was", got)
		}
		if aal := s.caller(t, raised).AAL(); aal != "aal1" {
			t.Errorf("got %s, want the session lowered to aal1", aal)
		}
	})
}

// phoneFactors allows codes by text message as a second factor.
func phoneFactors(c *postern.Config) {
	c.MFA.Phone.Enroll, c.MFA.Phone.Verify = true, true
}

// withNumber enrols a phone factor, without verifying it.
func (s service) withNumber(t *testing.T, session *postern.Session, phone string) uuid.UUID {
	t.Helper()
	return must(s.EnrollFactor(t.Context(), s.caller(t, session), postern.EnrollFactorParams{
		FactorType: postern.FactorPhone, FriendlyName: "phone " + phone, Phone: phone,
	})).ID
}

func TestPhoneFactorRaisesTheSession(t *testing.T) {
	each(t, phoneFactors, func(t *testing.T, s service) {
		session, number := s.signUp(t), "15550100001"
		factor := s.withNumber(t, session, "+"+number)
		first := s.challenge(t, session, factor)
		old := s.LastCode(t, number)
		_, err := s.ChallengeFactor(t.Context(), s.caller(t, session), factor, postern.ChallengeFactorParams{})
		wantError(t, err, postern.KindTooMany, postern.ErrOverSMSSendRateLimit)
		s.Advance(time.Minute)
		second := s.challenge(t, session, factor)
		verify := func(challenge uuid.UUID, code string) (*postern.Session, error) {
			return s.VerifyFactor(t.Context(), s.caller(t, session), factor, postern.VerifyFactorParams{ChallengeID: challenge, Code: code})
		}
		for name, challenge := range map[string]uuid.UUID{"the older challenge": first, "its code": second} {
			if _, err := verify(challenge, old); !isCode(err, postern.ErrMFAVerificationFailed) {
				t.Errorf("%s: got error %v, want ErrMFAVerificationFailed", name, err)
			}
		}
		raised := must(verify(second, s.LastCode(t, number)))
		if claims := s.caller(t, raised).Claims; claims.AAL != "aal2" || !slices.Contains(methods(claims), "mfa/phone") {
			t.Errorf("got %s by %v, want aal2 by mfa/phone", claims.AAL, methods(claims))
		}
		if got := s.count(t, `SELECT count(*) FROM auth.mfa_challenges WHERE length(otp_code) < 32`); got != 0 {
			t.Errorf("got %d codes that are stored as they are, want none", got)
		}
	})
}

func TestSecretsOfFactorsAreEncrypted(t *testing.T) {
	key := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	each(t, func(c *postern.Config) {
		c.Encryption = postern.EncryptionConfig{Encrypt: true, KeyID: "k", Keys: map[string]postern.Secret{"k": postern.Secret(key)}}
	}, func(t *testing.T, s service) {
		s.withApp(t, s.signUp(t))
		if got := s.count(t, `SELECT count(*) FROM auth.mfa_factors WHERE secret NOT LIKE '{%'`); got != 0 {
			t.Errorf("got %d secrets in the clear, want none", got)
		}
	})
}

func TestUsersAreToldOfFactorsThatComeAndGo(t *testing.T) {
	each(t, func(c *postern.Config) { c.Email.Notify.FactorEnrolled, c.Email.Notify.FactorUnenrolled = true, true }, func(t *testing.T, s service) {
		session := s.signUp(t)
		last := func() string {
			m, _ := s.Outbox.Last(ada)
			return m.Type
		}
		given := s.enroll(t, session, "given up")
		if err := s.UnenrollFactor(t.Context(), s.caller(t, session), given.factor); err != nil || last() != "" {
			t.Errorf("a factor that never counted: got a mail %q, %v, want none", last(), err)
		}
		raised, a := s.withApp(t, session)
		if got := last(); got != string(postern.MailFactorEnrolled) {
			t.Errorf("a new factor: got a mail %q, want %s", got, postern.MailFactorEnrolled)
		}
		if err := s.UnenrollFactor(t.Context(), s.caller(t, raised), a.factor); err != nil {
			t.Fatal(err)
		}
		if got := last(); got != string(postern.MailFactorUnenrolled) {
			t.Errorf("one that went: got a mail %q, want %s", got, postern.MailFactorUnenrolled)
		}
	})
}
