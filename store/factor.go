package store

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// factorRow is what a user's factors are read from: a row of mfa_factors without
// what is secret.
type factorRow struct {
	ID                        uuid.UUID     `bun:"id,pk"`
	CreatedAt                 instant       `bun:"created_at"`
	UpdatedAt                 instant       `bun:"updated_at"`
	Status                    text          `bun:"status"`
	FriendlyName              text          `bun:"friendly_name"`
	FactorType                text          `bun:"factor_type"`
	Phone                     text          `bun:"phone,nullzero"` // unique, "" too
	LastChallengedAt          instant       `bun:"last_challenged_at"`
	WebAuthnAAGUID            uuid.NullUUID `bun:"web_authn_aaguid"` // zeros are a value, unlike NULL
	LastWebAuthnChallengeData document      `bun:"last_webauthn_challenge_data,nullzero"`
}

func (r *factorRow) factor() postern.Factor {
	f := postern.Factor{
		ID:                        r.ID,
		CreatedAt:                 r.CreatedAt.Time,
		UpdatedAt:                 r.UpdatedAt.Time,
		Status:                    string(r.Status),
		FriendlyName:              string(r.FriendlyName),
		FactorType:                string(r.FactorType),
		Phone:                     string(r.Phone),
		LastChallengedAt:          r.LastChallengedAt.pointer(),
		LastWebAuthnChallengeData: r.LastWebAuthnChallengeData.metadata(),
	}
	if r.WebAuthnAAGUID.Valid {
		f.WebAuthnAAGUID = &r.WebAuthnAAGUID.UUID
	}
	return f
}

// factorRecordRow is a row of mfa_factors. GoTrue cannot read one in which the name
// or the secret is NULL.
type factorRecordRow struct {
	bun.BaseModel `bun:"alias:f"`
	factorRow

	UserID             uuid.UUID `bun:"user_id"`
	Secret             text      `bun:"secret"`
	WebAuthnCredential document  `bun:"web_authn_credential,nullzero"`
}

func newFactorRecordRow(f *postern.FactorRecord) *factorRecordRow {
	row := &factorRecordRow{
		factorRow: factorRow{
			ID:                        f.ID,
			CreatedAt:                 newInstant(f.CreatedAt),
			UpdatedAt:                 newInstant(f.UpdatedAt),
			Status:                    text(f.Status),
			FriendlyName:              text(f.FriendlyName),
			FactorType:                text(f.FactorType),
			Phone:                     text(f.Phone),
			LastChallengedAt:          optionalInstant(f.LastChallengedAt),
			LastWebAuthnChallengeData: optionalDocument(f.LastWebAuthnChallengeData),
		},
		UserID:             f.UserID,
		Secret:             text(f.Secret),
		WebAuthnCredential: optionalDocument(f.WebAuthnCredential),
	}
	if f.WebAuthnAAGUID != nil {
		row.WebAuthnAAGUID = uuid.NullUUID{UUID: *f.WebAuthnAAGUID, Valid: true}
	}
	return row
}

func (r *factorRecordRow) record() *postern.FactorRecord {
	return &postern.FactorRecord{
		Factor:             r.factor(),
		UserID:             r.UserID,
		Secret:             postern.Secret(r.Secret),
		WebAuthnCredential: r.WebAuthnCredential.metadata(),
	}
}

// challengeRow is a row of mfa_challenges. GoTrue cannot read one in which the code
// is NULL.
type challengeRow struct {
	bun.BaseModel `bun:"alias:c"`

	ID                  uuid.UUID `bun:"id,pk"`
	FactorID            uuid.UUID `bun:"factor_id"`
	CreatedAt           instant   `bun:"created_at"`
	VerifiedAt          instant   `bun:"verified_at"`
	IPAddress           address   `bun:"ip_address"` // unspecified when it is not known
	OTPCode             text      `bun:"otp_code"`
	WebAuthnSessionData document  `bun:"web_authn_session_data,nullzero"`
}

func newChallengeRow(c *postern.ChallengeRecord) *challengeRow {
	ip := c.IP
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	return &challengeRow{
		ID:                  c.ID,
		FactorID:            c.FactorID,
		CreatedAt:           newInstant(c.CreatedAt),
		VerifiedAt:          optionalInstant(c.VerifiedAt),
		IPAddress:           address{ip},
		OTPCode:             text(c.Code),
		WebAuthnSessionData: optionalDocument(c.WebAuthnSessionData),
	}
}

func (r *challengeRow) challenge() *postern.ChallengeRecord {
	c := &postern.ChallengeRecord{
		ID:                  r.ID,
		FactorID:            r.FactorID,
		CreatedAt:           r.CreatedAt.Time,
		VerifiedAt:          r.VerifiedAt.pointer(),
		Code:                postern.Secret(r.OTPCode),
		WebAuthnSessionData: r.WebAuthnSessionData.metadata(),
	}
	if !r.IPAddress.IsUnspecified() {
		c.IP = r.IPAddress.Addr
	}
	return c
}

// AddFactor implements postern.Store. ErrRowTaken also when there is one of its id.
func (s *Store) AddFactor(ctx context.Context, f *postern.FactorRecord) error {
	row := newFactorRecordRow(f)
	if err := storable(row); err != nil {
		return explain("add a factor", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("mfa_factors")).
			Returning("NULL").Exec(ctx) // bun would ask for what became of the NULLs
		return c.orphan("add a factor", err)
	})
}

