package provider_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/provider"
)

// An issuer of the company's own becomes a provider called "acme". An Auth does
// what the rest of the example does by hand.
func ExampleOpenID() {
	issuer := oidctest.Start() // yours is https://login.acme.example
	defer issuer.Close()
	ctx := context.Background()

	acme := provider.OpenID("acme", issuer.URL, provider.Config{
		ClientID: issuer.ClientID,
		Secret:   postern.Secret(issuer.ClientSecret),
	})
	_ = postern.Config{Providers: []postern.Provider{acme}} // for postern.New

	const callback = "https://app.example.com/auth/v1/callback"
	to, err := acme.Authorize(ctx, postern.ProviderStart{State: "a secret", CallbackURL: callback})
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := issuer.Visit(to.URL) // what the browser does
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := acme.Exchange(ctx, postern.ProviderReturn{Code: back.Get("code"), Kept: to.Keep, CallbackURL: callback, Params: back})
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, err := acme.Profile(ctx, tokens)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.Claims.Subject, profile.Claims.Name)
	fmt.Println(profile.Emails[0].Email, profile.Emails[0].Verified)
	// Output:
	// 7 Ann Example
	// ann@example.com true
}

// An app for phones has an ID token of the issuer's own library. Nobody is ever
// sent to the issuer's page.
func ExampleIDTokens() {
	issuer := oidctest.Start() // yours is https://login.acme.example
	defer issuer.Close()

	acme := provider.IDTokens(issuer.URL, provider.Config{OtherClientIDs: []string{"the ios app", issuer.ClientID}})
	_ = postern.Config{Providers: []postern.Provider{acme}} // for postern.New

	token, err := acme.VerifyIDToken(context.Background(), postern.IDTokenRequest{Token: issuer.IDToken("", "")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Audience, token.Profile.Claims.Subject)
	// Output: [app] 7
}

// A service that speaks OAuth 2.0 alone, and tells whose its tokens are at a URL.
func ExampleOAuth2() {
	forum := provider.OAuth2("forum", provider.OAuth2Endpoints{
		Authorize: "https://forum.example.com/oauth/authorize",
		Token:     "https://forum.example.com/oauth/token",
		UserInfo:  "https://forum.example.com/api/me",
	}, provider.Config{ClientID: "app", Secret: "from the environment"}, "profile", "email")

	to, err := forum.Authorize(context.Background(), postern.ProviderStart{State: "a secret", CallbackURL: "https://app.example.com/callback"})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, _, _ := strings.Cut(to.URL, "?")
	fmt.Println(page)
	// Output: https://forum.example.com/oauth/authorize
}

// With a Maker, operators describe providers to the running service.
func ExampleNewMaker() {
	maker := provider.NewMaker(provider.MakerConfig{Hosts: []string{"id.internal.example:443"}})
	var _ postern.ProviderMaker = maker

	ctx := context.Background()
	fmt.Println(maker.CheckURL(ctx, "http://10.0.0.1/authorize"))
	fmt.Println(maker.CheckURL(ctx, "https://127.0.0.1/authorize"))
	fmt.Println(maker.CheckURL(ctx, "https://id.internal.example/authorize"))
	// Output:
	// URL must use HTTPS
	// URL cannot point to localhost or loopback addresses
	// <nil>
}
