package httpadapter_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// maker makes custom providers that lead nowhere.
type maker struct{}

func (maker) CheckURL(_ context.Context, rawURL string) error {
	if !strings.HasPrefix(rawURL, "https://") {
		return errors.New("URL must use HTTPS")
	}
	return nil
}

func (maker) Discover(_ context.Context, issuer, _ string) (*postern.Discovery, error) {
	return &postern.Discovery{Issuer: issuer, AuthorizationEndpoint: issuer + "/a", TokenEndpoint: issuer + "/t", JWKSURI: issuer + "/j"}, nil
}

func (maker) Provider(p postern.CustomProvider, _ postern.Secret) postern.Provider {
	return authtest.NewProvider(p.Identifier).Provider()
}

// TestCustomProviders pins contract endpoints.md §8.
func TestCustomProviders(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) { c.CustomProviders.Maker = maker{} }})
		const path = "/admin/custom-providers"
		acme := `{"provider_type":"oidc","identifier":"custom:acme","name":"Acme","client_id":"c","client_secret":"the-secret",
			"issuer":"https://login.acme.example","scopes":["email"],"attribute_mapping":{"nickname":"login"}}`
		made := a.expect(t, request{line: "POST " + path, token: operator(t), body: acme}, 201)
		if strings.Contains(made.body, "the-secret") || !strings.Contains(made.body, `"scopes":["openid","email"]`) ||
			!strings.Contains(made.body, `"acceptable_client_ids":[]`) || !strings.Contains(made.body, `"discovery_document":{"issuer":"https://login.acme.example"`) {
			t.Errorf("got %s", made.body)
		}
		a.expect(t, request{line: "GET " + path + "/custom%3Aacme", token: operator(t)}, 200, made.body)
		a.expect(t, request{line: "GET " + path + "?type=oidc", token: operator(t)}, 200, `{"providers":[`+made.body+`]}`)
		a.expect(t, request{line: "GET " + path + "/?type=oauth2", token: operator(t)}, 200, `{"providers":[]}`)
		changed := a.expect(t, request{line: "PUT " + path + "/custom:acme/", token: operator(t), body: `{"enabled":false,"identifier":"custom:other"}`}, 200)
		if !strings.Contains(changed.body, `"enabled":false`) || !strings.Contains(changed.body, `"identifier":"custom:acme"`) {
			t.Errorf("got %s", changed.body)
		}
		a.expectRefusals(t, operator(t), []refusal{
			{"POST " + path, acme, 400, "conflict", "A custom OAuth provider with this identifier already exists"},
			{"POST " + path, `{}`, 400, "validation_failed", "provider_type must be either 'oauth2' or 'oidc'"},
			{"GET " + path + "?type=saml", "", 400, "validation_failed", "type must be either 'oauth2' or 'oidc'"},
			{"GET " + path + "/custom:no", "", 404, "custom_provider_not_found", "Custom OAuth provider not found"},
			{"PUT " + path + "/custom:no", `{}`, 404, "custom_provider_not_found", "Custom OAuth provider not found"},
			{"DELETE " + path + "/custom:no", "", 404, "custom_provider_not_found", "Custom OAuth provider not found"},
			{"GET /authorize?provider=custom:acme", "", 400, "validation_failed", "Unsupported provider: custom provider custom:acme is disabled"},
			{"POST /token?grant_type=id_token", `{"provider":"custom:acme","id_token":"x"}`, 400, "provider_disabled", `Custom provider \"custom:acme\" is disabled`},
			{"POST /token?grant_type=id_token", `{"provider":"custom:no","id_token":"x"}`, 400, "validation_failed", `Custom provider \"custom:no\" not found`},
		})
		if got := a.expect(t, request{line: "DELETE " + path + "/custom:acme", token: operator(t)}, 204); got.body != "" {
			t.Errorf("got body %q", got.body)
		}
		a.expect(t, request{line: "GET " + path}, 401, noBearer)
	})
}

func TestCustomProvidersThatAreSwitchedOff(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	for _, line := range []string{"GET /admin/custom-providers", "POST /admin/custom-providers", "GET /admin/custom-providers/custom:a"} {
		a.expect(t, request{line: line, token: operator(t), body: `{}`}, 404, older("404", "feature_disabled", "Custom OAuth providers are disabled"))
	}
}
