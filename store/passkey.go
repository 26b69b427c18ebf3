package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// passkeyRow is a row of webauthn_credentials.
type passkeyRow struct {
	bun.BaseModel `bun:"alias:p"`

	ID              uuid.UUID     `bun:"id,pk"`
	UserID          uuid.UUID     `bun:"user_id"`
	CredentialID    binary        `bun:"credential_id"`
	PublicKey       binary        `bun:"public_key"`
	AttestationType text          `bun:"attestation_type"`
	AAGUID          uuid.NullUUID `bun:"aaguid"` // zeros are a value, unlike NULL
	SignCount       number        `bun:"sign_count"`
	Transports      document      `bun:"transports"` // an array; GoTrue also has null
	BackupEligible  flag          `bun:"backup_eligible"`
	BackedUp        flag          `bun:"backed_up"`
	FriendlyName    text          `bun:"friendly_name"`
	CreatedAt       instant       `bun:"created_at"`
	UpdatedAt       instant       `bun:"updated_at"`
	LastUsedAt      instant       `bun:"last_used_at"`
}

// newPasskeyRow cannot tell whether the transports are storable.
func newPasskeyRow(p *postern.PasskeyRecord) *passkeyRow {
	row := &passkeyRow{
		ID:              p.ID,
		UserID:          p.UserID,
		CredentialID:    binary(p.CredentialID),
		PublicKey:       binary(p.PublicKey),
		AttestationType: text(p.AttestationType),
		SignCount:       number(p.SignCount),
		Transports:      newTexts(p.Transports),
		BackupEligible:  flag(p.BackupEligible),
		BackedUp:        flag(p.BackedUp),
		FriendlyName:    text(p.FriendlyName),
		CreatedAt:       newInstant(p.CreatedAt),
		UpdatedAt:       newInstant(p.UpdatedAt),
		LastUsedAt:      optionalInstant(p.LastUsedAt),
	}
	if p.AAGUID != nil {
		row.AAGUID = uuid.NullUUID{UUID: *p.AAGUID, Valid: true}
	}
	return row
}

func (r *passkeyRow) record() *postern.PasskeyRecord {
	p := &postern.PasskeyRecord{
		ID:              r.ID,
		UserID:          r.UserID,
		FriendlyName:    string(r.FriendlyName),
		CreatedAt:       r.CreatedAt.Time,
		UpdatedAt:       r.UpdatedAt.Time,
		LastUsedAt:      r.LastUsedAt.pointer(),
		CredentialID:    []byte(r.CredentialID),
		PublicKey:       []byte(r.PublicKey),
		AttestationType: string(r.AttestationType),
		SignCount:       uint32(r.SignCount),
		Transports:      r.Transports.texts(),
		BackupEligible:  bool(r.BackupEligible),
		BackedUp:        bool(r.BackedUp),
	}
	if r.AAGUID.Valid {
		p.AAGUID = &r.AAGUID.UUID
	}
	return p
}

// ceremonyRow is a row of webauthn_challenges.
type ceremonyRow struct {
	ID            uuid.UUID     `bun:"id,pk"`
	UserID        uuid.NullUUID `bun:"user_id"`
	ChallengeType text          `bun:"challenge_type"`
	SessionData   document      `bun:"session_data"`
	CreatedAt     instant       `bun:"created_at"`
	ExpiresAt     instant       `bun:"expires_at"`
}

func newCeremonyRow(c *postern.CeremonyRecord) *ceremonyRow {
	row := &ceremonyRow{
		ID:            c.ID,
		ChallengeType: text(c.Kind),
		SessionData:   newDocument(c.SessionData),
		CreatedAt:     newInstant(c.CreatedAt),
		ExpiresAt:     newInstant(c.ExpiresAt),
	}
	if c.UserID != nil {
		row.UserID = uuid.NullUUID{UUID: *c.UserID, Valid: true}
	}
	return row
}

func (r *ceremonyRow) ceremony() *postern.CeremonyRecord {
	c := &postern.CeremonyRecord{
		ID:          r.ID,
		Kind:        postern.CeremonyKind(r.ChallengeType),
		SessionData: r.SessionData.metadata(),
		CreatedAt:   r.CreatedAt.Time,
		ExpiresAt:   r.ExpiresAt.Time,
	}
	if r.UserID.Valid {
		c.UserID = &r.UserID.UUID
	}
	return c
}

