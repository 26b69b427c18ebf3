package httpadapter_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// TestRequestsAreLimitedByRoute pins contract endpoints.md §0.4, with limits of two
// requests, and that what a stranger writes into a header changes nothing.
func TestRequestsAreLimitedByRoute(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		two := postern.Rate{N: 2, Per: time.Hour}
		a := newAPI(t, st, settings{config: func(c *postern.Config) {
			withPasskeys(t)(c)
			c.AnonymousUsers, c.Email.MaxFrequency = true, -1
			c.Limits = postern.LimitConfig{OTP: two, Anonymous: two, Token: two, Web3: two, Verify: two, Factor: two, Passkey: two}
		}})
		session := decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: credentials("ann@example.com")}, 200))
		factor := "/factors/00000000-0000-0000-0000-000000000000/"
		for i, limit := range []struct {
			requests []request // that count as one
			used     int
		}{
			{[]request{{line: "POST /signup", body: credentials("bob@example.com")}}, 1},
			{[]request{{line: "POST /signup", body: `{}`}, {line: "POST /signup/", body: `{"data":{}}`}}, 0},
			{[]request{{line: "POST /otp", body: `{"email":"a@example.com"}`}}, 0},
			{[]request{{line: "POST /magiclink", body: `{"email":"a@example.com"}`}}, 0},
			{[]request{{line: "POST /recover", body: `{"email":"a@example.com"}`}}, 0},
			{[]request{{line: "POST /resend", body: `{"type":"signup","email":"a@example.com"}`}}, 0},
			{[]request{{line: "PUT /user", token: session.AccessToken, body: `{}`}}, 0},
			{[]request{
				{line: "POST /token?grant_type=password", body: credentials("ann@example.com")},
				{line: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"x"}`},
				{line: "POST /token?grant_type=pkce", body: `{}`},
				{line: "POST /token?grant_type=id_token", body: `{}`},
				{line: "POST /token?grant_type=Web3", body: `{}`},
				{line: "POST /token"},
			}, 0},
			{[]request{{line: "POST /token?grant_type=web3", body: `{}`}}, 0},
			{[]request{
				{line: "POST /verify", body: `{}`}, {line: "GET /verify?token=x&type=signup"},
				{line: "POST /verify/", body: `null`}, {line: "POST /confirm"},
			}, 0},
			{[]request{{line: "POST " + factor + "challenge", token: session.AccessToken, body: `{}`}}, 0},
			{[]request{
				{line: "POST " + factor + "verify", token: session.AccessToken, body: `{}`},
				{line: "POST /factors/recovery-codes/verify", token: session.AccessToken, body: `{}`},
			}, 0},
			{[]request{{line: "POST /passkeys/authentication/options"}}, 0},
		} {
			for n := range 5 {
				q := limit.requests[n%len(limit.requests)]
				q.headers = []string{fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", n), fmt.Sprintf("Sb-Forwarded-For: 198.51.100.%d", n)}
				got := a.do(t, q)
				if want := n >= 2-limit.used; (got.status == http.StatusTooManyRequests) != want {
					t.Errorf("%d, request %d: %s: got %d %s, want 429 %v", i, n+1, q.line, got.status, got.body, want)
				} else if wait, _ := strconv.Atoi(got.header.Get("Retry-After")); want && (wait < 1 || wait > 3600) {
					t.Errorf("%s: Retry-After = %q", q.line, got.header.Get("Retry-After"))
				}
			}
		}
		a.expect(t, request{line: "POST /otp", body: `{}`}, 429, older("429", "over_request_rate_limit", "Request rate limit reached"))
		a.expect(t, request{line: "GET /user", token: session.AccessToken}, 200)
		r := request{line: "POST /otp", body: `{"email":"a@example.com"}`}.build(t.Context())
		r.RemoteAddr = "203.0.113.7:1234"
		w := httptest.NewRecorder()
		if a.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Errorf("from elsewhere: got %d %s, want 200", w.Code, w.Body)
		}
	})
}
