package provider

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postern-auth/postern"
)

// LinkedInOIDC signs in with LinkedIn, by OpenID Connect.
func LinkedInOIDC(c Config) postern.Provider {
	c = c.withDefaults()
	t := newIssuer("https://www.linkedin.com/oauth", c).idTokens(linkedInProfile)
	p := service{
		name:      "linkedin_oidc",
		authorize: "https://api.linkedin.com/oauth/v2/authorization",
		token:     "https://api.linkedin.com/oauth/v2/accessToken",
		scopes:    []string{"openid", "email", "profile"},
		profile:   t.profile,
	}.provider(c)
	p.IsIssuer = t.owns
	return p
}

func linkedInProfile(c standardClaims) (*postern.Profile, error) {
	verified := c.truth("email_verified")
	if word := c.text("email_verified"); word != "" { // as LinkedIn sends it
		var err error
		if verified, err = strconv.ParseBool(word); err != nil {
			return nil, fmt.Errorf("email_verified is neither true nor false: %w", err)
		}
	}
	p := c.token()
	p.ProviderID = p.Subject
	p.GivenName, p.FamilyName, p.Locale = c.text("given_name"), c.text("family_name"), c.text("locale")
	p.Name = strings.TrimSpace(p.GivenName + " " + p.FamilyName)
	p.Picture = c.text("picture")
	return &postern.Profile{Emails: oneEmail(c.text("email"), verified), Claims: p}, nil
}