// AddPasskey implements postern.Store. ErrRowTaken also when there is one of its id.
func (s *Store) AddPasskey(ctx context.Context, p *postern.PasskeyRecord) error {
	row := newPasskeyRow(p)
	if err := storable(row, p.Transports); err != nil {
		return explain("add a passkey", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("webauthn_credentials")).
			Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
		return c.orphan("add a passkey", err)
	})
}

// Passkeys implements postern.Store.
func (s *Store) Passkeys(ctx context.Context, userID uuid.UUID) ([]postern.PasskeyRecord, error) {
	var rows []passkeyRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.selectPasskeys(&rows, userID).Order("p.created_at", "p.id").Scan(ctx)
		return c.fault("list passkeys", err)
	})
	if err != nil {
		return nil, err
	}
	all := make([]postern.PasskeyRecord, len(rows))
	for i := range rows {
		all[i] = *rows[i].record()
	}
	return all, nil
}

func (c conn) selectPasskeys(model any, userID uuid.UUID) *bun.SelectQuery {
	return c.NewSelect().Model(model).ModelTableExpr("? AS p", c.table("webauthn_credentials")).Where("p.user_id = ?", userID)
}

// UpdatePasskey implements postern.Store. Only columns that were changed are written.
func (s *Store) UpdatePasskey(ctx context.Context, userID, id uuid.UUID, now time.Time, change func(*postern.PasskeyRecord) error) (p *postern.PasskeyRecord, err error) {
	err = s.transact(ctx, func(ctx context.Context, c conn) error {
		var row passkeyRow
		q := c.selectPasskeys(&row, userID).Where("p.id = ?", id)
		if lock := c.lock(); lock != "" {
			q.For(lock)
		}
		if err := q.Scan(ctx); err != nil {
			return c.fault("find a passkey", err)
		}
		p = row.record()
		before := newPasskeyRow(p)
		if err := change(p); err != nil {
			return err
		}
		p.ID, p.UserID, p.CreatedAt = id, userID, row.CreatedAt.Time
		p.CredentialID, p.PublicKey = []byte(row.CredentialID), []byte(row.PublicKey)
		p.UpdatedAt = newInstant(now).Time
		if err := storable(p.Transports); err != nil {
			return c.fault("update a passkey", err)
		}
		return c.updatePasskey(ctx, before, newPasskeyRow(p))
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (c conn) updatePasskey(ctx context.Context, before, after *passkeyRow) error {
	changed, values := changes(before, after)
	if len(changed) == 0 {
		return nil
	}
	if err := storable(values...); err != nil {
		return c.fault("update a passkey", err)
	}
	_, err := c.NewUpdate().Model(after).ModelTableExpr("?", c.table("webauthn_credentials")).
		Column(changed...).Where("id = ?", after.ID).Exec(ctx)
	return c.fault("update a passkey", err)
}

// DeletePasskey implements postern.Store.
func (s *Store) DeletePasskey(ctx context.Context, userID, id uuid.UUID) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewDelete().TableExpr("?", c.table("webauthn_credentials")).
			Where("id = ?", id).Where("user_id = ?", userID).Exec(ctx)
		return c.oneRow("delete a passkey", result, err)
	})
}

// AddCeremony implements postern.Store. ErrRowTaken when there is one of its id.
func (s *Store) AddCeremony(ctx context.Context, ceremony postern.CeremonyRecord) error {
	row := newCeremonyRow(&ceremony)
	if err := storable(row); err != nil {
		return explain("add a ceremony", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("webauthn_challenges")).
			Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
		return c.orphan("add a ceremony", err)
	})
}

// TakeCeremony implements postern.Store.
func (s *Store) TakeCeremony(ctx context.Context, id uuid.UUID, kind postern.CeremonyKind) (*postern.CeremonyRecord, error) {
	if err := storable(kind); err != nil {
		return nil, explain("take a ceremony", err)
	}
	var row ceremonyRow
	err := s.write(ctx, func(ctx context.Context, c conn) error {
		err := c.NewDelete().Model(&row).ModelTableExpr("?", c.table("webauthn_challenges")).
			Where("id = ?", id).Where("challenge_type = ?", string(kind)).Returning("?Columns").Scan(ctx)
		return c.fault("take a ceremony", err)
	})
	if err != nil {
		return nil, err
	}
	return row.ceremony(), nil
}

// DropCeremonies implements postern.Store.
func (s *Store) DropCeremonies(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "webauthn_challenges", "id", limit, "t.expires_at < ?", newInstant(before))
}
