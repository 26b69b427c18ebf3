package provider

import (
	"context"
	"errors"

	"github.com/postern-auth/postern"
)

// Keycloak signs in with the realm of a Keycloak whose URL is Config.URL, which is
// needed: https://id.example.com/realms/acme. Keycloak of today answers only if a
// request's scopes have "openid".
func Keycloak(c Config) postern.Provider {
	c = c.withDefaults()
	const protocol = "/protocol/openid-connect"
	p := service{
		name: "keycloak", authorize: protocol + "/auth", token: protocol + "/token", scopes: []string{"profile", "email"},
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			claims, err := s.userInfo(ctx, c.URL+protocol+"/userinfo", c.URL)
			if err != nil {
				return nil, err
			}
			return keycloakProfile(claims), nil
		},
	}.provider(c)
	if c.URL == "" {
		p.Unusable = errors.New("unable to find URL for the Keycloak provider")
		return p
	}
	return newIssuer(c.URL, c).idTokens(standardProfile).completes(p)
}

func keycloakProfile(c standardClaims) *postern.Profile {
	name, sub := c.text("name"), c.text("sub")
	return &postern.Profile{
		Emails: oneEmail(c.text("email"), c.truth("email_verified")),
		Claims: postern.ProfileClaims{
			Issuer: c.text("iss"), Subject: sub, ProviderID: sub, Name: name, FullName: name,
			CustomClaims: c.others("iss", "sub", "name", "email", "email_verified"),
		},
	}
}
