package postern

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind sorts failures by what a caller can do about them. It is separate from
// Code because GoTrue answers one code with several statuses; httpadapter turns
// a Kind into a status and nothing else does.
type Kind uint8

const (
	// KindInternal is a failure of ours or of what we stand on. Its Message
	// names what failed, as GoTrue's do; its cause is for the log. HTTP 500.
	KindInternal Kind = iota
	// KindInvalid is a request that cannot be served as it is written. HTTP 400.
	KindInvalid
	// KindUnauthorized is a request without the credentials it needs. HTTP 401.
	KindUnauthorized
	// KindForbidden is a request whose credentials do not allow it. HTTP 403.
	KindForbidden
	// KindNotFound names something that is not there. HTTP 404.
	KindNotFound
	// KindConflict lost against a change made at the same moment; the same
	// request may succeed when it is sent again. HTTP 409.
	KindConflict
	// KindTooLarge is input beyond a size limit. HTTP 413.
	KindTooLarge
	// KindUnprocessable is a well-formed request that the rules refuse. HTTP 422.
	KindUnprocessable
	// KindTooMany came too soon or too often. HTTP 429.
	KindTooMany
	// KindUnavailable could not be served just now: the database is away or
	// too much work is waiting. HTTP 503 with Retry-After.
	KindUnavailable
)

// Code is GoTrue's name for a failure, the error_code of the wire (contract:
// errors.md §4). A Code is itself an error, so that
//
//	errors.Is(err, postern.ErrWeakPassword)
//
// asks whether err carries it.
type Code string

// Error returns the code's name.
func (c Code) Error() string { return string(c) }

