package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// issuer is an OpenID issuer: what it says of itself, and the keys of its ID tokens.
type issuer struct {
	url    string
	config Config
	// discover returns what the issuer says of itself.
	discover func(context.Context) (*postern.Discovery, error)
	// owns reports whether a name is one of the issuer's. ID tokens have the one
	// that its document says, or any if it goes by several.
	owns    func(iss string) bool
	several bool

	mu   sync.Mutex
	keys *keySet
}

// newIssuer returns the issuer of a URL, which describes itself at the well-known
// place. Nothing is fetched yet.
func newIssuer(url string, c Config) *issuer {
	return newIssuerAt(url, wellKnown(url), c, func(iss string) bool { return iss == url })
}

// newIssuerAt is newIssuer for one that describes itself elsewhere, and whose name
// one only knows by a rule.
func newIssuerAt(url, discoveryURL string, c Config, owns func(iss string) bool) *issuer {
	document := &cached[*postern.Discovery]{ttl: c.DiscoveryTTL, now: c.Now}
	document.fetch = func(ctx context.Context) (*postern.Discovery, error) {
		found, err := discover(ctx, c.HTTPClient, discoveryURL, owns)
		if err != nil {
			return nil, err
		}
		return found, complete(found)
	}
	return &issuer{url: url, config: c, discover: document.get, owns: owns}
}

// describedIssuer returns an issuer whose discovery document is known.
func describedIssuer(d *postern.Discovery, c Config) *issuer {
	return &issuer{
		url: d.Issuer, config: c,
		discover: func(context.Context) (*postern.Discovery, error) { return d, complete(d) },
		owns:     func(iss string) bool { return iss == d.Issuer },
	}
}

func wellKnown(issuerURL string) string {
	return strings.TrimSuffix(issuerURL, "/") + "/.well-known/openid-configuration"
}

// discover fetches a discovery document (OpenID Connect Discovery §4) and checks
// that it is of the issuer that was asked.
func discover(ctx context.Context, client *http.Client, at string, owns func(iss string) bool) (*postern.Discovery, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	var d postern.Discovery
	if err := getJSON(client, r, &d); err != nil {
		return nil, err
	}
	if !owns(d.Issuer) {
		return nil, fmt.Errorf("the document is that of the issuer %q", d.Issuer)
	}
	return &d, nil
}

// complete checks that a document has what a sign-in needs, and that an issuer
// that is reached by TLS sends nobody to a place that is not.
func complete(d *postern.Discovery) error {
	for _, e := range []struct {
		name, url string
		needed    bool
	}{
		{"authorization_endpoint", d.AuthorizationEndpoint, true},
		{"token_endpoint", d.TokenEndpoint, true},
		{"jwks_uri", d.JWKSURI, true},
		{"userinfo_endpoint", d.UserInfoEndpoint, false},
	} {
		switch {
		case e.url == "" && e.needed:
			return fmt.Errorf("the discovery document of %q has no %s", d.Issuer, e.name)
		case e.url != "" && isHTTPS(d.Issuer) && !isHTTPS(e.url):
			return fmt.Errorf("the %s of %q is no https URL", e.name, d.Issuer)
		}
	}
	return nil
}

func isHTTPS(url string) bool { return strings.HasPrefix(url, "https://") }

// endpoint is where the issuer sends people and issues tokens.
func (i *issuer) endpoint(ctx context.Context) (oauth2.Endpoint, error) {
	d, err := i.discover(ctx)
	if err != nil {
		return oauth2.Endpoint{}, err
	}
	return oauth2.Endpoint{AuthURL: d.AuthorizationEndpoint, TokenURL: d.TokenEndpoint}, nil
}

// keysAt returns the keys of a place. They are known for as long as the issuer's
// document names the same one.
func (i *issuer) keysAt(uri string) *keySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil || i.keys.uri != uri {
		i.keys = newKeySet(uri, i.config)
	}
	return i.keys
}

// leeway is by how much the clocks of two machines may differ.
const leeway = 2 * time.Minute

// idToken is one that was verified, with all of its claims.
type idToken struct {
	*oidc.IDToken
	claims standardClaims
}

// verify checks an ID token's form, signature, issuer and times. Whom it was issued
// for is the caller's to check.
func (i *issuer) verify(ctx context.Context, raw string) (*idToken, error) {
	if err := checkForm(raw); err != nil {
		return nil, err
	}
	d, err := i.discover(ctx)
	if err != nil {
		return nil, err
	}
	token, err := oidc.NewVerifier(d.Issuer, i.keysAt(d.JWKSURI), &oidc.Config{
		SkipClientIDCheck: true, SkipIssuerCheck: true, SupportedSigningAlgs: algorithmNames(), Now: i.config.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims standardClaims
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	switch {
	case !i.owns(token.Issuer), token.Issuer != d.Issuer && !i.several:
		return nil, fmt.Errorf("the ID token is of the issuer %q", token.Issuer)
	case token.IssuedAt.After(i.config.Now().Add(leeway)):
		return nil, errors.New("the ID token was issued in the future")
	case claims.has("azp") && claims.text("azp") == "":
		return nil, errors.New("the ID token's azp is no text")
	}
	return &idToken{token, claims}, claims.unambiguous()
}

func algorithmNames() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// maxIDToken is the longest ID token in bytes (guarantees: E22).
const maxIDToken = 16 << 10

// checkForm lets a token be written in one way only: three parts (RFC 7515 §7.1)
// in canonical base64url. Another spelling would be another token to whoever
// remembers those that were used.
func checkForm(raw string) error {
	if len(raw) > maxIDToken {
		return errors.New("the ID token is too long")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || strings.ContainsAny(raw, "\r\n") {
		return errors.New("the ID token is no JWT in compact form")
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return fmt.Errorf("the ID token is no JWT: %w", err)
		}
	}
	return nil
}
