package store

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// customProviderRow is a row of custom_oauth_providers. Its lists are arrays in
// PostgreSQL and JSON in SQLite.
type customProviderRow struct {
	bun.BaseModel `bun:"alias:p"`

	ID                  uuid.UUID `bun:"id,pk"`
	ProviderType        text      `bun:"provider_type"`
	Identifier          text      `bun:"identifier"`
	Name                text      `bun:"name"`
	ClientID            text      `bun:"client_id"`
	ClientSecret        text      `bun:"client_secret"`
	AcceptableClientIDs []string  `bun:"acceptable_client_ids,array"`
	Scopes              []string  `bun:"scopes,array"`
	PKCEEnabled         flag      `bun:"pkce_enabled"`
	AttributeMapping    document  `bun:"attribute_mapping"`
	AuthorizationParams document  `bun:"authorization_params"`
	Enabled             flag      `bun:"enabled"`
	EmailOptional       flag      `bun:"email_optional"`
	Issuer              text      `bun:"issuer,nullzero"`
	DiscoveryURL        text      `bun:"discovery_url,nullzero"`
	SkipNonceCheck      flag      `bun:"skip_nonce_check"`
	CachedDiscovery     document  `bun:"cached_discovery,nullzero"`
	DiscoveryCachedAt   instant   `bun:"discovery_cached_at"`
	AuthorizationURL    text      `bun:"authorization_url,nullzero"`
	TokenURL            text      `bun:"token_url,nullzero"`
	UserInfoURL         text      `bun:"userinfo_url,nullzero"`
	JWKSURI             text      `bun:"jwks_uri,nullzero"`
	CreatedAt           instant   `bun:"created_at"`
	UpdatedAt           instant   `bun:"updated_at"`
	CustomClaims        []string  `bun:"custom_claims_allowlist,array"`
}

func newCustomProviderRow(p *postern.CustomProviderRecord) (*customProviderRow, error) {
	mapping, err := asObject(p.AttributeMapping)
	if err != nil {
		return nil, err
	}
	params, err := asObject(p.AuthorizationParams)
	if err != nil {
		return nil, err
	}
	row := &customProviderRow{
		ID:                  p.ID,
		ProviderType:        text(p.ProviderType),
		Identifier:          text(p.Identifier),
		Name:                text(p.Name),
		ClientID:            text(p.ClientID),
		ClientSecret:        text(p.ClientSecret),
		AcceptableClientIDs: list(p.AcceptableClientIDs),
		Scopes:              list(p.Scopes),
		PKCEEnabled:         flag(p.PKCEEnabled),
		AttributeMapping:    mapping,
		AuthorizationParams: params,
		Enabled:             flag(p.Enabled),
		EmailOptional:       flag(p.EmailOptional),
		Issuer:              text(p.Issuer),
		DiscoveryURL:        text(p.DiscoveryURL),
		SkipNonceCheck:      flag(p.SkipNonceCheck),
		DiscoveryCachedAt:   optionalInstant(p.DiscoveryCachedAt),
		AuthorizationURL:    text(p.AuthorizationURL),
		TokenURL:            text(p.TokenURL),
		UserInfoURL:         text(p.UserInfoURL),
		JWKSURI:             text(p.JWKSURI),
		CreatedAt:           newInstant(p.CreatedAt),
		UpdatedAt:           newInstant(p.UpdatedAt),
		CustomClaims:        list(p.CustomClaims),
	}
	if p.Discovery != nil {
		row.CachedDiscovery, err = asObject(p.Discovery)
	}
	if err == nil {
		err = storable(row)
	}
	return row, err
}

// asObject writes a value as a JSON object.
func asObject(v any) (document, error) {
	m, err := postern.NewMetadata(v)
	return newDocument(m), err
}

// list returns an empty list for none, which the columns do not take.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

