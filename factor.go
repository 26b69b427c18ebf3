package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/totp"
)

// The types of factors.
const (
	FactorTOTP         = "totp"
	FactorPhone        = "phone"
	FactorWebAuthn     = "webauthn"
	FactorRecoveryCode = "recovery_code" // a set of codes; see GenerateRecoveryCodes
)

// The statuses of factors.
const (
	factorUnverified = "unverified"
	factorVerified   = "verified"
)

// EnrollFactorParams describe a new second factor.
type EnrollFactorParams struct {
	FactorType   string // FactorTOTP, FactorPhone or FactorWebAuthn
	FriendlyName string // what the user calls it; no two of its factors have the same
	Issuer       string // of a TOTP factor, as the app shows it; defaults to the host of Config.SiteURL
	Phone        string // of a phone factor
}

// EnrolledFactor is what the client needs to go on with a new factor. Its shape is
// not that of a Factor (contract: endpoints.md, POST /factors).
type EnrolledFactor struct {
	ID           uuid.UUID       `json:"id"`
	Type         string          `json:"type"`
	FriendlyName string          `json:"friendly_name"`
	TOTP         *TOTPEnrollment `json:"totp,omitempty"`
	Phone        string          `json:"phone,omitempty"` // as it was given
}

// TOTPEnrollment is what an authenticator app has to know. It is shown once.
type TOTPEnrollment struct {
	QRCode string `json:"qr_code"` // an SVG document that shows URI
	Secret string `json:"secret"`  // base32
	URI    string `json:"uri"`     // otpauth:
}

// EnrollFactor adds a second factor to the caller's account. It counts once
// VerifyFactor has seen a code of it. A user who has a factor already must have
// used it. Errors: ErrValidationFailed, ErrMFATOTPEnrollNotEnabled,
// ErrMFAPhoneEnrollNotEnabled, ErrMFAWebAuthnEnrollNotEnabled,
// ErrMFAVerifiedFactorExists, ErrMFAFactorNameConflict,
// ErrTooManyEnrolledMFAFactors, ErrInsufficientAAL, ErrSessionNotFound (contract:
// endpoints.md, POST /factors).
func (a *Auth) EnrollFactor(ctx context.Context, c *Caller, p EnrollFactorParams) (*EnrolledFactor, error) {
	phone, err := a.checkEnrollment(c, p)
	if err != nil {
		return nil, err
	}
	now := a.now()
	f := &FactorRecord{UserID: c.User.ID, Factor: Factor{
		ID: uuid.Must(uuid.NewRandom()), CreatedAt: now, UpdatedAt: now, Status: factorUnverified,
		FriendlyName: p.FriendlyName, FactorType: p.FactorType, Phone: phone,
	}}
	enrolled := &EnrolledFactor{ID: f.ID, Type: f.FactorType, FriendlyName: f.FriendlyName, Phone: p.Phone}
	if f.FactorType == FactorTOTP {
		enrolled.Phone = ""
		if enrolled.TOTP, err = a.seedTOTP(f, c.User, p.Issuer); err != nil {
			return nil, err
		}
	}
	err = a.store.InTx(ctx, func(tx Tx) error {
		if err := a.makeRoom(ctx, tx, c, &f.Factor); err != nil {
			return err
		}
		if err := tx.AddFactor(ctx, f); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionFactorEnrolled, c.User, factorTraits(&f.Factor))
	})
	if errors.Is(err, ErrRowTaken) {
		err = factorNameConflict(f.FriendlyName)
	}
	if err != nil {
		return nil, internal("Database error enrolling factor", err)
	}
	return enrolled, nil
}

