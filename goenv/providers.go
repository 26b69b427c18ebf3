package goenv

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
	"github.com/postern-auth/postern/provider"
	"github.com/postern-auth/postern/provider/web3"
)

// providers is about signing in with others: the second half of contract
// config.md §1.4, and the rows of §1.5 and §1.6 that go with it.
func providers(r *reader, s *Settings) {
	named := namedProviders(r)
	issuers := r.list("GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS")
	shared := provider.Config{DiscoveryTTL: r.duration("GOTRUE_EXTERNAL_OIDC_PROVIDER_CACHE_TTL", time.Hour, time.Second)}
	r.networks = r.prefixes("POSTERN_OUTBOUND_NETWORKS")
	policy := outbound.Policy{Timeout: r.timeout, Networks: r.networks}
	customProviders(r, s, policy, shared.DiscoveryTTL)

	policy.Hosts = hosts(named, issuers)
	shared.HTTPClient = outbound.NewClient(policy)
	for _, n := range named {
		n.config.HTTPClient, n.config.DiscoveryTTL = shared.HTTPClient, shared.DiscoveryTTL
		p := newProvider(n.name, n.config)
		s.Config.Providers = append(s.Config.Providers, p)
		if p.Unusable != nil {
			s.Incomplete = append(s.Incomplete, Incomplete{Provider: n.name, Reason: p.Unusable.Error()})
		}
	}
	idTokenIssuers(r, s, issuers, shared)
	linking(r, s)
	wallets(r, s)
}

// providerNames are those of GoTrue's providers, as its variables have them.
const providerNames = `
	APPLE AZURE BITBUCKET DISCORD FACEBOOK FIGMA FLY GITHUB GITLAB GOOGLE KAKAO KEYCLOAK LINKEDIN LINKEDIN_OIDC
	NOTION SLACK SLACK_OIDC SNAPCHAT SPOTIFY TWITCH TWITTER VERCEL_MARKETPLACE WORKOS X ZOOM`

// namedProvider is one of GoTrue's that is switched on.
type namedProvider struct {
	name   string
	config provider.Config
}

func namedProviders(r *reader) []namedProvider {
	var named []namedProvider
	bundleID := r.list("GOTRUE_EXTERNAL_IOS_BUNDLE_ID")
	for name := range strings.FieldsSeq(providerNames) {
		config, on := providerConfig(r, "GOTRUE_EXTERNAL_"+name)
		if name == "APPLE" {
			config.OtherClientIDs = append(config.OtherClientIDs, bundleID...)
		}
		if on {
			named = append(named, namedProvider{strings.ToLower(name), config})
		}
	}
	return named
}

// newProvider makes one of providerNames.
func newProvider(name string, c provider.Config) postern.Provider {
	p, _ := provider.New(name, c) // has them all
	return p
}

// providerConfig reads nothing of a provider that is switched off: what is left
// over of one is no reason not to start.
func providerConfig(r *reader, prefix string) (c provider.Config, on bool) {
	r.withoutEffect(prefix + "_API_URL") // GoTrue's providers do not use it either
	if !r.flag(prefix+"_ENABLED", false) {
		r.know(prefix + "_{CLIENT_ID,SECRET,REDIRECT_URI,URL,SKIP_NONCE_CHECK,EMAIL_OPTIONAL}")
		return c, false
	}
	if ids := r.list(prefix + "_CLIENT_ID"); len(ids) > 0 {
		c.ClientID, c.OtherClientIDs = ids[0], ids[1:]
	}
	_, c.Secret = r.secret(prefix + "_SECRET")
	c.RedirectURL = r.webURL(prefix + "_REDIRECT_URI")
	c.URL = r.webURL(prefix + "_URL")
	c.SkipNonceCheck = r.flag(prefix+"_SKIP_NONCE_CHECK", false)
	c.EmailOptional = r.flag(prefix+"_EMAIL_OPTIONAL", false)
	return c, true
}

// hosts are those that the environment names, and that may be private.
func hosts(named []namedProvider, issuers []string) []string {
	var hosts []string
	for _, n := range named {
		if n.config.URL != "" {
			hosts = append(hosts, outbound.Host(n.config.URL))
		}
	}
	for _, issuer := range issuers {
		hosts = append(hosts, outbound.Host(issuer))
	}
	return hosts
}

