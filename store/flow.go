package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// flowRow is a row of flow_state. GoTrue cannot read one in which a provider's
// token is NULL.
type flowRow struct {
	bun.BaseModel `bun:"alias:t"`

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
	InviteToken          text      `bun:"invite_token,nullzero"`
	Referrer             text      `bun:"referrer,nullzero"`
	OAuthClientStateID   uuid.UUID `bun:"oauth_client_state_id,nullzero"`
	LinkingTargetID      uuid.UUID `bun:"linking_target_id,nullzero"`
	EmailOptional        flag      `bun:"email_optional"`
}

func newFlowRow(f postern.FlowRecord) *flowRow {
	row := &flowRow{
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
		InviteToken:          text(f.InviteToken),
		Referrer:             text(f.Referrer),
		LinkingTargetID:      f.LinkingTargetID,
		EmailOptional:        flag(f.EmailOptional),
	}
	if f.ClientState != nil {
		row.OAuthClientStateID = f.ClientState.ID
	}
	return row
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
		InviteToken:          string(r.InviteToken),
		Referrer:             string(r.Referrer),
		LinkingTargetID:      r.LinkingTargetID,
		EmailOptional:        bool(r.EmailOptional),
	}
}

// knownFlowRow is a row of postern_flows, which GoTrue does not have.
type knownFlowRow struct {
	bun.BaseModel `bun:"alias:t"`

	FlowID     uuid.UUID `bun:"flow_id,pk"`
	Browser    text      `bun:"browser,nullzero"`
	ReturnedAt instant   `bun:"returned_at"`
}

// clientStateRow is a row of oauth_client_states.
type clientStateRow struct {
	bun.BaseModel `bun:"alias:t"`

	ID           uuid.UUID `bun:"id,pk"`
	ProviderType text      `bun:"provider_type"`
	CodeVerifier text      `bun:"code_verifier,nullzero"`
	CreatedAt    instant   `bun:"created_at"`
}

func newClientStateRow(s *postern.ClientState) *clientStateRow {
	return &clientStateRow{
		ID:           s.ID,
		ProviderType: text(s.ProviderType),
		CodeVerifier: text(s.CodeVerifier),
		CreatedAt:    newInstant(s.CreatedAt),
	}
}

func (r *clientStateRow) clientState() *postern.ClientState {
	return &postern.ClientState{
		ID:           r.ID,
		ProviderType: string(r.ProviderType),
		CodeVerifier: postern.Secret(r.CodeVerifier),
		CreatedAt:    r.CreatedAt.Time,
	}
}

// AddFlow implements postern.Store. ErrRowTaken when there is one of its id.
func (s *Store) AddFlow(ctx context.Context, f postern.FlowRecord) error {
	row, known := newFlowRow(f), &knownFlowRow{FlowID: f.ID, Browser: text(f.Browser), ReturnedAt: optionalInstant(f.ReturnedAt)}
	var state *clientStateRow
	if f.ClientState != nil {
		state = newClientStateRow(f.ClientState)
	}
	if err := storable(row, known, state); err != nil {
		return explain("add a flow", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		if err := c.insert(ctx, "flow_state", row); err != nil {
			return err
		}
		if known.Browser != "" || !known.ReturnedAt.IsZero() {
			if err := c.insert(ctx, "postern_flows", known); err != nil {
				return err
			}
		}
		if state == nil {
			return nil
		}
		return c.insert(ctx, "oauth_client_states", state)
	})
}

// insert adds a row to a table.
func (c conn) insert(ctx context.Context, table string, row any) error {
	_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table(table)).
		Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
	return c.fault("add to "+table, err)
}

