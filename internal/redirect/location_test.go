package redirect_test

import (
	"net/url"
	"testing"

	"github.com/postern-auth/postern/internal/redirect"
)

type builder func(target string, params url.Values) string

var tokens = url.Values{
	"access_token": {"eyJ.a.b-_"}, "token_type": {"bearer"}, "expires_in": {"3600"}, "expires_at": {"1700000000"},
	"refresh_token": {"abc"}, "type": {"signup"}, "provider_token": {"p/+="}, "provider_refresh_token": {"r"},
}

func failure(description string) url.Values {
	return url.Values{"error": {"access_denied"}, "error_code": {"otp_expired"}, "error_description": {description}}
}

// The forms of contract tokens.md §9.
func TestLocations(t *testing.T) {
	t.Parallel()
	const (
		encodedTokens = "access_token=eyJ.a.b-_&expires_at=1700000000&expires_in=3600&provider_refresh_token=r&provider_token=p%2F%2B%3D&refresh_token=abc&sb=&token_type=bearer&type=signup"
		halfway       = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
	)
	code, message := url.Values{"code": {"c0de"}}, url.Values{"message": {halfway}}
	for _, c := range []struct {
		name   string
		build  builder
		target string
		params url.Values
		want   string
	}{
		{"tokens", redirect.Tokens, "http://127.0.0.1:3000", tokens, "http://127.0.0.1:3000#" + encodedTokens},
		{"tokens behind a query", redirect.Tokens, "http://127.0.0.1:3000/next?b=2&a=1", tokens, "http://127.0.0.1:3000/next?b=2&a=1#" + encodedTokens},
		{"tokens behind a fragment", redirect.Tokens, "http://localhost:3000/#/", tokens, "http://localhost:3000/#/#" + encodedTokens},
		{"tokens for an app", redirect.Tokens, "com.myapp://", tokens, "com.myapp://#" + encodedTokens},

		{"code", redirect.Query, "http://127.0.0.1:3000", code, "http://127.0.0.1:3000?code=c0de"},
		{"code in a query that is kept", redirect.Query, "https://a.example/x?z=1+2&b=%2f&code=old&a=%20#f", code, "https://a.example/x?a=+&b=%2F&code=c0de&z=1+2#f"},
		{"code for an app", redirect.Query, "com.myapp://", code, "com.myapp:?code=c0de"},
		{"code for an app's page", redirect.Query, "com.myapp://callback", code, "com.myapp://callback?code=c0de"},
		{"code for an app without authority", redirect.Query, "com.myapp:/callback", code, "com.myapp:/callback?code=c0de"},
		{"error in the query", redirect.Query, "https://app.example.com", url.Values{"error": {"invalid_request"}, "error_code": {"bad_oauth_state"}, "error_description": {"OAuth state not found or expired"}},
			"https://app.example.com?error=invalid_request&error_code=bad_oauth_state&error_description=OAuth+state+not+found+or+expired"},

		{"error", redirect.Fragment, "http://127.0.0.1:3000", failure("Email link is invalid or has expired"),
			"http://127.0.0.1:3000#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired&sb="},
		{"error in place of a fragment", redirect.Fragment, "http://localhost:3000/?b=2&a=1#/%2F", failure("x"),
			"http://localhost:3000/?b=2&a=1#error=access_denied&error_code=otp_expired&error_description=x&sb="},
		{"error encoded twice", redirect.Fragment, "https://a.example", url.Values{"error_description": {`a, b: 'c' "d" e@f/g +%é`}},
			"https://a.example#error_description=a%252C+b%253A+%2527c%2527+%2522d%2522+e%2540f%252Fg+%252B%2525%25C3%25A9&sb="},
		{"error without its name", redirect.Fragment, "https://a.example", url.Values{"error_code": {"user_not_found"}, "error_description": {"x"}},
			"https://a.example#error_code=user_not_found&error_description=x&sb="},
		{"error for an app", redirect.Fragment, "com.myapp://", failure("x"), "com.myapp:#error=access_denied&error_code=otp_expired&error_description=x&sb="},

		{"error twice", redirect.QueryAndFragment, "https://a.example/?b=2&a=1#old", failure("a, b"),
			"https://a.example/?a=1&b=2&error=access_denied&error_code=otp_expired&error_description=a%2C+b#error=access_denied&error_code=otp_expired&error_description=a%252C+b&sb="},
		{"error twice for an app", redirect.QueryAndFragment, "com.myapp://", url.Values{"error": {"x"}}, "com.myapp:?error=x#error=x&sb="},

		{"half an e-mail change", redirect.Fragment, "http://127.0.0.1:3000", message,
			"http://127.0.0.1:3000#message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email&sb="},
		{"half an e-mail change with PKCE", redirect.QueryAndFragment, "http://127.0.0.1:3000", message,
			"http://127.0.0.1:3000?message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email#message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email&sb="},

		{"nothing in the fragment", redirect.Fragment, "https://a.example", nil, "https://a.example#sb="},
		{"nothing in the query", redirect.Query, "https://a.example", nil, "https://a.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.build(c.target, c.params); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBuildersLeaveTheirParametersAlone(t *testing.T) {
	t.Parallel()
	params := url.Values{"a": {"b"}}
	for _, build := range []builder{redirect.Tokens, redirect.Query, redirect.Fragment, redirect.QueryAndFragment} {
		build("https://a.example?c=d", params)
	}
	if params.Encode() != "a=b" {
		t.Errorf("got %s, want a=b", params.Encode())
	}
}

func TestWhatDoesNotParseComesBack(t *testing.T) {
	t.Parallel()
	for _, build := range []builder{redirect.Query, redirect.Fragment, redirect.QueryAndFragment} {
		if got := build(":", url.Values{"a": {"b"}}); got != ":" {
			t.Errorf("got %q, want %q", got, ":")
		}
	}
	if got, want := redirect.MailLink(":", "/verify", "h", "t", "r"), ":/verify?token=h&type=t&redirect_to=r"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMailLinks(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.com"
	for _, c := range []struct{ base, path, hash, kind, to, want string }{
		{api, "/verify", "pkce_0a", "signup", "http://127.0.0.1:3000/done", "https://api.example.com/verify?token=pkce_0a&type=signup&redirect_to=http://127.0.0.1:3000/done"},
		{api, "/verify", "0a", "invite", "http://127.0.0.1:3000/next?a=1", "https://api.example.com/verify?token=0a&type=invite&redirect_to=http%3A%2F%2F127.0.0.1%3A3000%2Fnext%3Fa%3D1"},
		{api, "/verify", "0a", "magiclink", "com.myapp://", "https://api.example.com/verify?token=0a&type=magiclink&redirect_to=com.myapp://"},
		{api, "/verify", "0a", "recovery", "http://localhost:3000/#/", "https://api.example.com/verify?token=0a&type=recovery&redirect_to=http%3A%2F%2Flocalhost%3A3000%2F%23%2F"},
		{api, "/verify", "0a", "recovery", "https://a.example/?b", "https://api.example.com/verify?token=0a&type=recovery&redirect_to=https://a.example/?b"},
		{api, "/verify", "0a", "email_change", "", "https://api.example.com/verify?token=0a&type=email_change&redirect_to="},
		{api, "/verify", "a+b", "c&d", "", "https://api.example.com/verify?token=a%2Bb&type=c%26d&redirect_to="},
		{api + "/auth/v1", "/verify", "0a", "signup", "", "https://api.example.com/verify?token=0a&type=signup&redirect_to="},
		{api + "/auth/v1/", "verify", "0a", "signup", "", "https://api.example.com/auth/v1/verify?token=0a&type=signup&redirect_to="},
		{api, "/auth/v1/verify", "0a", "signup", "", "https://api.example.com/auth/v1/verify?token=0a&type=signup&redirect_to="},
		{api, "https://app.example.com/confirm", "0a", "signup", "", "https://app.example.com/confirm?token=0a&type=signup&redirect_to="},
		{api + "?x=y", "", "0a", "signup", "", "https://api.example.com?token=0a&type=signup&redirect_to="},
	} {
		if got := redirect.MailLink(c.base, c.path, c.hash, c.kind, c.to); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// The link is read by the endpoint that it leads to.
func TestTargetsSurviveMailLinks(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"https://a.example/b", "https://a.example/%20%2F+;a", "https://a.example/?b=c&d=%26#e", "https://a.example/a%C3%A4", "com.myapp://", "https://a.example/?a;b", "https://a.example/a?b?c:@!$'()*,[]",
	} {
		link, err := url.Parse(redirect.MailLink("https://api.example.com", "/verify", "h", "t", to))
		if err != nil {
			t.Fatal(err)
		}
		if got := link.Query().Get("redirect_to"); got != to {
			t.Errorf("got %s, want %s", got, to)
		}
	}
}
