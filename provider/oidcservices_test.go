package provider_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/provider"
)

const (
	tenant  = "5e1f0000-0000-4000-8000-00000000000a"
	another = "5e1f0000-0000-4000-8000-00000000000b"
	entra   = "https://login.microsoftonline.com/"
)

// service is one of the services that the fake issuer acts as.
type service struct {
	make   func(provider.Config) postern.Provider
	url    string // Config.URL
	issuer string
	paths  map[string]oidctest.Endpoint // of endpoints that are not discovered
}

var (
	google = service{
		make: provider.Google, issuer: "https://accounts.google.com", url: "https://ignored.example",
		paths: map[string]oidctest.Endpoint{"/userinfo/v2/me": oidctest.UserInfo},
	}
	apple        = service{make: provider.Apple, issuer: "https://appleid.apple.com", url: "https://ignored.example"}
	accountApple = service{make: provider.Apple, issuer: "https://account.apple.com"}
	azureAll     = service{make: provider.Azure, issuer: entra + tenant + "/v2.0", paths: map[string]oidctest.Endpoint{
		"/common/oauth2/v2.0/authorize": oidctest.Authorize, "/common/oauth2/v2.0/token": oidctest.Token,
	}}
	azureOne = service{make: provider.Azure, url: entra + tenant, issuer: entra + tenant + "/v2.0", paths: map[string]oidctest.Endpoint{
		"/" + tenant + "/oauth2/v2.0/authorize": oidctest.Authorize, "/" + tenant + "/oauth2/v2.0/token": oidctest.Token,
	}}
	azureExternal = service{
		make: provider.Azure, url: "https://acme.ciamlogin.com/" + tenant, issuer: "https://" + tenant + ".ciamlogin.com/" + tenant + "/v2.0",
		paths: azureOne.paths,
	}
	keycloak = service{make: provider.Keycloak, url: "https://id.example.com/realms/acme/", issuer: "https://id.example.com/realms/acme",
		paths: map[string]oidctest.Endpoint{
			"/realms/acme/protocol/openid-connect/auth": oidctest.Authorize, "/realms/acme/protocol/openid-connect/token": oidctest.Token,
		}}
	linkedIn = service{make: provider.LinkedInOIDC, issuer: "https://www.linkedin.com/oauth", paths: map[string]oidctest.Endpoint{
		"/oauth/v2/authorization": oidctest.Authorize, "/oauth/v2/accessToken": oidctest.Token,
	}}
	vercel = service{make: provider.VercelMarketplace, issuer: "https://marketplace.vercel.com", paths: linkedIn.paths}

	facebook = native(provider.FacebookIDTokens, "https://www.facebook.com")
	kakao    = native(provider.KakaoIDTokens, "https://kauth.kakao.com")
	snapchat = native(provider.SnapchatIDTokens, "https://accounts.snapchat.com")
)

func native(complete func(provider.Config, postern.Provider) postern.Provider, issuer string) service {
	return service{issuer: issuer, make: func(c provider.Config) postern.Provider { return complete(c, postern.Provider{}) }}
}

// start starts an issuer that acts as the service's, and makes the provider.
func (s service) start(t *testing.T) (*oidctest.Issuer, postern.Provider) {
	t.Helper()
	issuer := oidctest.New(t)
	issuer.ActAs(s.issuer)
	for path, endpoint := range s.paths {
		issuer.Serve(path, endpoint)
	}
	c := config(issuer)
	c.URL = s.url
	return issuer, s.make(c)
}

// profileTest is somebody as a service describes them, and what is kept of it.
type profileTest struct {
	name    string
	service service
	claims  oidctest.Claims
	params  url.Values // that the browser brings along
	bare    bool       // without an ID token
	fromApp bool       // by VerifyIDToken

	want   postern.ProfileClaims // Audience and the times are the token's and not compared
	emails []postern.ProfileEmail
}

