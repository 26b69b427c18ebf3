package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/postern-auth/postern"
)

// idTokens takes a provider's ID tokens, from apps and in the code flow.
type idTokens struct {
	config Config
	verify func(ctx context.Context, raw string) (*idToken, error)
	owns   func(iss string) bool
	read   func(standardClaims) (*postern.Profile, error)
}

// idTokens takes the issuer's ID tokens, whose claims read understands.
func (i *issuer) idTokens(read func(standardClaims) (*postern.Profile, error)) idTokens {
	return idTokens{config: i.config, verify: i.verify, owns: i.owns, read: read}
}

// IDTokens takes the ID tokens of an issuer that nobody is sent to. The provider is
// called as the issuer. Without a ClientID it takes those of whatever client a
// request names, which is right only for an issuer whose every client is trusted.
// Claims are those of OpenID Connect Core §5.1.
func IDTokens(issuerURL string, c Config) postern.Provider {
	i := newIssuer(issuerURL, c.reaching(issuerURL).withDefaults())
	p := i.idTokens(standardProfile).completes(postern.Provider{Name: issuerURL, EmailOptional: c.EmailOptional})
	p.AnyAudience = len(p.ClientIDs) == 0
	return p
}

// completes makes a provider take ID tokens.
func (t idTokens) completes(p postern.Provider) postern.Provider {
	p.VerifyIDToken, p.IsIssuer = t.fromApp, t.owns
	p.ClientIDs, p.SkipNonce = t.config.clientIDs(), t.config.SkipNonceCheck
	return p
}

// fromApp checks an ID token that an app got by itself. It is
// postern.Provider.VerifyIDToken, and leaves to its caller whom the token was
// issued for.
func (t idTokens) fromApp(ctx context.Context, r postern.IDTokenRequest) (*postern.IDToken, error) {
	token, err := t.verify(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if r.AccessToken != "" && token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(r.AccessToken); err != nil {
			return nil, err
		}
	}
	profile, err := t.read(token.claims)
	if err != nil {
		return nil, err
	}
	return &postern.IDToken{
		Issuer: token.Issuer, Audience: token.Audience, AuthorizedParty: token.claims.text("azp"),
		Nonce: token.Nonce, ExpiresAt: token.Expiry.Unix(), Profile: *profile,
	}, nil
}

var errNoIDToken = errors.New("the token endpoint issued no ID token")

// fromFlow checks the ID token that came with a token answer: also that it is for
// this application and belongs to this flow (OpenID Connect Core §3.1.3.7).
func (t idTokens) fromFlow(ctx context.Context, s *session) (*idToken, error) {
	raw, _ := s.token.Extra("id_token").(string)
	if raw == "" {
		return nil, errNoIDToken
	}
	token, err := t.verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	ours := t.config.clientIDs()
	party := token.claims.text("azp")
	switch {
	case token.Subject == "":
		return nil, errors.New("the ID token has no subject")
	case !slices.ContainsFunc(token.Audience, func(aud string) bool { return slices.Contains(ours, aud) }):
		return nil, errors.New("the ID token is for another client")
	case party != "" && !slices.Contains(ours, party):
		return nil, errors.New("the ID token was issued to another client")
	case token.Nonce != s.nonce && !t.config.SkipNonceCheck:
		return nil, errors.New("the ID token has another nonce")
	case token.AccessTokenHash != "":
		return token, token.VerifyAccessToken(s.token.AccessToken)
	}
	return token, nil
}

// profile reads the ID token of a code flow, which there has to be.
func (t idTokens) profile(ctx context.Context, s *session) (*postern.Profile, error) {
	token, err := t.fromFlow(ctx, s)
	if err != nil {
		return nil, err
	}
	return t.read(token.claims)
}

// issuerOf reads which issuer an ID token says it is of, "" if it does not. Nothing
// about the token is known to be true yet.
func issuerOf(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims standardClaims
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.text("iss")
}
