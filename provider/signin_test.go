package provider_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider"
)

func eachService(t *testing.T, test func(t *testing.T, s serviceCase)) {
	t.Helper()
	for _, s := range services() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// signedIn is what the three functions of a provider come to.
type signedIn struct {
	redirect *postern.ProviderRedirect
	tokens   *postern.ProviderTokens
	profile  *postern.Profile
}

// signIn goes through a flow as the core does.
func signIn(ctx context.Context, p postern.Provider) (in signedIn, err error) {
	in.redirect, err = p.Authorize(ctx, postern.ProviderStart{State: state, CallbackURL: callbackURL})
	if err != nil {
		return in, err
	}
	in.tokens, err = p.Exchange(ctx, postern.ProviderReturn{
		Code: code, Kept: in.redirect.Keep, CallbackURL: callbackURL,
		Params: url.Values{"code": {code}, "oauth_token": {"request-token"}, "oauth_verifier": {"verifier"}},
	})
	if err != nil {
		return in, err
	}
	in.profile, err = p.Profile(ctx, in.tokens)
	return in, err
}

func mustSignIn(t *testing.T, p postern.Provider) signedIn {
	t.Helper()
	in, err := signIn(t.Context(), p)
	if err != nil {
		t.Fatalf("signing in with %s: %v", p.Name, err)
	}
	return in
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

func TestNewKnowsTheServices(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		p, ok := provider.New(s.name, application())
		if !ok || p.Name != s.name || p.Unusable != nil {
			t.Errorf("New = %q, %t (%v); want %q, true", p.Name, ok, p.Unusable, s.name)
		}
		c := application()
		c.EmailOptional = true
		if !s.construct(c).EmailOptional {
			t.Error("EmailOptional is forgotten")
		}
		for want, c := range map[string]provider.Config{
			"missing OAuth client ID": {Secret: secret}, "missing OAuth secret": {ClientID: "app-1"},
		} {
			if got := s.construct(c).Unusable; got == nil || got.Error() != want {
				t.Errorf("Unusable = %v, want %s", got, want)
			}
		}
	})
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		if s.oauth1() {
			t.Skip("its page is another: TestTwitterAuthorize")
		}
		for where, hosted := range map[string]string{s.authorize: "", "https://id.example" + requestURI(s.authorize): "https://id.example/"} {
			c := application()
			c.URL = hosted
			got, keep := authorize(t, s.construct(c), postern.ProviderStart{
				State: state, CallbackURL: callbackURL, Scopes: "more,most", Params: url.Values{"hint": {"a&b"}, "nonce": {"n"}},
			})
			want := url.Values{
				"client_id": {"app-1"}, "response_type": {"code"}, "redirect_uri": {callbackURL}, "state": {state},
				"hint": {"a&b"}, "nonce": {"n"},
			}
			if !s.fixedScopes {
				want["scope"] = []string{strings.TrimSpace(s.scope + " more most")}
			} else if s.scope != "" {
				want["scope"] = []string{s.scope}
			}
			if s.pkce {
				verifier, _, _ := strings.Cut(string(keep), " ")
				sum := sha256.Sum256([]byte(verifier))
				want["code_challenge"] = []string{base64.RawURLEncoding.EncodeToString(sum[:])}
				want["code_challenge_method"] = []string{"S256"}
			}
			wantEqual(t, "the parameters", got.Query(), want)
			got.RawQuery = ""
			wantEqual(t, "the page", got.String(), where)
		}
	})
}

func authorize(t *testing.T, p postern.Provider, start postern.ProviderStart) (*url.URL, postern.Secret) {
	t.Helper()
	to, err := p.Authorize(t.Context(), start)
	if err != nil {
		t.Fatalf("Authorize: %v", err)
	}
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, to.Keep
}

func TestAuthorizeWithDefaults(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		if s.oauth1() {
			t.Skip("its page is another: TestTwitterAuthorize")
		}
		c := application()
		c.RedirectURL = "https://registered.example/callback"
		u, keep := authorize(t, s.construct(c), postern.ProviderStart{State: state, CallbackURL: callbackURL})
		wantEqual(t, "scope", u.Query().Get("scope"), s.scope)
		wantEqual(t, "redirect_uri", u.Query().Get("redirect_uri"), c.RedirectURL)
		wantEqual(t, "a verifier is kept", keep != "", s.pkce)
	})
}