// idTokenIssuers adds issuers that only ID tokens are taken of, those for any
// client. The issuer of one of GoTrue's providers is that provider's affair: it
// serves everybody's clients, and only the provider knows which ones are ours.
func idTokenIssuers(r *reader, s *Settings, issuers []string, c provider.Config) {
	for _, issuer := range issuers {
		switch {
		case hasProvider(issuer, s.Config.Providers, c):
		case !isWebURL(issuer):
			r.mistake("GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS has an entry that is not %s", anyWebURL)
		default:
			s.Config.Providers = append(s.Config.Providers, provider.IDTokens(issuer, c))
		}
	}
}

// hasProvider reports whether an issuer is that of one of GoTrue's providers, as it
// is configured or, if it is switched off, by itself.
func hasProvider(issuer string, configured []postern.Provider, c provider.Config) bool {
	owns := func(p postern.Provider) bool { return p.IsIssuer != nil && p.IsIssuer(issuer) }
	if slices.ContainsFunc(configured, owns) {
		return true
	}
	names := strings.Fields(strings.ToLower(providerNames))
	return slices.ContainsFunc(names, func(name string) bool { return owns(newProvider(name, c)) })
}

// customProviders are those of the running service. The hosts that the environment
// names are not for them: an operator of the API need not be one of the network.
func customProviders(r *reader, s *Settings, policy outbound.Policy, discoveryTTL time.Duration) {
	c := &s.Config.CustomProviders
	c.Max = r.number("GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS", 0, 0, math.MaxInt32)
	c.ExternalURL = r.webURL("GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL")
	c.DiscoveryTTL = discoveryTTL
	if r.flag("GOTRUE_CUSTOM_OAUTH_ENABLED", true) {
		c.Maker = provider.NewMaker(provider.MakerConfig{
			Networks: policy.Networks, HTTPClient: outbound.NewClient(policy), DiscoveryTTL: discoveryTTL,
		})
	}
}

// linking is about what signing in with others leads to.
func linking(r *reader, s *Settings) {
	c := &s.Config.OAuth
	c.RedirectURL = read(r, "GOTRUE_EXTERNAL_REDIRECTURL", "", "an absolute URL", absoluteURL)
	c.ManualLinking = r.flag("GOTRUE_SECURITY_MANUAL_LINKING_ENABLED", false)
	c.LinkingDomains = linkingDomains(r)
}

// linkingDomains reads provider:domain pairs. The names of custom providers have a
// colon in them, those of domains have none.
func linkingDomains(r *reader) map[string]string {
	const own, pairs = "GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN", "GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS"
	domains := map[string]string{}
	add := func(variable, provider, domain string) {
		provider = strings.ToLower(provider)
		if before := domains[provider]; before != "" && before != domain {
			r.mistake("%s: %q is in the linking domain %q already; it can be in one only", variable, provider, before)
		}
		domains[provider] = domain
	}
	for _, provider := range r.list(own) {
		add(own, provider, strings.ToLower(provider))
	}
	for _, pair := range r.list(pairs) {
		colon := strings.LastIndexByte(pair, ':')
		if colon < 1 || colon == len(pair)-1 {
			r.mistake("%s has the entry %q; it must be a provider and a domain, as in provider:domain", pairs, pair)
			continue
		}
		add(pairs, pair[:colon], pair[colon+1:])
	}
	return domains
}

// wallets are the chains of contract config.md §1.4.
func wallets(r *reader, s *Settings) {
	for _, chain := range []struct {
		name string
		make func(maxAge time.Duration) postern.Web3Chain
	}{
		{"ETHEREUM", web3.Ethereum}, {"SOLANA", web3.Solana},
	} {
		prefix := "GOTRUE_EXTERNAL_WEB3_" + chain.name
		maxAge := r.duration(prefix+"_MAXIMUM_VALIDITY_DURATION", 10*time.Minute, time.Second)
		if r.flag(prefix+"_ENABLED", false) {
			s.Config.Web3 = append(s.Config.Web3, chain.make(maxAge))
		}
	}
}
