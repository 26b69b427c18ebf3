package postern_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// maker makes custom providers in memory, of one issuer that says what it is told
// to.
type maker struct {
	provider  *authtest.Provider
	discovery *postern.Discovery
	down      atomic.Bool
	asked     atomic.Int64
	made      atomic.Int64
	secret    atomic.Value
}

func newMaker() *maker {
	return &maker{provider: authtest.NewProvider("custom:acme"), discovery: &postern.Discovery{
		Issuer: "https://login.acme.example", AuthorizationEndpoint: "https://login.acme.example/authorize",
		TokenEndpoint: "https://login.acme.example/token", JWKSURI: "https://login.acme.example/jwks",
	}}
}

func (m *maker) CheckURL(_ context.Context, rawURL string) error {
	if !strings.HasPrefix(rawURL, "https://") {
		return errors.New("URL must use HTTPS")
	}
	return nil
}

func (m *maker) Discover(_ context.Context, issuer, _ string) (*postern.Discovery, error) {
	m.asked.Add(1)
	if m.down.Load() || issuer != m.discovery.Issuer {
		return nil, errors.New("nobody is there")
	}
	return m.discovery, nil
}

func (m *maker) Provider(_ postern.CustomProvider, secret postern.Secret) postern.Provider {
	m.made.Add(1)
	m.secret.Store(string(secret))
	return m.provider.Provider()
}

// withMaker runs a test on a service that has custom providers.
func withMaker(t *testing.T, edit func(*postern.Config), test func(t *testing.T, o outside, m *maker)) {
	t.Helper()
	withProvider(t, func(c *postern.Config) {
		c.CustomProviders.Maker = newMaker()
		if edit != nil {
			edit(c)
		}
	}, func(t *testing.T, o outside) {
		m := o.cfg.CustomProviders.Maker.(*maker)
		o.github = m.provider
		test(t, o, m)
	})
}

func acme() postern.CustomProviderParams {
	secret := postern.Secret("acme-secret")
	return postern.CustomProviderParams{
		ProviderType: "oidc", Identifier: "custom:acme", Name: ptr("Acme"), ClientID: ptr("acme-client"), ClientSecret: &secret,
		Issuer: ptr("https://login.acme.example"),
	}
}

func widgets() postern.CustomProviderParams {
	secret := postern.Secret("widgets-secret")
	return postern.CustomProviderParams{
		ProviderType: "oauth2", Identifier: "custom:widgets", Name: ptr("Widgets"), ClientID: ptr("widgets-client"), ClientSecret: &secret,
		AuthorizationURL: ptr("https://widgets.example/authorize"), TokenURL: ptr("https://widgets.example/token"),
		UserInfoURL: ptr("https://widgets.example/me"),
	}
}

func ptr[T any](v T) *T { return &v }

