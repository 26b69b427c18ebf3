// Package oidctest is an OpenID issuer for tests. It serves discovery, keys, and
// the authorization code flow with PKCE (OpenID Connect Core §3.1), signs in at
// once whomever the test names, and does whatever can be wrong about that when it
// is told to:
//
//	issuer := oidctest.New(t)
//	issuer.SignIn(oidctest.Claims{"sub": "7", "email": "ann@example.com", "email_verified": true})
//	issuer.Fail(oidctest.WrongAudience)
//
// The issuer is at issuer.URL. To be one with a name on the internet it takes that
// name with ActAs, and is reached by its Client.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Claims are those of an ID token or a userinfo answer.
type Claims map[string]any

// Issuer is an OpenID issuer. Its methods are safe for concurrent use.
type Issuer struct {
	// URL is the issuer's name, and where it is unless it acts as another.
	URL string
	// ClientID and ClientSecret are those of its only client.
	ClientID, ClientSecret string

	server *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	now      func() time.Time
	key      signingKey
	user     Claims
	info     Claims // nil for those of user
	faults   map[Fault]bool
	broken   map[Endpoint]Breakage
	aliases  map[string]Endpoint
	requests map[Endpoint]int
	codes    map[string]code
	tokens   map[string]Claims // userinfo by access token
}

// New starts an issuer that stops when the test ends.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := Start()
	t.Cleanup(i.Close)
	return i
}

// Start starts an issuer that is to be closed. A test uses New.
func Start() *Issuer {
	i := &Issuer{
		ClientID: "app", ClientSecret: "the app's secret", closed: make(chan struct{}),
		now: time.Now, key: newKey(),
		user:   Claims{"sub": "7", "email": "ann@example.com", "email_verified": true, "name": "Ann Example"},
		faults: map[Fault]bool{}, broken: map[Endpoint]Breakage{}, aliases: map[string]Endpoint{},
		requests: map[Endpoint]int{}, codes: map[string]code{}, tokens: map[string]Claims{},
	}
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	i.URL = i.server.URL
	return i
}

// Close stops the issuer. Requests that it holds up end.
func (i *Issuer) Close() {
	close(i.closed)
	i.server.Close()
}

// ActAs gives the issuer a name of somebody else. It must be called before the
// issuer is used.
func (i *Issuer) ActAs(issuerURL string) { i.URL = issuerURL }

// Client returns a client whose every request comes to the issuer, whatever its
// host.
func (i *Issuer) Client() *http.Client {
	return &http.Client{Transport: detour{i.server.Client().Transport, i.server.Listener.Addr().String()}}
}

// detour sends all requests to one place.
type detour struct {
	http.RoundTripper
	to string
}

func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", d.to
	return d.RoundTripper.RoundTrip(r)
}

// SignIn says who signs in from now on. The claims become those of ID tokens, which
// have iss, aud, iat, exp and nonce besides unless they are among them, and of
// userinfo answers.
func (i *Issuer) SignIn(c Claims) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.user = maps.Clone(c)
}

// Tell says what userinfo answers from now on, in place of the claims of SignIn.
func (i *Issuer) Tell(c Claims) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.info = maps.Clone(c)
}

// SetNow sets the issuer's clock.
func (i *Issuer) SetNow(now func() time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
}

// Rotate makes a new key in the place of the old one.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = newKey()
}

// Serve makes an endpoint be found at a path, too.
func (i *Issuer) Serve(path string, e Endpoint) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.aliases[path] = e
}

// Requests is how many requests an endpoint has had.
func (i *Issuer) Requests(e Endpoint) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[e]
}

// IDToken returns a token as the issuer's library gives it to an app. nonce is what
// the token has, accessToken what its at_hash is of; "" for none.
func (i *Issuer) IDToken(nonce, accessToken string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.idToken(i.user, nonce, accessToken)
}

// Visit does what a browser does that is sent to a URL of the issuer's, and returns
// what it brings back to the app, in the query or in a form.
func (i *Issuer) Visit(authorizeURL string) (url.Values, error) {
	client := i.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Get(authorizeURL)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK:
		return readForm(string(page)), nil
	}
	back, err := res.Location()
	if err != nil {
		return nil, fmt.Errorf("the issuer answered %d %s", res.StatusCode, page)
	}
	return back.Query(), nil
}

// signingKey is a key with its name.
type signingKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newKey() signingKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return signingKey{"key-" + strings.ToLower(rand.Text()[:8]), key}
}