// FindFlow implements postern.Store.
func (s *Store) FindFlow(ctx context.Context, id uuid.UUID) (f *postern.FlowRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		var row flowRow
		var known knownFlowRow
		var state clientStateRow
		if err := c.row(ctx, "flow_state", &row, "id", id); err != nil {
			return c.fault("find a flow", err)
		}
		f = row.flow()
		switch err := c.row(ctx, "postern_flows", &known, "flow_id", id); {
		case err == nil:
			f.Browser, f.ReturnedAt = string(known.Browser), known.ReturnedAt.pointer()
		case !errors.Is(err, sql.ErrNoRows):
			return c.fault("find what is known of a flow", err)
		}
		if row.OAuthClientStateID == uuid.Nil {
			return nil
		}
		switch err := c.row(ctx, "oauth_client_states", &state, "id", row.OAuthClientStateID); {
		case err == nil:
			f.ClientState = state.clientState()
		case !errors.Is(err, sql.ErrNoRows): // otherwise used up, or dropped as old
			return c.fault("find a client state", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// row reads one row of a table by its key.
func (c conn) row(ctx context.Context, table string, into any, key string, value uuid.UUID) error {
	return c.NewSelect().Model(into).ModelTableExpr("? AS t", c.table(table)).Where("t.? = ?", bun.Ident(key), value).Scan(ctx)
}

// NewestFlow implements postern.Store.
func (s *Store) NewestFlow(ctx context.Context, userID uuid.UUID, method string) (*postern.FlowRecord, error) {
	if err := storable(method); err != nil {
		return nil, explain("find a flow", err)
	}
	return s.findFlow(ctx, "t.user_id = ? AND t.authentication_method = ?", userID, method)
}

// FindFlowByCode implements postern.Store.
func (s *Store) FindFlowByCode(ctx context.Context, authCode string) (*postern.FlowRecord, error) {
	if authCode == "" { // stands for none
		return nil, explain("find a flow", sql.ErrNoRows)
	}
	if err := storable(authCode); err != nil {
		return nil, explain("find a flow", err)
	}
	return s.findFlow(ctx, "t.auth_code = ?", authCode)
}

// findFlow returns the newest that meets a condition.
func (s *Store) findFlow(ctx context.Context, condition string, args ...any) (*postern.FlowRecord, error) {
	var row flowRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewSelect().Model(&row).ModelTableExpr("? AS t", c.table("flow_state")).
			Where(condition, args...).OrderExpr("t.created_at DESC NULLS LAST, t.id").Limit(1).Scan(ctx)
		return c.fault("find a flow", err)
	})
	if err != nil {
		return nil, err
	}
	return row.flow(), nil
}

// ReturnToFlow implements postern.Store. That a flow has no user, which GoTrue goes
// by, is no condition of the write: it gets one only after the browser came back.
func (s *Store) ReturnToFlow(ctx context.Context, id uuid.UUID, at time.Time) error {
	const query = `INSERT INTO ?known AS k (flow_id, returned_at) VALUES (?id, ?at)
		ON CONFLICT (flow_id) DO UPDATE SET returned_at = excluded.returned_at WHERE k.returned_at IS NULL`
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		var row flowRow
		// Locked, for whoever returned before may be about to end the flow.
		q := c.NewSelect().Model(&row).ModelTableExpr("? AS t", c.table("flow_state")).Where("t.id = ?", id)
		if lock := c.lock(); lock != "" {
			q.For(lock)
		}
		if err := q.Scan(ctx); err != nil {
			return c.fault("find a flow", err)
		}
		if row.UserID != uuid.Nil {
			return explain("return to a flow", sql.ErrNoRows)
		}
		result, err := c.NewRaw(query, struct {
			Known bun.Ident
			ID    uuid.UUID
			At    instant
		}{c.table("postern_flows"), id, newInstant(at)}).Exec(ctx)
		if err := c.oneRow("return to a flow", result, err); err != nil {
			return err
		}
		_, err = c.NewDelete().TableExpr("?", c.table("oauth_client_states")).Where("id = ?", row.OAuthClientStateID).Exec(ctx)
		return c.fault("remove a client state", err)
	})
}

// IssueAuthCode implements postern.Store.
func (s *Store) IssueAuthCode(ctx context.Context, i postern.AuthCodeIssue) error {
	access, refresh, at := text(i.ProviderAccessToken), text(i.ProviderRefreshToken), newInstant(i.At)
	if err := storable(access, refresh); err != nil {
		return explain("issue an auth code", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("flow_state")).
			Set("user_id = ?", i.UserID).Set("provider_access_token = ?", access).Set("provider_refresh_token = ?", refresh).
			Set("auth_code_issued_at = ?", at).Set("updated_at = ?", at).Where("id = ?", i.FlowID).Exec(ctx)
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
func (s *Store) DropFlows(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	for _, table := range []string{"flow_state", "oauth_client_states", "saml_relay_states"} {
		others, err := s.dropSome(ctx, table, "id", limit, "t.created_at < ?", newInstant(before))
		if err != nil {
			return false, err
		}
		more = more || others
	}
	return more, nil
}