// The token is asked for with what the application is known by, and the profile
// with the token, at the service's own places and where it is hosted.
func TestSignIn(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		t.Run("at its own place", func(t *testing.T) {
			t.Parallel()
			in := serve(t, s.answers())
			checkSignIn(t, s, in, in.everywhere(), func(endpoint string) string { return endpoint })
		})
		t.Run("hosted elsewhere", func(t *testing.T) {
			t.Parallel()
			in := serve(t, s.answers())
			checkSignIn(t, s, in, in.here(), func(endpoint string) string { return moved(endpoint, in.URL) })
		})
	})
}

func checkSignIn(t *testing.T, s serviceCase, in *standIn, c provider.Config, at func(string) string) {
	t.Helper()
	got := mustSignIn(t, s.construct(c))
	claims := s.claims
	claims.Issuer = at(claims.Issuer)
	wantEqual(t, "the claims", got.profile.Claims, claims)
	wantEqual(t, "the addresses", got.profile.Emails, s.emails)
	wantEqual(t, "the access token", got.tokens.AccessToken, postern.Secret(accessToken))

	var places []string
	for _, endpoint := range s.tokenEndpoints() {
		places = append(places, at(endpoint))
	}
	for _, p := range s.profile {
		places = append(places, at(p.url))
	}
	var askedAt []string
	for _, r := range in.requests() {
		askedAt = append(askedAt, r.url)
	}
	wantEqual(t, "the requests", askedAt, places)
	if s.oauth1() || t.Failed() {
		return
	}
	checkTokenRequest(t, s, in.requests()[0], got.redirect.Keep)
	for _, r := range in.requests()[1:] {
		checkProfileRequest(t, s, r)
	}
}

func checkTokenRequest(t *testing.T, s serviceCase, r asked, kept postern.Secret) {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callbackURL}}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte("app-1:"+url.QueryEscape(secret))) // RFC 6749 §2.3.1
	if s.inBody {
		header = ""
		form["client_id"], form["client_secret"] = []string{"app-1"}, []string{secret}
	}
	if s.pkce {
		form["code_verifier"] = []string{string(kept)}
	}
	wantEqual(t, "the token request's method", r.method, http.MethodPost)
	wantEqual(t, "the token request's form", r.form, form)
	wantEqual(t, "the token request's Authorization", r.header.Get("Authorization"), header)
}

func checkProfileRequest(t *testing.T, s serviceCase, r asked) {
	t.Helper()
	wantEqual(t, "the profile request's method", r.method, http.MethodGet)
	wantEqual(t, "the profile request's Authorization", r.header.Get("Authorization"), "Bearer "+accessToken)
	wantEqual(t, "the profile request's Accept", r.header.Get("Accept"), "application/json")
	if name, value, ok := strings.Cut(s.header, ": "); ok {
		wantEqual(t, name, r.header.Get(name), value)
	}
}

func TestSomebodyWithoutAnAddress(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		in := serve(t, replace(s.answers(), s.noEmail))
		got := mustSignIn(t, s.construct(in.everywhere()))
		wantEqual(t, "the claims", got.profile.Claims, s.claims)
		wantEqual(t, "the addresses", got.profile.Emails, []postern.ProfileEmail(nil))
	})
}

func TestSomebodyWhoseAddressIsNotVerified(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		if s.unverified == nil {
			t.Skip("the service cannot say so")
		}
		in := serve(t, replace(s.answers(), s.unverified))
		want := slices.Clone(s.emails)
		for i := range want {
			want[i].Verified = false
		}
		got := mustSignIn(t, s.construct(in.everywhere()))
		wantEqual(t, "the addresses", got.profile.Emails, want)
	})
}

