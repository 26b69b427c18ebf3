package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/internal/outbound"
	"github.com/postern-auth/postern/provider"
)

var _ postern.ProviderMaker = (*provider.Maker)(nil)

// names is what the hosts of these tests resolve to.
var names = map[string][]string{
	"id.example.com":       {"93.184.215.14", "2606:4700:4700::1111"},
	"loopback.example":     {"127.0.0.1"},
	"mixed.example":        {"93.184.215.14", "10.0.0.1"},
	"metadata.example":     {"169.254.169.254"},
	"multicast.example":    {"224.0.0.1"},
	"nothing.example":      {"0.0.0.0"},
	"translated.example":   {"64:ff9b::a00:1"},
	"inside.example":       {"10.1.2.3"},
	"inside-mixed.example": {"10.1.2.3", "93.184.215.14"},
	"empty.example":        {},
}

func resolve(_ context.Context, host string) ([]netip.Addr, error) {
	found, ok := names[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	var addresses []netip.Addr
	for _, a := range found {
		addresses = append(addresses, netip.MustParseAddr(a))
	}
	return addresses, nil
}

// Contract: endpoints.md, Custom OAuth/OIDC providers.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	const (
		format    = "Invalid URL format"
		https     = "URL must use HTTPS"
		hostname  = "URL must have a valid hostname"
		localhost = "URL cannot point to localhost or loopback addresses"
		unknown   = "Unable to resolve hostname"
	)
	strict := provider.NewMaker(provider.MakerConfig{Resolve: resolve})
	open := provider.NewMaker(provider.MakerConfig{
		Resolve: resolve, Hosts: []string{"dev.example:8080", "localhost:443"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
	})
	for _, test := range []struct {
		url    string
		strict string
		open   string // where it is another answer; "ok" for none
	}{
		{url: "https://id.example.com/authorize?x=y"},
		{url: "https://id.example.com:8443/"},
		{url: "https://8.8.8.8/"},
		{url: "%", strict: format},
		{url: "https://id.example.com:port/", strict: format},
		{url: "https:id.example.com", strict: format},
		{url: "https://user:password@id.example.com/", strict: format},
		{url: "", strict: https},
		{url: "/authorize", strict: https},
		{url: "http://id.example.com/", strict: https},
		{url: "javascript://id.example.com/", strict: https},
		{url: "https:///authorize", strict: hostname},
		{url: "https://:443/", strict: hostname},
		{url: "https://localhost/", strict: localhost, open: "ok"},
		{url: "https://localhost:8443/", strict: localhost},
		{url: "https://LOCALHOST./", strict: localhost},
		{url: "https://app.localhost/", strict: localhost},
		{url: "https://127.0.0.1/", strict: localhost},
		{url: "https://[::1]/", strict: localhost},
		{url: "https://[::ffff:127.0.0.1]/", strict: localhost},
		{url: "https://missing.example/", strict: unknown},
		{url: "https://empty.example/", strict: unknown},
		{url: "https://loopback.example/", strict: "URL cannot resolve to loopback addresses"},
		{url: "https://mixed.example/", strict: "URL cannot resolve to private network addresses"},
		{url: "https://translated.example/", strict: "URL cannot resolve to private network addresses"},
		{url: "https://192.168.0.1/", strict: "URL cannot resolve to private network addresses"},
		{url: "https://metadata.example/", strict: "URL cannot resolve to link-local addresses"},
		{url: "https://multicast.example/", strict: "URL cannot resolve to multicast addresses"},
		{url: "https://nothing.example/", strict: "URL cannot resolve to unspecified addresses"},
		{url: "https://inside.example/", strict: "URL cannot resolve to private network addresses", open: "ok"},
		{url: "http://inside.example/", strict: https},
		{url: "https://inside-mixed.example/", strict: "URL cannot resolve to private network addresses", open: "ok"},
		{url: "https://dev.example:8080/", strict: unknown, open: "ok"},
		{url: "https://dev.example:8081/", strict: unknown},
	} {
		want := map[*provider.Maker]string{strict: test.strict, open: test.strict}
		if test.open != "" {
			want[open] = strings.TrimSuffix(test.open, "ok")
		}
		for maker, want := range want {
			got := ""
			if err := maker.CheckURL(t.Context(), test.url); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("CheckURL(%q) = %q, want %q (with hosts and networks allowed: %t)", test.url, got, want, maker == open)
			}
		}
	}
}

