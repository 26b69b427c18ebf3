package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// recoveryFactorRow is a row of postern_recovery_factors, which GoTrue does not have.
type recoveryFactorRow struct {
	bun.BaseModel `bun:"alias:r"`

	ID           uuid.UUID `bun:"id,pk"`
	UserID       uuid.UUID `bun:"user_id"`
	FriendlyName text      `bun:"friendly_name"`
	CreatedAt    instant   `bun:"created_at"`
	UpdatedAt    instant   `bun:"updated_at"`
}

// recoveryPart selects a user's recovery codes as if they were a row of mfa_factors.
func recoveryPart(userID string) string {
	return fmt.Sprintf(`SELECT json_build_array(%d, t.id, t.created_at, t.updated_at, 'verified', t.friendly_name, '%s',
		NULL, NULL, NULL, NULL) FROM auth.postern_recovery_factors t WHERE t.user_id = %s`, factorPart, postern.FactorRecoveryCode, userID)
}

// recoveryCodeRow is a row of postern_recovery_codes.
type recoveryCodeRow struct {
	bun.BaseModel `bun:"alias:h"`

	FactorID uuid.UUID `bun:"factor_id,pk"`
	Hash     text      `bun:"hash,pk"`
	UsedAt   instant   `bun:"used_at"`
}

// AddRecoveryCodes implements postern.Store.
func (s *Store) AddRecoveryCodes(ctx context.Context, r *postern.RecoveryCodesRecord) error {
	row := &recoveryFactorRow{
		ID: r.ID, UserID: r.UserID, FriendlyName: text(r.FriendlyName),
		CreatedAt: newInstant(r.CreatedAt), UpdatedAt: newInstant(r.UpdatedAt),
	}
	if err := storable(row, r.Hashes); err != nil {
		return explain("add recovery codes", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		if _, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("postern_recovery_factors")).Exec(ctx); err != nil {
			return c.orphan("add recovery codes", err)
		}
		return c.addRecoveryCodes(ctx, r.ID, r.Hashes)
	})
}

func (c conn) addRecoveryCodes(ctx context.Context, factorID uuid.UUID, hashes []string) error {
	if len(hashes) == 0 {
		return nil
	}
	rows := make([]recoveryCodeRow, len(hashes))
	for i, hash := range hashes {
		rows[i] = recoveryCodeRow{FactorID: factorID, Hash: text(hash)}
	}
	return c.insert(ctx, "postern_recovery_codes", &rows)
}

// FindRecoveryCodes implements postern.Store.
func (s *Store) FindRecoveryCodes(ctx context.Context, userID uuid.UUID) (r *postern.RecoveryCodesRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		r, err = c.recoveryCodes(ctx, userID)
		return c.fault("find recovery codes", err)
	})
	return r, err
}

func (c conn) recoveryCodes(ctx context.Context, userID uuid.UUID) (*postern.RecoveryCodesRecord, error) {
	var row recoveryFactorRow
	if err := c.NewSelect().Model(&row).ModelTableExpr("? AS r", c.table("postern_recovery_factors")).
		Where("r.user_id = ?", userID).Scan(ctx); err != nil {
		return nil, err
	}
	r := &postern.RecoveryCodesRecord{
		ID: row.ID, UserID: row.UserID, FriendlyName: string(row.FriendlyName),
		CreatedAt: row.CreatedAt.Time, UpdatedAt: row.UpdatedAt.Time,
	}
	var codes []recoveryCodeRow
	err := c.NewSelect().Model(&codes).ModelTableExpr("? AS h", c.table("postern_recovery_codes")).
		Where("h.factor_id = ?", row.ID).Order("h.hash").Scan(ctx)
	for _, code := range codes {
		if code.UsedAt.IsZero() {
			r.Hashes = append(r.Hashes, string(code.Hash))
		} else {
			r.Used++
		}
	}
	return r, err
}

// ReplaceRecoveryCodes implements postern.Store.
func (s *Store) ReplaceRecoveryCodes(ctx context.Context, userID uuid.UUID, hashes []string, at time.Time) error {
	if err := storable(hashes); err != nil {
		return explain("replace recovery codes", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		var ids []uuid.UUID
		// This locks the set: of two that replace its codes the second waits.
		_, err := c.NewUpdate().TableExpr("?", c.table("postern_recovery_factors")).
			Set("updated_at = ?", newInstant(at)).Where("user_id = ?", userID).Returning("id").Exec(ctx, &ids)
		if err != nil {
			return c.fault("replace recovery codes", err)
		}
		if len(ids) == 0 {
			return explain("replace recovery codes", postern.ErrNoRow)
		}
		_, err = c.NewDelete().TableExpr("?", c.table("postern_recovery_codes")).Where("factor_id = ?", ids[0]).Exec(ctx)
		if err != nil {
			return c.fault("remove recovery codes", err)
		}
		return c.addRecoveryCodes(ctx, ids[0], hashes)
	})
}

// TakeRecoveryCode implements postern.Store.
func (s *Store) TakeRecoveryCode(ctx context.Context, factorID uuid.UUID, hash string, at time.Time) error {
	if err := storable(hash); err != nil {
		return explain("take a recovery code", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("postern_recovery_codes")).Set("used_at = ?", newInstant(at)).
			Where("factor_id = ?", factorID).Where("hash = ?", hash).Where("used_at IS NULL").Exec(ctx)
		return c.oneRow("take a recovery code", result, err)
	})
}

// DropRecoveryCodes implements postern.Store.
func (s *Store) DropRecoveryCodes(ctx context.Context, userID uuid.UUID) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewDelete().TableExpr("?", c.table("postern_recovery_factors")).Where("user_id = ?", userID).Exec(ctx)
		return c.oneRow("drop recovery codes", result, err)
	})
}
