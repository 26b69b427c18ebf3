package httpadapter_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/httpadapter"
)

// FuzzHeaders sends any values of the headers that are read. Nobody is let in by
// them, and no answer is a failure of ours.
func FuzzHeaders(f *testing.F) {
	a := newAPI(f, openSQLite(f), settings{options: httpadapter.Options{
		TrustedProxies:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // of httptest's clients
		RequestIDHeader: "X-Request-Id",
	}})
	a.signUp(f, "ann@example.com")
	token := mint(f, map[string]any{"sub": someID, "aud": "authenticated", "role": "authenticated", "exp": 9_000_000_000})
	for _, value := range []string{
		"", "Bearer " + token, "bearer " + token + "=", "Bearer " + operator(f)[:50], "Basic eDp5", "203.0.113.9, [2001:db8::1]:80, unknown", "192.0.2.1,,192.0.2.2",
		"de-CH, fr;q=0.9, en;q=0.001, *;q=0", "q=1;q=1;;,-", "2024-01-01", "2024-13-99", "authenticated", "\xff\x00", strings.Repeat("a", 5000),
		"https://x.example.org/a?b#c", "postern-browser=x; postern-browser=y",
	} {
		f.Add(value, value, value)
	}
	f.Fuzz(func(t *testing.T, authorization, value, other string) {
		for _, line := range []string{"GET /user", "GET /admin/users", "POST /token?grant_type=password", "GET /verify?type=signup&token=x", "GET /confirm", "OPTIONS /user", "POST /recover"} {
			r := request{line: line, body: `{"email":"nobody@example.com","password":"x"}`}.build(t.Context())
			r.Header["Authorization"] = []string{authorization, other}
			for _, name := range []string{
				"X-Forwarded-For", "Accept-Language", "User-Agent", "X-Jwt-Aud", "X-Supabase-Api-Version", "X-Request-Id", "Origin", "Referer", "Redirect_to", "Cookie",
				"Access-Control-Request-Method", "Access-Control-Request-Headers", "Content-Type", "Sec-Fetch-Mode",
			} {
				r.Header[name] = []string{value, other}
			}
			w := httptest.NewRecorder()
			a.handler.ServeHTTP(w, r)
			if c := w.Code / 100; c != 4 && c != 2 && c != 3 {
				t.Errorf("%s %q %q %q = %d %s", line, authorization, value, other, w.Code, w.Body)
			}
			letIn := w.Code == http.StatusOK && (line == "GET /user" || line == "GET /admin/users")
			if letIn && !strings.Contains(authorization, operator(t)) {
				t.Errorf("%s lets %q in", line, authorization)
			}
			if location := w.Header().Get("Location"); location != "" && !mayGo(location) {
				t.Errorf("%s %q %q: sent to %q", line, value, other, location)
			}
		}
	})
}

// FuzzQueries sends any query to what reads one: lists of users with their pages, sort
// orders, filters and cursors, the way to a provider and back, and the token endpoint.
func FuzzQueries(f *testing.F) {
	github := authtest.NewProvider("github")
	config := func(c *postern.Config) { c.Providers = []postern.Provider{github.Provider()} }
	st := openSQLite(f)
	pages := newAPI(f, st, settings{config: config})
	cursors := newAPI(f, st, settings{config: config, options: httpadapter.Options{CursorPagination: true}})
	for _, email := range []string{"ann@example.com", "bob@example.com", "eve@example.com"} {
		pages.signUp(f, email)
	}
	next := decode[postern.UserList](f, cursors.expect(f, request{line: "GET /admin/users?limit=1", token: operator(f)}, 200)).Pagination.NextCursor
	for _, query := range []string{
		"", "page=1&per_page=2", "page=0", "page=99999999999999999999", "per_page=-1", "sort=created_at+asc&sort=id", "sort=created_at%00", "filter=%25_%5C%27", "limit=2&cursor=" + next,
		"cursor=" + next[:len(next)/2], "cursor=e30", "cursor=bnVsbA", "limit=0", "provider=github&redirect_to=https://evil.example&scopes=a+b", "provider=github&code_challenge=x",
		"provider=custom:x", "state=x&code=y", "state=x&error=access_denied&error_description=%3Cscript%3E", "iss=https://evil.example&state=", "grant_type=pkce", "%zz&;", "a=b&a=c",
		"provider=github&invite_token=x&prompt=none&login_hint=%0d%0a",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, a := range []*api{pages, cursors} {
			for _, line := range []string{"GET /admin/users", "GET /authorize", "GET /callback", "POST /callback", "POST /token", "GET /user/identities/authorize", "POST /logout"} {
				r := request{line: line, body: "{}"}.build(t.Context())
				if strings.HasPrefix(r.URL.Path, "/admin") {
					r.Header.Set("Authorization", "Bearer "+operator(t))
				}
				r.URL.RawQuery = query
				w := httptest.NewRecorder()
				a.handler.ServeHTTP(w, r)
				if c := w.Code / 100; c != 2 && c != 3 && c != 4 {
					t.Errorf("%s?%s = %d %s", line, query, w.Code, w.Body)
				}
				if location := w.Header().Get("Location"); location != "" && !mayGo(location) && !isProviders(location) {
					t.Errorf("%s?%s: sent to %q", line, query, location)
				}
			}
		}
	})
}

// isProviders reports whether a browser is sent to the provider of these tests, with
// the API's own address to come back to.
func isProviders(location string) bool {
	u, err := url.Parse(location)
	return err == nil && u.Scheme == "https" && u.Host == "provider.example" && u.Query().Get("redirect_uri") == external+"/callback"
}