var profileTests = []profileTest{
	{
		name: "google", service: google,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "picture": "https://p", "email": "a@b.c", "email_verified": true, "hd": "b.c", "x": 1},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "Ann", FullName: "Ann", Picture: "https://p", AvatarURL: "https://p",
			CustomClaims: map[string]any{"hd": "b.c"}},
		emails: verified("a@b.c"),
	},
	{
		name: "google, by its older name, unverified", service: google,
		claims: oidctest.Claims{"iss": "accounts.google.com", "sub": "7", "email": "a@b.c"},
		want:   postern.ProfileClaims{Issuer: "accounts.google.com", Subject: "7", ProviderID: "7"},
		emails: unverified("a@b.c"),
	},
	{
		name: "google, without an ID token", service: google, bare: true,
		claims: oidctest.Claims{"id": "7", "name": "Ann", "email": "a@b.c", "verified_email": true},
		want: postern.ProfileClaims{Issuer: "https://www.googleapis.com/userinfo/v2/me", Subject: "7", ProviderID: "7",
			Name: "Ann", FullName: "Ann"},
		emails: verified("a@b.c"),
	},
	{
		name: "apple, the first time", service: apple,
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c", "email_verified": "true", "is_private_email": "true", "auth_time": 5},
		params: url.Values{"user": {`{"name":{"firstName":"Ann","lastName":"Example"},"email":"victim@example.com"}`}},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "Ann Example", FullName: "Ann Example",
			CustomClaims: map[string]any{"is_private_email": true, "auth_time": 5.0}},
		emails: verified("a@b.c"),
	},
	{
		name: "apple, by its other name, with a broken form", service: accountApple, fromApp: true,
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c", "transfer_sub": "9", "is_private_email": false},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7",
			CustomClaims: map[string]any{"is_private_email": false, "transfer_sub": "9"}},
		emails: verified("a@b.c"),
	},
	{
		name: "apple, an address that it denies", service: apple, params: url.Values{"user": {"{"}},
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c", "email_verified": "false"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7"},
		emails: unverified("a@b.c"),
	},
	{
		name: "apple, no address", service: apple, claims: oidctest.Claims{"sub": "7"},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7"},
	},
	{
		name: "azure, any tenant", service: azureAll,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "preferred_username": "ann", "email": "a@b.c", "tid": tenant, "ver": "2.0"},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7", FullName: "Ann", PreferredUsername: "ann",
			CustomClaims: map[string]any{"email": "a@b.c", "tid": tenant}},
		emails: unverified("a@b.c"),
	},
	{
		name: "azure, any tenant, whose owner was checked", service: azureAll,
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c", "xms_edov": "1"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7", CustomClaims: map[string]any{"email": "a@b.c", "xms_edov": "1"}},
		emails: verified("a@b.c"),
	},
	{
		name: "azure, one tenant", service: azureOne,
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7", CustomClaims: map[string]any{"email": "a@b.c"}},
		emails: verified("a@b.c"),
	},
	{
		name: "azure, one tenant, whose owner was not checked", service: azureOne,
		claims: oidctest.Claims{"sub": "7", "email": "a@b.c", "xms_edov": false},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7", CustomClaims: map[string]any{"email": "a@b.c", "xms_edov": false}},
		emails: unverified("a@b.c"),
	},
	{
		name: "azure, an external tenant under its own name", service: azureExternal,
		claims: oidctest.Claims{"sub": "7"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7"},
	},
	{
		name: "keycloak", service: keycloak,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "email": "a@b.c", "email_verified": true, "groups": []string{"x"}},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "Ann", FullName: "Ann",
			CustomClaims: map[string]any{"groups": []any{"x"}}},
		emails: verified("a@b.c"),
	},
	{
		name: "keycloak, from an app", service: keycloak, fromApp: true,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "email": "a@b.c", "email_verified": true, "groups": []string{"x"}},
		want:   postern.ProfileClaims{Subject: "7", Name: "Ann"},
		emails: verified("a@b.c"),
	},
	{
		name: "linkedin_oidc", service: linkedIn,
		claims: oidctest.Claims{"sub": "7", "given_name": "Ann", "family_name": "Example", "name": "x", "locale": "en", "picture": "https://p",
			"email": "a@b.c", "email_verified": "true"},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "Ann Example", GivenName: "Ann", FamilyName: "Example", Locale: "en",
			Picture: "https://p"},
		emails: verified("a@b.c"),
	},
	{
		name: "vercel_marketplace", service: vercel,
		claims: oidctest.Claims{"sub": "7", "global_user_id": "g", "user_name": "Ann", "user_avatar_url": "https://p", "user_email": "a@b.c"},
		want: postern.ProfileClaims{Subject: "global_user_id:g", ProviderID: "global_user_id:g",
			Name: "Ann", Picture: "https://p"},
		emails: verified("a@b.c"),
	},
	{
		name: "vercel_marketplace, without a global id", service: vercel, fromApp: true, claims: oidctest.Claims{"sub": "7"},
		want: postern.ProfileClaims{Subject: "7", ProviderID: "7"},
	},
	{
		name: "facebook", service: facebook, fromApp: true,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "picture": "https://p", "email": "a@b.c", "given_name": "Ann"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "Ann", Picture: "https://p"},
		emails: verified("a@b.c"),
	},
	{
		name: "kakao", service: kakao, fromApp: true,
		claims: oidctest.Claims{"sub": "7", "nickname": "ann", "picture": "https://p", "email": "a@b.c"},
		want:   postern.ProfileClaims{Subject: "7", ProviderID: "7", Name: "ann", PreferredUsername: "ann", Picture: "https://p"},
		emails: verified("a@b.c"),
	},
	{
		name: "snapchat", service: snapchat, fromApp: true,
		claims: oidctest.Claims{"sub": "7", "name": "Ann", "nickname": "ann", "email": "a@b.c"},
		want:   postern.ProfileClaims{Subject: "7", Name: "Ann", Nickname: "ann"},
		emails: verified("a@b.c"),
	},
}