// The refusal is told by its status and name. What it says besides is not: some
// services repeat what they were sent.
func TestDenial(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		for _, at := range s.tokenEndpoints() {
			in := serve(t, s.answers())
			in.answer(at, respond(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"of `+code+` and `+accessToken+`"}`))
			_, err := signIn(t.Context(), s.construct(in.here()))
			wantError(t, err)
			if !strings.Contains(err.Error(), "answered 400") {
				t.Errorf("got %v, want the status 400 in it", err)
			}
		}
	})
}

// wantError wants an error that gives nothing away.
func wantError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, hidden := range []string{secret, url.QueryEscape(secret), code, accessToken, "request-token", "request-secret", "appsecret_proof"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("got the error %q, want one without %q", err, hidden)
		}
	}
}

// Some services take the credentials in the body alone, others in the header. Who
// takes them in both is not asked twice: TestSignIn.
func TestCredentialsInTheBodyAreTried(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "discord")
	in := serve(t, s.answers())
	in.answer(s.token, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			respond(http.StatusUnauthorized, `{"error":"invalid_client"}`)(w, r)
			return
		}
		respond(http.StatusOK, `{"access_token":"access-token"}`)(w, r)
	})
	p := s.construct(in.here())
	mustSignIn(t, p)
	wantEqual(t, "the secret", in.requests()[1].form.Get("client_secret"), secret)
	before := len(in.requests())
	mustSignIn(t, p)
	wantEqual(t, "the secret from then on", in.requests()[before].form.Get("client_secret"), secret)
}

func TestRefusedCodesAreNotTriedTwice(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "discord")
	in := serve(t, s.answers())
	in.answer(s.token, respond(http.StatusBadRequest, `{"error":"invalid_grant"}`))
	if _, err := s.construct(in.here()).Exchange(t.Context(), postern.ProviderReturn{Code: "used"}); err == nil {
		t.Fatal("a code that was refused was accepted")
	}
	wantEqual(t, "the number of requests", len(in.requests()), 1)
}

func caseOf(t testing.TB, name string) serviceCase {
	t.Helper()
	all := services()
	i := slices.IndexFunc(all, func(s serviceCase) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("there is no case of %s", name)
	}
	return all[i]
}

// endpoints are all that a service is asked at.
func (s serviceCase) endpoints() []string {
	all := s.tokenEndpoints()
	for _, p := range s.profile {
		all = append(all, p.url)
	}
	return all
}

// No answer that makes no sense is taken for one that does.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	broken := map[string]reply{
		"500":        respond(http.StatusInternalServerError, `{"access_token":"access-token"}`),
		"403":        respond(http.StatusForbidden, `{"message":"access-token"}`),
		"a redirect": respondElsewhere,
		"HTML":       respondHTML,
		"nothing":    respond(http.StatusOK, ""),
		"a text":     respond(http.StatusOK, `"access-token"`),
		"a number":   respond(http.StatusOK, "9007199254740993"),
		"a truth":    respond(http.StatusOK, "true"),
		"two values": respond(http.StatusOK, "{}{}"),
		"a list":     respond(http.StatusOK, `["access-token"]`),
	}
	eachService(t, func(t *testing.T, s serviceCase) {
		for _, at := range s.endpoints() {
			for name, answer := range broken {
				in := serve(t, s.answers())
				in.answer("https://service.example/elsewhere", respond(http.StatusOK, s.answers()[at]))
				in.answer(at, answer)
				_, err := signIn(t.Context(), s.construct(in.here()))
				if err == nil {
					t.Errorf("%s answers with %s: got no error", at, name)
					continue
				}
				wantError(t, err)
				if slices.ContainsFunc(in.requests(), func(r asked) bool { return strings.HasSuffix(r.url, "/elsewhere") }) {
					t.Errorf("%s answers with %s: it was followed", at, name)
				}
			}
		}
	})
}

func TestHalfAnAnswer(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		for _, at := range s.endpoints() {
			in := serve(t, s.answers())
			in.answer(at, respondHalf(s.answers()[at]))
			_, err := signIn(t.Context(), s.construct(in.here()))
			wantError(t, err)
		}
	})
}

// What has the right form and says nothing is about nobody, unless it is asked for
// addresses alone.
func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		for i, at := range s.endpoints() {
			for _, empty := range []string{"{}", "[]", "null", `{"data":[]}`, `{"data":null}`, `{"id":null}`, `{"id":""}`, `{"ok":false,"error":"invalid_auth"}`} {
				in := serve(t, s.answers())
				in.answer(at, respond(http.StatusOK, empty))
				got, err := signIn(t.Context(), s.construct(in.here()))
				if i > len(s.tokenEndpoints()) && err == nil {
					wantEqual(t, "the subject", got.profile.Claims.Subject, s.claims.Subject)
					continue
				}
				if err == nil {
					t.Errorf("%s answers with %s: got no error", at, empty)
				}
			}
		}
	})
}

// A service that hangs is waited for no longer than the context lasts.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		for _, at := range s.endpoints() {
			ctx, cancel := context.WithCancel(t.Context())
			in := serve(t, s.answers())
			in.answer(at, func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			})
			_, err := signIn(ctx, s.construct(in.here()))
			wantError(t, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s hangs: got %v, want %v", at, err, context.Canceled)
			}
		}
	})
}

func TestTokensOfAnotherProvider(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s serviceCase) {
		if _, err := s.construct(application()).Profile(t.Context(), &postern.ProviderTokens{AccessToken: accessToken}); err == nil {
			t.Error("got a profile with tokens of another provider")
		}
	})
}