// makerFor reaches the issuer, and makes what is described of it.
func makerFor(i *oidctest.Issuer) *provider.Maker {
	return provider.NewMaker(provider.MakerConfig{Hosts: []string{outbound.Host(i.URL)}})
}

// custom is a record of the issuer.
func custom(i *oidctest.Issuer) postern.CustomProvider {
	return postern.CustomProvider{
		ProviderType: "oidc", Identifier: "custom:acme", ClientID: i.ClientID, Issuer: i.URL, PKCEEnabled: true, Enabled: true,
		Scopes: []string{"email"},
	}
}

// customOAuth2 is a record of the issuer as a service of OAuth 2.0 alone.
func customOAuth2(i *oidctest.Issuer) postern.CustomProvider {
	p := custom(i)
	p.ProviderType, p.Issuer = "oauth2", ""
	p.AuthorizationURL, p.TokenURL, p.UserInfoURL = i.URL+"/authorize", i.URL+"/token", i.URL+"/userinfo"
	return p
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Serve("/elsewhere", oidctest.Discovery)
	m := makerFor(issuer)
	for _, at := range []string{"", issuer.URL + "/elsewhere"} {
		d, err := m.Discover(t.Context(), issuer.URL, at)
		if err != nil || d.Issuer != issuer.URL || d.TokenEndpoint != issuer.URL+"/token" || d.JWKSURI != issuer.URL+"/keys" {
			t.Errorf("Discover at %q = %+v, %v", at, d, err)
		}
	}
	if _, err := m.Discover(t.Context(), "https://other.example", issuer.URL+"/elsewhere"); err == nil {
		t.Error("the document of another issuer was accepted")
	}
	issuer.Fail(oidctest.NoKeysDiscovery)
	if d, err := m.Discover(t.Context(), issuer.URL, ""); err != nil || d.JWKSURI != "" {
		t.Errorf("got %+v and error %v, want a document without keys", d, err)
	}
	if _, err := provider.NewMaker(provider.MakerConfig{}).Discover(t.Context(), issuer.URL, ""); err == nil {
		t.Error("an issuer on loopback was reached although nobody allowed it")
	}
	for _, how := range []oidctest.Breakage{oidctest.Down, oidctest.Garbage, oidctest.Redirect, oidctest.Half, oidctest.Endless} {
		issuer.Break(oidctest.Discovery, how)
		if d, err := m.Discover(t.Context(), issuer.URL, ""); err == nil {
			t.Errorf("%s: got %+v, want an error", how, d)
		}
	}
}

func TestCustomProvidersSignIn(t *testing.T) {
	t.Parallel()
	for name, describe := range map[string]func(*oidctest.Issuer) postern.CustomProvider{"oidc": custom, "oauth2": customOAuth2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := oidctest.New(t)
			issuer.SignIn(oidctest.Claims{
				"sub": "7", "name": "Ann", "email": "ann@example.com", "email_verified": true, "groups": []string{"x"}, "plan": "gold",
			})
			record := describe(issuer)
			record.CustomClaims = []string{"groups", "missing"}
			record.AuthorizationParams = map[string]string{"audience": "api", "prompt": "login"}
			record.EmailOptional = true
			p := makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret))
			profile, sent, err := flow(t.Context(), issuer, p, postern.ProviderStart{Params: url.Values{"prompt": {"none"}, "hd": {"x"}}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != "custom:acme" || !p.EmailOptional || p.Unusable != nil {
				t.Errorf("got name %q, email optional %t, unusable %v", p.Name, p.EmailOptional, p.Unusable)
			}
			if sent.Get("audience") != "api" || sent.Get("prompt") != "login" || sent.Get("hd") != "x" || sent.Get("code_challenge") == "" {
				t.Errorf("got parameters %v, want those of the operator over those of the request, and PKCE", sent)
			}
			c := profile.Claims
			if c.Subject != "7" || c.Name != "Ann" || !reflect.DeepEqual(c.CustomClaims, map[string]any{"groups": []any{"x"}}) {
				t.Errorf("got claims %+v", c)
			}
			if !reflect.DeepEqual(profile.Emails, verified("ann@example.com")) {
				t.Errorf("got addresses %+v", profile.Emails)
			}
		})
	}
}

