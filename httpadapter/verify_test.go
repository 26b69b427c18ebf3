package httpadapter_test

import (
	"html"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// flow is a way to be sent a link and a code.
type flow struct {
	name string
	kind string // of the link
	amr  string // of the session that a PKCE flow ends in; "" when it cannot be one
	// ask makes what is needed, asks and returns the address that was mailed to.
	// extra are members of the request's body.
	ask func(t *testing.T, a *api, email string, extra ...string) string
}

var flows = []flow{
	{"sign-up", "signup", "email/signup", func(t *testing.T, a *api, email string, extra ...string) string {
		a.expect(t, request{line: "POST /signup", body: object(append(extra, "email", email, "password", password)...)}, 200)
		return email
	}},
	{"sign-up, resent", "signup", "email/signup", func(t *testing.T, a *api, email string, extra ...string) string {
		a.expect(t, request{line: "POST /signup", body: credentials(email)}, 200)
		a.wait()
		a.expect(t, request{line: "POST /resend", body: object(append(extra, "email", email, "type", "signup")...)}, 200, "{}")
		return email
	}},
	{"code for a new account", "signup", "email/signup", func(t *testing.T, a *api, email string, extra ...string) string {
		a.expect(t, request{line: "POST /otp", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"code for an account", "magiclink", "magiclink", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "POST /otp", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"magic link", "magiclink", "magiclink", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "POST /magiclink", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"code for a new account, as email", "email", "email/signup", func(t *testing.T, a *api, email string, extra ...string) string {
		a.expect(t, request{line: "POST /otp", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"magic link, as email", "email", "magiclink", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "POST /magiclink", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"recovery", "recovery", "recovery", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "POST /recover", body: object(append(extra, "email", email)...)}, 200, "{}")
		return email
	}},
	{"invitation", "invite", "", func(t *testing.T, a *api, email string, _ ...string) string {
		a.expect(t, request{line: "POST /invite", token: operator(t), body: object("email", email)}, 200)
		return email
	}},
	{"change of address", "email_change", "email_change", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "PUT /user", token: a.signIn(t, email).AccessToken, body: object(append(extra, "email", "new-"+email)...)}, 200)
		return "new-" + email
	}},
	{"change of address, resent", "email_change", "email_change", func(t *testing.T, a *api, email string, extra ...string) string {
		a.enrol(t, email)
		a.expect(t, request{line: "PUT /user", token: a.signIn(t, email).AccessToken, body: object("email", "new-"+email)}, 200)
		a.wait()
		a.expect(t, request{line: "POST /resend", body: object(append(extra, "email", email, "type", "email_change")...)}, 200, "{}")
		return "new-" + email
	}},
}

// way is a way to use what was sent: it returns the request that does.
type way func(t *testing.T, kind string, m postern.Mail) request

var ways = map[string]way{"code": byCode, "token hash": byHash, "link": byLink, "button": byButton}

func byCode(_ *testing.T, kind string, m postern.Mail) request {
	return request{line: "POST /verify", body: object("type", kind, "email", m.To, "token", string(m.Token))}
}

func byHash(_ *testing.T, kind string, m postern.Mail) request {
	return request{line: "POST /verify/", body: object("type", kind, "token_hash", string(m.TokenHash))}
}

func byLink(t *testing.T, kind string, m postern.Mail) request {
	return request{line: "GET /verify?" + linkParams(t, kind, m)}
}

func byButton(t *testing.T, kind string, m postern.Mail) request {
	return request{line: "POST /confirm", body: linkParams(t, kind, m), headers: form}
}

// linkParams are the parameters of the link in a mail, but for the type.
func linkParams(t *testing.T, kind string, m postern.Mail) string {
	t.Helper()
	u, err := url.Parse(pathOf(t, m.ConfirmationURL))
	if err != nil || u.Path != "/verify" {
		t.Fatalf("the link %q leads to %q, want /verify", m.ConfirmationURL, u.Path)
	}
	params := u.Query()
	params.Set("type", kind)
	return params.Encode()
}

// pathOf is what of a link reaches the handler, mounted where the links lead.
func pathOf(t testing.TB, link string) string {
	t.Helper()
	path, ok := strings.CutPrefix(link, external)
	if !ok {
		t.Fatalf("the link %q does not begin with %s", link, external)
	}
	return path
}

// sessionIn reads the session in an answer: in the body or in the fragment of a
// redirect to the site.
func sessionIn(t *testing.T, kind string, got answer) postern.Session {
	t.Helper()
	if got.status == 200 {
		return decode[postern.Session](t, got)
	}
	location := got.header.Get("Location")
	fragment, ok := strings.CutPrefix(location, site+"#")
	params, err := url.ParseQuery(fragment)
	if got.status != 303 || !ok || err != nil {
		t.Fatalf("got %d to %q, want 303 to %s with a session", got.status, location, site)
	}
	for _, name := range []string{"access_token", "expires_at", "expires_in", "refresh_token", "sb", "token_type", "type"} {
		if !params.Has(name) {
			t.Errorf("%s lacks %s", location, name)
		}
	}
	if params.Get("type") != kind || params.Get("token_type") != "bearer" {
		t.Errorf("%s: type = %q, token_type = %q", location, params.Get("type"), params.Get("token_type"))
	}
	return postern.Session{AccessToken: params.Get("access_token"), RefreshToken: params.Get("refresh_token")}
}

// wantSession checks a session's headers, user and method.
func (a *api) wantSession(t *testing.T, got answer, s postern.Session, email, method string) {
	t.Helper()
	claims, err := a.auth.VerifyToken(t.Context(), s.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Email != email || len(claims.AMR) != 1 || claims.AMR[0].Method != method {
		t.Errorf("email = %q, amr = %+v; want %q, %q", claims.Email, claims.AMR, email, method)
	}
	wantHeaders(t, got.header, map[string]string{
		"Sb-Auth-User-Id": claims.Subject, "Sb-Auth-Session-Id": claims.SessionID,
		"Sb-Auth-Refresh-Token-Counter": "0", "Cache-Control": "no-store",
	})
	a.expect(t, a.refresh(s.RefreshToken), 200)
}

// single is confirming, with one confirmation for a change of address.
func single(c *postern.Config) {
	confirming(c)
	c.Email.SingleChangeConfirmation = true
}

// TestCodesAndLinksSignInOnce plays every way to be sent something with every way
// to use it (contract endpoints.md, /verify).
func TestCodesAndLinksSignInOnce(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: single})
		for _, f := range flows {
			for name, use := range ways {
				t.Run(f.name+" by "+name, func(t *testing.T) {
					email := strings.NewReplacer(" ", ".", ",", "").Replace(f.name+"."+name) + "@example.com"
					to := f.ask(t, a, email)
					m := a.mailTo(t, to)
					got := a.do(t, use(t, f.kind, m))
					a.wantSession(t, got, sessionIn(t, f.kind, got), to, "otp")
					a.wantUsedUp(t, use(t, f.kind, m), false)
				})
			}
		}
	})
}

