package provider_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/provider"
)

// acme is a provider for the issuer, reached by the default client.
func acme(i *oidctest.Issuer) postern.Provider {
	c := config(i)
	c.HTTPClient = nil
	return provider.OpenID("acme", i.URL, c)
}

func TestOpenIDSignsIn(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{
		"sub": "7", "email": "ann@example.com", "email_verified": true, "name": "Ann Example", "locale": "en", "extra": "x",
	})
	profile, sent, err := flow(t.Context(), issuer, acme(issuer), postern.ProviderStart{
		Scopes: "groups", Params: url.Values{"prompt": {"login"}, "nonce": {"n"}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"scope": "openid email profile groups", "prompt": "login", "nonce": "n", "state": "the state",
		"code_challenge_method": "S256", "client_id": issuer.ClientID, "redirect_uri": callback,
	} {
		if got := sent.Get(name); got != want {
			t.Errorf("the browser was sent with %s=%q, want %q", name, got, want)
		}
	}
	c := profile.Claims
	if c.Issuer != issuer.URL || c.Subject != "7" || c.Name != "Ann Example" || c.Locale != "en" || c.CustomClaims != nil || c.ProviderID != "" {
		t.Errorf("got claims %+v", c)
	}
	if want := (postern.ProfileEmail{Email: "ann@example.com", Verified: true, Primary: true}); !slices.Equal(profile.Emails, []postern.ProfileEmail{want}) {
		t.Errorf("got addresses %+v, want %+v", profile.Emails, want)
	}
}

func TestEveryFaultOfAnIDTokenIsRefused(t *testing.T) {
	t.Parallel()
	for _, fault := range oidctest.TokenFaults() {
		t.Run("in the code flow/"+string(fault), func(t *testing.T) {
			t.Parallel()
			issuer := oidctest.New(t)
			p := acme(issuer)
			mustLetIn(t, issuer, p) // the keys are known
			issuer.Fail(fault)
			profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{Params: url.Values{"nonce": {"n"}}})
			if err == nil {
				t.Errorf("got %+v, want an error", profile)
			}
		})
		t.Run("from an app/"+string(fault), func(t *testing.T) {
			t.Parallel()
			issuer := oidctest.New(t)
			p := acme(issuer)
			request := postern.IDTokenRequest{Token: issuer.IDToken("n", "the access token"), AccessToken: "the access token"}
			token, err := p.VerifyIDToken(t.Context(), request)
			if err != nil || !acceptable(p, token, "n") {
				t.Fatalf("without a fault: got %+v and error %v", token, err)
			}
			issuer.Fail(fault)
			request.Token = issuer.IDToken("n", "the access token")
			token, err = p.VerifyIDToken(t.Context(), request)
			if err == nil && acceptable(p, token, "n") {
				t.Errorf("got %+v, want an error or something that the caller refuses", token)
			}
		})
	}
}

// acceptable is what is left to the caller of VerifyIDToken.
func acceptable(p postern.Provider, token *postern.IDToken, nonce string) bool {
	ours := func(client string) bool { return slices.Contains(p.ClientIDs, client) }
	return token.Profile.Claims.Subject != "" && slices.ContainsFunc(token.Audience, ours) &&
		(token.AuthorizedParty == "" || ours(token.AuthorizedParty)) && token.Nonce == nonce
}

func TestTokensThatAreSpelledDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := acme(issuer)
	good := issuer.IDToken("", "")
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty":          "",
		"two parts":      parts[0] + "." + parts[1],
		"four parts":     good + ".",
		"a line break":   parts[0] + "." + parts[1] + ".\n" + parts[2],
		"a space":        " " + good,
		"padding":        good + "=",
		"JSON form":      `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"no signature":   parts[0] + "." + parts[1] + ".",
		"too long":       good + strings.Repeat("A", 16<<10),
		"trailing bits":  parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + nextLetter(parts[2]),
		"other contents": parts[0] + "." + parts[1][:8] + "AAAA" + parts[1][12:] + "." + parts[2],
	} {
		if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: token}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: good}); err != nil {
		t.Errorf("the token itself: %v", err)
	}
}

// nextLetter is the last letter of base64 text with its unused bits changed.
func nextLetter(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, text[len(text)-1])^1])
}

func TestBrokenEndpointsGiveErrors(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []oidctest.Endpoint{oidctest.Discovery, oidctest.Keys, oidctest.Token, oidctest.UserInfo} {
		for _, how := range oidctest.Breakages() {
			t.Run(string(endpoint)+"/"+string(how), func(t *testing.T) {
				t.Parallel()
				issuer := oidctest.New(t)
				issuer.SignIn(oidctest.Claims{"sub": "7"}) // no address, so that userinfo is asked
				issuer.Break(endpoint, how)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if how == oidctest.Slow {
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
					defer cancel()
				}
				profile, err := throughBrowser(ctx, issuer, acme(issuer), postern.ProviderStart{})
				if err == nil {
					t.Fatalf("got %+v, want an error", profile)
				}
				if strings.Contains(err.Error(), issuer.ClientSecret) {
					t.Errorf("the error shows the secret: %v", err)
				}
			})
		}
	}
}

// The caller's client may have no bounds of its own.
func TestEndlessAnswersEndWithAnyClient(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Break(oidctest.Discovery, oidctest.Endless)
	p := provider.OpenID("acme", issuer.URL, config(issuer))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := p.Authorize(ctx, postern.ProviderStart{State: "s", CallbackURL: callback})
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an error before the time is up", err)
	}
}

func TestWhatWasKnownServesOnWhileAnIssuerIsDown(t *testing.T) {
	t.Parallel()
	for _, how := range oidctest.Breakages() {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			issuer, clock := oidctest.New(t), newClock()
			p := timed(issuer, clock)
			mustLetIn(t, issuer, p)
			issuer.Break(oidctest.Discovery, how)
			issuer.Break(oidctest.Keys, how)
			clock.advance(2 * time.Hour)
			before := issuer.Requests(oidctest.Discovery)
			mustLetIn(t, issuer, p)
			mustLetIn(t, issuer, p)
			if got := issuer.Requests(oidctest.Discovery) - before; got != 1 {
				t.Errorf("an issuer that is down was asked %d times in a minute, want 1", got)
			}
		})
	}
}

// clock is one that a test sets.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	c.now.Store(&now)
	return c
}

func (c *clock) Now() time.Time { return *c.now.Load() }

func (c *clock) advance(d time.Duration) {
	now := c.Now().Add(d)
	c.now.Store(&now)
}

// timed is a provider that goes by a clock, as its issuer does.
func timed(i *oidctest.Issuer, c *clock) postern.Provider {
	i.SetNow(c.Now)
	cfg := config(i)
	cfg.Now = c.Now
	return provider.OpenID("acme", i.URL, cfg)
}

func TestANewKeyWorksAtOnceAndTheOldOneNoMore(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := acme(issuer)
	old := issuer.IDToken("", "")
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: old}); err != nil {
		t.Fatal(err)
	}
	issuer.Rotate()
	mustLetIn(t, issuer, p)
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: old}); err == nil {
		t.Error("a token of a key that is gone was accepted")
	}
}

func TestAKeyThatIsWithdrawnIsForgotten(t *testing.T) {
	t.Parallel()
	issuer, clock := oidctest.New(t), newClock()
	p := timed(issuer, clock)
	mustLetIn(t, issuer, p)
	stolen := oidctest.Claims{"sub": "7", "exp": clock.Now().Add(48 * time.Hour).Unix()}
	issuer.SignIn(stolen)
	old := issuer.IDToken("", "")
	issuer.Rotate()
	clock.advance(2 * time.Hour)
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: old}); err == nil {
		t.Error("a token of a key that was withdrawn two hours ago was accepted")
	}
}

func TestUnknownKeysDoNotMakeAnIssuerBeAskedEachTime(t *testing.T) {
	t.Parallel()
	issuer, clock := oidctest.New(t), newClock()
	p := timed(issuer, clock)
	mustLetIn(t, issuer, p)
	before := issuer.Requests(oidctest.Keys)
	issuer.Fail(oidctest.UnknownKey)
	for range 50 {
		if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")}); err == nil {
			t.Fatal("a token of an unknown key was accepted")
		}
	}
	if got := issuer.Requests(oidctest.Keys) - before; got != 10 {
		t.Errorf("the keys were asked for %d times, want ten for fifty tokens", got)
	}
	issuer.Fail()
	issuer.Rotate()
	clock.advance(11 * time.Second)
	mustLetIn(t, issuer, p)
}

func TestADiscoveryDocumentThatChangesIsFollowed(t *testing.T) {
	t.Parallel()
	issuer, clock := oidctest.New(t), newClock()
	p := timed(issuer, clock)
	mustLetIn(t, issuer, p)
	for _, fault := range []oidctest.Fault{oidctest.OtherDiscovery, oidctest.NoKeysDiscovery} {
		issuer.Fail(fault)
		clock.advance(2 * time.Hour)
		mustLetIn(t, issuer, p) // by what was known
		if _, err := throughBrowser(t.Context(), issuer, acme(issuer), postern.ProviderStart{}); err == nil {
			t.Errorf("%s: got no error where nothing was known", fault)
		}
	}
}

func TestDiscoveryIsSharedByThoseWhoWaitForIt(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := acme(issuer)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := p.Authorize(t.Context(), postern.ProviderStart{State: "s", CallbackURL: callback}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := issuer.Requests(oidctest.Discovery); got > 2 {
		t.Errorf("20 requests fetched the document %d times, want once or twice", got)
	}
}

func TestARequestThatEndsDoesNotTakeOthersWithIt(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Break(oidctest.Discovery, oidctest.Slow)
	p := acme(issuer)
	start := postern.ProviderStart{State: "s", CallbackURL: callback}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Authorize(ctx, start); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the deadline was exceeded", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Authorize(gone, start); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the request was cancelled", err)
	}
}

func TestUserInfoOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{"sub": "7"})
	issuer.Fail(oidctest.SomebodyElse)
	if profile, err := throughBrowser(t.Context(), issuer, acme(issuer), postern.ProviderStart{}); err == nil {
		t.Errorf("got %+v, want an error", profile)
	}
}

func TestUserInfoTellsWhatAnIDTokenDoesNot(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{"sub": "7", "name": "Ann"})
	issuer.Tell(oidctest.Claims{"sub": "7", "email": "ann@example.com", "email_verified": true, "name": "Other"})
	got := mustLetIn(t, issuer, acme(issuer))
	if len(got.Emails) != 1 || got.Emails[0].Email != "ann@example.com" || !got.Emails[0].Verified || got.Claims.Name != "Ann" {
		t.Errorf("got %+v, want the address of userinfo and the name of the ID token", got)
	}
}

func TestUserInfoIsAskedWhereThereIsNoIDToken(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{"sub": "7", "iss": "https://other.example", "aud": "x", "exp": 1, "email": "ann@example.com"})
	issuer.Fail(oidctest.NoIDToken)
	got := mustLetIn(t, issuer, acme(issuer))
	if got.Claims.Subject != "7" || got.Claims.Issuer != issuer.URL || got.Claims.Audience != nil || got.Claims.ExpiresAt != 0 {
		t.Errorf("got %+v, want the subject alone, of the issuer that was asked", got.Claims)
	}
}

func TestOnlyTheBooleanVerifiesAnAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		says any
		want bool
	}{
		"true": {true, true}, "false": {false, false}, "a text": {"true", false}, "a number": {1, false}, "nothing": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := oidctest.New(t)
			issuer.SignIn(oidctest.Claims{"sub": "7", "email": "ann@example.com", "email_verified": test.says})
			got := mustLetIn(t, issuer, acme(issuer))
			if len(got.Emails) != 1 || got.Emails[0].Verified != test.want {
				t.Errorf("got %+v, want an address with verified %t", got.Emails, test.want)
			}
		})
	}
}

func TestSkippingTheNonceIsForTheFlowToo(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Fail(oidctest.WrongNonce)
	c := config(issuer)
	c.SkipNonceCheck = true
	p := provider.OpenID("acme", issuer.URL, c)
	mustLetIn(t, issuer, p)
	if !p.SkipNonce {
		t.Error("SkipNonce is false, want true")
	}
}

func TestAnIssuerOfHTTPSSendsNobodyElsewhere(t *testing.T) {
	t.Parallel()
	m := provider.NewMaker(provider.MakerConfig{})
	p := m.Provider(postern.CustomProvider{
		ProviderType: "oidc", Identifier: "custom:acme", ClientID: "app", Issuer: "https://id.example.com",
		Discovery: &postern.Discovery{
			AuthorizationEndpoint: "https://id.example.com/a", TokenEndpoint: "http://id.example.com/t", JWKSURI: "https://id.example.com/k",
		},
	}, "secret")
	if _, err := p.Authorize(t.Context(), postern.ProviderStart{State: "s", CallbackURL: callback}); err == nil {
		t.Error("a token endpoint by http was accepted")
	}
}

func TestAnAuthorizedPartyIsAText(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{"sub": "7", "azp": []string{"other"}})
	if token, err := acme(issuer).VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")}); err == nil {
		t.Errorf("got %+v, want an error", token)
	}
}

func TestIDTokensTakesThemFromApps(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := provider.IDTokens(issuer.URL, provider.Config{})
	if p.Name != issuer.URL || p.Authorize != nil || !p.AnyAudience || !p.IsIssuer(issuer.URL) || p.IsIssuer("https://other.example") {
		t.Errorf("got %+v", p)
	}
	token, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("n", "")})
	if err != nil {
		t.Fatal(err)
	}
	if token.Issuer != issuer.URL || token.Nonce != "n" || token.Profile.Claims.Subject != "7" || token.ExpiresAt == 0 {
		t.Errorf("got %+v", token)
	}
	if p := provider.IDTokens(issuer.URL, provider.Config{OtherClientIDs: []string{"ios"}}); p.AnyAudience || !slices.Equal(p.ClientIDs, []string{"ios"}) {
		t.Errorf("got audiences %q and any %t, want ios alone", p.ClientIDs, p.AnyAudience)
	}
}