// FindFactor implements postern.Store.
func (s *Store) FindFactor(ctx context.Context, userID, id uuid.UUID) (*postern.FactorRecord, error) {
	var row factorRecordRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.selectFactor(&row, id).Where("f.user_id = ?", userID).Scan(ctx)
		return c.fault("find a factor", err)
	})
	if err != nil {
		return nil, err
	}
	return row.record(), nil
}

func (c conn) selectFactor(row *factorRecordRow, id uuid.UUID) *bun.SelectQuery {
	return c.NewSelect().Model(row).ModelTableExpr("? AS f", c.table("mfa_factors")).Where("f.id = ?", id)
}

// UpdateFactor implements postern.Store. Only columns that were changed are written.
func (s *Store) UpdateFactor(ctx context.Context, id uuid.UUID, now time.Time, change func(*postern.FactorRecord) error) (f *postern.FactorRecord, err error) {
	err = s.transact(ctx, func(ctx context.Context, c conn) error {
		var row factorRecordRow
		q := c.selectFactor(&row, id)
		if lock := c.lock(); lock != "" {
			q.For(lock)
		}
		if err := q.Scan(ctx); err != nil {
			return c.fault("find a factor", err)
		}
		f = row.record()
		before := newFactorRecordRow(f)
		if err := change(f); err != nil {
			return err
		}
		f.ID, f.UserID, f.FactorType, f.CreatedAt = id, row.UserID, string(row.FactorType), row.CreatedAt.Time
		f.UpdatedAt = newInstant(now).Time
		return c.updateFactor(ctx, before, newFactorRecordRow(f))
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (c conn) updateFactor(ctx context.Context, before, after *factorRecordRow) error {
	changed, values := changes(before, after)
	if len(changed) == 0 {
		return nil
	}
	if err := storable(values...); err != nil {
		return c.fault("update a factor", err)
	}
	_, err := c.NewUpdate().Model(after).ModelTableExpr("?", c.table("mfa_factors")).
		Column(changed...).Where("id = ?", after.ID).Exec(ctx)
	return c.fault("update a factor", err)
}

// DeleteFactor implements postern.Store.
func (s *Store) DeleteFactor(ctx context.Context, id uuid.UUID) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewDelete().TableExpr("?", c.table("mfa_factors")).Where("id = ?", id).Exec(ctx)
		return c.oneRow("delete a factor", result, err)
	})
}

// DropUnverifiedFactors implements postern.Store.
func (s *Store) DropUnverifiedFactors(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "mfa_factors", "id", limit, "t.status = 'unverified' AND t.created_at < ?", newInstant(before))
}

// maxCollisions bounds for how many microseconds AddChallenge looks for one in
// which no factor was challenged.
const maxCollisions = 100

// AddChallenge implements postern.Store. GoTrue's table wants of last_challenged_at
// that no two factors have the same. ErrRowTaken says that none is free for long. As
// in GoTrue a challenge counts as an update of the factor.
func (s *Store) AddChallenge(ctx context.Context, ch *postern.ChallengeRecord) error {
	row := newChallengeRow(ch)
	if err := storable(row); err != nil {
		return explain("add a challenge", err)
	}
	for range maxCollisions {
		collision := false
		// Each attempt can be undone by itself, as PostgreSQL goes on with no
		// transaction in which a statement failed.
		err := s.inTx(ctx, func(tx *Store) error {
			return tx.inside(ctx, func(ctx context.Context, c conn) error {
				err := c.noteChallenge(ctx, row)
				collision = errors.Is(err, postern.ErrRowTaken)
				if err != nil {
					return err
				}
				return c.insert(ctx, "mfa_challenges", row)
			})
		})
		if !collision {
			ch.CreatedAt = row.CreatedAt.Time
			return err
		}
		row.CreatedAt = instant{row.CreatedAt.Add(time.Microsecond)}
	}
	return explain("add a challenge", postern.ErrRowTaken)
}

// noteChallenge comes before the challenge itself, whose reference locks the factor:
// two of them would each wait for the other to let it be updated.
func (c conn) noteChallenge(ctx context.Context, row *challengeRow) error {
	result, err := c.NewUpdate().TableExpr("?", c.table("mfa_factors")).
		Set("last_challenged_at = ?", row.CreatedAt).Set("updated_at = ?", row.CreatedAt).
		Where("id = ?", row.FactorID).Exec(ctx)
	return c.oneRow("note a challenge", result, err)
}

// FindChallenge implements postern.Store.
func (s *Store) FindChallenge(ctx context.Context, factorID, id uuid.UUID) (*postern.ChallengeRecord, error) {
	var row challengeRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewSelect().Model(&row).ModelTableExpr("? AS c", c.table("mfa_challenges")).
			Where("c.id = ?", id).Where("c.factor_id = ?", factorID).Scan(ctx)
		return c.fault("find a challenge", err)
	})
	if err != nil {
		return nil, err
	}
	return row.challenge(), nil
}

// TakeChallenge implements postern.Store.
func (s *Store) TakeChallenge(ctx context.Context, id uuid.UUID, at time.Time) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("mfa_challenges")).
			Set("verified_at = ?", newInstant(at)).Where("id = ?", id).Where("verified_at IS NULL").Exec(ctx)
		return c.oneRow("take a challenge", result, err)
	})
}

// DropChallenges implements postern.Store.
func (s *Store) DropChallenges(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "mfa_challenges", "id", limit, "t.created_at < ?", newInstant(before))
}
