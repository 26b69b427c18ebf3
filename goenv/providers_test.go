package goenv_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
)

// providerOf returns the provider of a name in an environment.
func providerOf(t *testing.T, name string, environ ...string) postern.Provider {
	t.Helper()
	providers := load(t, environ...).Config.Providers
	i := slices.IndexFunc(providers, func(p postern.Provider) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("%q: there is no provider %q", environ, name)
	}
	return providers[i]
}

// github is an environment with a GitHub at a URL.
func github(url string, more ...string) []string {
	return append([]string{
		"GOTRUE_EXTERNAL_GITHUB_ENABLED=true", "GOTRUE_EXTERNAL_GITHUB_CLIENT_ID=web, ios,android", "GOTRUE_EXTERNAL_GITHUB_SECRET=hush",
		"GOTRUE_EXTERNAL_GITHUB_URL=" + url,
	}, more...)
}

func TestEveryProviderIsThere(t *testing.T) {
	t.Parallel()
	for name := range strings.FieldsSeq(`apple azure bitbucket discord facebook figma fly github gitlab google kakao keycloak linkedin
		linkedin_oidc notion slack slack_oidc snapchat spotify twitch twitter vercel_marketplace workos x zoom`) {
		prefix := "GOTRUE_EXTERNAL_" + strings.ToUpper(name)
		s := load(t, prefix+"_ENABLED=true", prefix+"_CLIENT_ID=id", prefix+"_SECRET=hush",
			prefix+"_URL=https://login.example.com", prefix+"_EMAIL_OPTIONAL=true", prefix+"_API_URL=nothing looks at it")
		if got := providerNames(s); !reflect.DeepEqual(got, []string{name}) {
			t.Errorf("%s: got the providers %q, want it alone", name, got)
			continue
		}
		p := s.Config.Providers[0]
		if p.Unusable != nil || len(s.Incomplete) != 0 || !p.EmailOptional {
			t.Errorf("%s: got unusable for %v, incomplete %v, e-mail optional %t; want a usable one with optional e-mail",
				name, p.Unusable, s.Incomplete, p.EmailOptional)
		}
	}
}

