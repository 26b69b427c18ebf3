package provider

import (
	"context"
	"errors"

	"github.com/postern-auth/postern"
)

// OpenID signs in with any OpenID issuer, by discovery (OpenID Connect Discovery
// 1.0) and with PKCE. What the ID token says counts, and the answer of the
// userinfo endpoint where there is no ID token. scopes are asked for besides
// "openid"; they default to "email" and "profile". An address counts as verified
// when email_verified is the boolean true.
//
// The issuer's host is reached wherever it is. One whose other endpoints are at
// another host in a private network needs Config.HTTPClient.
func OpenID(name, issuerURL string, c Config, scopes ...string) postern.Provider {
	c = c.reaching(issuerURL).withDefaults()
	if len(scopes) == 0 {
		scopes = []string{"email", "profile"}
	}
	return newIssuer(issuerURL, c).openID(service{
		name: name, scopes: append([]string{"openid"}, scopes...), pkce: true,
	}, standardProfile)
}

// openID completes a service with what an issuer says of itself and of people.
func (i *issuer) openID(s service, read func(standardClaims) (*postern.Profile, error)) postern.Provider {
	t := i.idTokens(read)
	s.endpoint = i.endpoint
	s.profile = func(ctx context.Context, s *session) (*postern.Profile, error) { return i.profile(ctx, s, t) }
	return t.completes(s.provider(i.config))
}

// profile reads the ID token. If it tells no address, the issuer is asked for it;
// if there is no ID token, it is asked for everything.
func (i *issuer) profile(ctx context.Context, s *session, t idTokens) (*postern.Profile, error) {
	token, err := t.fromFlow(ctx, s)
	if errors.Is(err, errNoIDToken) {
		claims, err := i.userInfo(ctx, s)
		if err != nil {
			return nil, err
		}
		return t.read(claims)
	}
	if err != nil {
		return nil, err
	}
	p, err := t.read(token.claims)
	if err != nil || len(p.Emails) > 0 {
		return p, err
	}
	return p, i.addEmails(ctx, s, t, token, p)
}

// addEmails asks for somebody's address. An issuer without a userinfo endpoint has
// said all that it will.
func (i *issuer) addEmails(ctx context.Context, s *session, t idTokens, token *idToken, p *postern.Profile) error {
	claims, err := i.userInfo(ctx, s)
	switch {
	case errors.Is(err, errNoUserInfo):
		return nil
	case err != nil:
		return err
	case claims.text("sub") != token.Subject: // OpenID Connect Core §5.3.2
		return errors.New("the userinfo endpoint answered about somebody else")
	}
	more, err := t.read(claims)
	if err != nil {
		return err
	}
	p.Emails = more.Emails
	return nil
}

var errNoUserInfo = errors.New("the issuer has no userinfo endpoint")

// userInfo asks the userinfo endpoint (OpenID Connect Core §5.3).
func (i *issuer) userInfo(ctx context.Context, s *session) (standardClaims, error) {
	d, err := i.discover(ctx)
	if err != nil {
		return nil, err
	}
	if d.UserInfoEndpoint == "" {
		return nil, errNoUserInfo
	}
	return s.userInfo(ctx, d.UserInfoEndpoint, d.Issuer)
}

// userInfo reads an answer about somebody. It is not an ID token, and what it says
// as if it were one is not kept.
func (s *session) userInfo(ctx context.Context, endpoint, issuer string) (standardClaims, error) {
	var claims standardClaims
	if err := s.get(ctx, endpoint, &claims); err != nil {
		return nil, err
	}
	if claims == nil {
		return nil, errors.New("the userinfo endpoint answered with nothing")
	}
	for _, name := range []string{"aud", "iat", "exp"} {
		delete(claims, name)
	}
	claims.set("iss", issuer)
	return claims, nil
}
