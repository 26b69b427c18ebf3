package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/otp"
)

// recoveryCodeCount is how many codes a set has.
const recoveryCodeCount = 10

// RecoveryCodes are a new set of codes, each of which stands in once for a second
// factor that was lost. They are shown this once.
type RecoveryCodes struct {
	ID           uuid.UUID `json:"id"`   // among the user's factors
	Type         string    `json:"type"` // FactorRecoveryCode
	FriendlyName string    `json:"friendly_name,omitempty"`
	Total        int       `json:"total"`
	Codes        []string  `json:"codes"` // 16 letters and digits each
}

// RecoveryCodesStatus says how many codes of a set are left.
type RecoveryCodesStatus struct {
	ID        uuid.UUID `json:"id"`
	Type      string    `json:"type"` // FactorRecoveryCode
	Total     int       `json:"total"`
	Remaining int       `json:"remaining"`
}

func recoveryStatus(r *RecoveryCodesRecord) *RecoveryCodesStatus {
	return &RecoveryCodesStatus{ID: r.ID, Type: FactorRecoveryCode, Total: len(r.Hashes) + r.Used, Remaining: len(r.Hashes)}
}

// RecoveryCodesStatus returns how many recovery codes the caller has left, at
// whatever level. ErrMFAFactorNotFound when it has no set.
func (a *Auth) RecoveryCodesStatus(ctx context.Context, c *Caller) (*RecoveryCodesStatus, error) {
	r, err := a.recoveryCodes(ctx, c)
	if err != nil {
		return nil, err
	}
	return recoveryStatus(r), nil
}

func (a *Auth) recoveryCodes(ctx context.Context, c *Caller) (*RecoveryCodesRecord, error) {
	r, err := a.store.FindRecoveryCodes(ctx, c.User.ID)
	if err != nil {
		return nil, internal("Database error loading recovery codes", missing(err, factorNotFound()))
	}
	return r, nil
}

// GenerateRecoveryCodes makes the caller's set of recovery codes. It must have used
// a second factor, and have one. An empty name becomes "Recovery codes". Errors:
// ErrMFARecoveryCodesEnrollNotEnabled, ErrInsufficientAAL,
// ErrMFARecoveryCodesSoleFactor, ErrMFAVerifiedFactorExists when there is a set,
// ErrMFAFactorNameConflict, ErrValidationFailed.
func (a *Auth) GenerateRecoveryCodes(ctx context.Context, c *Caller, friendlyName string) (*RecoveryCodes, error) {
	friendlyName = either(friendlyName, "Recovery codes")
	if err := a.mayManageCodes(c); err != nil {
		return nil, err
	}
	if len(friendlyName) > maxFactorName {
		return nil, invalid("friendly_name must be %d characters or less", maxFactorName)
	}
	now := a.now()
	r := &RecoveryCodesRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: c.User.ID, FriendlyName: friendlyName, CreatedAt: now, UpdatedAt: now,
	}
	codes, err := a.newRecoveryCodes(ctx, r)
	if err != nil {
		return nil, err
	}
	err = a.store.InTx(ctx, func(tx Tx) error {
		user, err := a.enrolling(ctx, tx, c.User.ID)
		if err != nil {
			return err
		}
		if err := roomForCodes(&user.User, friendlyName); err != nil {
			return err
		}
		if err := tx.AddRecoveryCodes(ctx, r); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionCodesGenerated, c.User, recoveryTraits(r))
	})
	if err != nil {
		return nil, internal("Database error adding recovery codes", err)
	}
	return codes, nil
}

// mayManageCodes says why a caller may not have new codes.
func (a *Auth) mayManageCodes(c *Caller) error {
	if a.cfg.MFA.RecoveryCodes.NoEnroll {
		return fail(KindUnprocessable, ErrMFARecoveryCodesEnrollNotEnabled, "MFA enroll is disabled for recovery codes")
	}
	return needsAAL2ForCodes(c)
}

