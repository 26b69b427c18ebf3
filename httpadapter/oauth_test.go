package httpadapter_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// withGitHub is an API to sign in to with a provider in memory.
func withGitHub(t *testing.T, st postern.Store, edit func(*postern.Config)) (*api, *authtest.Provider) {
	t.Helper()
	github := authtest.NewProvider("github")
	return newAPI(t, st, settings{config: func(c *postern.Config) {
		c.Providers = []postern.Provider{github.Provider()}
		c.OAuth.ManualLinking = true
		if edit != nil {
			edit(c)
		}
	}}), github
}

// navigation are the headers by which a browser says that it goes to a page.
var navigation = []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}

// TestAuthorizeAndCallback pins contract endpoints.md §3.
func TestAuthorizeAndCallback(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a, github := withGitHub(t, st, nil)
		for _, method := range []string{"GET", "POST"} {
			sent := a.expect(t, request{line: "GET /authorize?provider=github&prompt=consent&redirect_to=" + url.QueryEscape(site+"/welcome")}, 302)
			location := sent.header.Get("Location")
			if q := queryOf(t, location); q.Get("prompt") != "consent" || q.Get("redirect_uri") != external+"/callback" {
				t.Errorf("got location %q", location)
			}
			if cookie := sent.header.Get("Set-Cookie"); cookie != "" {
				t.Errorf("got cookie %q for a client that is no browser", cookie)
			}
			back := github.Approve(location, authtest.Person("ann@example.com"))
			q := request{line: "GET /callback?" + back.Encode()}
			if method == "POST" { // as Apple has it done
				q = request{line: "POST /callback/", body: back.Encode(), headers: []string{"Content-Type: application/x-www-form-urlencoded"}}
			}
			got := a.expect(t, q, 302)
			if want := site + "/welcome#access_token="; !strings.HasPrefix(got.header.Get("Location"), want) {
				t.Errorf("got location %q, want %s…", got.header.Get("Location"), want)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Sb-Auth-User-Id") == "" {
				t.Errorf("got headers %v", got.header)
			}
			again := a.expect(t, q, 303)
			if want := site + "?error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+not+found+or+expired"; again.header.Get("Location") != want {
				t.Errorf("got location %q, want %q", again.header.Get("Location"), want)
			}
		}
	})
}

func queryOf(t testing.TB, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// A flow that a browser began without PKCE ends in the same browser (guarantees:
// B13).
func TestFlowIsBoundToItsBrowser(t *testing.T) {
	t.Parallel()
	a, github := withGitHub(t, openSQLite(t), nil)
	begin := func(headers ...string) (cookie string, back request) {
		t.Helper()
		got := a.expect(t, request{line: "GET /authorize?provider=github", headers: append(headers, navigation...)}, 302)
		back = request{line: "GET /callback?" + github.Approve(got.header.Get("Location"), authtest.Person("ann@example.com")).Encode()}
		return got.header.Get("Set-Cookie"), back
	}
	end := func(back request, cookie string) string {
		t.Helper()
		if cookie != "" {
			pair, _, _ := strings.Cut(cookie, ";")
			back.headers = []string{"Cookie: " + pair}
		}
		return a.do(t, back).header.Get("Location")
	}
	const turnedAway = "error_description=OAuth+state+parameter+is+invalid"

	cookie, back := begin()
	for _, want := range []string{"__Host-postern-browser=", "; Path=/; HttpOnly; Secure; SameSite=None"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("got cookie %q, want %q in it", cookie, want)
		}
	}
	foreign, _ := begin()
	for name, other := range map[string]string{"none": "", "a foreign one": foreign, "a short one": "__Host-postern-browser=x"} {
		if got := end(back, other); !strings.Contains(got, turnedAway) {
			t.Errorf("with %s for a cookie: got %q, want to be turned away", name, got)
		}
	}
	if got := end(back, cookie); !strings.Contains(got, "#access_token=") {
		t.Errorf("with its cookie: got %q", got)
	}

	// Two tabs of one browser.
	pair, _, _ := strings.Cut(cookie, ";")
	first, backFirst := begin("Cookie: " + pair)
	second, backSecond := begin("Cookie: " + pair)
	if first != cookie || second != cookie {
		t.Errorf("got cookies %q and %q, want the browser's own again", first, second)
	}
	for _, back := range []request{backSecond, backFirst} {
		if got := end(back, cookie); !strings.Contains(got, "#access_token=") {
			t.Errorf("got %q", got)
		}
	}

	// PKCE binds by itself, and may end elsewhere.
	challenge := "&code_challenge_method=plain&code_challenge=" + strings.Repeat("c", 43)
	got := a.expect(t, request{line: "GET /authorize?provider=github" + challenge, headers: navigation}, 302)
	if cookie := got.header.Get("Set-Cookie"); cookie != "" {
		t.Errorf("got cookie %q for a PKCE flow", cookie)
	}
}

func TestCookieWithoutHTTPS(t *testing.T) {
	t.Parallel()
	a, _ := withGitHub(t, openSQLite(t), func(c *postern.Config) { c.ExternalURL = "http://127.0.0.1:9999" })
	got := a.expect(t, request{line: "GET http://127.0.0.1:9999/authorize?provider=github", headers: navigation}, 302).header.Get("Set-Cookie")
	if !strings.HasPrefix(got, "postern-browser=") || !strings.HasSuffix(got, "; Path=/; HttpOnly; SameSite=Lax") {
		t.Errorf("got cookie %q, want one for http", got)
	}
}

