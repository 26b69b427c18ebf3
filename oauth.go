package postern

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/redirect"
)

// AuthorizeParams asks to sign in with a provider.
type AuthorizeParams struct {
	Provider    string // its name in any case; "custom:…" for a custom one
	Scopes      string // besides the provider's own, as the provider writes lists of them
	RedirectTo  string // where the browser goes in the end; defaults to Config.SiteURL
	InviteToken string // of an invitation that is to be accepted
	Challenge          // of PKCE; without one the session comes in the fragment of the URL

	// Params are passed on to the provider's page, but for those that the protocol
	// needs.
	Params url.Values

	// Browser is a secret that only the browser knows that begins, such as one in a
	// cookie. If there is one, a browser that comes back without it is turned away:
	// somebody may be made to end what somebody else began. PKCE flows need none.
	Browser Secret
}

// AuthorizeURL begins a sign-in with a provider and returns where the browser is
// to be sent. It comes back to Callback. Errors: ErrValidationFailed,
// ErrUserNotFound for an unknown invitation (contract: endpoints.md, GET
// /authorize).
func (a *Auth) AuthorizeURL(ctx context.Context, p AuthorizeParams) (string, error) {
	return a.sendAway(ctx, p, uuid.Nil)
}

// LinkIdentityURL is AuthorizeURL for the caller, who wants to sign in with the
// provider, too, from then on. Errors: ErrManualLinkingDisabled, ErrInsufficientAAL,
// and those of AuthorizeURL.
func (a *Auth) LinkIdentityURL(ctx context.Context, c *Caller, p AuthorizeParams) (string, error) {
	if err := a.mayLinkTo(c); err != nil {
		return "", err
	}
	return a.sendAway(ctx, p, c.User.ID)
}

const methodOAuth = "oauth"

// sendAway begins a flow, for somebody or for a user who wants another identity.
func (a *Auth) sendAway(ctx context.Context, p AuthorizeParams, target uuid.UUID) (string, error) {
	provider, err := a.provider(ctx, p.Provider)
	if err != nil {
		return "", err
	}
	if err := a.checkInvite(ctx, p.InviteToken); err != nil {
		return "", err
	}
	if err := p.Challenge.check(); err != nil {
		return "", err
	}
	flow := a.newOAuthFlow(provider, p)
	flow.LinkingTargetID = target
	to, err := provider.Authorize(ctx, ProviderStart{
		State: flow.ID.String(), CallbackURL: a.callbackURL(provider.Name), Scopes: p.Scopes, Params: forwarded(p.Params),
	})
	if err != nil {
		a.cfg.Logger.ErrorContext(ctx, "a provider cannot be used", "provider", provider.Name, "error", err)
		return "", invalid("Unsupported provider: %s cannot be reached", provider.Name)
	}
	if !a.comesBackHere(to.URL) {
		flow.Browser = "" // it could not bring along there what it knows here
	}
	if to.Keep != "" {
		flow.ClientState = &ClientState{
			ID: uuid.Must(uuid.NewRandom()), ProviderType: provider.Name, CodeVerifier: to.Keep, CreatedAt: flow.CreatedAt,
		}
	}
	if err := a.store.AddFlow(ctx, flow); err != nil {
		return "", internal("Error creating flow state", err)
	}
	return to.URL, nil
}

func (a *Auth) newOAuthFlow(provider *Provider, p AuthorizeParams) FlowRecord {
	now := a.now()
	flow := FlowRecord{
		ID: uuid.Must(uuid.NewRandom()), ProviderType: provider.Name, AuthenticationMethod: methodOAuth,
		CreatedAt: now, UpdatedAt: now,
		InviteToken: p.InviteToken, Referrer: a.Redirect(p.RedirectTo), EmailOptional: provider.EmailOptional,
	}
	if p.Challenge.Used() {
		flow.AuthCode = uuid.NewString()
		flow.CodeChallenge, flow.CodeChallengeMethod = p.CodeChallenge, strings.ToLower(p.CodeChallengeMethod)
	} else if p.Browser != "" {
		flow.Browser = hashBrowser(p.Browser)
	}
	return flow
}

