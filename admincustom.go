package postern

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The types of custom providers.
const (
	typeOAuth2 = "oauth2"
	typeOIDC   = "oidc"
)

// CustomProviderParams describes a custom provider, or what is to change of one.
// What is nil stays as it is, which for a new one is empty, true for PKCEEnabled
// and Enabled, and false for the other two.
type CustomProviderParams struct {
	ProviderType string // "oauth2" or "oidc"; never changes
	Identifier   string // "custom:…"; never changes

	Name                *string
	ClientID            *string
	ClientSecret        *Secret
	AcceptableClientIDs *[]string
	Scopes              *[]string
	PKCEEnabled         *bool
	AttributeMapping    map[string]any
	CustomClaims        *[]string
	AuthorizationParams map[string]any // of strings
	Enabled             *bool
	EmailOptional       *bool

	Issuer         *string
	DiscoveryURL   *string
	SkipNonceCheck *bool

	AuthorizationURL *string
	TokenURL         *string
	UserInfoURL      *string
	JWKSURI          *string
}

// AdminCreateCustomProvider stores a provider that people can sign in with from
// then on. An OpenID issuer is asked what it says of itself. Errors:
// ErrFeatureDisabled, ErrValidationFailed, ErrConflict for an identifier that is
// taken, ErrOverCustomProviderQuota (contract: endpoints.md §8).
func (a *Auth) AdminCreateCustomProvider(ctx context.Context, p CustomProviderParams) (*CustomProvider, error) {
	if err := a.customEnabled(); err != nil {
		return nil, err
	}
	if err := checkCustomNames(p); err != nil {
		return nil, err
	}
	now := a.now()
	r := &CustomProviderRecord{CustomProvider: CustomProvider{
		ID: uuid.Must(uuid.NewRandom()), ProviderType: p.ProviderType, Identifier: p.Identifier,
		PKCEEnabled: true, Enabled: true, CreatedAt: now, UpdatedAt: now,
		AcceptableClientIDs: []string{}, Scopes: []string{}, CustomClaims: []string{},
		AttributeMapping: map[string]any{}, AuthorizationParams: map[string]string{},
	}}
	if err := a.applyCustom(ctx, r, p); err != nil {
		return nil, err
	}
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := a.checkQuota(ctx, tx); err != nil {
			return err
		}
		if err := tx.AddCustomProvider(ctx, r); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionProviderCreated, nil, customTraits(r))
	})
	if errors.Is(err, ErrRowTaken) {
		return nil, fail(KindInvalid, ErrConflict, "A custom OAuth provider with this identifier already exists")
	}
	return &r.CustomProvider, internal("Error creating custom OAuth provider", err)
}

func (a *Auth) customEnabled() error {
	if a.cfg.CustomProviders.Maker == nil {
		return fail(KindNotFound, ErrFeatureDisabled, "Custom OAuth providers are disabled")
	}
	return nil
}

// customIdentifier is the table's own rule.
var customIdentifier = regexp.MustCompile(`^[a-z0-9][a-z0-9:-]{0,48}[a-z0-9]$`)

func checkCustomNames(p CustomProviderParams) error {
	switch {
	case p.ProviderType != typeOAuth2 && p.ProviderType != typeOIDC:
		return invalid("provider_type must be either 'oauth2' or 'oidc'")
	case p.Identifier == "":
		return invalid("identifier is required")
	case !strings.HasPrefix(p.Identifier, customPrefix):
		return invalid("identifier must start with 'custom:' prefix, e.g. 'custom:%s'", p.Identifier)
	case !customIdentifier.MatchString(p.Identifier):
		return invalid("identifier may have at most 50 characters: small letters, digits, and inner hyphens and colons")
	}
	return nil
}

func (a *Auth) checkQuota(ctx context.Context, tx Tx) error {
	most := a.cfg.CustomProviders.Max
	if most <= 0 {
		return nil
	}
	all, err := tx.CustomProviders(ctx, "")
	if err == nil && len(all) >= most {
		return fail(KindInvalid, ErrOverCustomProviderQuota, "Maximum number of custom OAuth/OIDC providers reached")
	}
	return err
}