// The codes that this package's methods answer with.
const (
	ErrUnexpectedFailure                 Code = "unexpected_failure"
	ErrValidationFailed                  Code = "validation_failed"
	ErrBadJSON                           Code = "bad_json"
	ErrRequestTooLarge                   Code = "request_entity_too_large"
	ErrRequestTimeout                    Code = "request_timeout"
	ErrNoAuthorization                   Code = "no_authorization"
	ErrBadJWT                            Code = "bad_jwt"
	ErrNotAdmin                          Code = "not_admin"
	ErrConflict                          Code = "conflict"
	ErrUserNotFound                      Code = "user_not_found"
	ErrUserBanned                        Code = "user_banned"
	ErrUserAlreadyExists                 Code = "user_already_exists"
	ErrUserSSOManaged                    Code = "user_sso_managed"
	ErrEmailExists                       Code = "email_exists"
	ErrPhoneExists                       Code = "phone_exists"
	ErrEmailNotConfirmed                 Code = "email_not_confirmed"
	ErrPhoneNotConfirmed                 Code = "phone_not_confirmed"
	ErrEmailProviderDisabled             Code = "email_provider_disabled"
	ErrPhoneProviderDisabled             Code = "phone_provider_disabled"
	ErrAnonymousDisabled                 Code = "anonymous_provider_disabled"
	ErrSignUpDisabled                    Code = "signup_disabled"
	ErrInvalidCredentials                Code = "invalid_credentials"
	ErrWeakPassword                      Code = "weak_password"
	ErrSamePassword                      Code = "same_password"
	ErrCurrentPasswordNeeded             Code = "current_password_required"
	ErrCurrentPasswordInvalid            Code = "current_password_invalid"
	ErrInsufficientAAL                   Code = "insufficient_aal"
	ErrMFATOTPEnrollNotEnabled           Code = "mfa_totp_enroll_not_enabled"
	ErrMFATOTPVerifyNotEnabled           Code = "mfa_totp_verify_not_enabled"
	ErrMFAPhoneEnrollNotEnabled          Code = "mfa_phone_enroll_not_enabled"
	ErrMFAPhoneVerifyNotEnabled          Code = "mfa_phone_verify_not_enabled"
	ErrMFAWebAuthnEnrollNotEnabled       Code = "mfa_webauthn_enroll_not_enabled"
	ErrMFAWebAuthnVerifyNotEnabled       Code = "mfa_webauthn_verify_not_enabled"
	ErrMFAFactorNotFound                 Code = "mfa_factor_not_found"
	ErrMFAFactorNameConflict             Code = "mfa_factor_name_conflict"
	ErrMFAVerifiedFactorExists           Code = "mfa_verified_factor_exists"
	ErrTooManyEnrolledMFAFactors         Code = "too_many_enrolled_mfa_factors"
	ErrMFAIPAddressMismatch              Code = "mfa_ip_address_mismatch"
	ErrMFAChallengeExpired               Code = "mfa_challenge_expired"
	ErrMFAVerificationFailed             Code = "mfa_verification_failed"
	ErrMFAVerificationRejected           Code = "mfa_verification_rejected"
	ErrMFARecoveryCodesEnrollNotEnabled  Code = "mfa_recovery_codes_enroll_not_enabled"
	ErrMFARecoveryCodesVerifyNotEnabled  Code = "mfa_recovery_codes_verify_not_enabled"
	ErrMFARecoveryCodesLocked            Code = "mfa_recovery_codes_locked"
	ErrMFARecoveryCodesSoleFactor        Code = "mfa_recovery_codes_sole_factor"
	ErrSessionNotFound                   Code = "session_not_found"
	ErrSessionExpired                    Code = "session_expired"
	ErrRefreshTokenNotFound              Code = "refresh_token_not_found"
	ErrRefreshTokenUsed                  Code = "refresh_token_already_used"
	ErrOTPExpired                        Code = "otp_expired"
	ErrOTPDisabled                       Code = "otp_disabled"
	ErrFlowStateNotFound                 Code = "flow_state_not_found"
	ErrFlowStateExpired                  Code = "flow_state_expired"
	ErrFlowStateUsed                     Code = "flow_state_already_used"
	ErrBadCodeVerifier                   Code = "bad_code_verifier"
	ErrBadOAuthState                     Code = "bad_oauth_state"
	ErrBadOAuthCallback                  Code = "bad_oauth_callback"
	ErrOAuthInvalidState                 Code = "oauth_invalid_state"
	ErrOAuthProviderNotSupported         Code = "oauth_provider_not_supported"
	ErrProviderDisabled                  Code = "provider_disabled"
	ErrProviderEmailNeedsVerification    Code = "provider_email_needs_verification"
	ErrInviteNotFound                    Code = "invite_not_found"
	ErrManualLinkingDisabled             Code = "manual_linking_disabled"
	ErrIdentityAlreadyExists             Code = "identity_already_exists"
	ErrIdentityNotFound                  Code = "identity_not_found"
	ErrSingleIdentityNotDeletable        Code = "single_identity_not_deletable"
	ErrEmailConflictIdentityNotDeletable Code = "email_conflict_identity_not_deletable"
	ErrUnexpectedAudience                Code = "unexpected_audience"
	ErrFeatureDisabled                   Code = "feature_disabled"
	ErrCustomProviderNotFound            Code = "custom_provider_not_found"
	ErrOverCustomProviderQuota           Code = "over_custom_provider_quota"
	ErrPasskeyDisabled                   Code = "passkey_disabled"
	ErrTooManyPasskeys                   Code = "too_many_passkeys"
	ErrWebAuthnChallengeNotFound         Code = "webauthn_challenge_not_found"
	ErrWebAuthnChallengeExpired          Code = "webauthn_challenge_expired"
	ErrWebAuthnVerificationFailed        Code = "webauthn_verification_failed"
	ErrWebAuthnCredentialExists          Code = "webauthn_credential_exists"
	ErrCaptchaFailed                     Code = "captcha_failed"
	ErrReauthenticationNeeded            Code = "reauthentication_needed"
	ErrReauthenticationNotValid          Code = "reauthentication_not_valid"
	ErrEmailAddressNotAuthorized         Code = "email_address_not_authorized"
	ErrEmailAddressInvalid               Code = "email_address_invalid"
	ErrSMSSendFailed                     Code = "sms_send_failed"
	ErrOverEmailSendRateLimit            Code = "over_email_send_rate_limit"
	ErrOverSMSSendRateLimit              Code = "over_sms_send_rate_limit"
	ErrOverRequestRateLimit              Code = "over_request_rate_limit"
	ErrHookTimeout                       Code = "hook_timeout"
	ErrHookTimeoutAfterRetry             Code = "hook_timeout_after_retry"
	ErrHookPayloadOverSizeLimit          Code = "hook_payload_over_size_limit"
	ErrHookPayloadInvalidContentType     Code = "hook_payload_invalid_content_type"
	ErrWeb3ProviderDisabled              Code = "web3_provider_disabled"
	ErrWeb3UnsupportedChain              Code = "web3_unsupported_chain"
)