// wantUsedUp repeats the use of something.
func (a *api) wantUsedUp(t *testing.T, use request, pkce bool) {
	t.Helper()
	got := a.do(t, use)
	wantHeaders(t, got.header, map[string]string{"Sb-Auth-User-Id": "", "Sb-Auth-Session-Id": ""})
	if got.status == 403 && strings.Contains(got.body, `"otp_expired"`) {
		return
	}
	const params = "error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired"
	want := site + "#" + params + "&sb="
	if pkce {
		want = site + "?" + params + "#" + params + "&sb="
	}
	if location := got.header.Get("Location"); got.status != 303 || location != want {
		t.Errorf("again: got %d %q, want 303 %q", got.status, location, want)
	}
}

// TestPKCE plays every flow that can end in an auth code (contract tokens.md §8).
func TestPKCE(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: single})
		for _, f := range flows {
			if f.amr == "" {
				continue
			}
			for name, use := range ways {
				t.Run(f.name+" by "+name, func(t *testing.T) {
					email := strings.NewReplacer(" ", ".", ",", "").Replace(f.name+"."+name) + "@example.com"
					to := f.ask(t, a, email, "code_challenge", codeChallenge, "code_challenge_method", "S256")
					m := a.mailTo(t, to)
					if !strings.HasPrefix(string(m.TokenHash), "pkce_") {
						t.Errorf("token hash = %q, want pkce_…", string(m.TokenHash))
					}
					got := a.do(t, use(t, f.kind, m))
					if got.status == 200 { // POST /verify answers with the session itself
						a.wantSession(t, got, sessionIn(t, f.kind, got), to, "otp")
					} else {
						got, session := a.exchange(t, got)
						a.wantSession(t, got, session, to, f.amr)
					}
					a.wantUsedUp(t, use(t, f.kind, m), true)
				})
			}
		}
	})
}

