// Package provider has the services that people can sign in with. Each of GoTrue's
// is a function that returns a postern.Provider:
//
//	postern.Config{Providers: []postern.Provider{
//		provider.GitHub(provider.Config{ClientID: "…", Secret: "…"}),
//		provider.OpenID("acme", "https://login.acme.example", provider.Config{ClientID: "…", Secret: "…"}),
//	}}
//
// OpenID and OAuth2 make those of any other service, IDTokens takes the ID tokens
// that an issuer's own library gave to an app, and a Maker makes the providers that
// an operator describes to the running service. Endpoints, scopes and claims are
// those of the contract (config.md §5).
package provider

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
)

// Config is what a service knows an application by.
type Config struct {
	// ClientID and Secret are what the service issued. Both are needed to send
	// people there; ID tokens are checked against the ClientID alone.
	ClientID string
	Secret   postern.Secret
	// OtherClientIDs are further audiences of acceptable ID tokens: those of the
	// application's native clients.
	OtherClientIDs []string

	// RedirectURL is where the service sends people back to, as it is registered
	// there. Defaults to the API's own /callback.
	RedirectURL string

	// URL is the scheme and host of a self-hosted service, in place of those of all
	// of its endpoints. Of Keycloak it is the realm's URL, and needed; of Azure it is
	// the tenant's. Apple and Google ignore it.
	URL string

	// SkipNonceCheck takes ID tokens without a look at their nonce.
	SkipNonceCheck bool
	// EmailOptional lets in people of whom the service tells no address.
	EmailOptional bool

	// HTTPClient calls the service. Defaults to one that reaches public addresses
	// and those of URL, and gives up after ten seconds. Redirects are not followed,
	// whatever it says about them.
	HTTPClient *http.Client
	// DiscoveryTTL is how long what an OpenID issuer says of itself, and of its keys,
	// is believed.
	// Defaults to an hour.
	DiscoveryTTL time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// constructors are those of GoTrue's providers, by name.
var constructors = map[string]func(Config) postern.Provider{
	"apple":              Apple,
	"azure":              Azure,
	"bitbucket":          Bitbucket,
	"discord":            Discord,
	"facebook":           Facebook,
	"figma":              Figma,
	"fly":                Fly,
	"github":             GitHub,
	"gitlab":             GitLab,
	"google":             Google,
	"kakao":              Kakao,
	"keycloak":           Keycloak,
	"linkedin":           LinkedIn,
	"linkedin_oidc":      LinkedInOIDC,
	"notion":             Notion,
	"slack":              Slack,
	"slack_oidc":         SlackOIDC,
	"snapchat":           Snapchat,
	"spotify":            Spotify,
	"twitch":             Twitch,
	"twitter":            Twitter,
	"vercel_marketplace": VercelMarketplace,
	"workos":             WorkOS,
	"x":                  X,
	"zoom":               Zoom,
}

// New returns the provider that GoTrue has by a name, such as "github", and false
// if there is none.
func New(name string, c Config) (postern.Provider, bool) {
	construct, ok := constructors[name]
	if !ok {
		return postern.Provider{}, false
	}
	return construct(c), true
}

func (c Config) withDefaults() Config {
	c.URL = strings.TrimSuffix(c.URL, "/")
	c = c.reaching(c.URL)
	client := *c.HTTPClient // the caller's stays as it is
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout <= 0 {
		client.Timeout = fetchTimeout
	}
	c.HTTPClient = &client
	if c.DiscoveryTTL <= 0 {
		c.DiscoveryTTL = time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// reaching gives the service a client that reaches these places, too, wherever they
// are, unless it has one.
func (c Config) reaching(urls ...string) Config {
	if c.HTTPClient == nil {
		policy := outbound.Policy{}
		for _, u := range urls {
			policy.Hosts = append(policy.Hosts, outbound.Host(u))
		}
		c.HTTPClient = outbound.NewClient(policy)
	}
	return c
}

// unusable says what is missing to send people to the service, in GoTrue's words.
func (c Config) unusable() error {
	switch {
	case c.ClientID == "":
		return errors.New("missing OAuth client ID")
	case c.Secret == "":
		return errors.New("missing OAuth secret")
	}
	return nil
}

// at moves an endpoint of the service to where it is hosted.
func (c Config) at(endpoint string) string {
	if c.URL == "" {
		return endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return c.URL + strings.TrimPrefix(endpoint, u.Scheme+"://"+u.Host)
}

// clientIDs are the audiences of acceptable ID tokens.
func (c Config) clientIDs() []string {
	if c.ClientID == "" {
		return c.OtherClientIDs
	}
	return append([]string{c.ClientID}, c.OtherClientIDs...)
}
