package postern

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// SignInWithIDTokenParams carries an ID token (OpenID Connect Core §2) that an app
// got from a provider's own library. The provider is named by Provider, or by
// Issuer and ClientID.
type SignInWithIDTokenParams struct {
	Token       string
	AccessToken string // of the provider, for the token's at_hash; "" when the app has none
	Nonce       string // as the app made it; the token has its SHA-256 in hexadecimal

	Provider string
	Issuer   string
	ClientID string

	// Link adds the identity to the caller's account in place of a sign-in.
	Link *Caller

	Audience string // of a new account; defaults to Config.Audience
}

// SignInWithIDToken signs in with an ID token, once. Errors: an OAuthError for a
// token that is not good; ErrValidationFailed, ErrProviderDisabled,
// ErrManualLinkingDisabled, and those of signing in with what a provider says
// (contract: endpoints.md, grant_type=id_token).
func (a *Auth) SignInWithIDToken(ctx context.Context, p SignInWithIDTokenParams) (_ *Session, err error) {
	defer a.attempted(ctx, "id_token", &err)
	switch {
	case p.Token == "":
		return nil, badIDToken("id_token required")
	case p.Provider == "" && (p.ClientID == "" || p.Issuer == ""):
		return nil, badIDToken("provider or client_id and issuer required")
	case len(p.Token) > maxIDToken:
		return nil, badIDToken("Bad ID token")
	}
	if p.Link != nil {
		if err := a.mayLinkTo(p.Link); err != nil {
			return nil, err
		}
	}
	provider, err := a.idTokenProvider(ctx, p)
	if err != nil {
		return nil, err
	}
	token, err := provider.VerifyIDToken(ctx, IDTokenRequest{Token: p.Token, AccessToken: p.AccessToken, Issuer: p.Issuer})
	if err != nil {
		return nil, a.idTokenRefused(ctx, provider, err)
	}
	if err := checkIDToken(provider, token, p); err != nil {
		return nil, err
	}
	who := &vouched{
		provider: provider.Name, aud: a.audience(p.Audience), method: methodOAuth, emailOptional: provider.EmailOptional,
	}
	if p.Link != nil {
		who.target = p.Link.User.ID
	}
	if err := a.readProfile(who, &token.Profile); err != nil {
		return nil, err
	}
	signed := p.Token[:max(strings.LastIndexByte(p.Token, '.'), 0)] // anybody can make another signature out of one by ECDSA
	return a.admit(ctx, who, func(tx Tx, _ *UserRecord) error {
		return takeOnce(ctx, tx, "id token "+signed, time.Unix(token.ExpiresAt, 0), badIDToken("Bad ID token"))
	})
}

// maxIDToken is the longest ID token in bytes (guarantees: E22).
const maxIDToken = 16 << 10

// badIDToken has GoTrue's name for the error, with its space.
func badIDToken(why string) *OAuthError {
	return &OAuthError{Name: "invalid request", Description: why}
}

// idTokenRefused is the answer to a token that its provider does not accept.
func (a *Auth) idTokenRefused(ctx context.Context, provider *Provider, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	a.cfg.Logger.InfoContext(ctx, "an ID token was refused", "provider", provider.Name, "reason", err)
	return badIDToken("Bad ID token")
}

// idTokenIssuers are the providers whose ID tokens GoTrue takes, with the issuer
// that it names when they are not switched on.
var idTokenIssuers = map[string]string{
	"apple": "https://appleid.apple.com", "google": "https://accounts.google.com", "azure": "", "facebook": "https://www.facebook.com",
	"keycloak": "", "kakao": "https://kauth.kakao.com", "vercel_marketplace": "https://marketplace.vercel.com",
	"snapchat": "https://accounts.snapchat.com",
}

// idTokenProvider finds the provider that a request names.
func (a *Auth) idTokenProvider(ctx context.Context, p SignInWithIDTokenParams) (*Provider, error) {
	name := strings.ToLower(p.Provider)
	if strings.HasPrefix(name, customPrefix) {
		return a.customIDTokenProvider(ctx, name)
	}
	i := slices.IndexFunc(a.cfg.Providers, func(q Provider) bool {
		return q.VerifyIDToken != nil && (q.Name == name || name == "" && q.IsIssuer != nil && q.IsIssuer(p.Issuer))
	})
	if i < 0 && p.Issuer != "" { // one that stands for its issuer alone
		i = slices.IndexFunc(a.cfg.Providers, func(q Provider) bool { return q.VerifyIDToken != nil && q.Name == p.Issuer })
	}
	if i >= 0 {
		return &a.cfg.Providers[i], nil
	}
	for known, issuer := range idTokenIssuers {
		if known == name || name == "" && issuer == p.Issuer {
			return nil, fail(KindInvalid, ErrProviderDisabled, "Provider (issuer %q) is not enabled", either(issuer, p.Issuer))
		}
	}
	return nil, invalid("Custom OIDC provider %q not allowed", p.Provider)
}

// checkIDToken checks whom a token is for and which request it belongs to.
func checkIDToken(provider *Provider, token *IDToken, p SignInWithIDTokenParams) error {
	ours := provider.ClientIDs
	if provider.AnyAudience {
		ours = []string{p.ClientID}
	}
	acceptable := func(client string) bool { return client != "" && slices.Contains(ours, client) }
	switch {
	case token.Profile.Claims.Subject == "":
		return badIDToken("Missing sub claim in id_token")
	case !slices.ContainsFunc(token.Audience, acceptable):
		return badIDToken("Unacceptable audience in id_token: [" + strings.Join(token.Audience, " ") + "]")
	case token.AuthorizedParty != "" && !acceptable(token.AuthorizedParty): // OpenID Connect Core §3.1.3.7
		return badIDToken("Unacceptable audience in id_token: [" + token.AuthorizedParty + "]")
	case provider.SkipNonce:
		return nil
	case (token.Nonce == "") != (p.Nonce == ""):
		return badIDToken("Passed nonce and nonce in id_token should either both exist or not.")
	case token.Nonce == "":
		return nil
	}
	sum := sha256.Sum256([]byte(p.Nonce))
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return &OAuthError{Name: "invalid nonce", Description: "Nonces mismatch"}
	}
	return nil
}

// takeOnce uses up what somebody else made and is good until a time, or refuses it.
// What is remembered is dropped some time after that.
func takeOnce(ctx context.Context, tx Tx, what string, until time.Time, refusal error) error {
	sum := sha256.Sum256([]byte(what))
	_, err := tx.Claim(ctx, "once "+hex.EncodeToString(sum[:]), until.UTC(), time.Unix(0, 0).UTC())
	if errors.Is(err, ErrRowTaken) {
		return refusal
	}
	return err
}
