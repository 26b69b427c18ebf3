package postern

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// CustomProvider is a provider that an operator has described to the running
// service (contract: endpoints.md, Custom OAuth/OIDC providers).
type CustomProvider struct {
	ID           uuid.UUID `json:"id"`
	ProviderType string    `json:"provider_type"` // "oauth2" or "oidc"
	Identifier   string    `json:"identifier"`    // "custom:…", the name of its identities
	Name         string    `json:"name"`          // for people
	ClientID     string    `json:"client_id"`

	AcceptableClientIDs []string          `json:"acceptable_client_ids"` // further audiences of ID tokens
	Scopes              []string          `json:"scopes"`
	PKCEEnabled         bool              `json:"pkce_enabled"`
	AttributeMapping    map[string]any    `json:"attribute_mapping"` // claim to be set: name of another, or a value
	CustomClaims        []string          `json:"custom_claims_allowlist"`
	AuthorizationParams map[string]string `json:"authorization_params"`
	Enabled             bool              `json:"enabled"`
	EmailOptional       bool              `json:"email_optional"`

	// Of OpenID issuers.
	Issuer         string     `json:"issuer,omitempty"`
	DiscoveryURL   string     `json:"discovery_url,omitempty"` // defaults to the issuer's well-known one
	SkipNonceCheck bool       `json:"skip_nonce_check"`
	Discovery      *Discovery `json:"discovery_document,omitempty"`

	// Of others.
	AuthorizationURL string `json:"authorization_url,omitempty"`
	TokenURL         string `json:"token_url,omitempty"`
	UserInfoURL      string `json:"userinfo_url,omitempty"`
	JWKSURI          string `json:"jwks_uri,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Discovery is what an OpenID issuer says of itself (OpenID Connect Discovery §3).
type Discovery struct {
	Issuer                 string   `json:"issuer"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	TokenEndpoint          string   `json:"token_endpoint"`
	UserInfoEndpoint       string   `json:"userinfo_endpoint,omitempty"`
	JWKSURI                string   `json:"jwks_uri"`
	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	ResponseTypesSupported []string `json:"response_types_supported,omitempty"`
	GrantTypesSupported    []string `json:"grant_types_supported,omitempty"`
	SubjectTypesSupported  []string `json:"subject_types_supported,omitempty"`
}

// ProviderMaker makes providers of what operators describe. It is safe for
// concurrent use. Package provider has the one that talks to the network.
type ProviderMaker interface {
	// CheckURL says why an endpoint may not be one: it is no https URL, or leads
	// into a private network. Its text is GoTrue's: "URL must use HTTPS".
	CheckURL(ctx context.Context, rawURL string) error
	// Discover asks an issuer what it says of itself, at its well-known place when
	// discoveryURL is "". Which members an answer needs is the caller's to know.
	Discover(ctx context.Context, issuer, discoveryURL string) (*Discovery, error)
	// Provider makes the provider. It opens nothing and asks nobody.
	Provider(p CustomProvider, secret Secret) Provider
}

// customPrefix begins the names of custom providers.
const customPrefix = "custom:"

// customUnusable says why a custom provider cannot be used.
type customUnusable string

// Error returns the reason.
func (u customUnusable) Error() string { return string(u) }

// customProvider returns a custom provider that can be used, or an error that is a
// customUnusable.
func (a *Auth) customProvider(ctx context.Context, name string) (*Provider, error) {
	if a.cfg.CustomProviders.Maker == nil {
		return nil, customUnusable("custom OAuth providers are disabled")
	}
	p, err := a.store.FindCustomProvider(ctx, name)
	switch {
	case errors.Is(err, ErrNoRow), errors.Is(err, ErrUnstorable):
		return nil, customUnusable("custom provider " + name + " not found")
	case err != nil:
		return nil, internal("Error finding custom provider", err)
	case !p.Enabled:
		return nil, customUnusable("custom provider " + name + " is disabled")
	}
	return a.madeProvider(ctx, p)
}

// customIDTokenProvider is customProvider for an ID token, with GoTrue's words.
func (a *Auth) customIDTokenProvider(ctx context.Context, name string) (*Provider, error) {
	if a.cfg.CustomProviders.Maker == nil {
		return nil, invalid("Custom OAuth providers are disabled")
	}
	p, err := a.store.FindCustomProvider(ctx, name)
	switch {
	case errors.Is(err, ErrNoRow), errors.Is(err, ErrUnstorable):
		return nil, invalid("Custom provider %q not found", name)
	case err != nil:
		return nil, internal("Error finding custom provider", err)
	case !p.Enabled:
		return nil, fail(KindInvalid, ErrProviderDisabled, "Custom provider %q is disabled", name)
	case p.ProviderType != typeOIDC:
		return nil, invalid("Provider %q is not an OIDC provider", name)
	case p.Issuer == "":
		return nil, invalid("OIDC provider %q missing issuer", name)
	}
	made, err := a.madeProvider(ctx, p)
	var why customUnusable
	if errors.As(err, &why) {
		return nil, invalid("%s", why)
	}
	return made, err
}

