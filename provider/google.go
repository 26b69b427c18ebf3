package provider

import (
	"context"
	"errors"

	"github.com/postern-auth/postern"
)

const (
	googleIssuer   = "https://accounts.google.com"
	googleUserInfo = "https://www.googleapis.com/userinfo/v2/me"
)

// Google signs in with Google. There is an ID token where the request's scopes have
// "openid"; Google's API is asked where there is none. Config.URL is ignored.
func Google(c Config) postern.Provider {
	c.URL = ""
	c = c.withDefaults()
	i := newIssuerAt(googleIssuer, wellKnown(googleIssuer), c, isGoogle)
	i.several = true
	t := i.idTokens(googleProfile)
	return t.completes(service{
		name: "google", scopes: []string{"email", "profile"}, endpoint: i.endpoint,
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			p, err := t.profile(ctx, s)
			if errors.Is(err, errNoIDToken) {
				return askGoogle(ctx, s)
			}
			return p, err
		},
	}.provider(c))
}

// isGoogle knows the issuer's older name, which is no URL.
func isGoogle(iss string) bool { return iss == googleIssuer || iss == "accounts.google.com" }

// askGoogle asks an API that is older than OpenID Connect: it says "id" for "sub".
func askGoogle(ctx context.Context, s *session) (*postern.Profile, error) {
	claims, err := s.userInfo(ctx, googleUserInfo, googleUserInfo)
	if err != nil {
		return nil, err
	}
	claims["sub"] = claims["id"]
	return googleProfile(claims)
}

func googleProfile(c standardClaims) (*postern.Profile, error) {
	p := c.token()
	p.ProviderID = p.Subject
	p.Name, p.FullName = c.text("name"), c.text("name")
	p.Picture, p.AvatarURL = c.text("picture"), c.text("picture")
	p.CustomClaims = c.values("hd")
	verified := c.truth("email_verified") || c.truth("verified_email")
	return &postern.Profile{Emails: oneEmail(c.text("email"), verified), Claims: p}, nil
}