func TestCustomProviderLives(t *testing.T) {
	withMaker(t, nil, func(t *testing.T, o outside, m *maker) {
		p, err := o.AdminCreateCustomProvider(t.Context(), acme())
		if err != nil {
			t.Fatal(err)
		}
		if p.Discovery == nil || !p.Enabled || !p.PKCEEnabled || p.EmailOptional || len(p.Scopes) != 1 || p.Scopes[0] != "openid" {
			t.Errorf("got %+v, want the defaults and what the issuer says", p)
		}
		_, err = o.AdminCreateCustomProvider(t.Context(), acme())
		wantError(t, err, postern.KindInvalid, postern.ErrConflict)

		location := o.authorize(t, postern.AuthorizeParams{Provider: "custom:acme"})
		res, err := o.comeBack(t, location, authtest.Person(ada))
		if err != nil {
			t.Fatal(err)
		}
		if i := res.Session.User.Identities[0]; i.Provider != "custom:acme" {
			t.Errorf("got identity %+v, want it to be the custom provider's", i)
		}
		if got := m.secret.Load(); got != "acme-secret" {
			t.Errorf("got secret %v, want it as it was given", got)
		}
		if n := m.made.Load(); n != 1 {
			t.Errorf("got %d providers made, want one for both requests", n)
		}

		if _, err := o.AdminUpdateCustomProvider(t.Context(), "custom:acme", postern.CustomProviderParams{Enabled: ptr(false), Name: ptr("Acme Inc.")}); err != nil {
			t.Fatal(err)
		}
		if got := must(o.AdminCustomProvider(t.Context(), "custom:acme")); got.Enabled || got.Name != "Acme Inc." || got.ClientID != "acme-client" {
			t.Errorf("got %+v, want the two changes alone", got)
		}
		_, err = o.AuthorizeURL(t.Context(), postern.AuthorizeParams{Provider: "custom:acme"})
		wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)

		must(o.AdminCreateCustomProvider(t.Context(), widgets()))
		if list := must(o.AdminListCustomProviders(t.Context(), "oauth2")); len(list) != 1 || list[0].Identifier != "custom:widgets" {
			t.Errorf("got %+v", list)
		}
		if list := must(o.AdminListCustomProviders(t.Context(), "")); len(list) != 2 || list[0].Identifier != "custom:widgets" {
			t.Errorf("got %+v, want both, the newest first", list)
		}
		if err := o.AdminDeleteCustomProvider(t.Context(), "custom:acme"); err != nil {
			t.Fatal(err)
		}
		wantError(t, o.AdminDeleteCustomProvider(t.Context(), "custom:acme"), postern.KindNotFound, postern.ErrCustomProviderNotFound)
	})
}

