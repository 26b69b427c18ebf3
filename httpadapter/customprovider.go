package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

func decodeCustomProvider(r *http.Request) (postern.CustomProviderParams, error) {
	type CustomOAuthProviderParams struct {
		ProviderType        string         `json:"provider_type"`
		Identifier          string         `json:"identifier"`
		Name                *string        `json:"name"`
		ClientID            *string        `json:"client_id"`
		ClientSecret        *string        `json:"client_secret"`
		AcceptableClientIDs *[]string      `json:"acceptable_client_ids"`
		Scopes              *[]string      `json:"scopes"`
		PKCEEnabled         *bool          `json:"pkce_enabled"`
		AttributeMapping    map[string]any `json:"attribute_mapping"`
		CustomClaims        *[]string      `json:"custom_claims_allowlist"`
		AuthorizationParams map[string]any `json:"authorization_params"`
		Enabled             *bool          `json:"enabled"`
		EmailOptional       *bool          `json:"email_optional"`
		Issuer              *string        `json:"issuer"`
		DiscoveryURL        *string        `json:"discovery_url"`
		SkipNonceCheck      *bool          `json:"skip_nonce_check"`
		AuthorizationURL    *string        `json:"authorization_url"`
		TokenURL            *string        `json:"token_url"`
		UserInfoURL         *string        `json:"userinfo_url"`
		JWKSURI             *string        `json:"jwks_uri"`
	}
	var p CustomOAuthProviderParams
	err := decode(r, &p)
	return postern.CustomProviderParams{
		ProviderType: p.ProviderType, Identifier: p.Identifier, Name: p.Name, ClientID: p.ClientID,
		ClientSecret: (*postern.Secret)(p.ClientSecret), AcceptableClientIDs: p.AcceptableClientIDs, Scopes: p.Scopes,
		PKCEEnabled: p.PKCEEnabled, AttributeMapping: p.AttributeMapping, CustomClaims: p.CustomClaims,
		AuthorizationParams: p.AuthorizationParams, Enabled: p.Enabled, EmailOptional: p.EmailOptional,
		Issuer: p.Issuer, DiscoveryURL: p.DiscoveryURL, SkipNonceCheck: p.SkipNonceCheck,
		AuthorizationURL: p.AuthorizationURL, TokenURL: p.TokenURL, UserInfoURL: p.UserInfoURL, JWKSURI: p.JWKSURI,
	}, err
}

// adminListCustomProviders serves GET /admin/custom-providers.
func (s *server) adminListCustomProviders(w http.ResponseWriter, r *http.Request) error {
	list, err := s.auth.AdminListCustomProviders(r.Context(), r.URL.Query().Get("type"))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, struct {
		Providers []postern.CustomProvider `json:"providers"`
	}{list})
}

// adminCreateCustomProvider serves POST /admin/custom-providers.
func (s *server) adminCreateCustomProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := decodeCustomProvider(r)
	if err != nil {
		return err
	}
	made, err := s.auth.AdminCreateCustomProvider(r.Context(), p)
	if err != nil {
		return err
	}
	return respond(w, http.StatusCreated, made)
}

// adminCustomProvider serves GET /admin/custom-providers/{identifier}.
func (s *server) adminCustomProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := s.auth.AdminCustomProvider(r.Context(), r.PathValue("identifier"))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, p)
}

// adminUpdateCustomProvider serves PUT /admin/custom-providers/{identifier}.
func (s *server) adminUpdateCustomProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := decodeCustomProvider(r)
	if err != nil {
		return err
	}
	changed, err := s.auth.AdminUpdateCustomProvider(r.Context(), r.PathValue("identifier"), p)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, changed)
}

// adminDeleteCustomProvider serves DELETE /admin/custom-providers/{identifier}.
func (s *server) adminDeleteCustomProvider(w http.ResponseWriter, r *http.Request) error {
	if err := s.auth.AdminDeleteCustomProvider(r.Context(), r.PathValue("identifier")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
