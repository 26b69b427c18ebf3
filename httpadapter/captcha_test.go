package httpadapter_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

// captchaService knows two tokens, and keeps what it was asked.
type captchaService struct {
	mu    sync.Mutex
	asked []string // token and address
}

func (v *captchaService) Verify(_ context.Context, token string, client netip.Addr) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, token+" "+client.String())
	switch token {
	case "solved":
		return nil
	case "stale":
		return &httpadapter.CaptchaRefusal{Codes: []string{"invalid-input-response", "timeout-or-duplicate"}}
	}
	return errors.New("no route to the service")
}

// last is what was asked since the last time, "" for nothing.
func (v *captchaService) last() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := strings.Join(v.asked, ", ")
	v.asked = nil
	return text
}

var (
	noCaptcha  = older("400", "captcha_failed", "captcha protection: request disallowed (no captcha_token found)")
	badCaptcha = older("400", "captcha_failed", "captcha protection: request disallowed (invalid-input-response, timeout-or-duplicate)")
)

// solved is a body with a token in it.
func solved(token, rest string) string {
	return `{"gotrue_meta_security":{"captcha_token":"` + token + `"}` + rest + `}`
}

// TestCaptchaIsAskedForOnItsRoutes pins contract config.md §6.
func TestCaptchaIsAskedForOnItsRoutes(t *testing.T) {
	t.Parallel()
	v := &captchaService{}
	a := newAPI(t, openSQLite(t), settings{config: withPasskeys(t), options: httpadapter.Options{Captcha: v}})
	for _, line := range []string{
		"POST /signup", "POST /signup/", "POST /otp", "POST /magiclink", "POST /recover", "POST /resend",
		"POST /passkeys/authentication/options",
		"POST /token?grant_type=password", "POST /token?grant_type=web3",
		"POST /token", "POST /token?grant_type=", "POST /token?grant_type=nothing",
		// Other spellings of what needs none.
		"POST /token?grant_type=PKCE", "POST /token?grant_type=Refresh_Token", "POST /token?grant_type=%20pkce", "POST /token?grant_type=id_token%00",
		"POST /token?Grant_Type=pkce", "POST /token?grant_type=password&grant_type=refresh_token", "POST /token?grant_type=web3&grant_type=pkce",
		"POST /token?grant_type=;&grant_type=password&grant_type=pkce",
	} {
		a.expect(t, request{line: line, body: `{}`}, 400, noCaptcha)
		a.expect(t, request{line: line, body: solved("stale", "")}, 400, badCaptcha)
		v.last()
		if got := a.do(t, request{line: line, body: solved("solved", "")}); strings.Contains(got.body, "captcha") {
			t.Errorf("%s with a solved CAPTCHA: got %d %s", line, got.status, got.body)
		}
		if got := v.last(); got != "solved 192.0.2.1" {
			t.Errorf("%s: the service was asked %q, want about the token once", line, got)
		}
	}
	for _, line := range []string{
		"GET /health", "GET /settings", "GET /.well-known/jwks.json", "GET /authorize", "GET /callback", "POST /callback",
		"POST /token?grant_type=pkce", "POST /token?grant_type=refresh_token", "POST /token?grant_type=id_token",
		"POST /token?grant_type=refresh_token&grant_type=password",
		"POST /verify", "GET /verify", "POST /confirm", "GET /confirm", "GET /user", "PUT /user", "POST /logout", "GET /reauthenticate",
		"POST /passkeys/authentication/verify", "POST /passkeys/registration/options", "POST /invite", "POST /admin/users", "POST /factors",
		"POST /token/?grant_type=password", "GET /signup", "POST /nothing",
	} {
		if got := a.do(t, request{line: line, body: `{}`}); strings.Contains(got.body, "captcha") || v.last() != "" {
			t.Errorf("%s: got %d %s, want no CAPTCHA asked for", line, got.status, got.body)
		}
	}
	if log := a.log.String(); strings.Contains(log, "solved") || strings.Contains(log, "stale") {
		t.Errorf("the log shows a token: %s", log)
	}
}

