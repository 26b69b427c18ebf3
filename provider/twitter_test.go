package provider_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider"
)

// The state comes back with the callback URL: OAuth 1.0a has no parameter for it.
func TestTwitterAuthorize(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "twitter")
	for _, registered := range []string{"", "https://registered.example/callback"} {
		in := serve(t, s.answers())
		c := in.here()
		c.RedirectURL = registered
		u, keep := authorize(t, provider.Twitter(c), postern.ProviderStart{
			State: state, CallbackURL: callbackURL, Scopes: "more", Params: url.Values{"hint": {"a"}},
		})
		wantEqual(t, "the page", u.String(), in.URL+"/oauth/authenticate?oauth_token=request-token")
		wantEqual(t, "what is kept", keep, postern.Secret("request-secret"))
		back := callbackURL
		if registered != "" {
			back = registered
		}
		wantEqual(t, "oauth_callback", oauthParams(t, in.requests()[0])["oauth_callback"], back+"?state="+state)
	}
}

// Each of the three requests is signed with what the application and the one before
// it got (RFC 5849 §3.4).
func TestTwitterSigns(t *testing.T) {
	t.Parallel()
	in := serve(t, caseOf(t, "twitter").answers())
	mustSignIn(t, provider.Twitter(in.everywhere()))
	requests := in.requests()
	for i, want := range []struct{ method, token, tokenSecret string }{
		{http.MethodPost, "", ""},
		{http.MethodPost, "request-token", "request-secret"},
		{http.MethodGet, "access-token", "access-secret"},
	} {
		params := oauthParams(t, requests[i])
		wantEqual(t, "the method", requests[i].method, want.method)
		wantEqual(t, "oauth_consumer_key", params["oauth_consumer_key"], "app-1")
		wantEqual(t, "oauth_token", params["oauth_token"], want.token)
		wantEqual(t, "the signature", params["oauth_signature"], signature(t, requests[i], params, want.tokenSecret))
	}
	wantEqual(t, "oauth_verifier", oauthParams(t, requests[1])["oauth_verifier"], "verifier")
}

// oauthParams reads an Authorization header (RFC 5849 §3.5.1).
func oauthParams(t *testing.T, r asked) map[string]string {
	t.Helper()
	list, ok := strings.CutPrefix(r.header.Get("Authorization"), "OAuth ")
	if !ok {
		t.Fatalf("got the Authorization %q, want one of OAuth 1.0a", r.header.Get("Authorization"))
	}
	params := map[string]string{}
	for pair := range strings.SplitSeq(list, ", ") {
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.Trim(value, `"`))
		if err != nil {
			t.Fatal(err)
		}
		params[name] = value
	}
	return params
}

// signature is what a request's should be (RFC 5849 §3.4.1, §3.4.2).
func signature(t *testing.T, r asked, params map[string]string, tokenSecret string) string {
	t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for name := range u.Query() {
		pairs = append(pairs, escape(name)+"="+escape(u.Query().Get(name)))
	}
	for name, value := range params {
		if name != "oauth_signature" {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(pairs)
	u.RawQuery = ""
	mac := hmac.New(sha1.New, []byte(escape(secret)+"&"+escape(tokenSecret)))
	mac.Write([]byte(r.method + "&" + escape(u.String()) + "&" + escape(strings.Join(pairs, "&"))))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// escape is the encoding of RFC 5849 §3.6.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func TestTwitterNeedsWhatComesBack(t *testing.T) {
	t.Parallel()
	in := serve(t, caseOf(t, "twitter").answers())
	p := provider.Twitter(in.here())
	for name, r := range map[string]postern.ProviderReturn{
		"no token":    {Kept: "request-secret", Params: url.Values{"oauth_verifier": {"v"}}},
		"no verifier": {Kept: "request-secret", Params: url.Values{"oauth_token": {"t"}}},
		"no secret":   {Params: url.Values{"oauth_token": {"t"}, "oauth_verifier": {"v"}}},
		"nothing":     {},
	} {
		if _, err := p.Exchange(t.Context(), r); err == nil {
			t.Errorf("%s: got tokens", name)
		}
	}
	wantEqual(t, "the requests", len(in.requests()), 0)
}

// Without a request token there is no page to send anybody to.
func TestTwitterWithoutARequestToken(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"", "oauth_token=request-token", "oauth_token=request-token&oauth_token_secret=request-secret",
		"oauth_token=request-token&oauth_token_secret=request-secret&oauth_callback_confirmed=false",
		"oauth_token=&oauth_token_secret=&oauth_callback_confirmed=true", "%zz",
	} {
		s := caseOf(t, "twitter")
		in := serve(t, s.answers())
		in.answer(s.tokenEndpoints()[0], respond(http.StatusOK, answer))
		to, err := provider.Twitter(in.here()).Authorize(t.Context(), postern.ProviderStart{State: state, CallbackURL: callbackURL})
		if to != nil {
			t.Errorf("%q: got %+v, want nowhere to go", answer, to)
		}
		wantError(t, err)
	}
}

// The client's timeout ends what the context would not.
func TestTwitterKeepsToTheTimeout(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "twitter")
	in := serve(t, s.answers())
	in.answer(s.tokenEndpoints()[0], func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := in.everywhere()
	c.HTTPClient.Timeout = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() {
		_, err := provider.Twitter(c).Authorize(context.WithoutCancel(t.Context()), postern.ProviderStart{State: state, CallbackURL: callbackURL})
		ended <- err
	}()
	select {
	case err := <-ended:
		wantError(t, err)
	case <-time.After(10 * time.Second):
		in.CloseClientConnections()
		t.Error("it waits for ever")
	}
}