func TestScopesOfARequestReplaceACustomProviders(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	for _, test := range []struct {
		record    postern.CustomProvider
		requested string
		want      string
	}{
		{custom(issuer), "", "openid email"},
		{custom(issuer), "groups  profile", "openid groups profile"},
		{custom(issuer), "profile openid", "profile openid"},
		{customOAuth2(issuer), "", "email"},
		{customOAuth2(issuer), "a,b c", "a,b c"},
	} {
		p := makerFor(issuer).Provider(test.record, "secret")
		to, err := p.Authorize(t.Context(), postern.ProviderStart{State: "s", CallbackURL: callback, Scopes: test.requested})
		if err != nil {
			t.Fatal(err)
		}
		sent, err := url.Parse(to.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := sent.Query().Get("scope"); got != test.want {
			t.Errorf("%s with scopes %q asks for %q, want %q", test.record.ProviderType, test.requested, got, test.want)
		}
	}
}

func TestCustomProvidersWithoutPKCE(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	record := custom(issuer)
	record.PKCEEnabled = false
	p := makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret))
	_, sent, err := flow(t.Context(), issuer, p, postern.ProviderStart{}, nil)
	if err != nil || sent.Has("code_challenge") {
		t.Errorf("got parameters %v and error %v, want no code_challenge", sent, err)
	}
}

func TestCustomProvidersTakeIDTokens(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	record := custom(issuer)
	record.AcceptableClientIDs, record.SkipNonceCheck = []string{"ios"}, true
	p := makerFor(issuer).Provider(record, "secret")
	if !reflect.DeepEqual(p.ClientIDs, []string{"app", "ios"}) || !p.SkipNonce || !p.IsIssuer(issuer.URL) || p.IsIssuer("x") {
		t.Errorf("got audiences %q, skip nonce %t, issuer %t", p.ClientIDs, p.SkipNonce, p.IsIssuer(issuer.URL))
	}
	token, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")})
	if err != nil || token.Profile.Claims.Subject != "7" {
		t.Errorf("got %+v and error %v", token, err)
	}
	if p := makerFor(issuer).Provider(customOAuth2(issuer), "secret"); p.VerifyIDToken != nil || p.IsIssuer != nil {
		t.Error("a provider of OAuth 2.0 alone takes ID tokens")
	}
}

func TestTheRecordsDiscoveryDocumentIsUsed(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	m := makerFor(issuer)
	record := custom(issuer)
	found, err := m.Discover(t.Context(), issuer.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	record.Discovery = found
	issuer.Break(oidctest.Discovery, oidctest.Down)
	p := m.Provider(record, postern.Secret(issuer.ClientSecret))
	for range 3 {
		mustLetIn(t, issuer, p)
	}
	if got := issuer.Requests(oidctest.Keys); got != 1 {
		t.Errorf("the keys were fetched %d times, want once", got)
	}
	if got := issuer.Requests(oidctest.Discovery); got != 1 {
		t.Errorf("the document was fetched %d times, want once, by the test", got)
	}
}

func TestADiscoveryURLIsAskedWhereThereIsNoDocument(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Serve("/elsewhere", oidctest.Discovery)
	record := custom(issuer)
	record.DiscoveryURL = issuer.URL + "/elsewhere"
	mustLetIn(t, issuer, makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret)))
}