// comesBackHere reports whether a provider's page sends the browser back to the
// host of this API, as far as its URL tells. A provider may be configured with
// another place.
func (a *Auth) comesBackHere(page string) bool {
	u, err := url.Parse(page)
	if err != nil || !u.Query().Has("redirect_uri") {
		return true
	}
	back, err := url.Parse(u.Query().Get("redirect_uri"))
	here, hereErr := url.Parse(a.cfg.ExternalURL)
	return err == nil && hereErr == nil && strings.EqualFold(back.Hostname(), here.Hostname())
}

func hashBrowser(s Secret) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// provider finds a provider that can be used.
func (a *Auth) provider(ctx context.Context, name string) (*Provider, error) {
	unsupported := func(why string) error { return invalid("Unsupported provider: %s", why) }
	name = strings.ToLower(name)
	if strings.HasPrefix(name, customPrefix) {
		p, err := a.customProvider(ctx, name)
		var why customUnusable
		if errors.As(err, &why) {
			return nil, unsupported(string(why))
		}
		return p, err
	}
	i := slices.IndexFunc(a.cfg.Providers, func(p Provider) bool { return p.Name == name && p.Authorize != nil })
	switch {
	case i >= 0 && a.cfg.Providers[i].Unusable != nil:
		return nil, unsupported(a.cfg.Providers[i].Unusable.Error())
	case i >= 0:
		return &a.cfg.Providers[i], nil
	case slices.Contains(strings.Fields(knownProviders), name):
		return nil, unsupported("provider is not enabled")
	}
	return nil, unsupported("Provider " + name + " could not be found")
}

// callbackURL is where a provider sends the browser back to.
func (a *Auth) callbackURL(provider string) string {
	base := a.cfg.ExternalURL
	if strings.HasPrefix(provider, customPrefix) {
		base = either(a.cfg.CustomProviders.ExternalURL, base)
	}
	return strings.TrimSuffix(base, "/") + "/callback"
}

// reserved are the parameters of the provider's page that a request cannot set
// (RFC 6749 §4.1.1, RFC 7636 §4.3), and those that are for this service alone.
const reserved = "client_id client_secret redirect_uri response_type state code_challenge code_challenge_method code_verifier " +
	"provider scopes"

func forwarded(params url.Values) url.Values {
	out := url.Values{}
	for name, values := range params {
		if !slices.Contains(strings.Fields(reserved), strings.ToLower(name)) {
			out[name] = values
		}
	}
	return out
}

// CallbackParams is what a browser comes back with from a provider.
type CallbackParams struct {
	// Params are those of the query, and of the form where the provider makes the
	// browser send one.
	Params url.Values
	// Browser is the secret of AuthorizeParams, "" if the browser has none.
	Browser Secret
}

// CallbackResult says what a browser that came back is owed.
type CallbackResult struct {
	// Location is where to send it, whatever came of the sign-in: with the session
	// in the fragment or, in a PKCE flow, an auth code in the query; or with what
	// went wrong.
	Location string
	// Session is the one that the fragment carries, nil if it carries none.
	Session *Session
	// Unknown says that there is no such flow, or no more, and that Location is the
	// site for want of anything better.
	Unknown bool
}

// Callback ends a sign-in with a provider, once. It always has a place to send the
// browser to; what went wrong is told there, and returned besides. Errors:
// ErrBadOAuthCallback, ErrBadOAuthState, ErrFlowStateUsed and, once the flow is
// known, those of signing in with what the provider says (contract: endpoints.md,
// /callback).
func (a *Auth) Callback(ctx context.Context, p CallbackParams) (_ *CallbackResult, err error) {
	defer a.attempted(ctx, "oauth", &err)
	flow, err := a.returned(ctx, p)
	if err != nil {
		err = internal("Failed to find OAuth state", err)
		return &CallbackResult{Location: redirect.Query(a.cfg.SiteURL, a.oauthErrorParams(ctx, err)), Unknown: true}, err
	}
	target := either(a.cfg.OAuth.RedirectURL, either(flow.Referrer, a.cfg.SiteURL))
	session, err := a.finish(ctx, flow, p.Params)
	switch {
	case err != nil:
		return &CallbackResult{Location: redirect.QueryAndFragment(target, a.oauthErrorParams(ctx, err))}, err
	case session == nil:
		return &CallbackResult{Location: redirect.Query(target, url.Values{"code": {flow.AuthCode}})}, nil
	}
	return &CallbackResult{Location: oauthTokensLocation(target, session), Session: session}, nil
}