// checkEnrollment says what is wrong with a request for a factor, without a look at
// the others, and returns the normal form of its number.
func (a *Auth) checkEnrollment(c *Caller, p EnrollFactorParams) (phone string, err error) {
	mfa := a.cfg.MFA
	switch {
	case c.session == nil:
		return "", fail(KindForbidden, ErrSessionNotFound, "A valid session and a registered user are required to enroll a factor")
	case c.User.IsAnonymous:
		return "", fail(KindForbidden, ErrNoAuthorization, "Anonymous user not allowed to perform these actions")
	case p.FactorType == FactorTOTP && mfa.TOTP.NoEnroll:
		return "", fail(KindUnprocessable, ErrMFATOTPEnrollNotEnabled, "MFA enroll is disabled for TOTP")
	case p.FactorType == FactorPhone && !mfa.Phone.Enroll:
		return "", fail(KindUnprocessable, ErrMFAPhoneEnrollNotEnabled, "MFA enroll is disabled for Phone")
	case p.FactorType == FactorWebAuthn && !mfa.WebAuthn.Enroll:
		return "", fail(KindUnprocessable, ErrMFAWebAuthnEnrollNotEnabled, "MFA enroll is disabled for WebAuthn")
	case p.FactorType != FactorTOTP && p.FactorType != FactorPhone && p.FactorType != FactorWebAuthn:
		return "", invalid("factor_type needs to be totp, phone, or webauthn")
	case len(p.FriendlyName) > maxFactorName || len(p.Issuer) > maxFactorName:
		return "", invalid("friendly_name and issuer must be %d characters or less", maxFactorName)
	case p.FactorType == FactorPhone && p.Phone == "":
		return "", invalid("Phone number required to enroll Phone factor")
	}
	if p.FactorType == FactorPhone {
		if phone, err = address.Phone(p.Phone); err != nil {
			return "", invalid("%v", err)
		}
	}
	return phone, nil
}

// maxFactorName keeps names in a QR code, which is full after that.
const maxFactorName = 255

// seedTOTP gives a factor its secret, and returns it as an app takes it.
func (a *Auth) seedTOTP(f *FactorRecord, u *User, issuer string) (*TOTPEnrollment, error) {
	secret, err := totp.NewSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	if f.Secret, err = a.cfg.Encryption.seal(f.ID, secret); err != nil {
		return nil, internal("error encrypting a factor's secret", err)
	}
	if issuer == "" {
		if site, err := url.Parse(a.cfg.SiteURL); err == nil {
			issuer = site.Host
		}
	}
	uri := totp.URI(secret, issuer, either(u.Email, either(u.Phone, u.ID.String())))
	picture, err := totp.QRCode(uri)
	if err != nil {
		return nil, invalid("friendly_name and issuer are too long for a QR code")
	}
	return &TOTPEnrollment{QRCode: picture, Secret: secret, URI: uri}, nil
}

// makeRoom refuses a factor that the user may not have beside its others, and
// removes those that it takes the place of.
func (a *Auth) makeRoom(ctx context.Context, tx Tx, c *Caller, f *Factor) error {
	user, err := a.enrolling(ctx, tx, c.User.ID)
	if err != nil {
		return err
	}
	kept, err := a.dropAbandoned(ctx, tx, user.Factors, f)
	if err != nil {
		return err
	}
	enrolled, verified := 0, 0
	for _, other := range kept {
		if other.FactorType != FactorRecoveryCode {
			enrolled++
			if other.Status == factorVerified {
				verified++
			}
		}
		switch {
		case other.FactorType == FactorPhone && other.Phone == f.Phone && f.FactorType == FactorPhone:
			return phoneFactorExists()
		case other.FriendlyName == f.FriendlyName:
			return factorNameConflict(f.FriendlyName)
		}
	}
	switch {
	case enrolled >= a.cfg.MFA.MaxEnrolled, verified >= a.cfg.MFA.MaxVerified:
		return fail(KindUnprocessable, ErrTooManyEnrolledMFAFactors, "Maximum number of verified factors reached, unenroll to continue")
	case lacksSecondFactor(c, &user.User):
		return needsAAL2ToEnroll()
	}
	return nil
}

// enrolling returns a user to whom nobody else can give a factor before the
// transaction ends. Several at once would all find room: a counter's row is the lock.
func (a *Auth) enrolling(ctx context.Context, tx Tx, userID uuid.UUID) (*UserRecord, error) {
	return lockEnrolment(ctx, tx, userID, a.now())
}