func TestEveryFaultIsRefusedByCustomProviders(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := makerFor(issuer).Provider(custom(issuer), postern.Secret(issuer.ClientSecret))
	mustLetIn(t, issuer, p)
	for _, fault := range oidctest.TokenFaults() {
		issuer.Fail(fault)
		if profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{Params: url.Values{"nonce": {"n"}}}); err == nil {
			t.Errorf("%s, in the code flow: got %+v, want an error", fault, profile)
		}
		token, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("n", "access"), AccessToken: "access"})
		if err == nil && acceptable(p, token, "n") {
			t.Errorf("%s, from an app: got %+v, want an error", fault, token)
		}
	}
}

func TestAttributeMapping(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		answer  oidctest.Claims
		mapping map[string]any
		want    postern.ProfileClaims
		emails  []postern.ProfileEmail
	}{
		{
			name:   "members that GoTrue does not know are copied",
			answer: oidctest.Claims{"id": 12345678901234567, "login": "ann", "mail": "a@b.c", "email_verified": true, "photo": "https://p"},
			mapping: map[string]any{
				"sub": "id", "user_name": "login", "email": "mail", "avatar_url": "photo", "name": "missing", "unknown": "login",
			},
			want:   postern.ProfileClaims{Subject: "12345678901234567", UserName: "ann", AvatarURL: "https://p"},
			emails: verified("a@b.c"),
		},
		{
			name:    "one that is missing changes nothing",
			answer:  oidctest.Claims{"sub": "7", "name": "Ann"},
			mapping: map[string]any{"name": "missing"},
			want:    postern.ProfileClaims{Subject: "7", Name: "Ann"},
		},
		{
			name:    "two are exchanged",
			answer:  oidctest.Claims{"sub": "7", "name": "Ann", "nickname": "ann"},
			mapping: map[string]any{"name": "nickname", "nickname": "name"},
			want:    postern.ProfileClaims{Subject: "7", Name: "ann", Nickname: "Ann"},
		},
		{
			name:    "values are written as they are",
			answer:  oidctest.Claims{"sub": "7", "name": "Ann"},
			mapping: map[string]any{"custom_claims": map[string]any{"tier": 1}, "updated_at": 5, "name": true},
			want:    postern.ProfileClaims{Subject: "7", UpdatedAt: "5", CustomClaims: map[string]any{"tier": 1.0}},
		},
		{
			name:    "another address in the place of a verified one is not verified",
			answer:  oidctest.Claims{"sub": "7", "email": "a@b.c", "email_verified": true, "contact": "victim@example.com"},
			mapping: map[string]any{"email": "contact"},
			want:    postern.ProfileClaims{Subject: "7"},
			emails:  unverified("victim@example.com"),
		},
		{
			name:    "verification and issuer cannot be mapped",
			answer:  oidctest.Claims{"sub": "7", "email": "a@b.c", "email_verified": false, "yes": true, "other": "https://other.example"},
			mapping: map[string]any{"email_verified": true, "phone_verified": "yes", "iss": "other"},
			want:    postern.ProfileClaims{Subject: "7"},
			emails:  unverified("a@b.c"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer := oidctest.New(t)
			issuer.SignIn(test.answer)
			record := customOAuth2(issuer)
			record.AttributeMapping = test.mapping
			got := mustLetIn(t, issuer, makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret)))
			test.want.Issuer = record.UserInfoURL
			if !reflect.DeepEqual(got.Claims, test.want) || !reflect.DeepEqual(got.Emails, test.emails) {
				t.Errorf("got\n%+v %+v, want\n%+v %+v", got.Claims, got.Emails, test.want, test.emails)
			}
		})
	}
}

func TestMappingDoesNotHideThatUserInfoIsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{"sub": "7", "id": "x"})
	issuer.Tell(oidctest.Claims{"sub": "8", "id": "x", "email": "bob@example.com", "email_verified": true})
	record := custom(issuer)
	record.AttributeMapping = map[string]any{"sub": "id"}
	p := makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret))
	if profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{}); err == nil {
		t.Errorf("got %+v, want an error", profile)
	}
}

