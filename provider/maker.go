package provider

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
)

// MakerConfig is what all custom providers have in common.
type MakerConfig struct {
	// Hosts, as "host:port", may be called wherever they are. By default only public
	// addresses may.
	Hosts []string
	// Networks may be called although they are not public.
	Networks []netip.Prefix

	// HTTPClient calls the providers. Defaults to one that keeps to Hosts and
	// Networks when it connects, whatever a name leads to by then. Another one has to
	// see to that itself.
	HTTPClient *http.Client
	// Resolve finds the addresses of a host. Defaults to net.DefaultResolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// DiscoveryTTL is how long an issuer's keys are believed. Defaults to an hour.
	DiscoveryTTL time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Maker makes providers of what operators describe to the running service. It is a
// postern.ProviderMaker.
type Maker struct {
	policy  outbound.Policy
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	config  Config
}

// NewMaker returns a Maker. It opens nothing.
func NewMaker(c MakerConfig) *Maker {
	m := &Maker{policy: outbound.Policy{Hosts: c.Hosts, Networks: c.Networks}, resolve: c.Resolve}
	if m.resolve == nil {
		m.resolve = lookUp
	}
	if c.HTTPClient == nil {
		c.HTTPClient = outbound.NewClient(m.policy)
	}
	m.config = Config{HTTPClient: c.HTTPClient, DiscoveryTTL: c.DiscoveryTTL, Now: c.Now}.withDefaults()
	return m
}

// Discover asks an issuer what it says of itself, at its well-known place when
// discoveryURL is "". A document of another issuer is an error; which members it
// has is not looked at.
func (m *Maker) Discover(ctx context.Context, issuer, discoveryURL string) (*postern.Discovery, error) {
	if discoveryURL == "" {
		discoveryURL = wellKnown(issuer)
	}
	return discover(ctx, m.config.HTTPClient, discoveryURL, func(iss string) bool { return iss == issuer })
}

// Provider makes the provider of a record. It opens nothing and asks nobody. What
// the issuer of an OpenID provider says of itself is taken from the record, and
// fetched only if it is not there. The keys are known for as long as the Provider is.
//
// An attribute mapping copies the member of the answer that its text names, whatever
// its name, and writes what is no text as it is. An address that it puts in the
// place of another one is not verified, since email_verified is about the other.
func (m *Maker) Provider(p postern.CustomProvider, secret postern.Secret) postern.Provider {
	c := m.config
	c.ClientID, c.Secret, c.OtherClientIDs = p.ClientID, secret, p.AcceptableClientIDs
	c.SkipNonceCheck, c.EmailOptional = p.SkipNonceCheck, p.EmailOptional
	s := service{
		name: p.Identifier, scopes: p.Scopes, choose: strings.Fields, pkce: p.PKCEEnabled,
		params: func(asked url.Values) url.Values { return withParams(asked, p.AuthorizationParams) },
	}
	read := func(claims standardClaims) (*postern.Profile, error) { return customProfile(claims, &p), nil }
	if p.ProviderType == "oidc" {
		s.scopes, s.choose = withOpenID(p.Scopes), func(asked string) []string { return withOpenID(strings.Fields(asked)) }
		return m.issuer(p, c).openID(s, read)
	}
	s.authorize, s.token = p.AuthorizationURL, p.TokenURL
	s.profile = func(ctx context.Context, s *session) (*postern.Profile, error) {
		return oauth2Profile(ctx, s, p.UserInfoURL, read)
	}
	return s.provider(c)
}

func (m *Maker) issuer(p postern.CustomProvider, c Config) *issuer {
	switch {
	case p.Discovery != nil:
		d := *p.Discovery
		d.Issuer = p.Issuer // the document was checked when it was fetched
		return describedIssuer(&d, c)
	case p.DiscoveryURL != "":
		return newIssuerAt(p.Issuer, p.DiscoveryURL, c, func(iss string) bool { return iss == p.Issuer })
	}
	return newIssuer(p.Issuer, c)
}

// withOpenID are the scopes with the one that makes a request one of OpenID Connect.
func withOpenID(scopes []string) []string {
	if slices.Contains(scopes, "openid") {
		return scopes
	}
	return append([]string{"openid"}, scopes...)
}

// withParams are the parameters of a request with those of the operator, which
// count where both have one.
func withParams(asked url.Values, fixed map[string]string) url.Values {
	out := url.Values{}
	for name := range asked {
		out.Set(name, asked.Get(name))
	}
	for name, value := range fixed {
		out.Set(name, value)
	}
	return out
}

// customProfile reads claims as a record says that they are to be read.
func customProfile(c standardClaims, p *postern.CustomProvider) *postern.Profile {
	mapped := c.mapped(p.AttributeMapping)
	profile := mapped.profile()
	if email := c.text("email"); email != "" && email != mapped.text("email") {
		for i := range profile.Emails {
			profile.Emails[i].Verified = false
		}
	}
	for name, value := range c.values(p.CustomClaims...) {
		if profile.Claims.CustomClaims == nil {
			profile.Claims.CustomClaims = map[string]any{}
		}
		profile.Claims.CustomClaims[name] = value
	}
	return profile
}

// mapped are the claims with some copied or written anew. Issuer and verification
// are no matter of mapping, and a source that is missing changes nothing.
func (c standardClaims) mapped(mapping map[string]any) standardClaims {
	out := standardClaims{}
	for name, raw := range c {
		out[name] = raw
	}
	for target, source := range mapping {
		if slices.Contains([]string{"iss", "email_verified", "phone_verified"}, target) {
			continue
		}
		name, copied := source.(string)
		switch {
		case !copied:
			out.set(target, source)
		case c.has(name):
			out[target] = c[name]
		}
	}
	return out
}
