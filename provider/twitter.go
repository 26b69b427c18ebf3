package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dghubble/oauth1"

	"github.com/postern-auth/postern"
)

// Twitter signs in with Twitter by OAuth 1.0a (RFC 5849): ClientID and Secret are
// the app's "API key and secret". The app has to request e-mail addresses; those
// that Twitter tells are verified, and people without one are let in by
// Config.EmailOptional. Scopes and further parameters of a request do nothing. X is
// the same service by OAuth 2.0.
func Twitter(c Config) postern.Provider {
	c = c.withDefaults()
	t := &twitter{config: c, api: c.at("https://api.twitter.com")}
	return postern.Provider{
		Name: "twitter", Unusable: c.unusable(), EmailOptional: c.EmailOptional,
		Authorize: t.start, Exchange: t.exchange, Profile: t.profile,
	}
}

type twitter struct {
	config Config
	api    string
}

// start gets a request token. Its secret is what ties the return to this start.
func (t *twitter) start(ctx context.Context, r postern.ProviderStart) (*postern.ProviderRedirect, error) {
	if t.config.RedirectURL != "" {
		r.CallbackURL = t.config.RedirectURL
	}
	c := t.oauth1(ctx)
	c.CallbackURL = r.CallbackURL + "?" + url.Values{"state": {r.State}}.Encode()
	token, secret, err := c.RequestToken()
	if err != nil {
		return nil, fmt.Errorf("asking for a request token: %w", err)
	}
	to, err := c.AuthorizationURL(token)
	if err != nil {
		return nil, err
	}
	return &postern.ProviderRedirect{URL: to.String(), Keep: postern.Secret(secret)}, nil
}

func (t *twitter) exchange(ctx context.Context, r postern.ProviderReturn) (*postern.ProviderTokens, error) {
	token, verifier := r.Params.Get("oauth_token"), r.Params.Get("oauth_verifier")
	if token == "" || verifier == "" || r.Kept == "" {
		return nil, errors.New("the request token, its secret or its verifier is missing")
	}
	access, secret, err := t.oauth1(ctx).AccessToken(token, string(r.Kept), verifier)
	if err != nil {
		return nil, fmt.Errorf("asking for an access token: %w", err)
	}
	return &postern.ProviderTokens{AccessToken: postern.Secret(access), Context: oauth1.NewToken(access, secret)}, nil
}

func (t *twitter) profile(ctx context.Context, tokens *postern.ProviderTokens) (*postern.Profile, error) {
	token, ok := tokens.Context.(*oauth1.Token)
	if !ok {
		return nil, errors.New("provider: these are no tokens of twitter")
	}
	endpoint := t.api + "/1.1/account/verify_credentials.json"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"?include_email=true&include_entities=false&skip_status=true", nil)
	if err != nil {
		return nil, err
	}
	var user struct {
		ID              string `json:"id_str"`
		Name            string `json:"name"`
		ScreenName      string `json:"screen_name"`
		ProfileImageURL string `json:"profile_image_url_https"`
		Email           string `json:"email"`
	}
	if err := getJSON(t.signing(ctx, token), r, &user); err != nil {
		return nil, err
	}
	return named(&postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: endpoint, Subject: user.ID, ProviderID: user.ID,
			Name: user.Name, FullName: user.Name, PreferredUsername: user.ScreenName, UserName: user.ScreenName,
			Picture: user.ProfileImageURL, AvatarURL: user.ProfileImageURL,
		},
	}, nil)
}

// oauth1 makes the calls for tokens, in a context that the library does not ask
// for.
func (t *twitter) oauth1(ctx context.Context) *oauth1.Config {
	client := *t.config.HTTPClient
	client.Transport = inContext{ctx, client.Transport}
	return &oauth1.Config{
		ConsumerKey: t.config.ClientID, ConsumerSecret: string(t.config.Secret), HTTPClient: &client,
		Noncer: oauth1.Base64Noncer{},
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: t.api + "/oauth/request_token",
			AuthorizeURL:    t.api + "/oauth/authenticate",
			AccessTokenURL:  t.api + "/oauth/access_token",
		},
	}
}

// signing returns the application's client, which signs for a user.
func (t *twitter) signing(ctx context.Context, token *oauth1.Token) *http.Client {
	signer := t.oauth1(ctx).Client(context.WithValue(ctx, oauth1.HTTPClient, t.config.HTTPClient), token)
	client := *t.config.HTTPClient
	client.Transport = signer.Transport
	return &client
}

// inContext makes requests in a context of its own, and keeps refusals from the
// library, which would put all that they say into its error. A client's Timeout
// still holds: it does not come by the request's context alone.
type inContext struct {
	ctx  context.Context
	base http.RoundTripper // nil for http.DefaultTransport
}

func (t inContext) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(r.WithContext(t.ctx))
	if err == nil && (res.StatusCode < 200 || res.StatusCode > 299) {
		res.Body.Close()
		return nil, fmt.Errorf("%s answered %d", r.URL.Host, res.StatusCode)
	}
	return res, err
}