// customCache keeps the providers that were made: they know their issuers' keys.
type customCache struct {
	mu   sync.Mutex
	made map[string]madeProvider // by identifier
}

type madeProvider struct {
	provider *Provider
	of       CustomProviderRecord
	asked    time.Time // when its issuer was asked in vain
}

// madeProvider makes what a record describes, unless it was made before.
func (a *Auth) madeProvider(ctx context.Context, p *CustomProviderRecord) (*Provider, error) {
	a.custom.mu.Lock()
	known := a.custom.made[p.Identifier]
	a.custom.mu.Unlock()
	p, asked, err := a.refreshDiscovery(ctx, p, known.asked)
	if err != nil {
		return nil, err
	}
	if known.provider == nil || !known.of.UpdatedAt.Equal(p.UpdatedAt) || !sameTime(known.of.DiscoveryCachedAt, p.DiscoveryCachedAt) {
		secret, err := a.cfg.Encryption.open(p.ID, p.ClientSecret)
		if err != nil {
			return nil, internal("Error decrypting custom OAuth provider client secret", err)
		}
		made := a.cfg.CustomProviders.Maker.Provider(p.CustomProvider, secret)
		known.provider, known.of = &made, *p
	}
	known.asked = asked
	a.custom.mu.Lock()
	a.custom.made[p.Identifier] = known
	a.custom.mu.Unlock()
	return known.provider, nil
}

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

// refreshDiscovery asks an issuer again what it says of itself, when that is long
// ago. While it does not answer, what it said then is good enough, and it is not
// asked by every request.
func (a *Auth) refreshDiscovery(ctx context.Context, p *CustomProviderRecord, asked time.Time) (*CustomProviderRecord, time.Time, error) {
	now, ttl := a.now(), a.cfg.CustomProviders.DiscoveryTTL
	fresh := p.Discovery != nil && p.DiscoveryCachedAt != nil && now.Before(p.DiscoveryCachedAt.Add(ttl))
	if p.ProviderType != typeOIDC || fresh || p.Discovery != nil && now.Before(asked.Add(time.Minute)) {
		return p, asked, nil
	}
	found, err := a.discover(ctx, &p.CustomProvider)
	switch {
	case err != nil && p.Discovery == nil:
		return nil, now, customUnusable("custom provider " + p.Identifier + " cannot be reached")
	case err != nil:
		a.cfg.Logger.WarnContext(ctx, "a custom provider's issuer does not say what it is", "provider", p.Identifier, "error", err)
		return p, now, nil
	}
	p, err = a.store.UpdateCustomProvider(ctx, p.Identifier, func(r *CustomProviderRecord) error {
		r.Discovery, r.DiscoveryCachedAt = found, &now
		return nil
	})
	return p, time.Time{}, internal("Error updating custom OAuth provider", err)
}

// discover asks an issuer and checks what it says.
func (a *Auth) discover(ctx context.Context, p *CustomProvider) (*Discovery, error) {
	maker := a.cfg.CustomProviders.Maker
	at := either(p.DiscoveryURL, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration")
	failed := func(err error) error { return invalid("OIDC discovery from %q failed: %v", at, err) }
	found, err := maker.Discover(ctx, p.Issuer, p.DiscoveryURL)
	if err != nil {
		return nil, failed(err)
	}
	endpoints := []struct{ name, url string }{
		{"authorization_endpoint", found.AuthorizationEndpoint}, {"token_endpoint", found.TokenEndpoint}, {"jwks_uri", found.JWKSURI},
	}
	var missing []string
	for _, e := range endpoints {
		if e.url == "" {
			missing = append(missing, e.name)
		}
	}
	if len(missing) > 0 {
		return nil, invalid("OIDC discovery document is missing required fields: %s", strings.Join(missing, ", "))
	}
	if found.UserInfoEndpoint != "" {
		endpoints = append(endpoints, struct{ name, url string }{"userinfo_endpoint", found.UserInfoEndpoint})
	}
	for _, e := range endpoints {
		if err := maker.CheckURL(ctx, e.url); err != nil {
			return nil, failed(fmt.Errorf("%s: %w", e.name, err))
		}
	}
	return found, nil
}
