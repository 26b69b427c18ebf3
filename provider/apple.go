package provider

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// appleIssuers are the names that Apple's ID tokens have, that of its pages first.
var appleIssuers = [...]string{"https://appleid.apple.com", "https://account.apple.com"}

// Apple signs in with Apple. The browser comes back with a POST, which has the
// user's name when it is the first time and never again. Config.Secret is the
// signed client secret that Apple describes, which expires after six months at
// most. Config.URL, and the scopes and parameters of a request, are ignored.
//
// Apple tells no address unless "email" was asked for, so that people without one
// are let in. An address is verified unless the ID token denies it.
func Apple(c Config) postern.Provider {
	c.URL, c.EmailOptional = "", true
	c = c.withDefaults()
	a := apple{map[string]*issuer{}}
	for _, url := range appleIssuers {
		a.issuers[url] = newIssuerAt(url, wellKnown(url), c, isApple)
		a.issuers[url].several = true
	}
	t := idTokens{config: c, verify: a.verify, owns: isApple, read: appleProfile}
	p := t.completes(service{
		name: "apple", scopes: []string{"email", "name"}, fixedScopes: true,
		endpoint: a.issuers[appleIssuers[0]].endpoint,
		params:   func(url.Values) url.Values { return url.Values{"response_mode": {"form_post"}} },
		form: []oauth2.AuthCodeOption{
			oauth2.SetAuthURLParam("client_id", c.ClientID), oauth2.SetAuthURLParam("secret", string(c.Secret)),
		},
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			p, err := t.profile(ctx, s)
			if err == nil {
				nameFromForm(p, s.params.Get("user"))
			}
			return p, err
		},
	}.provider(c))
	p.Authorize = withPercentSpaces(p.Authorize)
	p.VerifyIDToken = checkFamily("Apple", isApple, p.VerifyIDToken)
	return p
}

func isApple(iss string) bool { return slices.Contains(appleIssuers[:], iss) }

type apple struct{ issuers map[string]*issuer }

func (a apple) verify(ctx context.Context, raw string) (*idToken, error) {
	i, ok := a.issuers[issuerOf(raw)]
	if !ok {
		return nil, errForeignIssuer
	}
	return i.verify(ctx, raw)
}

// withPercentSpaces writes the spaces of a query as "%20", the only way that Apple
// understands. A plus that is meant is escaped already.
func withPercentSpaces(authorize func(context.Context, postern.ProviderStart) (*postern.ProviderRedirect, error)) func(context.Context, postern.ProviderStart) (*postern.ProviderRedirect, error) {
	return func(ctx context.Context, r postern.ProviderStart) (*postern.ProviderRedirect, error) {
		to, err := authorize(ctx, r)
		if err == nil {
			to.URL = strings.ReplaceAll(to.URL, "+", "%20")
		}
		return to, err
	}
}

func appleProfile(c standardClaims) (*postern.Profile, error) {
	p := c.token()
	p.ProviderID = p.Subject
	p.CustomClaims = c.values("is_private_email", "auth_time", "transfer_sub")
	if _, said := p.CustomClaims["is_private_email"]; said { // in a string, or not
		p.CustomClaims["is_private_email"] = c.spoken("is_private_email")
	}
	return &postern.Profile{Emails: vouchedEmail(c), Claims: p}, nil
}

// nameFromForm adds the name that the browser brought along. It may be anything
// that the user likes, as names may. The address beside it may, too, so that it is
// not looked at.
func nameFromForm(p *postern.Profile, form string) {
	var user struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if json.Unmarshal([]byte(form), &user) != nil {
		return
	}
	name := strings.TrimSpace(user.Name.First + " " + user.Name.Last)
	p.Claims.Name, p.Claims.FullName = name, name
}
