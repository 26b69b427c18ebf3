package postern

import (
	"context"
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