func verified(email string) []postern.ProfileEmail {
	return []postern.ProfileEmail{{Email: email, Verified: true, Primary: true}}
}

func unverified(email string) []postern.ProfileEmail {
	return []postern.ProfileEmail{{Email: email, Primary: true}}
}

// Contract: config.md §5.3.
func TestProfilesOfOpenIDServices(t *testing.T) {
	t.Parallel()
	for _, test := range profileTests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.read(t)
			if test.want.Issuer == "" {
				test.want.Issuer = test.service.issuer
			}
			got.Claims.Audience, got.Claims.IssuedAt, got.Claims.ExpiresAt = nil, 0, 0
			if !reflect.DeepEqual(got.Claims, test.want) {
				t.Errorf("got claims\n%+v, want\n%+v", got.Claims, test.want)
			}
			if !reflect.DeepEqual(got.Emails, test.emails) {
				t.Errorf("got addresses %+v, want %+v", got.Emails, test.emails)
			}
		})
	}
}

func (test profileTest) read(t *testing.T) *postern.Profile {
	t.Helper()
	issuer, p := test.service.start(t)
	issuer.SignIn(test.claims)
	if test.bare {
		issuer.Fail(oidctest.NoIDToken)
	}
	if test.fromApp {
		token, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")})
		if err != nil {
			t.Fatal(err)
		}
		return &token.Profile
	}
	profile, _, err := flow(t.Context(), issuer, p, postern.ProviderStart{}, test.params)
	if err != nil {
		t.Fatal(err)
	}
	return profile
}

func TestEveryFaultIsRefusedByEveryService(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]service{
		"google": google, "apple": apple, "azure, any tenant": azureAll, "azure, one tenant": azureOne, "keycloak": keycloak,
		"vercel_marketplace": vercel, "facebook": facebook, "kakao": kakao, "snapchat": snapchat,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, p := s.start(t)
			for _, fault := range oidctest.TokenFaults() {
				issuer.Fail(fault)
				token, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("n", "access"), AccessToken: "access"})
				if err == nil && acceptable(p, token, "n") {
					t.Errorf("%s: got %+v, want an error", fault, token)
				}
			}
		})
	}
}

