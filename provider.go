package postern

import (
	"context"
	"net/url"
)

// Provider is a service that signs people in on pages of its own: by OAuth 2.0
// (RFC 6749), OpenID Connect, or OAuth 1.0a (RFC 5849). Package provider has the
// ready-made ones and makes those of any OpenID issuer. Its functions talk to the
// network; they are called outside of transactions, by several requests at once,
// and must heed the context.
type Provider struct {
	// Name is what requests and identities call the provider, in lower case.
	Name string

	// Unusable says why the provider cannot be used although it is switched on:
	// "missing OAuth client ID". Whoever asks for it is told.
	Unusable error

	// EmailOptional lets in people of whom the provider tells no address.
	EmailOptional bool

	// Authorize says where to send the browser. nil: people cannot be sent there,
	// only ID tokens are taken.
	Authorize func(ctx context.Context, r ProviderStart) (*ProviderRedirect, error)

	// Exchange turns what the browser came back with into the provider's tokens.
	Exchange func(ctx context.Context, r ProviderReturn) (*ProviderTokens, error)

	// Profile asks whom the tokens are about.
	Profile func(ctx context.Context, t *ProviderTokens) (*Profile, error)

	// VerifyIDToken checks the signature, the times, the issuer and, when there is
	// an access token, the at_hash of an ID token that an app got by itself. Its
	// error is answered as it is when it is an *Error. nil: ID tokens are not taken.
	VerifyIDToken func(ctx context.Context, r IDTokenRequest) (*IDToken, error)

	// ClientIDs are the audiences of acceptable ID tokens.
	ClientIDs []string

	// AnyAudience takes the ID tokens of whatever client the request names, which
	// is for an issuer that serves nobody else.
	AnyAudience bool

	// SkipNonce takes ID tokens without a look at their nonce.
	SkipNonce bool

	// IsIssuer reports whether ID tokens and answers (RFC 9207) of an issuer are
	// the provider's. nil: the provider is no OpenID issuer.
	IsIssuer func(issuer string) bool
}

// ProviderStart is what a sign-in elsewhere begins with.
type ProviderStart struct {
	// State is to come back with the browser.
	State string
	// CallbackURL is where the browser is to come back to, unless the provider is
	// configured with another place. It is the API's /callback.
	CallbackURL string
	// Scopes are those that the request asks for, as it writes them.
	Scopes string
	// Params are further parameters for the provider's page. Those that the
	// protocol needs are not among them.
	Params url.Values
}

// ProviderRedirect is where a browser is sent.
type ProviderRedirect struct {
	URL string
	// Keep is what Exchange needs to know of the start and the browser must not:
	// a PKCE verifier (RFC 7636), the secret of a request token.
	Keep Secret
}

// ProviderReturn is what a browser comes back with.
type ProviderReturn struct {
	Code        string // RFC 6749 §4.1.2
	Kept        Secret // ProviderRedirect.Keep
	CallbackURL string // as in ProviderStart
	Params      url.Values
}

// ProviderTokens are what a provider issued.
type ProviderTokens struct {
	AccessToken  Secret
	RefreshToken Secret

	// Context is what else Profile of the same Provider needs.
	Context any
}

// Profile is what a provider says of somebody.
type Profile struct {
	// Emails are the addresses. Only they decide on accounts.
	Emails []ProfileEmail
	// Claims become the identity's data and are merged into user_metadata. Subject
	// is needed. Email and EmailVerified are set from Emails.
	Claims ProfileClaims
}

// ProfileEmail is an address.
type ProfileEmail struct {
	Email string
	// Verified says that the provider vouches for it. It must be false for an
	// address that somebody only typed in there.
	Verified bool
	Primary  bool
}

// ProfileClaims are the claims that are kept (contract: config.md §5.1), those of
// OpenID Connect Core §5.1 and a few of GoTrue's own.
type ProfileClaims struct {
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"` // Unix seconds
	ExpiresAt int64    `json:"exp,omitempty"` // Unix seconds

	Name              string `json:"name,omitempty"`
	FamilyName        string `json:"family_name,omitempty"`
	GivenName         string `json:"given_name,omitempty"`
	MiddleName        string `json:"middle_name,omitempty"`
	Nickname          string `json:"nickname,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty"`
	Profile           string `json:"profile,omitempty"`
	Picture           string `json:"picture,omitempty"`
	Website           string `json:"website,omitempty"`
	Gender            string `json:"gender,omitempty"`
	Birthdate         string `json:"birthdate,omitempty"`
	ZoneInfo          string `json:"zoneinfo,omitempty"`
	Locale            string `json:"locale,omitempty"`
	UpdatedAt         string `json:"updated_at,omitempty"`
	Email             string `json:"email,omitempty"`
	EmailVerified     bool   `json:"email_verified"`
	Phone             string `json:"phone,omitempty"`
	PhoneVerified     bool   `json:"phone_verified"`

	// CustomClaims are a provider's own.
	CustomClaims map[string]any `json:"custom_claims,omitempty"`

	FullName   string `json:"full_name,omitempty"`
	AvatarURL  string `json:"avatar_url,omitempty"`
	Slug       string `json:"slug,omitempty"`
	ProviderID string `json:"provider_id,omitempty"`
	UserName   string `json:"user_name,omitempty"`
}

// IDTokenRequest is an ID token that an app got from a provider's own library.
type IDTokenRequest struct {
	Token       string
	AccessToken string // the token's at_hash is of it; "" when the app has none
	Issuer      string // what the request says of the issuer; "" for nothing
}

// IDToken is an ID token (OpenID Connect Core §2) whose signature is good.
type IDToken struct {
	Issuer          string
	Audience        []string
	AuthorizedParty string // azp
	Nonce           string
	ExpiresAt       int64 // Unix seconds
	Profile         Profile
}
