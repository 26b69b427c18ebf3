package httpadapter_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// TestInvite pins contract endpoints.md, POST /invite.
func TestInvite(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) {
			confirming(c)
			c.DisableSignUp, c.Audiences = true, []string{"staff"}
		}})
		invite := func(body string, headers ...string) request {
			return request{line: "POST /invite", token: operator(t), body: body, headers: headers}
		}
		a.enrol(t, "ann@example.com")
		got := decode[postern.User](t, a.expect(t, invite(`{"email":"Guest@example.com","data":{"team":"a"}}`, "X-JWT-AUD: staff"), 200))
		if got.Email != "guest@example.com" || got.Aud != "staff" || got.InvitedAt == nil || got.ConfirmationSentAt == nil ||
			got.EmailConfirmedAt != nil || !strings.Contains(string(got.UserMetadata), `"team":"a"`) {
			t.Errorf("got %+v", got)
		}
		a.expect(t, invite(`{"email":"guest@example.com"}`, "X-JWT-AUD: staff"), 200) // with no wait

		a.expectRefusals(t, operator(t), []refusal{
			{"POST /invite", `{}`, 400, "validation_failed", "An email address is required"},
			{"POST /invite", `{"email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{"POST /invite", `{"email":"ann@example.com"}`, 422, "email_exists", "A user with this email address has already been registered"},
		})
		a.expect(t, request{line: "POST /invite", body: `{"email":"x@example.com"}`}, 401, noBearer)
		a.expect(t, request{line: "POST /invite", token: a.signIn(t, "ann@example.com").AccessToken, body: `{"email":"x@example.com"}`}, 403,
			older("403", "not_admin", "User not allowed"))
	})
}

// generated is the answer of POST /admin/generate_link.
type generated struct {
	postern.User
	ActionLink       string `json:"action_link"`
	EmailOTP         string `json:"email_otp"`
	HashedToken      string `json:"hashed_token"`
	VerificationType string `json:"verification_type"`
	RedirectTo       string `json:"redirect_to"`
}

// TestGenerateLink pins contract endpoints.md, POST /admin/generate_link.
func TestGenerateLink(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: single})
		for i, c := range []struct {
			body string // but for the address
			old  bool   // the account is there already
			kind string // of the result
			link string // its type
		}{
			{`"type":"signup","password":"` + password + `","data":{"a":1}`, false, "signup", "signup"},
			{`"type":"invite","data":{"a":1}`, false, "invite", "invite"},
			{`"type":"magiclink"`, false, "signup", "signup"},
			{`"type":"magiclink"`, true, "magiclink", "magiclink"},
			{`"type":"recovery"`, true, "recovery", "recovery"},
			{`"type":"email_change_new","new_email":"fresh%d@example.com"`, true, "email_change_new", "email_change"},
		} {
			for way, use := range ways {
				email := strings.ReplaceAll(way, " ", ".") + string(rune('a'+i)) + "@example.com"
				if c.old {
					a.enrol(t, email)
				}
				fresh := "fresh-" + email
				body := `{"email":"` + email + `",` + strings.Replace(c.body, "fresh%d@example.com", fresh, 1) + `}`
				link := decode[generated](t, a.expect(t, request{line: "POST /admin/generate_link", token: operator(t), body: body}, 200))
				if link.VerificationType != c.kind || link.Email != email || link.RedirectTo != site ||
					link.ActionLink != external+"/verify?token="+link.HashedToken+"&type="+c.link+"&redirect_to="+site {
					t.Errorf("%s: got %+v", body, link)
				}
				to := email
				if strings.Contains(c.body, "fresh") {
					to = fresh
				}
				m := postern.Mail{To: to, ConfirmationURL: link.ActionLink, Token: postern.Secret(link.EmailOTP), TokenHash: postern.Secret(link.HashedToken)}
				got := a.do(t, use(t, c.link, m))
				a.wantSession(t, got, sessionIn(t, c.link, got), to, "otp")
			}
		}
		if n := a.messages(); n != 0 {
			t.Errorf("%d mails were sent, want none", n)
		}
	})
}

// TestGenerateLinkHasTheKeysOfAUser looks at the JSON itself.
func TestGenerateLinkHasTheKeysOfAUser(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	a.enrol(t, "ann@example.com")
	got := a.expect(t, request{line: "POST /admin/generate_link", token: operator(t), body: `{"type":"recovery","email":"ann@example.com"}`}, 200)
	members := decode[map[string]json.RawMessage](t, got)
	for _, name := range []string{
		"id", "aud", "role", "email", "phone", "app_metadata", "user_metadata", "identities", "created_at", "updated_at",
		"is_anonymous", "recovery_sent_at", "action_link", "email_otp", "hashed_token", "verification_type", "redirect_to",
	} {
		if members[name] == nil {
			t.Errorf("%s lacks %s", got.body, name)
		}
	}
}

func TestGenerateLinkRefusals(t *testing.T) {
	t.Parallel()
	const (
		line   = "POST /admin/generate_link"
		exists = "A user with this email address has already been registered"
		nobody = "User with this email not found"
	)
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: single})
		a.enrol(t, "ann@example.com")
		a.enrol(t, "bob@example.com")
		a.expectRefusals(t, operator(t), []refusal{
			{line, `{}`, 400, "validation_failed", "An email address is required"},
			{line, `{"type":"magiclink","email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{line, `{"email":"ann@example.com"}`, 400, "validation_failed", "Invalid email action link type requested: "},
			{line, `{"type":"nope","email":"ann@example.com"}`, 400, "validation_failed", "Invalid email action link type requested: nope"},
			{line, `{"type":"signup","email":"new@example.com"}`, 400, "validation_failed", "Signup requires a valid password"},
			{line, object("type", "signup", "email", "ann@example.com", "password", password), 422, "email_exists", exists},
			{line, `{"type":"invite","email":"ann@example.com"}`, 422, "email_exists", exists},
			{line, `{"type":"recovery","email":"new@example.com"}`, 404, "user_not_found", nobody},
			{line, `{"type":"email_change_new","email":"new@example.com","new_email":"newer@example.com"}`, 404, "user_not_found", nobody},
			{line, `{"type":"email_change_new","email":"ann@example.com"}`, 400, "validation_failed", "An email address is required"},
			{line, `{"type":"email_change_new","email":"ann@example.com","new_email":"bob@example.com"}`, 422, "email_exists", exists},
			{line, `{"type":"email_change_current","email":"ann@example.com","new_email":"newer@example.com"}`, 400, "validation_failed", "Enable secure email change to generate link for current email"},
		})
		a.expect(t, request{line: line, token: operator(t), body: `{"type":"signup","email":"new@example.com","password":"abc"}`}, 422,
			`{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`)
		a.expect(t, request{line: line, body: `{}`}, 401, noBearer)
		a.expect(t, request{line: line, token: a.signIn(t, "ann@example.com").AccessToken, body: `{}`}, 403, older("403", "not_admin", "User not allowed"))
	})
}

// TestGenerateLinkFollowsTheBody: of all routes this one alone.
func TestGenerateLinkFollowsTheBody(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	a.enrol(t, "ann@example.com")
	const here, there = "https://a.example.org/here", "https://b.example.org/there"
	for _, c := range []struct{ query, body, want string }{
		{"", here, here},
		{there, here, here},
		{there, "https://evil.example.net/", there},
		{there, "", there},
		{"", "https://evil.example.net/", site},
	} {
		got := decode[generated](t, a.expect(t, request{
			line: "POST /admin/generate_link?redirect_to=" + url.QueryEscape(c.query), token: operator(t),
			body: object("type", "recovery", "email", "ann@example.com", "redirect_to", c.body),
		}, 200))
		if got.RedirectTo != c.want {
			t.Errorf("query %q, body %q: got %q, want %q", c.query, c.body, got.RedirectTo, c.want)
		}
	}
}