// Error is every failure that a method of Auth reports on purpose. An error
// that is no *Error is internal: log it whole and show nothing of it.
type Error struct {
	Kind    Kind
	Code    Code
	Message string // GoTrue's text, safe to show to the client

	// Status is the HTTP status that a hook asked for, in place of Kind's. Such an
	// error has no Code. 0 for all others.
	Status int

	// Reasons lists what a weak password lacks, in the order "length",
	// "characters", "pwned". Only with ErrWeakPassword.
	Reasons []string

	// RetryAfter is how long to wait before the same request can succeed, where
	// a limit says so. Only with KindTooMany.
	RetryAfter time.Duration

	// Err is the cause, when there is one. It is not for clients.
	Err error
}

// Error returns the code, the message and the cause.
func (e *Error) Error() string {
	s := "postern: " + e.Message
	if e.Code != "" {
		s = "postern: " + string(e.Code) + ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is the error's Code.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// OAuthError is a failure in the format of RFC 6749 §5.2, which GoTrue uses
// where a request belongs to an OAuth client. Its HTTP status is always 400
// (contract: errors.md §1.4).
type OAuthError struct {
	Name        string // such as "invalid_client"
	Description string
}

// Error returns name and description.
func (e *OAuthError) Error() string { return "postern: " + e.Name + ": " + e.Description }

// DatabaseError is what a function of the database raised that is a hook. Clients
// get to see those of the states that functions raise on purpose (contract:
// errors.md §1.6).
type DatabaseError struct {
	State   string // SQLSTATE
	Message string
	Hint    string // "" for none
	Detail  string // "" for none

	// Err is the driver's error.
	Err error
}

// raisedStates are those that functions raise on purpose.
var raisedStates = []string{"P0001", "23000", "23001", "23502", "23503", "23505", "23514", "23P01"}

// Status is the HTTP status that the state asks for, 0 for a state that no client
// is to see.
func (e *DatabaseError) Status() int {
	if slices.Contains(raisedStates, e.State) {
		return 500
	}
	given, chosen := strings.CutPrefix(e.State, "PT")
	if n, err := strconv.Atoi(given); chosen && err == nil && n >= 400 && n <= 599 {
		return n
	}
	return 0
}

// Error returns the driver's text.
func (e *DatabaseError) Error() string { return e.Err.Error() }

// Unwrap returns the driver's error.
func (e *DatabaseError) Unwrap() error { return e.Err }

// ReusedTokenError is the cause of an ErrRefreshTokenUsed that ended a session:
// somebody presented a refresh token that its rightful owner had long replaced,
// so one of the two is a thief and neither may go on.
type ReusedTokenError struct {
	User    User
	Session SessionRecord
}

// Error says whose session ended.
func (e *ReusedTokenError) Error() string {
	return fmt.Sprintf("session %s of user %s was ended: a replaced refresh token was used again", e.Session.ID, e.User.ID)
}

// BannedUserError is the cause of an ErrUserBanned that refused a refresh.
type BannedUserError struct {
	User User
}

// Error says who is banned.
func (e *BannedUserError) Error() string { return fmt.Sprintf("user %s is banned", e.User.ID) }

func fail(kind Kind, code Code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *Error {
	return fail(KindInvalid, ErrValidationFailed, format, args...)
}

// internal wraps a failure that no client can help. A database that is away is
// told apart, since the same request will succeed once it is back.
func internal(doing string, err error) error {
	var known *Error
	var oauth *OAuthError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &oauth):
		return err
	case errors.Is(err, ErrStoreDown):
		return storeDown(err)
	case errors.Is(err, ErrUnstorable):
		return &Error{Kind: KindInvalid, Code: ErrValidationFailed, Message: "The request contains text that cannot be stored", Err: err}
	}
	return &Error{Kind: KindInternal, Code: ErrUnexpectedFailure, Message: doing, Err: err}
}

func storeDown(err error) *Error {
	return &Error{Kind: KindUnavailable, Code: ErrUnexpectedFailure, Message: "The database is not available, try again in a moment", Err: err}
}
