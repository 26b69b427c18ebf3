package httpadapter_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	noBearer = `{"code":401,"error_code":"no_authorization","msg":"This endpoint requires a valid Bearer token"}`
	notFound = "404 page not found\n"
)

// routing is a request, and how it is answered before a handler sees it.
type routing struct {
	line   string
	status int
	body   string
	allow  string
}

func (c routing) check(t *testing.T, a *api, token string) answer {
	t.Helper()
	got := a.expect(t, request{line: c.line, token: token}, c.status, c.body)
	if h := got.header.Get("Allow"); h != c.allow {
		t.Errorf("Allow = %q, want %q", h, c.allow)
	}
	return got
}

// TestRoutingWithoutToken pins contract endpoints.md §0.1.
func TestRoutingWithoutToken(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, c := range []routing{
		{"GET /", 404, notFound, ""},
		{"GET //", 404, notFound, ""},
		{"GET /nope", 404, notFound, ""},
		{"POST /nope", 404, notFound, ""},
		{"GET /auth/v1/user", 404, notFound, ""},
		{"GET /userx", 404, notFound, ""},
		{"GET //user", 404, notFound, ""},
		{"GET /x/../user", 404, notFound, ""},
		{"OPTIONS /nope", 404, notFound, ""},

		// A slash at the end belongs to groups only.
		{"GET /health/", 404, notFound, ""},
		{"GET /settings/", 404, notFound, ""},
		{"GET /token/", 404, notFound, ""},
		{"POST /logout/", 404, notFound, ""},
		{"GET /.well-known/jwks.json/", 404, notFound, ""},
		{"GET /.well-known", 404, notFound, ""},
		{"GET /otp/", 404, notFound, ""},
		{"POST /magiclink/", 404, notFound, ""},
		{"POST /recover/", 404, notFound, ""},
		{"POST /resend/", 404, notFound, ""},
		{"POST /invite/", 404, notFound, ""},
		{"GET /confirm/", 404, notFound, ""},
		{"GET /verify/x", 404, notFound, ""},
		{"GET /signup/x", 404, notFound, ""},
		{"GET /signup//", 404, notFound, ""},

		{"HEAD /health", 405, "", "GET"},
		{"POST /health", 405, "", "GET"},
		{"POST /settings", 405, "", "GET"},
		{"POST /.well-known/jwks.json", 405, "", "GET"},
		{"GET /signup", 405, "", "POST"},
		{"PUT /signup/", 405, "", "POST"},
		{"OPTIONS /signup", 405, "", "POST"},
		{"GET /token", 405, "", "POST"},
		{"GET /logout", 405, "", "POST"},
		{"GET /otp", 405, "", "POST"},
		{"GET /magiclink", 405, "", "POST"},
		{"GET /recover", 405, "", "POST"},
		{"GET /resend", 405, "", "POST"},
		{"PUT /verify", 405, "", "GET, POST"},
		{"HEAD /verify/", 405, "", "GET, POST"},
		{"PUT /confirm", 405, "", "GET, HEAD, POST"},
		{"GET /invite", 405, "", "POST"},

		// The guard of a group comes first.
		{"GET /user", 401, noBearer, ""},
		{"HEAD /user", 401, noBearer, ""},
		{"DELETE /user", 401, noBearer, ""},
		{"PATCH /user/", 401, noBearer, ""},
		{"OPTIONS /user", 401, noBearer, ""},
		{"GET /user/nope", 401, noBearer, ""},
		{"GET /user/nope/nope", 401, noBearer, ""},
		{"GET /admin", 401, noBearer, ""},
		{"GET /admin/nothing", 401, noBearer, ""},
		{"PATCH /admin/users", 401, noBearer, ""},
		{"GET /admin/users/x/y/z", 401, noBearer, ""},
		{"OPTIONS /admin/users", 401, noBearer, ""},
		{"POST /logout", 401, noBearer, ""},
		{"POST /invite", 401, noBearer, ""},
		{"POST /admin/generate_link", 401, noBearer, ""},
		{"GET /reauthenticate", 401, noBearer, ""},
		{"POST /reauthenticate/", 401, noBearer, ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			got := c.check(t, a, "")
			if h := got.header.Get("Content-Type"); c.status == 404 && h != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type = %q, want plain text", h)
			}
			if h := got.header.Get("Vary"); h != "Origin" {
				t.Errorf("Vary = %q, want Origin", h)
			}
		})
	}
}

func TestRoutingAsOperator(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, c := range []routing{
		{"GET /admin", 404, notFound, ""},
		{"GET /admin/", 404, notFound, ""},
		{"GET /admin/nothing", 404, notFound, ""},
		{"GET /admin/user", 404, notFound, ""},
		{"GET /admin/user/", 404, notFound, ""},
		{"GET /admin/users//", 404, notFound, ""},
		{"GET /admin/users/" + someID + "/x", 404, notFound, ""},
		{"POST /admin/generate_link/", 404, notFound, ""},
		{"GET /admin/generate_link", 405, "", "POST"},
		{"PATCH /admin/users", 405, "", "GET, POST"},
		{"HEAD /admin/users/", 405, "", "GET, POST"},
		{"POST /admin/users/" + someID, 405, "", "DELETE, GET, PUT"},
		{"POST /admin/user/" + someID + "/", 405, "", "DELETE, GET, PUT"},
		{"GET /admin/users/" + someID, 404, older("404", "user_not_found", "User not found"), ""},
		{"GET /admin/users/" + someID + "/", 404, older("404", "user_not_found", "User not found"), ""},
		{"GET /admin/user/" + someID, 404, older("404", "user_not_found", "User not found"), ""},
		{"GET /admin/users/not-a-uuid", 404, older("404", "validation_failed", "user_id must be an UUID"), ""},
		{"GET /admin/users/%00", 404, older("404", "validation_failed", "user_id must be an UUID"), ""},
		{"PUT /admin/user/{" + someID + "}", 404, older("404", "validation_failed", "user_id must be an UUID"), ""},
		{"DELETE /admin/users/x", 404, older("404", "validation_failed", "user_id must be an UUID"), ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			c.check(t, a, operator(t))
		})
	}
}

func TestMountedUnderPrefix(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/auth/v1/", http.StripPrefix("/auth/v1", newAPI(t, nobody, settings{}).handler))
	for path, status := range map[string]int{
		"/auth/v1/health": 200, "/auth/v1/": 404, "/auth/v1/user": 401, "/health": 404,
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, strings.NewReader("")))
		if w.Code != status {
			t.Errorf("GET %s = %d, want %d", path, w.Code, status)
		}
	}
}