func TestCustomProvidersThatAreRefused(t *testing.T) {
	withMaker(t, nil, func(t *testing.T, o outside, m *maker) {
		with := func(p postern.CustomProviderParams, edit func(*postern.CustomProviderParams)) postern.CustomProviderParams {
			edit(&p)
			return p
		}
		for want, p := range map[string]postern.CustomProviderParams{
			"provider_type must be either 'oauth2' or 'oidc'":              with(acme(), func(p *postern.CustomProviderParams) { p.ProviderType = "saml" }),
			"identifier is required":                                       with(acme(), func(p *postern.CustomProviderParams) { p.Identifier = "" }),
			"identifier must start with 'custom:' prefix, e.g. 'custom:x'": with(acme(), func(p *postern.CustomProviderParams) { p.Identifier = "x" }),
			"name is required":                                             with(acme(), func(p *postern.CustomProviderParams) { p.Name = nil }),
			"client_id is required":                                        with(acme(), func(p *postern.CustomProviderParams) { p.ClientID = ptr("") }),
			"client_secret is required":                                    with(acme(), func(p *postern.CustomProviderParams) { p.ClientSecret = nil }),
			"issuer is required for OIDC providers":                        with(acme(), func(p *postern.CustomProviderParams) { p.Issuer = nil }),
			"token_url is required for OAuth2 providers":                   with(widgets(), func(p *postern.CustomProviderParams) { p.TokenURL = nil }),
			"URL must use HTTPS":                                           with(widgets(), func(p *postern.CustomProviderParams) { p.TokenURL = ptr("http://widgets.example") }),
			"Cannot override reserved OAuth parameter: state":              with(acme(), func(p *postern.CustomProviderParams) { p.AuthorizationParams = map[string]any{"state": "x"} }),
			`Authorization parameter "prompt" must be a string`:            with(acme(), func(p *postern.CustomProviderParams) { p.AuthorizationParams = map[string]any{"prompt": 1} }),
			"Cannot map to protected system field: email_verified":         with(acme(), func(p *postern.CustomProviderParams) { p.AttributeMapping = map[string]any{"email_verified": true} }),
			"custom_claims_allowlist entries must be non-empty strings":    with(acme(), func(p *postern.CustomProviderParams) { p.CustomClaims = &[]string{"a", ""} }),
			`OIDC discovery from "https://other.example/.well-known/openid-configuration" failed: nobody is there`: with(acme(), func(p *postern.CustomProviderParams) { p.Issuer = ptr("https://other.example") }),
		} {
			_, err := o.AdminCreateCustomProvider(t.Context(), p)
			var e *postern.Error
			if !errors.As(err, &e) || e.Kind != postern.KindInvalid || e.Message != want {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		for _, p := range []postern.CustomProviderParams{
			with(acme(), func(p *postern.CustomProviderParams) { p.Identifier = "custom:Acme" }),
			with(acme(), func(p *postern.CustomProviderParams) { p.Identifier = "custom:a\x00" }),
			with(acme(), func(p *postern.CustomProviderParams) { p.Identifier = "custom:" + strings.Repeat("a", 50) }),
			with(acme(), func(p *postern.CustomProviderParams) { p.Name = ptr(strings.Repeat("n", 101)) }),
		} {
			_, err := o.AdminCreateCustomProvider(t.Context(), p)
			wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
		}
		m.discovery.JWKSURI = ""
		_, err := o.AdminCreateCustomProvider(t.Context(), acme())
		if err == nil || !strings.Contains(err.Error(), "OIDC discovery document is missing required fields: jwks_uri") {
			t.Errorf("got %v", err)
		}
		if list := must(o.AdminListCustomProviders(t.Context(), "")); len(list) != 0 {
			t.Errorf("got %+v, want nothing stored", list)
		}
	})
}

func TestCustomProvidersHaveAQuota(t *testing.T) {
	withMaker(t, func(c *postern.Config) { c.CustomProviders.Max = 1 }, func(t *testing.T, o outside, _ *maker) {
		must(o.AdminCreateCustomProvider(t.Context(), widgets()))
		_, err := o.AdminCreateCustomProvider(t.Context(), acme())
		wantError(t, err, postern.KindInvalid, postern.ErrOverCustomProviderQuota)
	})
}

func TestCustomProviderIssuerIsAskedAgain(t *testing.T) {
	withMaker(t, nil, func(t *testing.T, o outside, m *maker) {
		must(o.AdminCreateCustomProvider(t.Context(), acme()))
		use := func(want int64) {
			t.Helper()
			o.authorize(t, postern.AuthorizeParams{Provider: "custom:acme"})
			if got := m.asked.Load(); got != want {
				t.Errorf("the issuer was asked %d times, want %d", got, want)
			}
		}
		use(1)
		o.Advance(time.Hour)
		use(2)
		use(2)
		m.down.Store(true)
		o.Advance(time.Hour)
		use(3) // what it said before is good enough
		use(3)
		o.Advance(time.Minute)
		use(4)
	})
}

func TestSecretsOfCustomProvidersAreEncrypted(t *testing.T) {
	key := "M-uHzXIZWr6kZQsU41I_Em7_CqEC599AyvaEtNat7Wg"
	encrypt := func(c *postern.Config) {
		c.Encryption = postern.EncryptionConfig{Encrypt: true, KeyID: "k", Keys: map[string]postern.Secret{"k": postern.Secret(key)}}
	}
	withMaker(t, encrypt, func(t *testing.T, o outside, m *maker) {
		must(o.AdminCreateCustomProvider(t.Context(), acme()))
		var stored string
		row := o.st.DB().QueryRowContext(t.Context(), o.dialect("SELECT client_secret FROM auth.custom_oauth_providers"))
		if err := row.Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stored, "acme-secret") || !strings.Contains(stored, "aes-gcm-hkdf") {
			t.Errorf("got %q in the database, want an envelope", stored)
		}
		o.authorize(t, postern.AuthorizeParams{Provider: "custom:acme"})
		if got := m.secret.Load(); got != "acme-secret" {
			t.Errorf("got secret %v", got)
		}
	})
}

func TestCustomProvidersMayBeSwitchedOff(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		_, err := o.AdminListCustomProviders(t.Context(), "")
		wantError(t, err, postern.KindNotFound, postern.ErrFeatureDisabled)
		_, err = o.AdminCreateCustomProvider(t.Context(), acme())
		wantError(t, err, postern.KindNotFound, postern.ErrFeatureDisabled)
	})
}
