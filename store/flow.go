package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// flowRow is a row of flow_state without what only flows over a provider have.
// GoTrue cannot read a row in which a provider's token is NULL.
type flowRow struct {
	bun.BaseModel `bun:"alias:f"`

	ID                   uuid.UUID `bun:"id,pk"`
	UserID               uuid.UUID `bun:"user_id,nullzero"`
	AuthCode             text      `bun:"auth_code,nullzero"`
	CodeChallengeMethod  text      `bun:"code_challenge_method,nullzero"`
	CodeChallenge        text      `bun:"code_challenge,nullzero"`
	ProviderType         text      `bun:"provider_type"`
	ProviderAccessToken  text      `bun:"provider_access_token"`
	ProviderRefreshToken text      `bun:"provider_refresh_token"`
	CreatedAt            instant   `bun:"created_at"`
	UpdatedAt            instant   `bun:"updated_at"`
	AuthenticationMethod text      `bun:"authentication_method"`
	AuthCodeIssuedAt     instant   `bun:"auth_code_issued_at"`
}

func newFlowRow(f postern.FlowRecord) *flowRow {
	return &flowRow{
		ID:                   f.ID,
		UserID:               f.UserID,
		AuthCode:             text(f.AuthCode),
		CodeChallengeMethod:  text(f.CodeChallengeMethod),
		CodeChallenge:        text(f.CodeChallenge),
		ProviderType:         text(f.ProviderType),
		ProviderAccessToken:  text(f.ProviderAccessToken),
		ProviderRefreshToken: text(f.ProviderRefreshToken),
		CreatedAt:            newInstant(f.CreatedAt),
		UpdatedAt:            newInstant(f.UpdatedAt),
		AuthenticationMethod: text(f.AuthenticationMethod),
		AuthCodeIssuedAt:     optionalInstant(f.AuthCodeIssuedAt),
	}
}

func (r *flowRow) flow() *postern.FlowRecord {
	return &postern.FlowRecord{
		ID:                   r.ID,
		UserID:               r.UserID,
		AuthCode:             string(r.AuthCode),
		CodeChallenge:        string(r.CodeChallenge),
		CodeChallengeMethod:  string(r.CodeChallengeMethod),
		ProviderType:         string(r.ProviderType),
		AuthenticationMethod: string(r.AuthenticationMethod),
		ProviderAccessToken:  postern.Secret(r.ProviderAccessToken),
		ProviderRefreshToken: postern.Secret(r.ProviderRefreshToken),
		CreatedAt:            r.CreatedAt.Time,
		UpdatedAt:            r.UpdatedAt.Time,
		AuthCodeIssuedAt:     r.AuthCodeIssuedAt.pointer(),
	}
}

// AddFlow implements postern.Store. ErrRowTaken when there is one of its id.
func (s *Store) AddFlow(ctx context.Context, f postern.FlowRecord) error {
	row := newFlowRow(f)
	if err := storable(row); err != nil {
		return explain("add a flow", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("flow_state")).
			Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
		return c.fault("add a flow", err)
	})
}

// NewestFlow implements postern.Store.
func (s *Store) NewestFlow(ctx context.Context, userID uuid.UUID, method string) (*postern.FlowRecord, error) {
	if err := storable(method); err != nil {
		return nil, explain("find a flow", err)
	}
	return s.findFlow(ctx, "f.user_id = ? AND f.authentication_method = ?", userID, method)
}

// FindFlow implements postern.Store.
func (s *Store) FindFlow(ctx context.Context, authCode string) (*postern.FlowRecord, error) {
	if authCode == "" { // stands for none
		return nil, explain("find a flow", sql.ErrNoRows)
	}
	if err := storable(authCode); err != nil {
		return nil, explain("find a flow", err)
	}
	return s.findFlow(ctx, "f.auth_code = ?", authCode)
}

// findFlow returns the newest that meets a condition.
func (s *Store) findFlow(ctx context.Context, condition string, args ...any) (*postern.FlowRecord, error) {
	var row flowRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewSelect().Model(&row).ModelTableExpr("? AS f", c.table("flow_state")).
			Where(condition, args...).OrderExpr("f.created_at DESC NULLS LAST, f.id").Limit(1).Scan(ctx)
		return c.fault("find a flow", err)
	})
	if err != nil {
		return nil, err
	}
	return row.flow(), nil
}

// IssueAuthCode implements postern.Store.
func (s *Store) IssueAuthCode(ctx context.Context, id uuid.UUID, at time.Time) error {
	issued := newInstant(at)
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("flow_state")).
			Set("auth_code_issued_at = ?", issued).Set("updated_at = ?", issued).Where("id = ?", id).Exec(ctx)
		return c.oneRow("issue an auth code", result, err)
	})
}

// TakeFlow implements postern.Store.
func (s *Store) TakeFlow(ctx context.Context, id uuid.UUID) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewDelete().TableExpr("?", c.table("flow_state")).Where("id = ?", id).Exec(ctx)
		return c.oneRow("take a flow", result, err)
	})
}

// DropFlows implements postern.Store.
func (s *Store) DropFlows(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewDelete().TableExpr("?", c.table("flow_state")).
			Where("created_at < ?", newInstant(before)).Exec(ctx)
		return c.fault("drop flows", err)
	})
}