// Where the browser comes back by another name, no cookie would come along.
func TestBrowserThatComesBackElsewhereIsNotBound(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*postern.Config){
		"a provider's own callback": func(c *postern.Config) {
			authorize := c.Providers[0].Authorize
			c.Providers[0].Authorize = func(ctx context.Context, r postern.ProviderStart) (*postern.ProviderRedirect, error) {
				r.CallbackURL = "https://elsewhere.example.com/callback"
				return authorize(ctx, r)
			}
		},
		"localhost and 127.0.0.1": func(c *postern.Config) { c.ExternalURL = "http://127.0.0.1:9999" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, github := withGitHub(t, openSQLite(t), edit)
			got := a.expect(t, request{line: "GET http://localhost:9999/authorize?provider=github", headers: navigation}, 302)
			back := github.Approve(got.header.Get("Location"), authtest.Person("ann@example.com"))
			if got := a.do(t, request{line: "GET /callback?" + back.Encode()}).header.Get("Location"); !strings.Contains(got, "#access_token=") {
				t.Errorf("got %q, want a session", got)
			}
		})
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	a, _ := withGitHub(t, openSQLite(t), nil)
	a.expectRefusals(t, "", []refusal{
		{"GET /authorize", "", 400, "validation_failed", "Unsupported provider: Provider  could not be found"},
		{"GET /authorize?provider=google", "", 400, "validation_failed", "Unsupported provider: provider is not enabled"},
		{"GET /authorize?provider=github&code_challenge=x", "", 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},
		{"GET /authorize?provider=github&code_challenge_method=md5&code_challenge=" + strings.Repeat("c", 43), "", 400, "validation_failed", "Invalid code_challenge_method"},
		{"GET /authorize?provider=github&invite_token=x", "", 404, "user_not_found", "User identified by token not found"},
		{"GET /authorize?provider=custom%3Anope", "", 400, "validation_failed", "Unsupported provider: custom OAuth providers are disabled"},
	})
	token := a.signUp(t, "ann@example.com").AccessToken
	for _, line := range []string{"POST /authorize?provider=github", "HEAD /callback", "DELETE /callback", "POST /user/identities/authorize"} {
		if got := a.do(t, request{line: line, token: token}); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d, want 405", line, got.status)
		}
	}
}

// TestIdentities pins contract endpoints.md, /user/identities.
func TestIdentities(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a, github := withGitHub(t, st, nil)
		session := a.signUp(t, "ann@example.com")
		begin := request{line: "GET /user/identities/authorize?provider=github&skip_http_redirect=true", token: session.AccessToken}
		location := decode[struct{ URL string }](t, a.expect(t, begin, 200)).URL
		if q := queryOf(t, location); q.Get("skip_http_redirect") != "true" {
			t.Errorf("got location %q, want the parameter passed on as ever", location)
		}
		a.expect(t, request{line: "GET /callback?" + github.Approve(location, authtest.Person("ann@work.example.com")).Encode()}, 302)
		user := decode[postern.User](t, a.expect(t, request{line: "GET /user", token: session.AccessToken}, 200))
		if len(user.Identities) != 2 {
			t.Fatalf("got identities %+v, want two", user.Identities)
		}
		a.expectRefusals(t, session.AccessToken, []refusal{
			{"DELETE /user/identities/nope", "", 404, "validation_failed", "identity_id must be an UUID"},
			{"DELETE /user/identities/0b9c1f0e-3c57-4f0a-9d2c-6f1f3c1d2e3f", "", 422, "identity_not_found", "Identity doesn't exist"},
			{"GET /user/identities/authorize?provider=nope", "", 400, "validation_failed", "Unsupported provider: Provider nope could not be found"},
		})
		unlink := request{line: "DELETE /user/identities/" + user.Identities[1].IdentityID.String(), token: session.AccessToken}
		a.expect(t, unlink, 200, "{}")
		a.expect(t, request{line: unlink.line}, 401, noBearer)
		a.expect(t, request{line: "GET /user/identities/authorize?provider=github"}, 401, noBearer)
		a.expect(t, request{line: "GET /user/identities/authorize?provider=github", token: session.AccessToken}, 302)
	})
}

func TestIDTokenGrantLinksOnlyForSomebody(t *testing.T) {
	t.Parallel()
	a, _ := withGitHub(t, openSQLite(t), nil)
	link := request{line: "POST /token?grant_type=id_token", body: `{"provider":"google","id_token":"x","link_identity":true}`}
	a.expect(t, link, 400, `{"error":"invalid request","error_description":"Linking requires a valid user access token in Authorization"}`)
	link.token = "forged"
	if got := a.do(t, link); got.status != 403 || !strings.Contains(got.body, "bad_jwt") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	link.token = a.signUp(t, "ann@example.com").AccessToken
	a.expect(t, link, 400, older("400", "provider_disabled", `Provider (issuer \"https://accounts.google.com\") is not enabled`))
}

func TestAnonymousUsersMayNotDoEverything(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) { c.AnonymousUsers = true }})
	session := decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: `{}`}, 200))
	factors := request{line: "POST /factors", token: session.AccessToken, body: `{"factor_type":"totp"}`}
	a.expect(t, factors, 403, older("403", "no_authorization", "Anonymous user not allowed to perform these actions"))
}