// returned finds the flow that a browser comes back to and notes that it did: it
// does so once (guarantees: B13).
func (a *Auth) returned(ctx context.Context, p CallbackParams) (*FlowRecord, error) {
	state := p.Params.Get("state")
	if state == "" {
		return nil, fail(KindInvalid, ErrBadOAuthCallback, "OAuth state parameter missing")
	}
	id, err := uuid.Parse(state)
	if err != nil {
		return nil, badState("OAuth state parameter is invalid")
	}
	flow, err := a.store.FindFlow(ctx, id)
	if errors.Is(err, ErrNoRow) {
		return nil, badState("OAuth state not found or expired")
	}
	if err != nil {
		return nil, err
	}
	if err := a.mayReturn(flow, p.Browser); err != nil {
		return nil, err
	}
	if err := a.store.ReturnToFlow(ctx, id, a.now()); err != nil {
		if errors.Is(err, ErrNoRow) { // somebody was faster
			return nil, stateUsed()
		}
		return nil, err
	}
	return flow, a.checkTarget(ctx, flow.LinkingTargetID)
}

func badState(message string) *Error { return fail(KindInvalid, ErrBadOAuthState, "%s", message) }

func stateUsed() *Error {
	return fail(KindInvalid, ErrFlowStateUsed, "State has already been used")
}

func (a *Auth) mayReturn(flow *FlowRecord, browser Secret) error {
	switch {
	case flow.AuthenticationMethod != methodOAuth: // that of a mail
		return badState("OAuth state not found or expired")
	case flow.ReturnedAt != nil, flow.UserID != uuid.Nil:
		return stateUsed()
	case a.over(flow.CreatedAt, a.cfg.FlowExpiry):
		return badState("OAuth state has expired")
	case flow.Browser != "" && subtle.ConstantTimeCompare([]byte(flow.Browser), []byte(hashBrowser(browser))) != 1:
		return badState("OAuth state parameter is invalid")
	}
	return nil
}

func (a *Auth) checkTarget(ctx context.Context, target uuid.UUID) error {
	if target == uuid.Nil {
		return nil
	}
	_, err := a.store.FindUser(ctx, target)
	if errors.Is(err, ErrNoRow) {
		return fail(KindUnprocessable, ErrUserNotFound, "Linking target user not found")
	}
	return err
}

// finish asks the provider who came back and lets them in. It returns no session
// where an auth code is to be exchanged for one.
func (a *Auth) finish(ctx context.Context, flow *FlowRecord, params url.Values) (*Session, error) {
	if refused := params.Get("error"); refused != "" {
		return nil, &OAuthError{Name: refused, Description: params.Get("error_description")}
	}
	provider, err := a.provider(ctx, flow.ProviderType)
	if err != nil {
		return nil, gone(err)
	}
	who := &vouched{
		provider: provider.Name, aud: a.cfg.Audience, method: methodOAuth, emailOptional: flow.EmailOptional,
		redirectTo: flow.Referrer, target: flow.LinkingTargetID, exchanged: flow.AuthCode != "",
	}
	if who.invite, err = a.findInvite(ctx, flow.InviteToken); err != nil {
		return nil, err
	}
	tokens, err := a.ask(ctx, provider, flow, params, who)
	if err != nil {
		return nil, err
	}
	session, err := a.admit(ctx, who, func(tx Tx, user *UserRecord) error {
		if !who.exchanged {
			return tx.TakeFlow(ctx, flow.ID)
		}
		return tx.IssueAuthCode(ctx, AuthCodeIssue{
			FlowID: flow.ID, UserID: user.ID, At: a.now(),
			ProviderAccessToken: tokens.AccessToken, ProviderRefreshToken: tokens.RefreshToken,
		})
	})
	if session != nil {
		session.ProviderToken, session.ProviderRefreshToken = string(tokens.AccessToken), string(tokens.RefreshToken)
	}
	return session, err
}

// gone is the error for a provider that was there when the flow began.
func gone(err error) error {
	var why *Error
	if errors.As(err, &why) && why.Code == ErrValidationFailed {
		return fail(KindInvalid, ErrOAuthProviderNotSupported, "%s", why.Message)
	}
	return err
}

