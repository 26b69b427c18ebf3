package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// github is a GitHub Enterprise Server whose users say yes to everything. The code
// that it hands out is what its API says of the user.
type github struct{ url string }

// profile is a user there.
type profile struct {
	ID       int64
	Email    string
	Verified bool
}

func newGitHub(t testing.TB) *github {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, map[string]string{"access_token": r.FormValue("code"), "token_type": "bearer"})
	})
	mux.HandleFunc("GET /api/v3/user", func(w http.ResponseWriter, r *http.Request) {
		p := profileOf(r)
		answerJSON(w, map[string]any{"id": p.ID, "login": fmt.Sprint("user-", p.ID), "name": "A User"})
	})
	mux.HandleFunc("GET /api/v3/user/emails", func(w http.ResponseWriter, r *http.Request) {
		p := profileOf(r)
		answerJSON(w, []map[string]any{{"email": p.Email, "verified": p.Verified, "primary": true}})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &github{server.URL}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func profileOf(r *http.Request) (p profile) {
	text, _ := url.QueryUnescape(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	_ = json.Unmarshal([]byte(text), &p)
	return p
}

// serves starts a server that signs in with it.
func (g *github) serves(t testing.TB, w *world, settings map[string]string) *instance {
	t.Helper()
	return start(t, w.open(t), with(settings, "GOTRUE_EXTERNAL_GITHUB_URL", g.url))
}

// begin begins a sign-in and returns its state.
func begin(t testing.TB, i *instance, headers ...string) (state string, a *answer) {
	t.Helper()
	a = i.call(t, "GET", "/authorize?provider=github", "", headers...).is(t, "the start", http.StatusFound, "")
	u, err := url.Parse(a.headers["location"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("state"), a
}

// end lets somebody come back and returns where the browser is sent.
func end(t testing.TB, i *instance, state string, p profile, headers ...string) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"state": {state}, "code": {url.QueryEscape(string(text))}}
	location, _ := i.call(t, "GET", "/callback?"+q.Encode(), "", headers...).headers["location"].(string)
	return location
}

func visit(t testing.TB, i *instance, p profile) string {
	t.Helper()
	state, _ := begin(t, i)
	return end(t, i, state, p)
}

func wantIn(t testing.TB, what, location string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(location, part) {
			t.Errorf("%s: got %q, want %q in it", what, location, part)
		}
	}
}

func showLinkingVerified(t *testing.T, w *world) {
	auto := newGitHub(t).serves(t, w, map[string]string{})
	auto.signUp(t, "owner@example.com")
	wantIn(t, "an unverified address that has an account", visit(t, auto, profile{1, "owner@example.com", false}),
		"error=access_denied", "error_code=provider_email_needs_verification")
	wantIn(t, "an unverified address that has none", visit(t, auto, profile{2, "fresh@example.com", false}), "#access_token=")
	wantIn(t, "a verified address", visit(t, auto, profile{3, "owner@example.com", true}), "#access_token=")
	if n := len(auto.admin(t, "GET", "/admin/users", "").member("users").([]any)); n != 2 {
		t.Errorf("got %d users, want the owner and the one with a fresh address", n)
	}
}

func showOAuthState(t *testing.T, w *world) {
	i := newGitHub(t).serves(t, w, map[string]string{})
	state, _ := begin(t, i)
	i.call(t, "GET", "/callback?error=access_denied&state="+state, "").is(t, "a denial", http.StatusFound, "")
	wantIn(t, "the state again", end(t, i, state, profile{1, "a@example.com", true}), "error_code=flow_state_already_used")

	state, a := begin(t, i, "sec-fetch-mode", "navigate")
	cookie, _, _ := strings.Cut(a.cookie, ";")
	wantIn(t, "in another browser", end(t, i, state, profile{1, "a@example.com", true}), "error_code=bad_oauth_state")
	wantIn(t, "in the same browser", end(t, i, state, profile{1, "a@example.com", true}, "cookie", cookie), "#access_token=")

	if got := i.call(t, "GET", "/callback?state=x", ""); got.status != http.StatusSeeOther || strings.Contains(string(got.raw), "{") {
		t.Errorf("an unknown state: got %d %s, want a redirect alone", got.status, got.raw)
	}
}