func TestProviderSendsPeopleAsItsVariablesSay(t *testing.T) {
	t.Parallel()
	const callback = "https://api.example.com/callback"
	for _, c := range []struct {
		environ []string
		want    string // redirect_uri
	}{
		{github("https://github.example.com/"), callback},
		{github("https://github.example.com", "GOTRUE_EXTERNAL_GITHUB_REDIRECT_URI=https://old.example.com/callback"), "https://old.example.com/callback"},
	} {
		to, err := providerOf(t, "github", c.environ...).Authorize(t.Context(), postern.ProviderStart{State: "s", CallbackURL: callback})
		if err != nil {
			t.Errorf("%q: %v", c.environ, err)
			continue
		}
		u, err := url.Parse(to.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := u.Host+" "+u.Query().Get("client_id")+" "+u.Query().Get("redirect_uri"), "github.example.com web "+c.want; got != want {
			t.Errorf("%q: got host, client and callback %q, want %q", c.environ, got, want)
		}
	}
}

// A configured host may be a private one.
func TestProviderIsAskedWithItsSecretWhereItIsHosted(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); r.URL.Path != "/login/oauth/access_token" || id != "web" || secret != "hush" {
			t.Errorf("got %s by %q with %q, want a token asked for by %q with %q", r.URL.Path, id, secret, "web", "hush")
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"a"}`)
	}))
	t.Cleanup(server.Close)
	tokens, err := providerOf(t, "github", github(server.URL)...).Exchange(t.Context(), postern.ProviderReturn{Code: "c"})
	if err != nil || tokens.AccessToken != "a" {
		t.Errorf("got %v and error %v, want the tokens", tokens, err)
	}
}

func TestProvidersHaveLimitedTime(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that the client went away
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	p := providerOf(t, "github", github(server.URL, "GOTRUE_INTERNAL_HTTP_TIMEOUT=50ms")...)
	if _, err := p.Exchange(ctx, postern.ProviderReturn{Code: "c"}); err == nil || ctx.Err() != nil {
		t.Errorf("got error %v, the test's own time is up: %t; want an error before that", err, ctx.Err() != nil)
	}
}

func TestClientIDsAreAudiencesOfIDTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		provider, environ string
		want              []string
	}{
		{"google", "GOTRUE_EXTERNAL_GOOGLE_CLIENT_ID=web,,ios", []string{"web", "ios"}},
		{"google", "GOTRUE_EXTERNAL_GOOGLE_CLIENT_ID=web GOTRUE_EXTERNAL_IOS_BUNDLE_ID=com.example.app", []string{"web"}},
		{"apple", "GOTRUE_EXTERNAL_APPLE_CLIENT_ID=web,ios GOTRUE_EXTERNAL_IOS_BUNDLE_ID=com.example.app", []string{"web", "ios", "com.example.app"}},
		{"apple", "GOTRUE_EXTERNAL_IOS_BUNDLE_ID=com.example.app", []string{"com.example.app"}},
	} {
		environ := append(strings.Fields(c.environ), "GOTRUE_EXTERNAL_"+strings.ToUpper(c.provider)+"_ENABLED=true")
		if got := providerOf(t, c.provider, environ...).ClientIDs; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.environ, got, c.want)
		}
	}
	if !providerOf(t, "google", "GOTRUE_EXTERNAL_GOOGLE_ENABLED=true", "GOTRUE_EXTERNAL_GOOGLE_SKIP_NONCE_CHECK=true").SkipNonce {
		t.Error("GOTRUE_EXTERNAL_GOOGLE_SKIP_NONCE_CHECK=true: nonces are checked")
	}
}

func TestIncompleteProvidersAreReported(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string][]goenv.Incomplete{
		"GOTRUE_EXTERNAL_GITHUB_ENABLED=true":                                      {{Provider: "github", Reason: "missing OAuth client ID"}},
		"GOTRUE_EXTERNAL_GITHUB_ENABLED=true GOTRUE_EXTERNAL_GITHUB_CLIENT_ID=web": {{Provider: "github", Reason: "missing OAuth secret"}},
		"GOTRUE_EXTERNAL_GITHUB_CLIENT_ID=web":                                     nil,
		strings.Join(github("https://github.example.com"), " "):                    nil,
	} {
		s := load(t, strings.Fields(environ)...)
		if !slices.Equal(s.Incomplete, want) {
			t.Errorf("%s: got %q, want %q", environ, s.Incomplete, want)
		}
	}
}

func TestLeftoversOfAProviderThatIsOffDoNoHarm(t *testing.T) {
	t.Parallel()
	s := load(t, "GOTRUE_EXTERNAL_KEYCLOAK_URL=changeme", "GOTRUE_EXTERNAL_KEYCLOAK_EMAIL_OPTIONAL=changeme", "GOTRUE_EXTERNAL_KEYCLOAK_SECRET=changeme")
	if len(s.Config.Providers)+len(s.Unknown)+len(s.NotYet) != 0 {
		t.Errorf("got the providers %q, unknown variables %q and missing features %q, want none", providerNames(s), s.Unknown, s.NotYet)
	}
}

func TestIssuersOfIDTokens(t *testing.T) {
	t.Parallel()
	const variable = "GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS="
	for _, c := range []struct {
		name, environ string
		want          []string
	}{
		{"GoTrue's default", variable + "https://appleid.apple.com,https://accounts.google.com", nil},
		{"any other", variable + "https://accounts.google.com,https://login.example.com", []string{"https://login.example.com"}},
		{"those of providers that are on come after them", variable + "https://login.example.com GOTRUE_EXTERNAL_GOOGLE_ENABLED=true",
			[]string{"google", "https://login.example.com"}},
		{"one that serves everybody's clients", variable + "https://www.facebook.com", nil},
	} {
		s := load(t, strings.Fields(c.environ)...)
		if got := providerNames(s); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		for _, p := range s.Config.Providers {
			if takesAny := strings.HasPrefix(p.Name, "https:"); p.AnyAudience != takesAny {
				t.Errorf("%s: %s: any audience: got %t, want %t", c.name, p.Name, p.AnyAudience, takesAny)
			}
		}
	}
}

// issuer is an OpenID issuer on this machine that says what it is. It reports
// whether it was asked.
func issuer(t *testing.T) (url string, asked func() bool) {
	t.Helper()
	requests := make(chan struct{}, 10)
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		at := "http://" + r.Host
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%[1]q,"token_endpoint":%[1]q,"jwks_uri":%[1]q}`, at)
	})
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, func() bool { return len(requests) > 0 }
}

func TestIssuersOfTheEnvironmentMayBePrivate(t *testing.T) {
	t.Parallel()
	at, asked := issuer(t)
	p := providerOf(t, at, "GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS="+at)
	const unsigned = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln"
	if _, err := p.VerifyIDToken(t.Context(), postern.IDTokenRequest{Token: unsigned, Issuer: at}); err == nil || !asked() {
		t.Errorf("got error %v, the issuer was asked: %t; want an error after it was", err, asked())
	}
}

func TestCustomProvidersReachThePrivateNetworksThatAreListed(t *testing.T) {
	t.Parallel()
	at, _ := issuer(t)
	for _, c := range []struct {
		name    string
		environ []string
		reaches bool
	}{
		{"none", nil, false},
		{"the network", []string{"POSTERN_OUTBOUND_NETWORKS=10.0.0.0/8, 127.0.0.0/8"}, true},
		{"the address", []string{"POSTERN_OUTBOUND_NETWORKS=127.0.0.1"}, true},
		{"another network", []string{"POSTERN_OUTBOUND_NETWORKS=10.0.0.0/8"}, false},
		{"the host of a provider of the environment", github(at), false},
	} {
		found, err := load(t, c.environ...).Config.CustomProviders.Maker.Discover(t.Context(), at, "")
		if reached := err == nil && found.Issuer == at; reached != c.reaches {
			t.Errorf("%s: got %v and error %v; reached %t, want %t", c.name, found, err, reached, c.reaches)
		}
	}
}
