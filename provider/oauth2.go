package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// service describes a provider of OAuth 2.0: plain data, and a function that reads
// somebody's profile.
type service struct {
	name      string
	authorize string // endpoint
	token     string // endpoint
	api       string // what the endpoints that tell a profile begin with
	scopes    []string
	style     oauth2.AuthStyle // of the client's credentials; the header is tried first by default
	pkce      bool             // towards the provider (RFC 7636)

	// fixedScopes ignores the scopes that a request asks for.
	fixedScopes bool
	// choose picks the scopes for those that a request asks for. By default they are
	// added to the service's own.
	choose func(requested string) []string
	// params edits the parameters that a request has for the provider's page.
	params func(url.Values) url.Values
	// endpoint asks for the endpoints where they are not known beforehand.
	endpoint func(context.Context) (oauth2.Endpoint, error)
	// form are further parameters of the token request.
	form []oauth2.AuthCodeOption

	profile func(context.Context, *session) (*postern.Profile, error)
}

// session is what a profile is read with: the tokens, what the browser brought
// back, and a client that knows the access token.
type session struct {
	client *http.Client
	token  *oauth2.Token
	api    string     // that of the service, where it is hosted
	params url.Values // of the callback
	nonce  string     // that the ID token has to have, "" for none
}

// provider makes a service usable with an application's credentials.
func (s service) provider(c Config) postern.Provider {
	c = c.withDefaults()
	s.api = c.at(s.api)
	if s.endpoint == nil {
		at := oauth2.Endpoint{AuthURL: c.at(s.authorize), TokenURL: c.at(s.token), AuthStyle: s.style}
		s.endpoint = func(context.Context) (oauth2.Endpoint, error) { return at, nil }
	}
	f := &flow{service: s, config: c}
	return postern.Provider{
		Name: s.name, Unusable: c.unusable(), EmailOptional: c.EmailOptional,
		Authorize: f.start, Exchange: f.exchange, Profile: f.profile,
	}
}

// flow is the authorization code flow (RFC 6749 §4.1) with a service.
type flow struct {
	service
	config Config
	inBody atomic.Bool // the service was found to want the client's credentials there
}

func (f *flow) oauth2(ctx context.Context, callbackURL string, scopes []string) (*oauth2.Config, error) {
	endpoint, err := f.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	if f.config.RedirectURL != "" {
		callbackURL = f.config.RedirectURL
	}
	return &oauth2.Config{
		ClientID: f.config.ClientID, ClientSecret: string(f.config.Secret),
		Endpoint: endpoint, RedirectURL: callbackURL, Scopes: scopes,
	}, nil
}

func (f *flow) start(ctx context.Context, r postern.ProviderStart) (*postern.ProviderRedirect, error) {
	c, err := f.oauth2(ctx, r.CallbackURL, f.wanted(r.Scopes))
	if err != nil {
		return nil, err
	}
	if f.params != nil {
		r.Params = f.params(r.Params)
	}
	kept := kept{nonce: r.Params.Get("nonce")}
	var options []oauth2.AuthCodeOption
	for name := range r.Params {
		options = append(options, oauth2.SetAuthURLParam(name, r.Params.Get(name)))
	}
	if f.pkce {
		kept.verifier = oauth2.GenerateVerifier()
		options = append(options, oauth2.S256ChallengeOption(kept.verifier))
	}
	return &postern.ProviderRedirect{URL: c.AuthCodeURL(r.State, options...), Keep: kept.encode()}, nil
}

// wanted are the service's own scopes and those of a request, which are separated
// by commas.
func (f *flow) wanted(requested string) []string {
	switch {
	case f.fixedScopes || requested == "":
		return f.scopes
	case f.choose != nil:
		return f.choose(requested)
	}
	return append(f.scopes[:len(f.scopes):len(f.scopes)], strings.Split(requested, ",")...)
}