func TestEveryFaultIsRefusedInTheFlowOfEveryService(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]service{
		"google": google, "apple": apple, "azure, any tenant": azureAll, "azure, one tenant": azureOne,
		"linkedin_oidc": linkedIn, "vercel_marketplace": vercel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, p := s.start(t)
			for _, fault := range append(oidctest.TokenFaults(), oidctest.NoIDToken) {
				if fault == oidctest.NoIDToken && name == "google" {
					continue // which has another way
				}
				issuer.Fail(fault)
				profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{Params: url.Values{"nonce": {"n"}}})
				if err == nil {
					t.Errorf("%s: got %+v, want an error", fault, profile)
				}
			}
		})
	}
}

func TestLinkedInMustSayTrueOrFalse(t *testing.T) {
	t.Parallel()
	issuer, p := linkedIn.start(t)
	issuer.SignIn(oidctest.Claims{"sub": "7", "email": "a@b.c", "email_verified": "perhaps"})
	if profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{}); err == nil {
		t.Errorf("got %+v, want an error", profile)
	}
}

func TestApplePage(t *testing.T) {
	t.Parallel()
	_, p := apple.start(t)
	to, err := p.Authorize(t.Context(), postern.ProviderStart{
		State: "a+b c", CallbackURL: callback, Scopes: "openid", Params: url.Values{"prompt": {"x"}, "nonce": {"n"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(to.URL, "+") || !strings.Contains(to.URL, "email%20name") {
		t.Errorf("got %s, want spaces as %%20", to.URL)
	}
	want := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_mode": {"form_post"}, "response_type": {"code"},
		"scope": {"email name"}, "state": {"a+b c"},
	}
	if got := sent.Query(); !reflect.DeepEqual(got, want) {
		t.Errorf("got parameters %v, want %v", got, want)
	}
	if !p.EmailOptional {
		t.Error("EmailOptional is false, want true")
	}
}

// Contract: endpoints.md, grant_type=id_token.
func TestForeignIssuersOfFamilies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		service service
		claims  oidctest.Claims
		token   string // in place of one with claims
		issuer  string // of the request
		want    string
	}{
		{name: "apple, no token", service: apple, token: "x", want: "Unable to detect issuer in ID token for Apple provider"},
		{name: "apple, no JSON", service: apple, token: "a.b.c", want: "Unable to detect issuer in ID token for Apple provider"},
		{name: "apple, no issuer", service: apple, claims: oidctest.Claims{"iss": nil}, want: "Unable to detect issuer in ID token for Apple provider"},
		{name: "apple, another", service: apple, claims: oidctest.Claims{"iss": "https://x"}, want: "Detected ID token issuer is not an Apple ID token issuer"},
		{name: "apple, another is asked", service: apple, issuer: "https://account.apple.com", want: "Provided issuer does not match ID token issuer"},
		{name: "azure, no token", service: azureAll, token: "x", want: "Unable to detect issuer in ID token for Azure provider"},
		{name: "azure, another", service: azureAll, claims: oidctest.Claims{"iss": "https://x"}, want: "Detected ID token issuer is not an Azure ID token issuer"},
		{name: "azure, another is asked", service: azureAll, issuer: entra + another + "/v2.0", want: "Provided issuer does not match ID token issuer"},
		{name: "azure, another tenant", service: azureOne, claims: oidctest.Claims{"iss": entra + another + "/v2.0"}, want: "Detected ID token issuer is not an Azure ID token issuer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer, p := test.service.start(t)
			issuer.SignIn(test.claims)
			token := test.token
			if token == "" {
				token = issuer.IDToken("", "")
			}
			_, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: token, Issuer: test.issuer})
			var got *postern.Error
			if !errors.As(err, &got) || got.Message != test.want || got.Kind != postern.KindInvalid || !errors.Is(err, postern.ErrValidationFailed) {
				t.Errorf("got %v, want validation_failed %q", err, test.want)
			}
		})
	}
}