// exchange ends a PKCE flow that led to the site.
func (a *api) exchange(t *testing.T, redirect answer) (answer, postern.Session) {
	t.Helper()
	code, ok := strings.CutPrefix(redirect.header.Get("Location"), site+"?code=")
	if redirect.status != 303 || !ok {
		t.Fatalf("got %d to %q, want 303 to %s with a code", redirect.status, redirect.header.Get("Location"), site)
	}
	wantHeaders(t, redirect.header, map[string]string{"Sb-Auth-User-Id": "", "Sb-Auth-Session-Id": "", "Cache-Control": "no-store"})
	got := a.expect(t, request{line: "POST /token?grant_type=pkce", body: object("auth_code", code, "code_verifier", verifier)}, 200)
	return got, decode[postern.Session](t, got)
}

// TestSecureEmailChange pins contract endpoints.md, POST and GET /verify, for the
// first of two halves.
func TestSecureEmailChange(t *testing.T) {
	t.Parallel()
	const message = "Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email"
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		ask := func(email string, extra ...string) {
			a.enrol(t, email)
			a.expect(t, request{line: "PUT /user", token: a.signIn(t, email).AccessToken, body: object(append(extra, "email", "new-"+email)...)}, 200)
		}
		ask("posted@example.com")
		got := a.expect(t, byHash(t, "email_change", a.mailTo(t, "posted@example.com")), 200,
			`{"code":"200","msg":"Confirmation link accepted. Please proceed to confirm link sent to the other email"}`)
		wantHeaders(t, got.header, map[string]string{"Sb-Auth-User-Id": ""})
		got = a.do(t, byCode(t, "email_change", a.mailTo(t, "new-posted@example.com")))
		a.wantSession(t, got, sessionIn(t, "email_change", got), "new-posted@example.com", "otp")

		ask("linked@example.com")
		got = a.expect(t, byLink(t, "email_change", a.mailTo(t, "new-linked@example.com")), 303)
		wantHeaders(t, got.header, map[string]string{"Location": site + "#message=" + message + "&sb=", "Sb-Auth-User-Id": ""})
		got = a.do(t, byLink(t, "email_change", a.mailTo(t, "linked@example.com")))
		a.wantSession(t, got, sessionIn(t, "email_change", got), "new-linked@example.com", "otp")

		ask("pkce@example.com", "code_challenge", verifier, "code_challenge_method", "plain")
		got = a.expect(t, byLink(t, "email_change", a.mailTo(t, "pkce@example.com")), 303)
		wantHeaders(t, got.header, map[string]string{"Location": site + "?message=" + message + "#message=" + message + "&sb="})
		got, session := a.exchange(t, a.do(t, byLink(t, "email_change", a.mailTo(t, "new-pkce@example.com"))))
		a.wantSession(t, got, session, "new-pkce@example.com", "email_change")
	})
}

func TestPhoneChange(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.enrol(t, "ann@example.com")
		put := request{line: "PUT /user", token: a.signIn(t, "ann@example.com").AccessToken, body: object("phone", "+15550100001", "channel", "sms")}
		if user := decode[postern.User](t, a.expect(t, put, 200)); user.NewPhone != "15550100001" || user.Phone != "" {
			t.Errorf("phone = %q, new = %q", user.Phone, user.NewPhone)
		}
		verify := request{line: "POST /verify", body: object("type", "phone_change", "phone", "15550100001", "token", string(a.textTo(t, "15550100001").Code))}
		got := a.expect(t, verify, 200)
		if s := decode[postern.Session](t, got); s.User.Phone != "15550100001" || s.User.NewPhone != "" {
			t.Errorf("got %s", got.body)
		}
		a.expect(t, verify, 403, older("403", "otp_expired", "Token has expired or is invalid"))
	})
}