func (f *flow) exchange(ctx context.Context, r postern.ProviderReturn) (*postern.ProviderTokens, error) {
	c, err := f.oauth2(ctx, r.CallbackURL, nil)
	if err != nil {
		return nil, err
	}
	kept, options := decodeKept(r.Kept), f.form
	if f.pkce {
		if kept.verifier == "" {
			return nil, errors.New("the PKCE verifier is missing")
		}
		options = append(options[:len(options):len(options)], oauth2.VerifierOption(kept.verifier))
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, f.config.HTTPClient)
	token, err := f.tokens(ctx, c, r.Code, options)
	if err != nil {
		return nil, withoutSecrets(err)
	}
	return &postern.ProviderTokens{
		AccessToken: postern.Secret(token.AccessToken), RefreshToken: postern.Secret(token.RefreshToken),
		Context: &session{client: f.config.HTTPClient, token: token, api: f.api, params: r.Params, nonce: kept.nonce},
	}, nil
}

// tokens exchanges a code. A service of which it is not known how it wants the
// client's credentials gets them in the header (RFC 6749 §2.3.1) and, unless it is
// the code that it refuses, once more in the body. What it takes is remembered.
func (f *flow) tokens(ctx context.Context, c *oauth2.Config, code string, options []oauth2.AuthCodeOption) (*oauth2.Token, error) {
	inHeader := c.Endpoint.AuthStyle == oauth2.AuthStyleAutoDetect && !f.inBody.Load()
	switch {
	case inHeader:
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	case c.Endpoint.AuthStyle == oauth2.AuthStyleAutoDetect:
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	token, err := c.Exchange(ctx, code, options...)
	var refused *oauth2.RetrieveError
	if !inHeader || !errors.As(err, &refused) || refused.ErrorCode == "invalid_grant" {
		return token, err
	}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	if token, err = c.Exchange(ctx, code, options...); err == nil {
		f.inBody.Store(true)
	}
	return token, err
}

// withoutSecrets keeps the answer of a token endpoint out of the log: it may have
// tokens in it.
func withoutSecrets(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Errorf("the token endpoint answered %d %s", refused.Response.StatusCode, refused.ErrorCode)
	}
	return err
}

func (f *flow) profile(ctx context.Context, t *postern.ProviderTokens) (*postern.Profile, error) {
	s, ok := t.Context.(*session)
	if !ok {
		return nil, fmt.Errorf("provider: these are no tokens of %s", f.name)
	}
	return named(f.service.profile(ctx, s))
}

// named refuses the profile of nobody: what a service answers that has nothing to
// say may have the right form.
func named(p *postern.Profile, err error) (*postern.Profile, error) {
	if err == nil && p.Claims.Subject == "" {
		return nil, errors.New("the service told no subject")
	}
	return p, err
}

// kept is what is remembered between the start of a flow and its end.
type kept struct{ verifier, nonce string }

// encode writes a verifier alone as GoTrue does. No verifier has a space.
func (k kept) encode() postern.Secret {
	if k.nonce == "" {
		return postern.Secret(k.verifier)
	}
	return postern.Secret(k.verifier + " " + k.nonce)
}

func decodeKept(s postern.Secret) kept {
	verifier, nonce, _ := strings.Cut(string(s), " ")
	return kept{verifier, nonce}
}

// get calls the provider's API as the user and reads its JSON.
func (s *session) get(ctx context.Context, endpoint string, into any, header ...string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return err
	}
	s.token.SetAuthHeader(r)
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return getJSON(s.client, r, into)
}

// maxAnswer is how much of an answer is read. What is cut off is no JSON any more.
const maxAnswer = 1 << 20

func getJSON(client *http.Client, r *http.Request, into any) error {
	res, err := client.Do(r)
	if err != nil {
		return withoutQuery(err, r)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case res.StatusCode < 200 || res.StatusCode > 299:
		return fmt.Errorf("%s answered %d", r.URL.Host, res.StatusCode)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s did not answer with the JSON that it should: %w", r.URL.Host, err)
	}
	return nil
}

// withoutQuery keeps what an endpoint is asked out of the log.
func withoutQuery(err error, r *http.Request) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w", r.URL.Host, err)
}