func TestAzureIssuers(t *testing.T) {
	t.Parallel()
	of := func(url string) postern.Provider {
		return provider.Azure(provider.Config{ClientID: "app", Secret: "s", URL: url})
	}
	for _, test := range []struct {
		url, issuer string
		want        bool
	}{
		{"", entra + tenant + "/v2.0", true},
		{entra + "organizations", entra + tenant + "/v2.0", true},
		{"", "https://" + tenant + ".ciamlogin.com/" + tenant + "/v2.0", true},
		{"", entra + tenant + "/v1.0", false},
		{"", entra + tenant, false},
		{"", entra + tenant + "/x/v2.0", false},
		{"", entra + "/v2.0", false},
		{"", entra + tenant + "/v2.0?x", false},
		{"", entra + "../v2.0#/v2.0", false},
		{"", "http://login.microsoftonline.com/" + tenant + "/v2.0", false},
		{"", "https://login.microsoftonline.com.evil.example/" + tenant + "/v2.0", false},
		{"", "https://login.microsoftonline.com@evil.example/" + tenant + "/v2.0", false},
		{"", "https://evil.example/.ciamlogin.com/v2.0", false},
		{"", "https://a.b.ciamlogin.com/" + tenant + "/v2.0", false},
		{"", "https://.ciamlogin.com/" + tenant + "/v2.0", false},
		{entra + tenant, entra + tenant + "/v2.0", true},
		{entra + tenant + "/", entra + tenant + "/v2.0", true},
		{entra + tenant, entra + another + "/v2.0", false},
		{entra + "acme.onmicrosoft.com", entra + another + "/v2.0", true}, // the document of the tenant decides
		{"https://login.example.com/" + tenant, "https://login.example.com/" + tenant + "/v2.0", true},
		{"https://login.example.com/" + tenant, "https://login.example.com/" + another + "/v2.0", false},
	} {
		if got := of(test.url).IsIssuer(test.issuer); got != test.want {
			t.Errorf("IsIssuer(%q) with URL %q = %t, want %t", test.issuer, test.url, got, test.want)
		}
	}
}

// An issuer is asked for its keys only if it is Microsoft's, whatever a token says.
func TestAzureAsksNobodyElse(t *testing.T) {
	t.Parallel()
	foreign := azureAll
	foreign.issuer = "https://evil.example/" + tenant + "/v2.0"
	issuer, p := foreign.start(t)
	if profile, err := throughBrowser(t.Context(), issuer, p, postern.ProviderStart{}); err == nil {
		t.Errorf("got %+v, want an error", profile)
	}
	if got := issuer.Requests(oidctest.Discovery); got != 0 {
		t.Errorf("the issuer was asked %d times, want never", got)
	}
}

// A tenant that is configured by its name is the one that its document says.
func TestAzureTenantByName(t *testing.T) {
	t.Parallel()
	named := azureOne
	named.url = entra + "acme.onmicrosoft.com"
	issuer, p := named.start(t)
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")}); err != nil {
		t.Errorf("the tenant's token: %v", err)
	}
	issuer.SignIn(oidctest.Claims{"sub": "7", "iss": entra + another + "/v2.0"})
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: issuer.IDToken("", "")}); err == nil {
		t.Error("the token of another tenant was accepted")
	}
}

func TestKeycloakNeedsItsURL(t *testing.T) {
	t.Parallel()
	p := provider.Keycloak(provider.Config{ClientID: "app", Secret: "s"})
	if p.Unusable == nil || p.Unusable.Error() != "unable to find URL for the Keycloak provider" || p.VerifyIDToken != nil {
		t.Errorf("got %v, want that there is no URL", p.Unusable)
	}
}

func TestFacebookIgnoresNonces(t *testing.T) {
	t.Parallel()
	if _, p := facebook.start(t); !p.SkipNonce {
		t.Error("SkipNonce is false, want true")
	}
}

func TestOpenIDServicesAreFoundByName(t *testing.T) {
	t.Parallel()
	for name, takesTokens := range map[string]bool{
		"apple": true, "azure": true, "google": true, "keycloak": true, "linkedin_oidc": false, "vercel_marketplace": true,
	} {
		p, ok := provider.New(name, provider.Config{URL: "https://id.example.com/x"})
		if !ok || p.Name != name || p.Unusable == nil || p.Authorize == nil || (p.VerifyIDToken != nil) != takesTokens {
			t.Errorf("New(%q) = %+v, %t", name, p, ok)
		}
	}
}
