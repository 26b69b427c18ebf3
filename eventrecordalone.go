package postern

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// What events tell of is done in a transaction also where it is done alone.

// alone runs a method of Tx in a transaction of its own.
func alone[T any](ctx context.Context, r *recorder, method func(Tx) (T, error)) (result T, err error) {
	err = r.InTx(ctx, func(tx Tx) error {
		result, err = method(tx)
		return err
	})
	return result, err
}

// AddUser implements Store.
func (r *recorder) AddUser(ctx context.Context, u *UserRecord) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.AddUser(ctx, u) })
}

// UpdateUser implements Store.
func (r *recorder) UpdateUser(ctx context.Context, id uuid.UUID, now time.Time, change func(*UserRecord) error) (*UserRecord, error) {
	return alone(ctx, r, func(tx Tx) (*UserRecord, error) { return tx.UpdateUser(ctx, id, now, change) })
}

// DeleteUser implements Store.
func (r *recorder) DeleteUser(ctx context.Context, id uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DeleteUser(ctx, id) })
}

// DeleteAnonymousUser implements Store.
func (r *recorder) DeleteAnonymousUser(ctx context.Context, id uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DeleteAnonymousUser(ctx, id) })
}

// AddSession implements Store.
func (r *recorder) AddSession(ctx context.Context, s *SessionRecord) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.AddSession(ctx, s) })
}

// OpenSession implements Store.
func (r *recorder) OpenSession(ctx context.Context, o SessionOpening) (*UserRecord, error) {
	return alone(ctx, r, func(tx Tx) (*UserRecord, error) { return tx.OpenSession(ctx, o) })
}

// EndSession implements Store.
func (r *recorder) EndSession(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	return alone(ctx, r, func(tx Tx) (uuid.UUID, error) { return tx.EndSession(ctx, id) })
}

// EndSessions implements Store.
func (r *recorder) EndSessions(ctx context.Context, userID, except uuid.UUID) ([]uuid.UUID, error) {
	return alone(ctx, r, func(tx Tx) ([]uuid.UUID, error) { return tx.EndSessions(ctx, userID, except) })
}

// EndLowSessions implements Store.
func (r *recorder) EndLowSessions(ctx context.Context, userID uuid.UUID) ([]uuid.UUID, error) {
	return alone(ctx, r, func(tx Tx) ([]uuid.UUID, error) { return tx.EndLowSessions(ctx, userID) })
}

// AddFactor implements Store.
func (r *recorder) AddFactor(ctx context.Context, f *FactorRecord) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.AddFactor(ctx, f) })
}

// UpdateFactor implements Store.
func (r *recorder) UpdateFactor(ctx context.Context, id uuid.UUID, now time.Time, change func(*FactorRecord) error) (*FactorRecord, error) {
	return alone(ctx, r, func(tx Tx) (*FactorRecord, error) { return tx.UpdateFactor(ctx, id, now, change) })
}

// DeleteFactor implements Store.
func (r *recorder) DeleteFactor(ctx context.Context, id uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DeleteFactor(ctx, id) })
}

// DropFactors implements Store.
func (r *recorder) DropFactors(ctx context.Context, userID uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DropFactors(ctx, userID) })
}

// AddRecoveryCodes implements Store.
func (r *recorder) AddRecoveryCodes(ctx context.Context, c *RecoveryCodesRecord) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.AddRecoveryCodes(ctx, c) })
}

// ReplaceRecoveryCodes implements Store.
func (r *recorder) ReplaceRecoveryCodes(ctx context.Context, userID uuid.UUID, hashes []string, at time.Time) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.ReplaceRecoveryCodes(ctx, userID, hashes, at) })
}

// DropRecoveryCodes implements Store.
func (r *recorder) DropRecoveryCodes(ctx context.Context, userID uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DropRecoveryCodes(ctx, userID) })
}

// AddPasskey implements Store.
func (r *recorder) AddPasskey(ctx context.Context, p *PasskeyRecord) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.AddPasskey(ctx, p) })
}

// UpdatePasskey implements Store.
func (r *recorder) UpdatePasskey(ctx context.Context, userID, id uuid.UUID, now time.Time, change func(*PasskeyRecord) error) (*PasskeyRecord, error) {
	return alone(ctx, r, func(tx Tx) (*PasskeyRecord, error) { return tx.UpdatePasskey(ctx, userID, id, now, change) })
}

// DeletePasskey implements Store.
func (r *recorder) DeletePasskey(ctx context.Context, userID, id uuid.UUID) error {
	return r.InTx(ctx, func(tx Tx) error { return tx.DeletePasskey(ctx, userID, id) })
}