func lockEnrolment(ctx context.Context, tx Tx, userID uuid.UUID, now time.Time) (*UserRecord, error) {
	if _, err := tx.Count(ctx, "enrolment "+userID.String(), now, now); err != nil {
		return nil, err
	}
	return tx.FindUser(ctx, userID)
}

// dropAbandoned removes factors that were never verified: those that nobody has
// come back to in time, and the one with the number that a new one has.
func (a *Auth) dropAbandoned(ctx context.Context, tx Tx, factors []Factor, next *Factor) (kept []Factor, err error) {
	for _, f := range factors {
		abandoned := f.CreatedAt.Before(a.now().Add(-a.cfg.MFA.FactorExpiry)) && f.LastChallengedAt == nil
		replaced := next.FactorType == FactorPhone && f.Phone == next.Phone
		if f.Status == factorVerified || !abandoned && !replaced {
			kept = append(kept, f)
			continue
		}
		if err := tx.DeleteFactor(ctx, f.ID); err != nil && !errors.Is(err, ErrNoRow) {
			return nil, err
		}
	}
	return kept, nil
}

func phoneFactorExists() *Error {
	return fail(KindUnprocessable, ErrMFAVerifiedFactorExists, "A verified phone factor already exists, unenroll the existing factor to continue")
}

func factorNameConflict(name string) *Error {
	return fail(KindUnprocessable, ErrMFAFactorNameConflict, "A factor with the friendly name %q for this user already exists", name)
}

func needsAAL2ToEnroll() *Error {
	return fail(KindForbidden, ErrInsufficientAAL, "AAL2 required to enroll a new factor")
}

func factorNotFound() *Error { return fail(KindNotFound, ErrMFAFactorNotFound, "Factor not found") }

// factor returns a user's factor.
func (a *Auth) factor(ctx context.Context, userID, id uuid.UUID) (*FactorRecord, error) {
	f, err := a.store.FindFactor(ctx, userID, id)
	if errors.Is(err, ErrNoRow) {
		return nil, factorNotFound()
	}
	return f, internal("Database error loading factor", err)
}

// UnenrollFactor removes one of the caller's factors. Sessions that it raised are
// at AAL1 from then on. To remove a factor that was verified, a factor must have
// been used. Errors: ErrMFAFactorNotFound, ErrInsufficientAAL, ErrSessionNotFound
// (contract: endpoints.md, DELETE /factors/{factor_id}).
func (a *Auth) UnenrollFactor(ctx context.Context, c *Caller, id uuid.UUID) error {
	f, err := a.factor(ctx, c.User.ID, id)
	switch {
	case errors.Is(err, ErrMFAFactorNotFound):
		return a.unenrollCodes(ctx, c, id)
	case err != nil:
		return err
	case c.session == nil:
		return fail(KindForbidden, ErrSessionNotFound, "A valid session and factor are required to unenroll a factor")
	case f.Status == factorVerified && c.AAL() != aal2:
		return fail(KindUnprocessable, ErrInsufficientAAL, "AAL2 required to unenroll verified factor")
	}
	return a.removeFactor(ctx, f, c.User, actionFactorUnenrolled, traits{
		"factor_id": f.ID, "factor_status": f.Status, "session_id": c.SessionID,
	})
}

// removeFactor removes a factor with all that it led to; by is nil for an operator.
func (a *Auth) removeFactor(ctx context.Context, f *FactorRecord, by *User, what action, details traits) error {
	var owner *UserRecord
	err := a.store.InTx(ctx, func(tx Tx) (err error) {
		// The factor goes first: that waits for whoever is using it, and the session
		// that it raises then is found.
		if err := tx.DeleteFactor(ctx, f.ID); err != nil {
			return err
		}
		if err := tx.LowerSessions(ctx, f.UserID, f.ID, raisingMethods(), a.now()); err != nil {
			return err
		}
		if owner, err = tx.FindUser(ctx, f.UserID); err != nil {
			return err
		}
		if err := a.dropLoneCodes(ctx, tx, owner); err != nil {
			return err
		}
		return a.audit(ctx, tx, what, by, details)
	})
	switch {
	case errors.Is(err, ErrNoRow):
		return factorNotFound()
	case err != nil:
		return internal("Database error deleting factor", err)
	}
	if f.Status == factorVerified && a.cfg.Email.Notify.FactorUnenrolled {
		a.tell(ctx, a.notice(ctx, Mail{
			Type: MailFactorUnenrolled, To: owner.Email, User: &owner.User, FactorType: f.FactorType,
		})...)
	}
	return nil
}

