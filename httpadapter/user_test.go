package httpadapter_test

import (
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// TestUser pins contract endpoints.md §4.
func TestUser(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		a.signUp(t, "taken@example.com")
		get := request{line: "GET /user/", token: ann.AccessToken}
		put := func(body string) request { return request{line: "PUT /user", token: ann.AccessToken, body: body} }

		before := a.expect(t, get, 200)
		wantHeaders(t, before.header, map[string]string{"Sb-Auth-User-Id": "", "Cache-Control": ""})

		for _, c := range []struct {
			body   string
			status int
			want   string
		}{
			{`{"password":"abc"}`, 422, `{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`},
			{`{"password":""}`, 422, `{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`},
			{`{"password":"` + password + `"}`, 422, older("422", "same_password", "New password should be different from the old password.")},
			{`{"password":"` + strings.Repeat("y", 73) + `"}`, 400, older("400", "validation_failed", "Password cannot be longer than 72 characters")},
			{`{"email":"taken@example.com"}`, 422, older("422", "email_exists", "A user with this email address has already been registered")},
			{`{"email":"bad"}`, 400, older("400", "validation_failed", "Unable to validate email address: invalid format")},
			{`{"phone":"abc"}`, 400, older("400", "validation_failed", "Invalid phone number format (E.164 required)")},
			{`{"app_metadata":{"a":1}}`, 403, older("403", "not_admin", "Updating app_metadata requires admin privileges")},
			{`{"channel":"fax","phone":"15550100001"}`, 400, older("400", "validation_failed", badChannel)},
		} {
			a.expect(t, put(c.body), c.status, c.want)
		}
		if after := a.expect(t, get, 200); after.body != before.body {
			t.Errorf("refused updates changed\n%s to\n%s", before.body, after.body)
		}

		for _, body := range []string{`{}`, `{"data":null}`, `{"password":null,"channel":"fax","nonce":"123456"}`, `{"email":"ann@example.com"}`} {
			a.expect(t, put(body), 200)
		}
		got := decode[postern.User](t, a.expect(t, put(`{"data":{"name":"Ann <ann>","gone":null},"role":"service_role","aud":"x","id":"`+someID+`"}`), 200))
		if got.ID != ann.User.ID || got.Role != "authenticated" || got.Aud != "authenticated" || !strings.Contains(string(got.UserMetadata), `"name":"Ann \u003cann\u003e"`) {
			t.Errorf("got %+v", got)
		}

		other := decode[postern.Session](t, a.expect(t, request{line: "POST /token?grant_type=password", body: credentials("ann@example.com")}, 200))
		a.expect(t, put(`{"password":"New-secret-456"}`), 200)
		a.expect(t, get, 200)
		a.expect(t, request{line: "GET /user", token: other.AccessToken}, 403)
		a.expect(t, request{line: "POST /token?grant_type=password", body: credentials("ann@example.com")}, 400)
	})
}

func TestCurrentPassword(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) { c.Password.RequireCurrent = true }})
	ann := a.signUp(t, "ann@example.com")
	put := func(body string) request { return request{line: "PUT /user", token: ann.AccessToken, body: body} }
	const message = "Current password required when setting new password."
	a.expect(t, put(`{"password":"New-secret-456"}`), 400, older("400", "current_password_required", message))
	a.expect(t, put(`{"password":"New-secret-456","current_password":"wrong"}`), 400, older("400", "current_password_invalid", message))
	a.expect(t, put(`{"password":"New-secret-456","current_password":"`+password+`"}`), 200)
}

func TestBannedUser(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		ban := request{line: "PUT /admin/users/" + ann.User.ID.String(), token: operator(t), body: `{"ban_duration":"24h"}`}
		a.expect(t, ban, 200)
		a.expect(t, request{line: "GET /user", token: ann.AccessToken}, 403, older("403", "user_banned", "User is banned"))
		a.expect(t, a.refresh(ann.RefreshToken), 400, older("400", "user_banned", "Invalid Refresh Token: User Banned"))
		a.expect(t, request{line: "POST /token?grant_type=password", body: credentials("ann@example.com")}, 400,
			older("400", "user_banned", "User is banned"))
	})
}