// TestVerifyRefusals pins contract endpoints.md, POST /verify.
func TestVerifyRefusals(t *testing.T) {
	t.Parallel()
	const (
		either  = "Verify requires either a token or a token hash"
		one     = "Only an email address or phone number should be provided on verify"
		only    = "Only the token_hash and type should be provided"
		kind    = "Invalid email verification type"
		link    = "Email link is invalid or has expired"
		expired = "Token has expired or is invalid"
	)
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.expectRefusals(t, "", []refusal{
			{"POST /verify", `{}`, 400, "validation_failed", "Verify requires a verification type"},
			{"POST /verify", `{"token_hash":"x","redirect_to":"x"}`, 400, "validation_failed", "Verify requires a verification type"},
			{"POST /verify", `{"type":"email"}`, 400, "validation_failed", either},
			{"POST /verify", `{"type":"email","token":"1","token_hash":"x"}`, 400, "validation_failed", either},
			{"POST /verify", `{"type":"email","token":"1","token_hash":"x","redirect_to":"x"}`, 400, "validation_failed", either},
			{"POST /verify", `{"type":"email","token":"123456"}`, 400, "validation_failed", one},
			{"POST /verify", `{"type":"email","token":"123456","email":"a@example.com","phone":"15550100001"}`, 400, "validation_failed", one},
			{"POST /verify", `{"type":"email","token":"123456","email":"bad"}`, 422, "validation_failed", "Invalid email format"},
			{"POST /verify", `{"type":"sms","token":"123456","phone":"bad"}`, 400, "validation_failed", "Invalid phone number format (E.164 required)"},
			{"POST /verify", `{"type":"email","token_hash":"x","email":"a@example.com"}`, 400, "validation_failed", only},
			{"POST /verify", `{"type":"email","token_hash":"x","phone":"15550100001"}`, 400, "validation_failed", only},
			{"POST /verify", `{"type":"email","token_hash":"x","redirect_to":"https://app.example.com"}`, 400, "validation_failed", only},
			{"POST /verify", `{"type":"sms","token_hash":"x"}`, 400, "validation_failed", kind},
			{"POST /verify", `{"type":"phone_change","token_hash":"x"}`, 400, "validation_failed", kind},
			{"POST /verify", `{"type":"reauthenticate","token_hash":"x"}`, 400, "validation_failed", kind},
			{"POST /verify", `{"type":"nope","token_hash":"x"}`, 400, "validation_failed", kind},
			{"POST /verify", `{"type":"nope","token":"123456","email":"a@example.com"}`, 403, "otp_expired", expired},
			{"POST /verify", `{"type":"email","token_hash":"x"}`, 403, "otp_expired", link},
			{"POST /verify", `{"type":"email","token_hash":"` + strings.Repeat("x", 20000) + `"}`, 403, "otp_expired", link},
			{"POST /verify", `{"type":"email","token":"123456","email":"nobody@example.com"}`, 403, "otp_expired", expired},
			{"POST /verify", `{"type":"sms","token":"123456","phone":"15550100001"}`, 403, "otp_expired", expired},
			{"GET /verify", "", 400, "validation_failed", "Verify requires a verification type"},
			{"GET /verify?token=x", "", 400, "validation_failed", "Verify requires a verification type"},
			{"GET /verify/?type=signup", "", 400, "validation_failed", "Verify requires a token or a token hash"},
			{"GET /verify?type=signup&token=", "", 400, "validation_failed", "Verify requires a token or a token hash"},
		})
	})
}

// TestWhatIsNotGoodForAnything pins guarantees 2, 3 and 5 and the lifetime of
// codes, by every way to use them.
func TestWhatIsNotGoodForAnything(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		ask := func(email string) postern.Mail {
			a.expect(t, request{line: "POST /recover", body: object("email", email)}, 200, "{}")
			return a.mailTo(t, email)
		}
		for _, name := range []string{"ann", "bob", "old", "late", "guessed"} {
			a.enrol(t, name+"@example.com")
		}

		recovery := ask("ann@example.com")
		for _, kind := range []string{"signup", "invite", "magiclink", "email", "email_change"} {
			a.wantRefused(t, "a recovery as "+kind, kind, recovery)
		}
		toBob := recovery
		toBob.To = "bob@example.com"
		a.expect(t, byCode(t, "recovery", toBob), 403, older("403", "otp_expired", "Token has expired or is invalid"))
		a.expect(t, byCode(t, "recovery", recovery), 200)

		first := ask("old@example.com")
		a.wait()
		ask("old@example.com")
		a.wantRefused(t, "one that was replaced", "recovery", first)

		guessed := ask("guessed@example.com")
		wrong := guessed
		wrong.Token = postern.Secret(other(string(guessed.Token)))
		for range 5 {
			a.expect(t, byCode(t, "recovery", wrong), 403, older("403", "otp_expired", "Token has expired or is invalid"))
		}
		a.wantRefused(t, "one after five guesses", "recovery", guessed)

		late := ask("late@example.com")
		*a.now = a.now.Add(24 * time.Hour)
		a.wantRefused(t, "one that is over", "recovery", late)
	})
}

