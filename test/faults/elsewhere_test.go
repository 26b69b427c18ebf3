//go:build unix

package faults_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/internal/otlptest"
)

// realm is an OpenID issuer in the place of a Keycloak's realm, and the variables
// of a server that signs in with it.
func realm(t *testing.T, secret string) (*oidctest.Issuer, []string) {
	t.Helper()
	issuer := oidctest.New(t)
	issuer.ClientSecret = secret
	const protocol = "/protocol/openid-connect"
	issuer.Serve(protocol+"/auth", oidctest.Authorize)
	issuer.Serve(protocol+"/token", oidctest.Token)
	issuer.Serve(protocol+"/userinfo", oidctest.UserInfo)
	return issuer, []string{
		"GOTRUE_EXTERNAL_KEYCLOAK_ENABLED=true", "GOTRUE_EXTERNAL_KEYCLOAK_CLIENT_ID=" + issuer.ClientID,
		"GOTRUE_EXTERNAL_KEYCLOAK_SECRET=" + secret, "GOTRUE_EXTERNAL_KEYCLOAK_URL=" + issuer.URL,
	}
}

// depart begins a sign-in and returns where the browser is sent.
func depart(t *testing.T, c *client) string {
	t.Helper()
	a, err := c.do(t.Context(), "GET", "/authorize?provider=keycloak&scopes=openid", "", nil)
	if err != nil || a.status != http.StatusFound {
		t.Fatalf("the start: got %s and %v, want a redirect", a, err)
	}
	return a.header.Get("Location")
}

// Guarantees A1 and B13, B14, for what others vouch for.
func TestOneOfManyReturnsToThreeProcessesWins(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		issuer, environ := realm(t, "the-secret-of-the-realm")
		var clients []*client
		for range 3 {
			clients = append(clients, newClient(t, start(t, url, append(environ, "API_EXTERNAL_URL=http://127.0.0.1/auth")...).URL))
		}
		for i := range rounds(2, 20) {
			issuer.SignIn(oidctest.Claims{"sub": fmt.Sprint(i), "email": fmt.Sprintf("once-%d@example.com", i), "email_verified": true})
			location, token := depart(t, clients[0]), issuer.IDToken("", "")
			oneOfMany(t, func(use int) bool {
				back, err := issuer.Visit(location) // each with a good code
				if err != nil {
					t.Error(err)
					return false
				}
				a, err := clients[use%3].do(t.Context(), "GET", "/callback?"+back.Encode(), "", nil)
				return err == nil && strings.Contains(a.header.Get("Location"), "#access_token=")
			})
			oneOfMany(t, func(use int) bool {
				body := map[string]string{"provider": "keycloak", "id_token": token}
				a, err := clients[use%3].do(t.Context(), "POST", "/token?grant_type=id_token", "", body)
				return err == nil && a.ok()
			})
		}
	})
}

// oneOfMany fails unless one of 20 uses at once succeeds.
func oneOfMany(t *testing.T, use func(i int) bool) {
	t.Helper()
	var all sync.WaitGroup
	var won atomic.Int64
	for i := range 20 {
		all.Go(func() {
			if use(i) {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 uses succeeded, want 1", won.Load())
	}
}

// Guarantee D20, for what goes to and comes from others.
func TestServerShowsNoSecretOfProviders(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		c := newCanaries()
		issuer, environ := realm(t, c.password("of-the-client"))
		told := otlptest.New(t)
		s := start(t, databaseURL, append(append(environ, "GOTRUE_LOG_LEVEL=trace"), tracing(told, c)...)...)
		v := &intruder{client: newClient(t, s.URL), canaries: c, t: t}
		issuer.SignIn(oidctest.Claims{"sub": "7", "email": "ada@example.com", "email_verified": true})

		comeBack := func(edit func(url.Values)) {
			t.Helper()
			back, err := issuer.Visit(depart(t, v.client))
			if err != nil {
				t.Fatal(err)
			}
			c.add("a code of the provider's", back.Get("code"))
			edit(back)
			a := v.send("GET", "/callback?"+back.Encode(), "", nil, http.StatusFound)
			if fragment, err := url.ParseQuery(a.header.Get("Location")[strings.Index(a.header.Get("Location"), "#")+1:]); err == nil {
				c.addTokens(fragment.Get("access_token"), fragment.Get("refresh_token"))
				c.add("an access token of the provider's", fragment.Get("provider_token"))
			}
		}
		comeBack(func(url.Values) {})
		v.refusals.Reset() // that was a redirect with what the client is owed
		comeBack(func(back url.Values) { back.Set("code", c.password("wrong-code")) })
		comeBack(func(back url.Values) { back.Set("iss", "https://elsewhere.example/"+c.password("issuer")) })
		for _, e := range []oidctest.Endpoint{oidctest.Token, oidctest.UserInfo} {
			for _, how := range []oidctest.Breakage{oidctest.Down, oidctest.Half, oidctest.Garbage, oidctest.Redirect} {
				issuer.Break(e, how)
				comeBack(func(url.Values) {})
				issuer.Break(e, "")
			}
		}
		token := issuer.IDToken("", "")
		c.add("the signature of an ID token", token[strings.LastIndexByte(token, '.')+1:])
		for _, bad := range []string{token + "x", c.password("no-token"), "a." + c.password("no-claims") + ".b"} {
			v.send("POST", "/token?grant_type=id_token", "", map[string]string{"provider": "keycloak", "id_token": bad}, http.StatusBadRequest)
		}
		v.send("POST", "/token?grant_type=web3", "", map[string]string{"chain": "solana", "signature": c.password("signature")}, http.StatusUnprocessableEntity)

		st := open(t, databaseURL)
		c.check(t, "what is told of it", everythingTold(t, s, told))
		if !slices.Contains(told.Spans(), "POST") {
			t.Errorf("got spans %q, want calls to the provider among them", told.Spans())
		}
		c.check(t, "the log", s.Output())
		c.check(t, "the audit log", strings.Join(texts(t, st, databaseURL, "SELECT payload FROM auth.audit_log_entries"), "\n"))
		c.check(t, "an answer", v.refusals.String())
	})
}
