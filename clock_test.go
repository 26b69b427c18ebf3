package postern_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/webauthntest"
)

// mortal is something that lives for an hour at most. make makes it, for an address,
// and returns what uses it.
type mortal struct {
	name string
	make func(t *testing.T, s service, box *postbox, email string) (use func(s service) error)
}

var mortals = []mortal{
	{"access token", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		token := s.SignedIn(t, email).AccessToken
		return func(s service) error { _, err := s.Authenticate(t.Context(), token); return err }
	}},
	{"access token without the database", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		token := s.SignedIn(t, email).AccessToken
		return func(s service) error { _, err := s.VerifyToken(t.Context(), token); return err }
	}},
	{"session", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		token := s.SignedIn(t, email).RefreshToken
		return func(s service) error { _, err := s.RefreshToken(t.Context(), token); return err }
	}},
	{"code", func(t *testing.T, s service, box *postbox, email string) func(service) error {
		must(s.SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword}))
		m := box.mail(t, email)
		return func(s service) error {
			_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: email, Token: string(m.Token)})
			return err
		}
	}},
	{"token of a link", func(t *testing.T, s service, box *postbox, email string) func(service) error {
		must(s.SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword}))
		m := box.mail(t, email)
		return func(s service) error {
			_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)})
			return err
		}
	}},
	{"auth code", func(t *testing.T, s service, box *postbox, email string) func(service) error {
		verifier := strings.Repeat("v", 50)
		sum := sha256.Sum256([]byte(verifier))
		must(s.SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword, Challenge: postern.Challenge{
			CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), CodeChallengeMethod: "S256",
		}}))
		location, _, err := s.VerifyLink(t.Context(), postern.VerifyLinkParams{Type: postern.VerifySignUp, Token: string(box.mail(t, email).TokenHash)})
		if err != nil {
			t.Fatal(err)
		}
		code := must(url.Parse(location)).Query().Get("code")
		return func(s service) error { _, err := s.ExchangeCodeForSession(t.Context(), code, verifier); return err }
	}},
	{"state", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		location := must(s.AuthorizeURL(t.Context(), postern.AuthorizeParams{Provider: "github"}))
		return func(s service) error {
			_, err := s.Callback(t.Context(), postern.CallbackParams{Params: github.Approve(location, authtest.Person(email))})
			return err
		}
	}},
	{"challenge of a factor", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		session := s.SignedIn(t, email)
		caller := s.caller(t, session)
		a := s.enroll(t, session, "app")
		id := s.challenge(t, session, a.factor)
		return func(s service) error {
			_, err := s.VerifyFactor(t.Context(), caller, a.factor, postern.VerifyFactorParams{ChallengeID: id, Code: s.code(a, s.Now())})
			return err
		}
	}},
	{"ceremony of a passkey", func(t *testing.T, s service, _ *postbox, email string) func(service) error {
		caller := s.caller(t, s.SignedIn(t, email))
		begun := must(s.BeginPasskeyRegistration(t.Context(), caller))
		made := postern.PasskeyResponse{ChallengeID: begun.ChallengeID, Credential: must(webauthntest.New(page).Create(begun.Options))}
		return func(s service) error { _, err := s.RegisterPasskey(t.Context(), caller, made); return err }
	}},
}

var github = authtest.NewProvider("github")

// forAnHour makes everything live for an hour that lives at all.
func forAnHour(c *postern.Config) {
	passkeys(c)
	c.Providers = []postern.Provider{github.Provider()}
	c.Email.CodeExpiry, c.FlowExpiry, c.JWT.TTL, c.Session.Timebox = time.Hour, time.Hour, time.Hour, time.Hour
	c.MFA.ChallengeExpiry, c.Passkeys.ChallengeExpiry = time.Hour, time.Hour
}

// Guarantee G40. Time passes, and goes back when the clock is set back.
func TestClockThatIsSetBackLengthensNoLife(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"a little":             {30 * time.Minute, -20 * time.Minute, 31 * time.Minute},
		"at once":              {-time.Hour, 61 * time.Minute},
		"several times":        {20 * time.Minute, -10 * time.Minute, 20 * time.Minute, -15 * time.Minute, 21 * time.Minute},
		"to before it":         {time.Minute, -40 * time.Minute, 60 * time.Minute},
		"far back":             {30 * time.Minute, -26 * time.Hour, 31 * time.Minute},
		"far back, at once":    {-26 * time.Hour, 61 * time.Minute},
		"and has caught up":    {10 * time.Minute, -30 * time.Minute, 10 * time.Minute, 50 * time.Minute},
		"further in two steps": {-50 * time.Minute, -50 * time.Minute, 61 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			mailing(t, forAnHour, func(t *testing.T, s service, box *postbox) {
				uses := makeAll(t, s, box)
				s.pass(jumps)
				for name, use := range uses {
					if err := use(s); err == nil {
						t.Errorf("%s: good after more than an hour", name)
					}
				}
			})
		})
	}
}

// Nothing ends early for it either, and what is made afterwards lives as ever.
func TestClockThatIsSetBackEndsNothing(t *testing.T) {
	mailing(t, forAnHour, func(t *testing.T, s service, box *postbox) {
		s.pass([]time.Duration{-20 * time.Minute})
		uses := makeAll(t, s, box)
		s.pass([]time.Duration{time.Minute, -20 * time.Minute, 58 * time.Minute})
		for name, use := range uses {
			if err := use(s); err != nil {
				t.Errorf("%s after 59 minutes: %v", name, err)
			}
		}
	})
}

// A process that was started since the clock was set back knows nothing of that, but
// sees what says that it was made at a time that has not come.
func TestWhatIsOfTheFutureIsRefused(t *testing.T) {
	mailing(t, forAnHour, func(t *testing.T, s service, box *postbox) {
		before := s.with(t, func(c *postern.Config) {
			forAnHour(c)
			c.Mailer, c.SMS, c.Email.Autoconfirm = box, box, false
		})
		before.Advance(30 * time.Minute)
		for name, use := range makeAll(t, before, box) {
			if err := use(s); err == nil {
				t.Errorf("%s: good although it was made half an hour later than now", name)
			}
		}
	})
}

// makeAll makes all that is mortal, and returns the uses by name.
func makeAll(t *testing.T, s service, box *postbox) map[string]func(service) error {
	t.Helper()
	uses := map[string]func(service) error{}
	for i, m := range mortals {
		uses[m.name] = m.make(t, s, box, fmt.Sprintf("user-%d@example.com", i))
	}
	return uses
}

// pass moves the clock, which somebody looks at each time.
func (s service) pass(jumps []time.Duration) {
	for _, jump := range jumps {
		s.Advance(jump)
		s.Auth.Now()
	}
}

func TestTokensMayBeAFewMinutesAhead(t *testing.T) {
	each(t, withSecret, func(t *testing.T, s service) {
		session := s.signUp(t)
		token := func(ahead time.Duration) string {
			now := s.Now()
			return mint(t, secret, jwt.MapClaims{
				"sub": session.User.ID.String(), "aud": "authenticated", "iss": "https://auth.example.com",
				"iat": now.Add(ahead).Unix(), "exp": now.Add(2 * time.Hour).Unix(),
			})
		}
		if _, err := s.Authenticate(t.Context(), token(4*time.Minute)); err != nil {
			t.Errorf("four minutes ahead: %v", err)
		}
		_, err := s.Authenticate(t.Context(), token(6*time.Minute))
		wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)
	})
}
