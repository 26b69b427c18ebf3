package httpadapter_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

func (a *api) refresh(token string) request {
	return request{line: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"` + token + `"}`}
}

// wantHeaders compares headers; "" stands for none.
func wantHeaders(t *testing.T, h http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := h.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

// TestPasswordGrant pins contract endpoints.md, POST /token?grant_type=password.
func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		got := a.expect(t, request{line: "POST /token?grant_type=password", body: credentials("ANN@example.com")}, 200)
		if !strings.HasSuffix(got.body, `"weak_password":null}`) {
			t.Errorf("%s does not end in weak_password null", got.body)
		}
		wantHeaders(t, got.header, map[string]string{
			"Sb-Auth-User-Id": ann.User.ID.String(), "Sb-Auth-Refresh-Token-Counter": "0",
			"Sb-Auth-Refresh-Token-Reuse": "", "Cache-Control": "no-store",
		})

		a.expect(t, request{line: "POST /admin/users", token: operator(t), body: `{"email":"weak@example.com","password":"abc","email_confirm":true}`}, 200)
		got = a.expect(t, request{line: "POST /token?grant_type=password", body: `{"email":"weak@example.com","password":"abc"}`}, 200)
		if want := `"weak_password":{"message":"Password should be at least 6 characters.","reasons":["length"]}}`; !strings.HasSuffix(got.body, want) {
			t.Errorf("%s does not end in %s", got.body, want)
		}

		wrong := older("400", "invalid_credentials", "Invalid login credentials")
		for body, want := range map[string]string{
			`{"email":"ann@example.com","password":"wrong"}`:           wrong,
			`{"email":"nobody@example.com","password":"wrong"}`:        wrong,
			`{"email":"ann@example.com"}`:                              wrong,
			`{"email":"bad","password":"x"}`:                           wrong,
			`{}`:                                                       older("400", "validation_failed", "missing email or phone"),
			`{"email":"ann@example.com","phone":"1","password":"abc"}`: older("400", "validation_failed", "Only an email address or phone number should be provided on login."),
		} {
			a.expect(t, request{line: "POST /token?grant_type=password", body: body}, 400, want)
		}
		a.expect(t, request{line: "POST /token?grant_type=password", body: `{"phone":"15550100001","password":"x"}`}, 422,
			older("422", "phone_provider_disabled", "Phone logins are disabled"))
	})
}

func TestGrantTypes(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	a.signUp(t, "ann@example.com")
	unsupported := older("400", "invalid_credentials", "unsupported_grant_type")
	nothingLeft := older("400", "bad_json", "Could not parse request body as JSON: unexpected end of JSON input")
	for _, c := range []struct {
		line, body string
		headers    []string
		want       string
	}{
		{"POST /token", `{}`, nil, unsupported},
		{"POST /token?grant_type=", `{}`, nil, unsupported},
		{"POST /token?grant_type=foo", `{}`, nil, unsupported},
		{"POST /token?grant_type=%zz", `{}`, nil, unsupported},
		{"POST /token?grant_type=PASSWORD", `{}`, nil, unsupported},
		{"POST /token?grant_type=id_token", `{}`, nil, `{"error":"invalid request","error_description":"id_token required"}`},
		{"POST /token", `grant_type=foo`, form, unsupported},
		{"POST /token", `grant_type=password&email=ann%40example.com`, form, nothingLeft},
		{"POST /token?grant_type=password", credentials("ann@example.com"), form, nothingLeft},
	} {
		a.expect(t, request{line: c.line, body: c.body, headers: c.headers}, 400, c.want)
	}
}

// TestRefresh pins contract tokens.md §5 and the headers of endpoints.md §0.6.
func TestRefresh(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		first := a.signUp(t, "ann@example.com")

		got := a.expect(t, a.refresh(first.RefreshToken), 200)
		second := decode[postern.Session](t, got)
		wantHeaders(t, got.header, map[string]string{
			"Sb-Auth-User-Id": first.User.ID.String(), "Sb-Auth-Refresh-Token-Counter": "1",
			"Sb-Auth-Refresh-Token-Reuse": "false", "Sb-Auth-Refresh-Token-Reuse-Cause": "",
			"Sb-Auth-Refresh-Token-Rotated": "", "Cache-Control": "no-store",
		})

		got = a.expect(t, a.refresh(first.RefreshToken), 200)
		if again := decode[postern.Session](t, got); again.RefreshToken != second.RefreshToken {
			t.Errorf("repeated refresh gave %q, want %q", again.RefreshToken, second.RefreshToken)
		}
		wantHeaders(t, got.header, map[string]string{
			"Sb-Auth-Refresh-Token-Counter": "1", "Sb-Auth-Refresh-Token-Reuse": "",
			"Sb-Auth-Refresh-Token-Reuse-Cause": "fail-to-save,concurrent-refresh",
		})

		third := decode[postern.Session](t, a.expect(t, a.refresh(second.RefreshToken), 200))
		*a.now = a.now.Add(time.Minute)
		got = a.expect(t, a.refresh(first.RefreshToken), 400, older("400", "refresh_token_already_used", "Invalid Refresh Token: Already Used"))
		wantHeaders(t, got.header, map[string]string{
			"Sb-Auth-User-Id": first.User.ID.String(), "Sb-Auth-Session-Id": sessionOf(t, a, third),
			"Sb-Auth-Refresh-Token-Rotated": "true", "Sb-Auth-Refresh-Token-Counter": "",
		})
		a.expect(t, request{line: "GET /user", token: third.AccessToken}, 403,
			older("403", "session_not_found", "Session from session_id claim in JWT does not exist"))

		for token, want := range map[string]string{
			third.RefreshToken:         older("400", "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
			"abcdefghijkl":             older("400", "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
			"":                         older("400", "validation_failed", "Refresh token is not valid"),
			"short":                    older("400", "validation_failed", "Refresh token is not valid"),
			strings.Repeat("x", 20000): older("400", "validation_failed", "Refresh token is not valid"),
		} {
			got := a.expect(t, a.refresh(token), 400, want)
			wantHeaders(t, got.header, map[string]string{"Sb-Auth-User-Id": "", "Sb-Auth-Refresh-Token-Rotated": ""})
		}
	})
}

func sessionOf(t *testing.T, a *api, s postern.Session) string {
	t.Helper()
	claims, err := a.auth.VerifyToken(t.Context(), s.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	return claims.SessionID
}

// legacy is a store with one session that was moved on by a legacy token, as
// GoTrue leaves it: the token is spent, and its successor is alive.
type legacy struct {
	stub
	user postern.UserRecord
}

func (l legacy) FindLegacyToken(context.Context, string) (*postern.LegacyToken, error) {
	return &postern.LegacyToken{SessionID: uuid.New(), Revoked: true, Successor: "successor000"}, nil
}

func (l legacy) FindSession(_ context.Context, id uuid.UUID) (*postern.SessionRecord, *postern.UserRecord, error) {
	return &postern.SessionRecord{ID: id, UserID: l.user.ID}, &l.user, nil
}

func TestLegacyRefreshTokensAreShownByTheirPrefix(t *testing.T) {
	t.Parallel()
	a := newAPI(t, legacy{user: postern.UserRecord{User: postern.User{ID: uuid.New()}}}, settings{})
	got := a.expect(t, a.refresh("abcdefghijkl"), 200)
	wantHeaders(t, got.header, map[string]string{
		"Sb-Auth-Refresh-Token-Prefix": "succe", "Sb-Auth-Refresh-Token-Counter": "",
		"Sb-Auth-Refresh-Token-Reuse": "", "Sb-Auth-Refresh-Token-Reuse-Cause": "",
	})
}

// clientSession is a store with a session that an OAuth client holds.
type clientSession struct{ legacy }

func (c clientSession) FindSession(ctx context.Context, id uuid.UUID) (*postern.SessionRecord, *postern.UserRecord, error) {
	s, u, err := c.legacy.FindSession(ctx, id)
	s.OAuthClientID = &id
	return s, u, err
}

func TestOAuthErrorsHaveTheirOwnFormat(t *testing.T) {
	t.Parallel()
	a := newAPI(t, clientSession{}, settings{})
	q := a.refresh("abcdefghijkl")
	for _, version := range []string{"", "2024-01-01"} {
		q.headers = []string{"X-Supabase-Api-Version: " + version}
		got := a.expect(t, q, 400, `{"error":"invalid_client","error_description":"Client authentication required for OAuth session"}`)
		wantHeaders(t, got.header, map[string]string{"X-Sb-Error-Code": "", "X-Supabase-Api-Version": ""})
	}
}

// TestSignOut pins contract endpoints.md, POST /logout.
func TestSignOut(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		for i, c := range []struct {
			query       string
			own, others int // status of GET /user afterwards
		}{
			{"", 403, 403},
			{"?scope=", 403, 403},
			{"?scope=global", 403, 403},
			{"?scope=local", 403, 200},
			{"?scope=others", 200, 403},
		} {
			email := fmt.Sprintf("user%d@example.com", i)
			own := a.signUp(t, email)
			other := decode[postern.Session](t, a.expect(t, request{line: "POST /token?grant_type=password", body: credentials(email)}, 200))
			a.expect(t, request{line: "POST /logout?scope=x", token: own.AccessToken}, 400,
				`{"code":400,"error_code":"validation_failed","msg":"Unsupported logout scope \"x\""}`)
			got := a.expect(t, request{line: "POST /logout" + c.query, token: own.AccessToken}, 204, "")
			wantHeaders(t, got.header, map[string]string{"Content-Type": ""})
			a.expect(t, request{line: "GET /user", token: own.AccessToken}, c.own)
			a.expect(t, request{line: "GET /user", token: other.AccessToken}, c.others)
		}
	})
}