// A grant_type in a form counts as one in the query does, for both who route by it
// and who lets it pass.
func TestCaptchaGoesByTheGrantThatIsServed(t *testing.T) {
	t.Parallel()
	v := &captchaService{}
	a := newAPI(t, nobody, settings{options: httpadapter.Options{Captcha: v}})
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	const empty = "Could not parse request body as JSON: unexpected end of JSON input"
	for body, query := range map[string]string{
		"grant_type=refresh_token": "grant_type=password",
		"grant_type=password":      "grant_type=refresh_token",
	} {
		a.expect(t, request{line: "POST /token?" + query, headers: form, body: body}, 400, older("400", "bad_json", empty))
	}
	if got := v.last(); got != "" {
		t.Errorf("the service was asked %q, want nothing: there was no token", got)
	}
}

func TestCaptchaRefusals(t *testing.T) {
	t.Parallel()
	v := &captchaService{}
	a := newAPI(t, nobody, settings{options: httpadapter.Options{
		Captcha: v, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}})
	const parse = "Could not parse request body as JSON: "
	for body, want := range map[string]string{
		"":                               older("400", "bad_json", parse+"unexpected end of JSON input"),
		"null":                           older("400", "bad_json", parse+"null is no object"),
		`{"gotrue_meta_security":null}`:  noCaptcha,
		solved("", ""):                   noCaptcha,
		solved(`  \t\n `, ""):            noCaptcha,
		solved(" stale ", ""):            badCaptcha,
		`{"captcha_token":"solved"}`:     noCaptcha,
		`{"gotrue_meta_security":["x"]}`: "",
		`{"gotrue_meta_security":{"captcha_token":1}}`: older("400", "bad_json",
			parse+"json: cannot unmarshal number into Go struct field GotrueSecurity.gotrue_meta_security.captcha_token of type string"),
		solved(strings.Repeat("x", 16<<10+1), ""): older("400", "captcha_failed", "captcha protection: request disallowed (invalid-input-response)"),
	} {
		got := a.do(t, request{line: "POST /recover", body: body})
		if got.status != 400 || want != "" && got.body != want {
			t.Errorf("%.60s: got %d %s, want 400 %s", body, got.status, got.body, want)
		}
	}
	v.last()
	got := a.expect(t, request{line: "POST /recover", body: solved("whatever", ""), headers: []string{"X-Forwarded-For: 198.51.100.7"}}, 500)
	if !strings.Contains(got.body, `"msg":"captcha verification process failed"`) || strings.Contains(got.body, "no route") {
		t.Errorf("a service that fails: got %s", got.body)
	}
	if asked := v.last(); asked != "whatever 198.51.100.7" {
		t.Errorf("asked %q, want about the client behind the proxy", asked)
	}
	if log := a.log.String(); !strings.Contains(log, "no route to the service") || strings.Contains(log, "whatever") {
		t.Errorf("got the log %s, want the failure without the token", log)
	}
}

// What a request says besides reaches the endpoint.
func TestCaptchaLetsTheRequestThrough(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		v := &captchaService{}
		a := newAPI(t, st, settings{options: httpadapter.Options{Captcha: v}})
		ann := strings.TrimSuffix(strings.TrimPrefix(credentials("ann@example.com"), "{"), "}")
		a.expect(t, request{line: "POST /signup", body: `{` + ann + `}`}, 400, noCaptcha)
		session := decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: solved("solved", ","+ann)}, 200))
		if session.User.Email != "ann@example.com" {
			t.Errorf("got the account %s, want ann's", session.User.Email)
		}
		a.expect(t, request{line: "POST /token?grant_type=password", body: solved("solved", ","+ann)}, 200)
		a.expect(t, request{line: "POST /token?grant_type=refresh_token", body: object("refresh_token", session.RefreshToken)}, 200)
		v.last()

		a.expect(t, request{line: "POST /recover", body: object("email", "ann@example.com"), token: operator(t)}, 200)
		if got := v.last(); got != "" {
			t.Errorf("an operator: the service was asked %q, want nothing", got)
		}
		for who, token := range map[string]string{"a user": session.AccessToken, "nobody": operator(t) + "x"} {
			a.expect(t, request{line: "POST /recover", body: object("email", "ann@example.com"), token: token}, 400, noCaptcha)
			if got := v.last(); got != "" {
				t.Errorf("%s: the service was asked %q, want nothing", who, got)
			}
		}
	})
}
