package authtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"sync"

	"github.com/postern-auth/postern"
)

// Provider is a service in memory that people sign in with, for tests of an
// application's OAuth flows:
//
//	github := authtest.NewProvider("github")
//	auth := authtest.New(t, func(c *postern.Config) { c.Providers = []postern.Provider{github.Provider()} })
//	location, _ := auth.AuthorizeURL(ctx, postern.AuthorizeParams{Provider: "github"})
//	res, err := auth.Callback(ctx, postern.CallbackParams{Params: github.Approve(location, authtest.Person("ada@example.com"))})
type Provider struct {
	name string

	mu       sync.Mutex
	approved map[string]postern.Profile // by code
}

// NewProvider returns a provider of a name.
func NewProvider(name string) *Provider {
	return &Provider{name: name, approved: map[string]postern.Profile{}}
}

// Person is the profile of somebody with a verified address. The subject is the
// address.
func Person(email string) postern.Profile {
	return postern.Profile{
		Emails: []postern.ProfileEmail{{Email: email, Verified: true, Primary: true}},
		Claims: postern.ProfileClaims{Issuer: issuer, Subject: email, ProviderID: email, Name: "A Person", FullName: "A Person"},
	}
}

// issuer is what the provider calls itself. Nothing is there.
const issuer = "https://provider.example"

// Provider is what postern.Config.Providers takes.
func (p *Provider) Provider() postern.Provider {
	return postern.Provider{
		Name: p.name, Authorize: p.authorize, Exchange: p.exchange, Profile: p.profile,
		IsIssuer: func(iss string) bool { return iss == issuer },
	}
}

// Approve is somebody who signs in there and says yes. It returns what the browser
// brings back, good for one Callback. It panics when location is no page of the
// provider.
func (p *Provider) Approve(location string, who postern.Profile) url.Values {
	u, err := url.Parse(location)
	if err != nil || u.Host != "provider.example" {
		panic("authtest: " + location + " is no page of the provider")
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.approved[code] = who
	return url.Values{"state": {u.Query().Get("state")}, "code": {code}}
}

func (p *Provider) authorize(_ context.Context, r postern.ProviderStart) (*postern.ProviderRedirect, error) {
	params := url.Values{}
	for name := range r.Params {
		params.Set(name, r.Params.Get(name))
	}
	params.Set("state", r.State)
	params.Set("redirect_uri", r.CallbackURL)
	return &postern.ProviderRedirect{URL: issuer + "/authorize?" + params.Encode(), Keep: "kept by " + postern.Secret(p.name)}, nil
}

func (p *Provider) exchange(_ context.Context, r postern.ProviderReturn) (*postern.ProviderTokens, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.approved[r.Code]
	if !ok || r.Kept != "kept by "+postern.Secret(p.name) {
		return nil, errors.New("authtest: nobody was given the code")
	}
	delete(p.approved, r.Code)
	return &postern.ProviderTokens{AccessToken: "access-" + postern.Secret(r.Code), RefreshToken: "refresh-" + postern.Secret(r.Code), Context: who}, nil
}

func (p *Provider) profile(_ context.Context, t *postern.ProviderTokens) (*postern.Profile, error) {
	who, ok := t.Context.(postern.Profile)
	if !ok {
		return nil, errors.New("authtest: these are no tokens of the provider")
	}
	return &who, nil
}