// applyCustom edits a record as it is asked for and checks what comes of it.
func (a *Auth) applyCustom(ctx context.Context, r *CustomProviderRecord, p CustomProviderParams) error {
	before := r.CustomProvider
	if err := editCustom(r, p); err != nil {
		return err
	}
	if p.ClientSecret != nil {
		var err error
		if r.ClientSecret, err = a.cfg.Encryption.seal(r.ID, string(*p.ClientSecret)); err != nil {
			return err
		}
	}
	if err := checkCustom(r); err != nil {
		return err
	}
	if err := a.checkCustomURLs(ctx, &r.CustomProvider); err != nil {
		return err
	}
	if r.ProviderType != typeOIDC || r.Discovery != nil && r.Issuer == before.Issuer && r.DiscoveryURL == before.DiscoveryURL {
		return nil
	}
	found, err := a.discover(ctx, &r.CustomProvider)
	r.Discovery, r.DiscoveryCachedAt = found, ptr(a.now())
	return err
}

func editCustom(r *CustomProviderRecord, p CustomProviderParams) error {
	set(&r.Name, p.Name)
	set(&r.ClientID, p.ClientID)
	set(&r.AcceptableClientIDs, p.AcceptableClientIDs)
	set(&r.Scopes, p.Scopes)
	set(&r.PKCEEnabled, p.PKCEEnabled)
	set(&r.CustomClaims, p.CustomClaims)
	set(&r.Enabled, p.Enabled)
	set(&r.EmailOptional, p.EmailOptional)
	set(&r.Issuer, p.Issuer)
	set(&r.DiscoveryURL, p.DiscoveryURL)
	set(&r.SkipNonceCheck, p.SkipNonceCheck)
	set(&r.AuthorizationURL, p.AuthorizationURL)
	set(&r.TokenURL, p.TokenURL)
	set(&r.UserInfoURL, p.UserInfoURL)
	set(&r.JWKSURI, p.JWKSURI)
	if p.AttributeMapping != nil {
		r.AttributeMapping = p.AttributeMapping
	}
	if r.ProviderType == typeOIDC && !slices.Contains(r.Scopes, "openid") {
		r.Scopes = append([]string{"openid"}, r.Scopes...)
	}
	if p.AuthorizationParams == nil {
		return nil
	}
	r.AuthorizationParams = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.AuthorizationParams)) {
		value, ok := p.AuthorizationParams[name].(string)
		if !ok {
			return invalid("Authorization parameter %q must be a string", name)
		}
		r.AuthorizationParams[name] = value
	}
	return nil
}

// set replaces what is asked to be replaced.
func set[T any](at, by *T) {
	if by != nil {
		*at = *by
	}
}

// systemFields are members of users that no provider has a say in.
const systemFields = "id aud role app_metadata created_at updated_at confirmed_at email_confirmed_at phone_confirmed_at " +
	"email_verified phone_verified banned_until is_super_admin"