// AdminListFactors returns the factors of a user, oldest first. ErrUserNotFound
// when there is no such user (contract: endpoints.md, GET
// /admin/users/{user_id}/factors).
func (a *Auth) AdminListFactors(ctx context.Context, userID uuid.UUID) ([]Factor, error) {
	u, err := a.AdminUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	return append([]Factor{}, u.Factors...), nil
}

// AdminUpdateFactorParams change a factor. What is nil stays.
type AdminUpdateFactorParams struct {
	FriendlyName *string
	Phone        *string // of phone factors only
}

// AdminUpdateFactor changes what a factor is called, or the number of a phone
// factor. Errors: ErrUserNotFound, ErrMFAFactorNotFound, ErrValidationFailed,
// ErrMFAFactorNameConflict, ErrMFAVerifiedFactorExists (contract: endpoints.md, PUT
// /admin/users/{user_id}/factors/{factor_id}).
func (a *Auth) AdminUpdateFactor(ctx context.Context, userID, id uuid.UUID, p AdminUpdateFactorParams) (*Factor, error) {
	f, err := a.adminFactor(ctx, userID, id)
	if err != nil {
		return nil, err
	}
	var phone string
	if p.Phone != nil && f.FactorType == FactorPhone {
		if phone, err = address.Phone(*p.Phone); err != nil {
			return nil, invalid("%v", err)
		}
	}
	if p.FriendlyName != nil && len(*p.FriendlyName) > maxFactorName {
		return nil, invalid("friendly_name must be %d characters or less", maxFactorName)
	}
	var changed *FactorRecord
	err = a.store.InTx(ctx, func(tx Tx) (err error) {
		changed, err = tx.UpdateFactor(ctx, f.ID, a.now(), func(f *FactorRecord) error {
			if p.FriendlyName != nil {
				f.FriendlyName = *p.FriendlyName
			}
			f.Phone = either(phone, f.Phone)
			return nil
		})
		if err != nil {
			return err
		}
		return a.audit(ctx, tx, actionFactorUpdated, nil, factorTraits(&changed.Factor).of(userID))
	})
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, factorNotFound()
	case errors.Is(err, ErrRowTaken) && p.FriendlyName != nil:
		return nil, factorNameConflict(*p.FriendlyName)
	case errors.Is(err, ErrRowTaken):
		return nil, phoneFactorExists()
	case err != nil:
		return nil, internal("Database error updating factor", err)
	}
	return &changed.Factor, nil
}

// AdminDeleteFactor removes a factor and returns what it was. Sessions that it
// raised are at AAL1 from then on. Errors: ErrUserNotFound, ErrMFAFactorNotFound
// (contract: endpoints.md, DELETE /admin/users/{user_id}/factors/{factor_id}).
func (a *Auth) AdminDeleteFactor(ctx context.Context, userID, id uuid.UUID) (*Factor, error) {
	f, err := a.adminFactor(ctx, userID, id)
	if errors.Is(err, ErrMFAFactorNotFound) {
		return a.adminDeleteCodes(ctx, userID, id)
	}
	if err != nil {
		return nil, err
	}
	if err := a.removeFactor(ctx, f, nil, actionFactorDeleted, factorTraits(&f.Factor).of(userID)); err != nil {
		return nil, err
	}
	return &f.Factor, nil
}

func (a *Auth) adminFactor(ctx context.Context, userID, id uuid.UUID) (*FactorRecord, error) {
	if _, err := a.AdminUser(ctx, userID); err != nil {
		return nil, err
	}
	return a.factor(ctx, userID, id)
}

func factorTraits(f *Factor) traits {
	return traits{"factor_id": f.ID, "factor_type": f.FactorType}
}