func (r *customProviderRow) record() (*postern.CustomProviderRecord, error) {
	p := &postern.CustomProviderRecord{
		CustomProvider: postern.CustomProvider{
			ID:                  r.ID,
			ProviderType:        string(r.ProviderType),
			Identifier:          string(r.Identifier),
			Name:                string(r.Name),
			ClientID:            string(r.ClientID),
			AcceptableClientIDs: list(r.AcceptableClientIDs),
			Scopes:              list(r.Scopes),
			PKCEEnabled:         bool(r.PKCEEnabled),
			AttributeMapping:    map[string]any{},
			CustomClaims:        list(r.CustomClaims),
			AuthorizationParams: map[string]string{},
			Enabled:             bool(r.Enabled),
			EmailOptional:       bool(r.EmailOptional),
			Issuer:              string(r.Issuer),
			DiscoveryURL:        string(r.DiscoveryURL),
			SkipNonceCheck:      bool(r.SkipNonceCheck),
			AuthorizationURL:    string(r.AuthorizationURL),
			TokenURL:            string(r.TokenURL),
			UserInfoURL:         string(r.UserInfoURL),
			JWKSURI:             string(r.JWKSURI),
			CreatedAt:           r.CreatedAt.Time,
			UpdatedAt:           r.UpdatedAt.Time,
		},
		ClientSecret:      postern.Secret(r.ClientSecret),
		DiscoveryCachedAt: r.DiscoveryCachedAt.pointer(),
	}
	if r.CachedDiscovery != "" {
		p.Discovery = &postern.Discovery{}
		if err := json.Unmarshal([]byte(r.CachedDiscovery), p.Discovery); err != nil {
			return nil, err
		}
	}
	if err := r.AttributeMapping.metadata().Decode(&p.AttributeMapping); err != nil {
		return nil, err
	}
	return p, r.AuthorizationParams.metadata().Decode(&p.AuthorizationParams)
}

// AddCustomProvider implements postern.Store.
func (s *Store) AddCustomProvider(ctx context.Context, p *postern.CustomProviderRecord) error {
	row, err := newCustomProviderRow(p)
	if err != nil {
		return explain("add a custom provider", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error { return c.insert(ctx, "custom_oauth_providers", row) })
}

// FindCustomProvider implements postern.Store.
func (s *Store) FindCustomProvider(ctx context.Context, identifier string) (p *postern.CustomProviderRecord, err error) {
	if err := storable(identifier); err != nil {
		return nil, explain("find a custom provider", err)
	}
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		p, err = c.customProvider(ctx, identifier, "")
		return c.fault("find a custom provider", err)
	})
	return p, err
}

// customProvider reads a provider, with a lock if the statement ends in one.
func (c conn) customProvider(ctx context.Context, identifier, lock string) (*postern.CustomProviderRecord, error) {
	var row customProviderRow
	q := c.NewSelect().Model(&row).ModelTableExpr("? AS p", c.table("custom_oauth_providers")).Where("p.identifier = ?", identifier)
	if lock != "" {
		q.For(lock)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return row.record()
}

// CustomProviders implements postern.Store.
func (s *Store) CustomProviders(ctx context.Context, providerType string) (all []postern.CustomProviderRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		var rows []customProviderRow
		q := c.NewSelect().Model(&rows).ModelTableExpr("? AS p", c.table("custom_oauth_providers")).
			Order("p.created_at DESC", "p.id DESC")
		if providerType != "" {
			q.Where("p.provider_type = ?", providerType)
		}
		if err := q.Scan(ctx); err != nil {
			return c.fault("list custom providers", err)
		}
		all = make([]postern.CustomProviderRecord, len(rows))
		for i := range rows {
			p, err := rows[i].record()
			if err != nil {
				return c.fault("read a custom provider", err)
			}
			all[i] = *p
		}
		return nil
	})
	return all, err
}

// UpdateCustomProvider implements postern.Store.
func (s *Store) UpdateCustomProvider(ctx context.Context, identifier string, change func(*postern.CustomProviderRecord) error) (p *postern.CustomProviderRecord, err error) {
	if err := storable(identifier); err != nil {
		return nil, explain("update a custom provider", err)
	}
	err = s.transact(ctx, func(ctx context.Context, c conn) error {
		if p, err = c.customProvider(ctx, identifier, c.lock()); err != nil {
			return c.fault("find a custom provider", err)
		}
		id, created := p.ID, p.CreatedAt
		if err := change(p); err != nil {
			return err
		}
		p.ID, p.Identifier, p.CreatedAt = id, identifier, created
		row, err := newCustomProviderRow(p)
		if err != nil {
			return c.fault("update a custom provider", err)
		}
		_, err = c.NewUpdate().Model(row).ModelTableExpr("?", c.table("custom_oauth_providers")).
			Where("id = ?", id).Exec(ctx)
		return c.fault("update a custom provider", err)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// DeleteCustomProvider implements postern.Store.
func (s *Store) DeleteCustomProvider(ctx context.Context, identifier string) error {
	if err := storable(identifier); err != nil {
		return explain("delete a custom provider", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewDelete().TableExpr("?", c.table("custom_oauth_providers")).Where("identifier = ?", identifier).Exec(ctx)
		return c.oneRow("delete a custom provider", result, err)
	})
}
