package provider_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/provider"
)

// config is that of the issuer's client, which reaches the issuer under any name.
func config(i *oidctest.Issuer) provider.Config {
	return provider.Config{ClientID: i.ClientID, Secret: postern.Secret(i.ClientSecret), HTTPClient: i.Client()}
}

const callback = "https://app.example.com/auth/v1/callback"

// throughBrowser signs in by the code flow.
func throughBrowser(ctx context.Context, i *oidctest.Issuer, p postern.Provider, start postern.ProviderStart) (*postern.Profile, error) {
	profile, _, err := flow(ctx, i, p, start, nil)
	return profile, err
}

// flow signs in by the code flow, with parameters that the browser adds on its way
// back, and returns what was sent to the provider's page, too.
func flow(ctx context.Context, i *oidctest.Issuer, p postern.Provider, start postern.ProviderStart, added url.Values) (*postern.Profile, url.Values, error) {
	start.State, start.CallbackURL = "the state", callback
	to, err := p.Authorize(ctx, start)
	if err != nil {
		return nil, nil, err
	}
	sent, err := url.Parse(to.URL)
	if err != nil {
		return nil, nil, err
	}
	back, err := i.Visit(to.URL)
	if err != nil {
		return nil, nil, err
	}
	for name, values := range added {
		back[name] = values
	}
	tokens, err := p.Exchange(ctx, postern.ProviderReturn{Code: back.Get("code"), Kept: to.Keep, CallbackURL: callback, Params: back})
	if err != nil {
		return nil, nil, err
	}
	profile, err := p.Profile(ctx, tokens)
	return profile, sent.Query(), err
}

// mustLetIn is throughBrowser for sign-ins that have to succeed.
func mustLetIn(t *testing.T, i *oidctest.Issuer, p postern.Provider) *postern.Profile {
	t.Helper()
	profile, err := throughBrowser(t.Context(), i, p, postern.ProviderStart{})
	if err != nil {
		t.Fatalf("signing in: %v", err)
	}
	return profile
}
