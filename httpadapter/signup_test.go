package httpadapter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// TestSignUp pins contract endpoints.md, POST /signup.
func TestSignUp(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		got := a.expect(t, request{line: "POST /signup/", body: credentials("Ann@Example.com")}, 200)
		ann := decode[postern.Session](t, got)
		if ann.User.Email != "ann@example.com" || ann.TokenType != "bearer" || ann.ExpiresIn != 3600 || strings.HasSuffix(got.body, "\n") {
			t.Errorf("got %s", got.body)
		}
		claims, err := a.auth.VerifyToken(t.Context(), ann.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Sb-Auth-User-Id": ann.User.ID.String(), "Sb-Auth-Session-Id": claims.SessionID,
			"Sb-Auth-Refresh-Token-Counter": "0", "Sb-Auth-Refresh-Token-Prefix": "", "Sb-Auth-Refresh-Token-Reuse": "",
			"Cache-Control": "no-store",
		} {
			if h := got.header.Get(name); h != want {
				t.Errorf("%s = %q, want %q", name, h, want)
			}
		}
		a.expect(t, request{line: "POST /signup", body: credentials("ann@example.com")}, 422,
			older("422", "user_already_exists", "User already registered"))
		a.expect(t, request{line: "POST /signup", body: `{}`}, 422,
			older("422", "anonymous_provider_disabled", "Anonymous sign-ins are disabled"))
	})
}

func TestSignUpThatAwaitsConfirmation(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) { c.Email.Autoconfirm = false }})
		got := a.expect(t, request{line: "POST /signup", body: credentials("ann@example.com")}, 200)
		user := decode[postern.User](t, got)
		if user.ConfirmationSentAt == nil || user.EmailConfirmedAt != nil || len(user.Identities) != 1 {
			t.Errorf("got %s", got.body)
		}
		for _, name := range []string{"Sb-Auth-User-Id", "Sb-Auth-Session-Id", "Sb-Auth-Refresh-Token-Counter", "Cache-Control"} {
			if h := got.header.Get(name); h != "" {
				t.Errorf("%s = %q without a session, want none", name, h)
			}
		}
		again := a.do(t, request{line: "POST /signup", body: credentials("ann@example.com")})
		if again.status != 429 || !strings.Contains(again.body, `"over_email_send_rate_limit"`) || again.header.Get("Retry-After") != "" {
			t.Errorf("too soon: got %d %v %s, want 429 over_email_send_rate_limit", again.status, again.header, again.body)
		}
		*a.now = a.now.Add(2 * time.Minute)
		a.expect(t, request{line: "POST /signup", body: credentials("ann@example.com")}, 200)
	})
}

func TestSignUpRefusals(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) { c.Phone.Enabled, c.Phone.Autoconfirm = true, true }})
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"email":"a@example.com"}`, 400, older("400", "validation_failed", "Signup requires a valid password")},
		{`{"email":"a@example.com","password":"abc"}`, 422, `{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`},
		{`{"email":"a@example.com","phone":"15550100010","password":"Secret-pw-123"}`, 400, older("400", "validation_failed", "Only an email address or phone number should be provided on signup.")},
		{`{"phone":"15550100010","password":"Secret-pw-123","channel":"fax"}`, 400, older("400", "validation_failed", badChannel)},
		{`{"phone":"15550100010","password":"Secret-pw-123","channel":"whatsapp"}`, 400, older("400", "validation_failed", badChannel)},
		{`{"phone":"15550100010","password":"abc","channel":"fax"}`, 422, `{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`},
		{object("phone", "15550100010", "password", password, "code_challenge", codeChallenge, "code_challenge_method", "s256"), 400, older("400", "validation_failed", "PKCE not supported for phone signups")},
		{`{"phone":"abc","password":"Secret-pw-123","channel":"sms"}`, 400, older("400", "validation_failed", "Invalid phone number format (E.164 required)")},
		{`{"email":"a@example.com","password":"Secret-pw-123","code_challenge":"x"}`, 400, older("400", "validation_failed", "PKCE flow requires code_challenge_method and code_challenge")},
	} {
		a.expect(t, request{line: "POST /signup", body: c.body}, c.status, c.want)
	}
	a.expect(t, request{line: "POST /signup", body: `{"phone":"+1 555 0100010","password":"Secret-pw-123","channel":"sms"}`}, 200)
	a.expect(t, request{line: "POST /signup", body: `{"email":"b@example.com","password":"Secret-pw-123","channel":"fax"}`}, 200)
}

// TestAudienceOfARequest pins guarantee 10: X-JWT-AUD names an audience only if
// it is one of the configuration's.
func TestAudienceOfARequest(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) { c.Audiences = []string{"staff"} }})
		for _, c := range []struct {
			email, audience, want string
			without               int // status of a sign-in that names no audience
		}{
			{"staff@example.com", "staff", "staff", 400},
			{"other@example.com", "other", "authenticated", 200},
			{"broken@example.com", "\xff", "authenticated", 200},
		} {
			header, body := []string{"X-JWT-AUD: " + c.audience}, credentials(c.email)
			got := decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: body, headers: header}, 200))
			if got.User.Aud != c.want {
				t.Errorf("sign-up with X-JWT-AUD %q: aud = %q, want %q", c.audience, got.User.Aud, c.want)
			}
			a.expect(t, request{line: "POST /token?grant_type=password", body: body, headers: header}, 200)
			a.expect(t, request{line: "POST /token?grant_type=password", body: body}, c.without)
		}
		ann := a.signUp(t, "ann@example.com")
		a.expect(t, request{line: "GET /user", token: ann.AccessToken, headers: []string{"X-JWT-AUD: authenticated"}}, 200)
		a.expect(t, request{line: "GET /user", token: ann.AccessToken, headers: []string{"X-JWT-AUD: staff"}}, 400,
			older("400", "validation_failed", "Token audience doesn't match request audience"))
	})
}
