package provider

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

const azureCommon = "https://login.microsoftonline.com/common"

// Azure signs in with Microsoft Entra ID. Config.URL is the tenant that people have
// to be of, such as https://login.microsoftonline.com/<tenant id>, or that of an
// external tenant at ciamlogin.com; it defaults to the path "common", which lets in
// the people of every tenant. The address is told only if a request's scopes have
// "email".
//
// The claim xms_edov, which an application can ask for, says whether the address is
// verified. Without it an address is only if Config.URL names one tenant: anybody
// can make a tenant of his own and give its users whatever address he likes.
func Azure(c Config) postern.Provider {
	c.URL = cmp.Or(c.URL, azureCommon)
	c = c.withDefaults()
	a := newAzure(c)
	t := idTokens{config: c, verify: a.verify, owns: a.owns, read: a.profile}
	p := t.completes(service{
		name: "azure", scopes: []string{"openid"},
		authorize: "/oauth2/v2.0/authorize", token: "/oauth2/v2.0/token",
		profile: t.profile,
	}.provider(c))
	p.VerifyIDToken = checkFamily("Azure", a.owns, p.VerifyIDToken)
	return p
}

// azure knows the issuers that the tenants of Entra ID are.
type azure struct {
	config Config
	single *issuer // nil if people of any tenant are let in

	mu      sync.Mutex
	tenants map[string]*issuer // by URL
}

func newAzure(c Config) *azure {
	a := &azure{config: c, tenants: map[string]*issuer{}}
	tenant := lastSegment(c.URL)
	if slices.Contains([]string{"common", "organizations", "consumers"}, tenant) {
		return a
	}
	issuerURL := c.URL + "/v2.0"
	a.single = newIssuerAt(issuerURL, wellKnown(issuerURL), c, func(iss string) bool {
		return iss == issuerURL || isAzure(iss) && azureTenant(iss) == tenant || isAzure(iss) && uuid.Validate(tenant) != nil
	})
	return a
}

// owns reports whether an issuer is a tenant whose people are let in. A tenant may
// be configured by a name, and its issuer is called by its id: which one that is,
// the tenant's discovery document decides then.
func (a *azure) owns(iss string) bool {
	if a.single != nil {
		return a.single.owns(iss)
	}
	return isAzure(iss)
}

func (a *azure) verify(ctx context.Context, raw string) (*idToken, error) {
	iss := issuerOf(raw)
	switch {
	case !a.owns(iss):
		return nil, errForeignIssuer
	case a.single != nil:
		return a.single.verify(ctx, raw)
	}
	return a.tenant(iss).verify(ctx, raw)
}

// maxTenants is how many issuers are remembered. Anybody can name any, and forgetting
// one costs no more than to ask it again.
const maxTenants = 256

func (a *azure) tenant(iss string) *issuer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, ok := a.tenants[iss]; ok {
		return i
	}
	if len(a.tenants) >= maxTenants {
		for some := range a.tenants {
			delete(a.tenants, some)
			break
		}
	}
	i := newIssuer(iss, a.config)
	a.tenants[iss] = i
	return i
}

// isAzure reports whether an issuer is one of Microsoft's: a tenant's at
// login.microsoftonline.com or an external one's at ciamlogin.com.
func isAzure(iss string) bool {
	rest, ok := strings.CutPrefix(iss, "https://")
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if !ok || len(parts) != 3 || parts[2] != "v2.0" || !isLabel(strings.ReplaceAll(parts[1], ".", "-")) {
		return false
	}
	external, ok := strings.CutSuffix(parts[0], ".ciamlogin.com")
	return parts[0] == "login.microsoftonline.com" || ok && isLabel(external)
}

// isLabel reports whether s is made of what a host's label is.
func isLabel(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// azureTenant is the tenant of an issuer that isAzure knows.
func azureTenant(iss string) string {
	return lastSegment(strings.TrimSuffix(strings.TrimSuffix(iss, "/"), "/v2.0"))
}

func lastSegment(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndex(u.Path, "/")+1:]
}

func (a *azure) profile(c standardClaims) (*postern.Profile, error) {
	p := c.token()
	p.ProviderID = p.Subject
	p.FullName, p.PreferredUsername = c.text("name"), c.text("preferred_username")
	p.CustomClaims = c.others("aud", "iss", "iat", "nbf", "exp", "c_hash", "at_hash", "aio", "nonce", "rh", "uti", "jti",
		"ver", "sub", "name", "preferred_username")
	verified := a.single != nil
	if _, said := c["xms_edov"]; said {
		verified = c.spoken("xms_edov") || c.text("xms_edov") == "1"
	}
	return &postern.Profile{Emails: oneEmail(c.text("email"), verified), Claims: p}, nil
}