// checkCustom checks what can be checked without asking anybody.
func checkCustom(r *CustomProviderRecord) error {
	const longestName, longestClientID = 100, 512 // the table's own rules
	switch {
	case r.Name == "":
		return invalid("name is required")
	case len(r.Name) > longestName:
		return invalid("name cannot be longer than %d characters", longestName)
	case r.ClientID == "":
		return invalid("client_id is required")
	case len(r.ClientID) > longestClientID:
		return invalid("client_id cannot be longer than %d characters", longestClientID)
	case r.ClientSecret == "":
		return invalid("client_secret is required")
	case slices.Contains(r.CustomClaims, ""):
		return invalid("custom_claims_allowlist entries must be non-empty strings")
	}
	for _, name := range slices.Sorted(maps.Keys(r.AuthorizationParams)) {
		if slices.Contains(strings.Fields(reserved), strings.ToLower(name)) {
			return invalid("Cannot override reserved OAuth parameter: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.AttributeMapping)) {
		if slices.Contains(strings.Fields(systemFields), strings.ToLower(name)) {
			return invalid("Cannot map to protected system field: %s", name)
		}
	}
	return nil
}

// checkCustomURLs checks the endpoints that a provider of its type needs, and
// those that it has besides.
func (a *Auth) checkCustomURLs(ctx context.Context, p *CustomProvider) error {
	type endpoint struct {
		name, url string
		needed    bool
	}
	kind, endpoints := "OAuth2", []endpoint{
		{"authorization_url", p.AuthorizationURL, true}, {"token_url", p.TokenURL, true},
		{"userinfo_url", p.UserInfoURL, true}, {"jwks_uri", p.JWKSURI, false},
	}
	if p.ProviderType == typeOIDC {
		kind, endpoints = "OIDC", []endpoint{{"issuer", p.Issuer, true}, {"discovery_url", p.DiscoveryURL, false}}
	}
	for _, e := range endpoints {
		if e.url == "" && e.needed {
			return invalid("%s is required for %s providers", e.name, kind)
		}
	}
	for _, e := range endpoints {
		if e.url == "" {
			continue
		}
		if err := a.cfg.CustomProviders.Maker.CheckURL(ctx, e.url); err != nil {
			return invalid("%v", err)
		}
	}
	return nil
}

// AdminCustomProvider returns a custom provider. Errors: ErrFeatureDisabled,
// ErrCustomProviderNotFound.
func (a *Auth) AdminCustomProvider(ctx context.Context, identifier string) (*CustomProvider, error) {
	if err := a.customEnabled(); err != nil {
		return nil, err
	}
	r, err := a.store.FindCustomProvider(ctx, identifier)
	if err != nil {
		return nil, missingCustom("Error retrieving custom OAuth provider", err)
	}
	return &r.CustomProvider, nil
}

func missingCustom(doing string, err error) error {
	if errors.Is(err, ErrNoRow) {
		return fail(KindNotFound, ErrCustomProviderNotFound, "Custom OAuth provider not found")
	}
	return internal(doing, err)
}

// AdminListCustomProviders returns the custom providers of a type, "" for all,
// newest first. Errors: ErrFeatureDisabled, ErrValidationFailed.
func (a *Auth) AdminListCustomProviders(ctx context.Context, providerType string) ([]CustomProvider, error) {
	if err := a.customEnabled(); err != nil {
		return nil, err
	}
	if providerType != "" && providerType != typeOAuth2 && providerType != typeOIDC {
		return nil, invalid("type must be either 'oauth2' or 'oidc'")
	}
	records, err := a.store.CustomProviders(ctx, providerType)
	list := make([]CustomProvider, len(records))
	for i, r := range records {
		list[i] = r.CustomProvider
	}
	return list, internal("Error retrieving custom OAuth providers", err)
}

// AdminUpdateCustomProvider changes a custom provider. Another issuer is asked what
// it says of itself. Errors: ErrFeatureDisabled, ErrCustomProviderNotFound,
// ErrValidationFailed.
func (a *Auth) AdminUpdateCustomProvider(ctx context.Context, identifier string, p CustomProviderParams) (*CustomProvider, error) {
	if err := a.customEnabled(); err != nil {
		return nil, err
	}
	before, err := a.store.FindCustomProvider(ctx, identifier)
	if err != nil {
		return nil, missingCustom("Error finding custom provider", err)
	}
	changed := *before
	if err := a.applyCustom(ctx, &changed, p); err != nil { // asks the network, so not in the transaction
		return nil, err
	}
	var r *CustomProviderRecord
	err = a.store.InTx(ctx, func(tx Tx) (err error) {
		r, err = tx.UpdateCustomProvider(ctx, identifier, func(r *CustomProviderRecord) error {
			if !r.UpdatedAt.Equal(before.UpdatedAt) {
				return fail(KindConflict, ErrConflict, "The provider was changed by another request at the same time")
			}
			*r = changed
			r.UpdatedAt = a.now()
			return nil
		})
		if err != nil {
			return err
		}
		return a.audit(ctx, tx, actionProviderUpdated, nil, customTraits(r))
	})
	if err != nil {
		return nil, missingCustom("Error updating custom OAuth provider", err)
	}
	return &r.CustomProvider, nil
}

// AdminDeleteCustomProvider removes a custom provider. The identities that came of
// it stay, and are of no use. Errors: ErrFeatureDisabled, ErrCustomProviderNotFound.
func (a *Auth) AdminDeleteCustomProvider(ctx context.Context, identifier string) error {
	if err := a.customEnabled(); err != nil {
		return err
	}
	err := a.store.InTx(ctx, func(tx Tx) error {
		r, err := tx.FindCustomProvider(ctx, identifier)
		if err != nil {
			return err
		}
		if err := tx.DeleteCustomProvider(ctx, identifier); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionProviderDeleted, nil, customTraits(r))
	})
	return missingCustom("Error deleting custom OAuth provider", err)
}

func customTraits(r *CustomProviderRecord) traits {
	return traits{"provider": r.Identifier, "provider_type": r.ProviderType, "enabled": r.Enabled}
}