// wantRefused uses what was sent in every way, and wants to hear that it has
// expired.
func (a *api) wantRefused(t *testing.T, what, kind string, m postern.Mail) {
	t.Helper()
	for name, use := range ways {
		got := a.do(t, use(t, kind, m))
		if !strings.Contains(got.body+got.header.Get("Location"), "otp_expired") {
			t.Errorf("%s by %s: got %d %q %s", what, name, got.status, got.header.Get("Location"), got.body)
		}
	}
}

func TestBannedUsersVerifyNothing(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.enrol(t, "ann@example.com")
		ann := a.signIn(t, "ann@example.com").User
		a.expect(t, request{line: "POST /recover", body: object("email", "ann@example.com")}, 200)
		a.expect(t, request{line: "PUT /admin/users/" + ann.ID.String(), token: operator(t), body: `{"ban_duration":"24h"}`}, 200)
		m := a.mailTo(t, "ann@example.com")
		for _, use := range []way{byCode, byHash} {
			a.expect(t, use(t, "recovery", m), 403, older("403", "user_banned", "User is banned"))
		}
		for _, use := range []way{byLink, byButton} {
			got := a.expect(t, use(t, "recovery", m), 303)
			wantHeaders(t, got.header, map[string]string{"Location": site + "#error=access_denied&error_code=user_banned&error_description=User+is+banned&sb="})
		}
	})
}

// TestRedirectsOfVerify pins contract tokens.md §9, what net/http writes below it,
// and that no other method uses a link up.
func TestRedirectsOfVerify(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.enrol(t, "ann@example.com")
		a.expect(t, request{line: "POST /recover?redirect_to=" + url.QueryEscape("https://x.example.org/reset?a=1&b=2"), body: `{"email":"ann@example.com"}`}, 200)
		link := pathOf(t, a.mailTo(t, "ann@example.com").ConfirmationURL)
		for _, method := range []string{"HEAD", "PUT", "OPTIONS"} {
			got := a.expect(t, request{line: method + " " + link}, 405, "")
			wantHeaders(t, got.header, map[string]string{"Allow": "GET, POST"})
		}
		got := a.expect(t, request{line: "GET " + link}, 303)
		location := got.header.Get("Location")
		if !strings.HasPrefix(location, "https://x.example.org/reset?a=1&b=2#access_token=") {
			t.Errorf("Location = %q", location)
		}
		if want := `<a href="` + html.EscapeString(location) + `">See Other</a>.` + "\n\n"; got.body != want {
			t.Errorf("got %q, want %q", got.body, want)
		}
		wantHeaders(t, got.header, map[string]string{"Content-Type": "text/html; charset=utf-8"})

		for target, want := range map[string]string{
			"com.example.app://":                        "com.example.app:#error=",
			"https://evil.example.net/":                 site + "#error=",
			"//evil.example.net":                        site + "#error=",
			"javascript:alert(1)":                       site + "#error=",
			"https://x.example.org/\r\nSet-Cookie: a=b": site + "#error=",
			"": site + "#error=",
		} {
			got := a.expect(t, request{line: "GET /verify?type=recovery&token=x&redirect_to=" + url.QueryEscape(target)}, 303)
			if location := got.header.Get("Location"); !strings.HasPrefix(location, want) {
				t.Errorf("redirect_to %q: Location = %q, want %q…", target, location, want)
			}
		}
	})
}