// patience is how long a provider has to answer, so that there is time left to
// send the browser on.
const patience = 8 * time.Second

// ask exchanges the provider's code and reads who came back into who.
func (a *Auth) ask(ctx context.Context, provider *Provider, flow *FlowRecord, params url.Values, who *vouched) (*ProviderTokens, error) {
	back := ProviderReturn{Code: params.Get("code"), CallbackURL: a.callbackURL(provider.Name), Params: params}
	if back.Code == "" && params.Get("oauth_verifier") == "" {
		return nil, fail(KindInvalid, ErrBadOAuthCallback, "OAuth callback with missing authorization code missing")
	}
	if iss := params.Get("iss"); iss != "" && provider.IsIssuer != nil && !provider.IsIssuer(iss) { // RFC 9207 §2.4
		return nil, fail(KindInvalid, ErrBadOAuthCallback, "OAuth callback from another issuer than the one that was asked")
	}
	if kept := flow.ClientState; kept != nil {
		if kept.ProviderType != provider.Name {
			return nil, fail(KindInvalid, ErrOAuthInvalidState, "OAuth provider mismatch")
		}
		back.Kept = kept.CodeVerifier
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tokens, err := provider.Exchange(ctx, back)
	if err != nil {
		const shown = 4 // characters of the code, as GoTrue does
		return nil, unhelpful("Unable to exchange external code: "+back.Code[:min(len(back.Code), shown)], err)
	}
	profile, err := provider.Profile(ctx, tokens)
	if err != nil {
		return nil, noProfile(err)
	}
	return tokens, a.readProfile(who, profile)
}

func oauthTokensLocation(target string, s *Session) string {
	params := sessionParams(s)
	params.Set("provider_token", s.ProviderToken)
	if s.ProviderRefreshToken != "" {
		params.Set("provider_refresh_token", s.ProviderRefreshToken)
	}
	return redirect.Tokens(target, params)
}

// sessionParams are a session as the fragment of a URL carries it.
func sessionParams(s *Session) url.Values {
	return url.Values{
		"access_token":  {s.AccessToken},
		"expires_at":    {strconv.FormatInt(s.ExpiresAt, 10)},
		"expires_in":    {strconv.FormatInt(s.ExpiresIn, 10)},
		"refresh_token": {s.RefreshToken},
		"token_type":    {s.TokenType},
	}
}

// oauthErrors are the names of errors by their kind (contract: errors.md §3.1).
// Whatever is not here is the server's.
var oauthErrors = map[Kind]string{
	KindInvalid: "invalid_request", KindUnauthorized: "unauthorized_client", KindForbidden: "access_denied",
	KindUnavailable: "temporarily_unavailable",
}

// oauthErrorParams are what a redirect says of a failure. What no browser is told
// goes to the log.
func (a *Auth) oauthErrorParams(ctx context.Context, err error) url.Values {
	var theirs *OAuthError
	if errors.As(err, &theirs) {
		params := url.Values{"error": {theirs.Name}}
		if theirs.Description != "" {
			params.Set("error_description", theirs.Description)
		}
		return params
	}
	var ours *Error
	if !errors.As(err, &ours) {
		ours = &Error{Code: ErrUnexpectedFailure, Message: "Unexpected failure, please check server logs for more information", Err: err}
	}
	if ours.Err != nil {
		level := slog.LevelWarn // nothing is broken here if a provider is of no help
		if ours.Kind != KindUnprocessable {
			level = slog.LevelError
		}
		a.cfg.Logger.Log(ctx, level, "a sign-in with a provider failed", "error", err)
	}
	name := either(oauthErrors[ours.Kind], "server_error")
	switch ours.Code {
	case ErrSignUpDisabled, ErrUserBanned, ErrProviderEmailNeedsVerification:
		name = "access_denied"
	}
	params := ours.params()
	params.Set("error", name)
	return params
}

// params are what a redirect says of an error. A hook's refusal has no code.
func (e *Error) params() url.Values {
	params := url.Values{"error_description": {e.Message}}
	if e.Code != "" {
		params.Set("error_code", string(e.Code))
	}
	if raised, ok := errors.AsType[*DatabaseError](e.Err); ok && raised.Status() != 0 {
		params.Set("error_description", raised.Message)
	}
	return params
}