func needsAAL2ForCodes(c *Caller) error {
	if c.AAL() != aal2 {
		return fail(KindForbidden, ErrInsufficientAAL, "AAL2 session is required to manage recovery codes")
	}
	return nil
}

// roomForCodes says why a user may not have a set of a name.
func roomForCodes(u *User, name string) error {
	if u.highestAAL() != aal2 {
		return fail(KindUnprocessable, ErrMFARecoveryCodesSoleFactor, "Recovery codes need another verified factor beside them")
	}
	for _, f := range u.Factors {
		switch {
		case f.FactorType == FactorRecoveryCode:
			return fail(KindUnprocessable, ErrMFAVerifiedFactorExists, "Recovery codes already exist, regenerate them to replace them")
		case f.FriendlyName == name:
			return factorNameConflict(name)
		}
	}
	return nil
}

// newRecoveryCodes draws codes for a set, and gives it their hashes.
func (a *Auth) newRecoveryCodes(ctx context.Context, r *RecoveryCodesRecord) (*RecoveryCodes, error) {
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	codes := &RecoveryCodes{ID: r.ID, Type: FactorRecoveryCode, FriendlyName: r.FriendlyName, Total: recoveryCodeCount}
	r.Hashes, r.Used = nil, 0
	for range recoveryCodeCount {
		code, err := otp.GenerateRecoveryCode(rand.Reader)
		if err != nil {
			return nil, err
		}
		codes.Codes = append(codes.Codes, code)
		r.Hashes = append(r.Hashes, recoveryCodeHash(key, r.ID, code))
	}
	return codes, nil
}

func recoveryCodeHash(key []byte, factorID uuid.UUID, code string) string {
	return otp.KeyedHash(key, string(purposeRecoveryCode), factorID.String(), code)
}

// RegenerateRecoveryCodes replaces all codes of the caller's set, which stays the
// same factor. Errors: ErrMFAFactorNotFound, and those of GenerateRecoveryCodes.
func (a *Auth) RegenerateRecoveryCodes(ctx context.Context, c *Caller) (*RecoveryCodes, error) {
	if err := a.mayManageCodes(c); err != nil {
		return nil, err
	}
	r, err := a.recoveryCodes(ctx, c)
	if err != nil {
		return nil, err
	}
	codes, err := a.newRecoveryCodes(ctx, r)
	if err != nil {
		return nil, err
	}
	err = a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.ReplaceRecoveryCodes(ctx, c.User.ID, r.Hashes, a.now()); err != nil {
			return missing(err, factorNotFound())
		}
		if err := tx.DropCounter(ctx, triesOf(r.ID)); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionCodesRegenerated, c.User, recoveryTraits(r))
	})
	if err != nil {
		return nil, internal("Database error replacing recovery codes", err)
	}
	return codes, nil
}

