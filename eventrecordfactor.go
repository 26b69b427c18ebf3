package postern

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// errOnlyRead ends an update that was made to read and lock.
var errOnlyRead = errors.New("only read")

// tellFactor tells of a factor if it counts.
func (r *recording) tellFactor(t EventType, user uuid.UUID, f *Factor, changed ...string) error {
	if f.Status != factorVerified {
		return nil
	}
	return r.tell(t, user, EventData{Factor: f, Changed: changed})
}

// AddFactor implements Tx.
func (r *recording) AddFactor(ctx context.Context, f *FactorRecord) error {
	if err := r.Tx.AddFactor(ctx, f); err != nil {
		return err
	}
	return r.tellFactor(EventFactorEnrolled, f.UserID, &f.Factor)
}

// UpdateFactor implements Tx.
func (r *recording) UpdateFactor(ctx context.Context, id uuid.UUID, now time.Time, change func(*FactorRecord) error) (*FactorRecord, error) {
	var before Factor
	after, err := r.Tx.UpdateFactor(ctx, id, now, func(f *FactorRecord) error {
		before = f.Factor
		return change(f)
	})
	if err != nil {
		return nil, err
	}
	if before.Status != factorVerified {
		return after, r.tellFactor(EventFactorEnrolled, after.UserID, &after.Factor)
	}
	var changed []string
	if before.FriendlyName != after.FriendlyName {
		changed = append(changed, "friendly_name")
	}
	if before.Phone != after.Phone {
		changed = append(changed, "phone")
	}
	if len(changed) == 0 {
		return after, nil
	}
	return after, r.tellFactor(EventFactorUpdated, after.UserID, &after.Factor, changed...)
}

// DeleteFactor implements Tx. The lock is the one that the deletion takes.
func (r *recording) DeleteFactor(ctx context.Context, id uuid.UUID) error {
	var gone FactorRecord
	_, err := r.Tx.UpdateFactor(ctx, id, r.hub.now(), func(f *FactorRecord) error {
		gone = *f
		return errOnlyRead
	})
	if !errors.Is(err, errOnlyRead) {
		return err
	}
	if err := r.Tx.DeleteFactor(ctx, id); err != nil {
		return err
	}
	return r.tellFactor(EventFactorUnenrolled, gone.UserID, &gone.Factor)
}

// DropFactors implements Tx: what events tell of goes one by one. Nobody enrols
// anything meanwhile.
func (r *recording) DropFactors(ctx context.Context, userID uuid.UUID) error {
	user, err := lockEnrolment(ctx, r.Tx, userID, r.hub.now())
	if errors.Is(err, ErrNoRow) {
		return nil // as it had none
	}
	if err != nil {
		return err
	}
	passkeys, err := r.Tx.Passkeys(ctx, userID)
	if err != nil {
		return err
	}
	for _, f := range user.Factors {
		drop := r.DeleteFactor
		if f.FactorType == FactorRecoveryCode {
			drop = func(ctx context.Context, _ uuid.UUID) error { return r.DropRecoveryCodes(ctx, userID) }
		}
		if err := drop(ctx, f.ID); err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
	}
	for _, p := range passkeys {
		if err := r.DeletePasskey(ctx, userID, p.ID); err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
	}
	return r.Tx.DropFactors(ctx, userID)
}

// AddRecoveryCodes implements Tx.
func (r *recording) AddRecoveryCodes(ctx context.Context, codes *RecoveryCodesRecord) error {
	if err := r.Tx.AddRecoveryCodes(ctx, codes); err != nil {
		return err
	}
	return r.tellFactor(EventFactorEnrolled, codes.UserID, codes.factor())
}

// ReplaceRecoveryCodes implements Tx.
func (r *recording) ReplaceRecoveryCodes(ctx context.Context, userID uuid.UUID, hashes []string, at time.Time) error {
	if err := r.Tx.ReplaceRecoveryCodes(ctx, userID, hashes, at); err != nil {
		return err
	}
	codes, err := r.Tx.FindRecoveryCodes(ctx, userID)
	if err != nil {
		return err
	}
	return r.tellFactor(EventFactorUpdated, userID, codes.factor(), "codes")
}

// DropRecoveryCodes implements Tx.
func (r *recording) DropRecoveryCodes(ctx context.Context, userID uuid.UUID) error {
	gone, err := r.Tx.FindRecoveryCodes(ctx, userID)
	if err != nil {
		return err
	}
	if err := r.Tx.DropRecoveryCodes(ctx, userID); err != nil {
		return err
	}
	return r.tellFactor(EventFactorUnenrolled, userID, gone.factor())
}

func (r *recording) tellPasskey(t EventType, p *PasskeyRecord) error {
	return r.tell(t, p.UserID, EventData{Passkey: ptr(p.passkey())})
}

// AddPasskey implements Tx.
func (r *recording) AddPasskey(ctx context.Context, p *PasskeyRecord) error {
	if err := r.Tx.AddPasskey(ctx, p); err != nil {
		return err
	}
	return r.tellPasskey(EventPasskeyCreated, p)
}

// UpdatePasskey implements Tx.
func (r *recording) UpdatePasskey(ctx context.Context, userID, id uuid.UUID, now time.Time, change func(*PasskeyRecord) error) (*PasskeyRecord, error) {
	var name string
	p, err := r.Tx.UpdatePasskey(ctx, userID, id, now, func(p *PasskeyRecord) error {
		name = p.FriendlyName
		return change(p)
	})
	if err != nil || p.FriendlyName == name { // how it was used is none of its changes
		return p, err
	}
	return p, r.tellPasskey(EventPasskeyUpdated, p)
}

// DeletePasskey implements Tx. The lock is the one that the deletion takes.
func (r *recording) DeletePasskey(ctx context.Context, userID, id uuid.UUID) error {
	var gone PasskeyRecord
	_, err := r.Tx.UpdatePasskey(ctx, userID, id, r.hub.now(), func(p *PasskeyRecord) error {
		gone = *p
		return errOnlyRead
	})
	if !errors.Is(err, errOnlyRead) {
		return err
	}
	if err := r.Tx.DeletePasskey(ctx, userID, id); err != nil {
		return err
	}
	return r.tellPasskey(EventPasskeyDeleted, &gone)
}
