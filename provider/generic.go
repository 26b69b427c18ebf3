package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// OAuth2Endpoints are where a service of OAuth 2.0 does what.
type OAuth2Endpoints struct {
	Authorize string // the page that people are sent to (RFC 6749 §3.1)
	Token     string // where codes are exchanged for tokens (RFC 6749 §3.2)
	UserInfo  string // answers a bearer token with a JSON object about its user
}

// OAuth2 signs in with any service of OAuth 2.0, with PKCE. Of what UserInfo says,
// the claims that GoTrue keeps (postern.ProfileClaims) are taken under their own
// names: it has to have "sub", a string or a whole number, and an address counts as
// verified when "email_verified" is the boolean true. Services that name things
// differently need a Maker's attribute mapping. The endpoints' hosts are reached
// wherever they are.
func OAuth2(name string, at OAuth2Endpoints, c Config, scopes ...string) postern.Provider {
	c = c.reaching(at.Authorize, at.Token, at.UserInfo).withDefaults()
	c.URL = "" // the endpoints are complete
	return service{
		name: name, authorize: at.Authorize, token: at.Token, scopes: scopes, pkce: true,
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			return oauth2Profile(ctx, s, at.UserInfo, standardProfile)
		},
	}.provider(c)
}

// oauth2Profile asks for somebody and reads the answer. The service is known by the
// URL that answers.
func oauth2Profile(ctx context.Context, s *session, endpoint string, read func(standardClaims) (*postern.Profile, error)) (*postern.Profile, error) {
	claims, err := s.userInfo(ctx, endpoint, endpoint)
	if err != nil {
		return nil, err
	}
	return read(claims)
}