// TestPKCERefusals pins contract endpoints.md, POST /token?grant_type=pkce.
func TestPKCERefusals(t *testing.T) {
	t.Parallel()
	const (
		line     = "POST /token?grant_type=pkce"
		both     = "invalid request: both auth code and code verifier should be non-empty"
		missing  = "invalid flow state, no valid flow state found"
		mismatch = "code challenge does not match previously saved code verifier"
	)
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		code := a.authCode(t, "ann@example.com")
		a.expectRefusals(t, "", []refusal{
			{line, `{}`, 400, "validation_failed", both},
			{line, object("auth_code", code), 400, "validation_failed", both},
			{line, object("code_verifier", verifier), 400, "validation_failed", both},
			{line, object("auth_code", "x", "code_verifier", verifier), 404, "flow_state_not_found", missing},
			{line, object("auth_code", someID, "code_verifier", verifier), 404, "flow_state_not_found", missing},
			{line, object("auth_code", code, "code_verifier", codeChallenge), 400, "bad_code_verifier", mismatch},
			{line, object("auth_code", code, "code_verifier", "x"), 400, "bad_code_verifier", mismatch},
		})
		late := a.authCode(t, "late@example.com")
		a.expect(t, request{line: line, body: object("auth_code", code, "code_verifier", verifier)}, 200)
		*a.now = a.now.Add(5 * time.Minute)
		a.expectRefusals(t, "", []refusal{
			{line, object("auth_code", code, "code_verifier", verifier), 404, "flow_state_not_found", missing},
			{line, object("auth_code", late, "code_verifier", verifier), 422, "flow_state_expired", "invalid flow state, flow state has expired"},
		})
		a.expect(t, request{line: "POST /token", body: "grant_type=pkce", headers: form}, 400,
			older("400", "bad_json", "Could not parse request body as JSON: unexpected end of JSON input"))
	})
}

// authCode is an auth code of a new account.
func (a *api) authCode(t testing.TB, email string) string {
	t.Helper()
	a.expect(t, request{line: "POST /otp", body: object("email", email, "code_challenge", codeChallenge, "code_challenge_method", "s256")}, 200)
	got := a.expect(t, request{line: "GET " + pathOf(t, a.mailTo(t, email).ConfirmationURL)}, 303)
	return strings.TrimPrefix(got.header.Get("Location"), site+"?code=")
}

// FuzzVerify sends any parameters by every way to use a code or link, with and
// without a token that is good. No answer is a failure of ours, and no browser is
// sent where the configuration does not let it go.
func FuzzVerify(f *testing.F) {
	a := newAPI(f, openSQLite(f), settings{config: confirming})
	a.enrol(f, "ann@example.com")
	for _, body := range badBodies {
		f.Add("type=recovery&token="+url.QueryEscape(body[:min(len(body), 100)]), body[:min(len(body), 1024)], "https://x.example.org/a", false)
	}
	for _, target := range []string{
		"", site, "https://x.example.org/a?b=c#d", "com.example.app://", "https://evil.example.net/", `https://x.example.org\@evil.example.net`,
		"//evil.example.net", "https://x.example.org%2f@evil.example.net/", "https:x.example.org", "javascript://x.example.org/%0aalert(1)",
	} {
		f.Add("type=recovery&token=x&redirect_to="+url.QueryEscape(target), object("type", "recovery", "token_hash", "x"), target, true)
	}
	f.Fuzz(func(t *testing.T, query, body, target string, good bool) {
		token := "x"
		if good {
			link, err := a.auth.GenerateLink(t.Context(), postern.GenerateLinkParams{Type: postern.LinkRecovery, Email: "ann@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			token = link.HashedToken
		}
		params := url.Values{"type": {"recovery"}, "token": {token}, "redirect_to": {target}}.Encode()
		for _, q := range []struct{ line, query, body, content string }{
			{"POST /verify", "", body, "application/json"},
			{"GET /verify", query, "", ""},
			{"POST /confirm", "", query, "application/x-www-form-urlencoded"},
			{"GET /confirm", query, "", ""},
			{"GET /confirm", params, "", ""},
			{"GET /verify", params, "", ""},
			{"POST /confirm", "", params, "application/x-www-form-urlencoded"},
		} {
			r := request{line: q.line, body: q.body, headers: []string{"Content-Type: " + q.content}}.build(t.Context())
			r.URL.RawQuery = q.query
			w := httptest.NewRecorder()
			a.handler.ServeHTTP(w, r)
			if c := w.Code / 100; c != 2 && c != 4 && w.Code != 303 {
				t.Errorf("%s?%s %q = %d %s", q.line, q.query, q.body, w.Code, w.Body)
			}
			if location := w.Header().Get("Location"); location != "" && !mayGo(location) {
				t.Errorf("%s?%s %q: sent to %q", q.line, q.query, q.body, location)
			}
		}
	})
}

// mayGo reports whether a browser finds in location what the API of these tests
// is allowed to redirect to.
func mayGo(location string) bool {
	u, err := url.Parse(location)
	if err != nil || strings.ContainsAny(location, "\\\r\n\t ") {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" && (host == "app.example.com" || strings.HasSuffix(host, ".example.org")) || u.Scheme == "com.example.app"
}