func TestOAuth2SignsIn(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	c := provider.Config{ClientID: issuer.ClientID, Secret: postern.Secret(issuer.ClientSecret)}
	p := provider.OAuth2("acme", provider.OAuth2Endpoints{
		Authorize: issuer.URL + "/authorize", Token: issuer.URL + "/token", UserInfo: issuer.URL + "/userinfo",
	}, c, "profile")
	profile, sent, err := flow(t.Context(), issuer, p, postern.ProviderStart{Scopes: "a,b"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sent.Get("scope") != "profile a b" || sent.Get("code_challenge_method") != "S256" {
		t.Errorf("got parameters %v", sent)
	}
	if profile.Claims.Subject != "7" || profile.Claims.Issuer != issuer.URL+"/userinfo" || p.VerifyIDToken != nil {
		t.Errorf("got %+v", profile.Claims)
	}
}

func TestWhatNoDatabaseKeepsCountsAsMissing(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.SignIn(oidctest.Claims{
		"sub": "7", "name": "a\x00b", "email": "a\x00@b.c", "good": "x", "bad": map[string]any{"x": "\x00"},
		"deep": json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)),
	})
	record := custom(issuer)
	record.CustomClaims = []string{"good", "bad", "deep"}
	got := mustLetIn(t, issuer, makerFor(issuer).Provider(record, postern.Secret(issuer.ClientSecret)))
	if got.Claims.Name != "" || got.Emails != nil || !reflect.DeepEqual(got.Claims.CustomClaims, map[string]any{"good": "x"}) {
		t.Errorf("got %+v %+v", got.Claims, got.Emails)
	}
}

func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		`{"iss":"https://x","sub":"7","aud":["a"],"iat":1,"exp":2.5,"email":"a@b.c","email_verified":true,"name":"Ann"}`,
		`{"sub":7,"aud":"a","exp":1e300,"email_verified":"true","email":5,"custom_claims":{"x":[1]},"updated_at":-1}`,
		`{"name":"\u0000","nickname":"\ud800","phone_verified":1,"aud":[1],"picture":null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var claims provider.StandardClaims
		if json.Unmarshal(text, &claims) != nil {
			return
		}
		checkProfile(t, provider.ReadStandard(claims), claims)
		checkProfile(t, provider.ReadGoogle(claims), nil)
		checkProfile(t, provider.ReadApple(claims), nil)
		checkProfile(t, provider.ReadAzure(claims), nil)
	})
}

func FuzzAttributeMapping(f *testing.F) {
	f.Add([]byte(`{"id":7,"mail":"a@b.c","email":"x@y.z","email_verified":true}`), []byte(`{"sub":"id","email":"mail","custom_claims":{"a":1}}`))
	f.Add([]byte(`{"sub":"7","a":{"b":"\u0000"}}`), []byte(`{"iss":"sub","email_verified":true,"name":"a","email":["x"]}`))
	f.Fuzz(func(t *testing.T, answer, rules []byte) {
		var claims provider.StandardClaims
		record := postern.CustomProvider{CustomClaims: []string{"a", "id"}}
		if json.Unmarshal(answer, &claims) != nil || json.Unmarshal(rules, &record.AttributeMapping) != nil {
			return
		}
		checkProfile(t, provider.ReadCustom(claims, &record), claims)
	})
}

// checkProfile checks what is true of any profile: it can be stored, and no address
// is verified that was not, as far as claims say that.
func checkProfile(t *testing.T, p *postern.Profile, claims provider.StandardClaims) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), `\u0000`) && !strings.Contains(string(text), `\\u0000`) {
		t.Fatalf("got %s and error %v, want what a database keeps", text, err)
	}
	for _, e := range p.Emails {
		if e.Email == "" || claims != nil && e.Verified && string(claims["email_verified"]) != "true" {
			t.Errorf("got address %+v of claims with email_verified %s", e, claims["email_verified"])
		}
	}
	if p.Claims.ExpiresAt > 1<<41 || p.Claims.ExpiresAt < -1<<41 {
		t.Errorf("got expiry %d, which is no time", p.Claims.ExpiresAt)
	}
}

func TestAMakersClientGivesUp(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	issuer.Break(oidctest.Discovery, oidctest.Slow)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := makerFor(issuer).Discover(ctx, issuer.URL, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the deadline was exceeded", err)
	}
}
