package httpadapter_test

import (
	"net/url"
	"testing"

	"github.com/postern-auth/postern"
)

// TestWhereLinksLead pins the order of contract endpoints.md §0.2.
func TestWhereLinksLead(t *testing.T) {
	t.Parallel()
	const (
		evil = "https://evil.example.net/"
		one  = "https://one.example.org/"
		two  = "https://two.example.org/?a=1&b=2"
		tri  = "https://three.example.org/x"
	)
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) {
		confirming(c)
		c.Email.MaxFrequency = -1
	}})
	a.enrol(t, "ann@example.com")
	for _, c := range []struct{ header, query, referer, body, want string }{
		{"", "", "", "", site},
		{one, two, tri, "", one},
		{"", two, tri, "", two},
		{"", "", tri, "", tri},
		{evil, two, tri, "", two},
		{evil, evil, tri, "", tri},
		{evil, evil, evil, "", site},
		{"", "com.example.app://", "", "", "com.example.app://"},
		{"", site + "/any", "", "", site + "/any"},
		{"", "", "", one, site}, // the body of other routes says nothing
		{"", "/relative", "", "", site},
		{"", "\x00", "\x00", "", site},
	} {
		line := "POST /recover"
		if c.query != "" {
			line += "?redirect_to=" + url.QueryEscape(c.query)
		}
		a.expect(t, request{
			line: line, headers: []string{"redirect_to: " + c.header, "Referer: " + c.referer},
			body: object("email", "ann@example.com", "redirect_to", c.body),
		}, 200)
		m := a.mailTo(t, "ann@example.com")
		link, err := url.Parse(m.ConfirmationURL)
		if err != nil {
			t.Fatal(err)
		}
		if got := link.Query().Get("redirect_to"); m.RedirectTo != c.want || got != c.want {
			t.Errorf("%+v: got %q, in the link %q", c, m.RedirectTo, got)
		}
	}
}

// TestEveryMailLeadsWhereItsRequestSays goes through the routes.
func TestEveryMailLeadsWhereItsRequestSays(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) {
		confirming(c)
		c.Email.MaxFrequency = -1
	}})
	a.enrol(t, "ann@example.com")
	ann := a.signIn(t, "ann@example.com").AccessToken
	const want = "https://x.example.org/next?a=1"
	for _, c := range []struct{ line, token, body, to string }{
		{"POST /signup", "", credentials("new@example.com"), "new@example.com"},
		{"POST /resend", "", `{"type":"signup","email":"new@example.com"}`, "new@example.com"},
		{"POST /otp", "", `{"email":"ann@example.com"}`, "ann@example.com"},
		{"POST /otp", "", `{"email":"newer@example.com"}`, "newer@example.com"},
		{"POST /magiclink", "", `{"email":"ann@example.com"}`, "ann@example.com"},
		{"POST /recover", "", `{"email":"ann@example.com"}`, "ann@example.com"},
		{"PUT /user", ann, `{"email":"else@example.com"}`, "else@example.com"},
		{"POST /resend", "", `{"type":"email_change","email":"ann@example.com"}`, "else@example.com"},
		{"POST /invite", operator(t), `{"email":"guest@example.com"}`, "guest@example.com"},
	} {
		before := a.messages()
		a.expect(t, request{line: c.line + "?redirect_to=" + url.QueryEscape(want), token: c.token, body: c.body}, 200)
		if m := a.mailTo(t, c.to); a.messages() == before || m.RedirectTo != want {
			t.Errorf("%s: leads to %q, want %q", c.line, m.RedirectTo, want)
		}
	}
}