// VerifyRecoveryCode uses up one of the caller's recovery codes and raises its
// session to AAL2, as VerifyFactor does. Case, spaces and hyphens in the code do not
// matter. Errors: ErrMFARecoveryCodesVerifyNotEnabled, ErrMFAFactorNotFound,
// ErrMFAVerificationFailed, ErrMFARecoveryCodesLocked after too many wrong ones,
// ErrSessionNotFound.
func (a *Auth) VerifyRecoveryCode(ctx context.Context, c *Caller, code string) (_ *Session, err error) {
	defer a.attempted(ctx, "recovery_code", &err)
	switch {
	case c.session == nil:
		return nil, fail(KindForbidden, ErrSessionNotFound, "A valid session is required to verify a factor")
	case a.cfg.MFA.RecoveryCodes.NoVerify:
		return nil, fail(KindUnprocessable, ErrMFARecoveryCodesVerifyNotEnabled, "MFA verification is disabled for recovery codes")
	}
	r, err := a.recoveryCodes(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := a.countTry(ctx, r.ID, ErrMFARecoveryCodesLocked); err != nil {
		return nil, err
	}
	key, err := a.codeKey(ctx)
	if err != nil {
		return nil, err
	}
	hash := recoveryCodeHash(key, r.ID, otp.NormalRecoveryCode(code))
	return a.raise(ctx, c, r.factor(), factorTraits(r.factor()), func(ctx context.Context, tx Tx) error {
		err := tx.TakeRecoveryCode(ctx, r.ID, hash, a.now())
		return missing(err, fail(KindUnprocessable, ErrMFAVerificationFailed, "Invalid recovery code entered"))
	})
}

// UnenrollRecoveryCodes removes the caller's set and returns its id. Sessions that it
// raised are at AAL1 from then on. Errors: ErrInsufficientAAL, ErrMFAFactorNotFound.
func (a *Auth) UnenrollRecoveryCodes(ctx context.Context, c *Caller) (uuid.UUID, error) {
	if err := needsAAL2ForCodes(c); err != nil {
		return uuid.Nil, err
	}
	r, err := a.recoveryCodes(ctx, c)
	if err != nil {
		return uuid.Nil, err
	}
	return r.ID, a.dropCodes(ctx, r, c.User, recoveryTraits(r))
}

// unenrollCodes is UnenrollFactor for a set.
func (a *Auth) unenrollCodes(ctx context.Context, c *Caller, id uuid.UUID) error {
	r, err := a.codesWithID(ctx, c.User.ID, id)
	if err != nil {
		return err
	}
	if err := needsAAL2ForCodes(c); err != nil {
		return err
	}
	return a.dropCodes(ctx, r, c.User, recoveryTraits(r))
}

// adminDeleteCodes is AdminDeleteFactor for a set.
func (a *Auth) adminDeleteCodes(ctx context.Context, userID, id uuid.UUID) (*Factor, error) {
	r, err := a.codesWithID(ctx, userID, id)
	if err != nil {
		return nil, err
	}
	return r.factor(), a.dropCodes(ctx, r, nil, recoveryTraits(r).of(userID))
}

// dropCodes removes a set; by is nil for an operator.
func (a *Auth) dropCodes(ctx context.Context, r *RecoveryCodesRecord, by *User, details traits) error {
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := dropSet(ctx, tx, r.UserID, r.ID, a.now()); err != nil {
			return missing(err, factorNotFound())
		}
		return a.audit(ctx, tx, actionCodesDeleted, by, details)
	})
	return internal("Database error removing recovery codes", err)
}

// dropLoneCodes removes a user's codes when the last factor has gone for which they
// could stand in.
func (a *Auth) dropLoneCodes(ctx context.Context, tx Tx, u *UserRecord) error {
	if u.highestAAL() == aal2 {
		return nil
	}
	for _, f := range u.Factors {
		if f.FactorType != FactorRecoveryCode {
			continue
		}
		if err := dropSet(ctx, tx, u.ID, f.ID, a.now()); err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
	}
	return nil
}

// dropSet removes a user's set, and the level from sessions that it raised.
func dropSet(ctx context.Context, tx Tx, userID, id uuid.UUID, at time.Time) error {
	if err := tx.DropRecoveryCodes(ctx, userID); err != nil {
		return err
	}
	return tx.LowerSessions(ctx, userID, id, raisingMethods(), at)
}

// codesWithID returns a user's set if it has an id, for those who know it as one of
// the factors.
func (a *Auth) codesWithID(ctx context.Context, userID, id uuid.UUID) (*RecoveryCodesRecord, error) {
	r, err := a.store.FindRecoveryCodes(ctx, userID)
	switch {
	case errors.Is(err, ErrNoRow), err == nil && r.ID != id:
		return nil, factorNotFound()
	case err != nil:
		return nil, internal("Database error loading recovery codes", err)
	}
	return r, nil
}

func recoveryTraits(r *RecoveryCodesRecord) traits { return traits{"factor_id": r.ID} }

// factor is a set as one of its user's factors.
func (r *RecoveryCodesRecord) factor() *Factor {
	return &Factor{
		ID: r.ID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Status: factorVerified,
		FriendlyName: r.FriendlyName, FactorType: FactorRecoveryCode,
	}
}
