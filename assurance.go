package postern

import (
	"maps"
	"slices"
	"time"
)

// Authenticator assurance levels, as in the claim aal (contract: tokens.md §1).
const (
	aal1 = "aal1"
	aal2 = "aal2"
)

// The methods that a second factor adds to a session, by its type.
var factorMethods = map[string]string{
	FactorTOTP: "totp", FactorPhone: "mfa/phone", FactorWebAuthn: "mfa/webauthn", FactorRecoveryCode: "mfa/recovery_code",
}

func raisingMethods() []string { return slices.Collect(maps.Values(factorMethods)) }

// level is the assurance level that a session's methods add up to.
func (s *SessionRecord) level() string {
	raised := raisingMethods()
	if slices.ContainsFunc(s.AMR, func(e AMREntry) bool { return slices.Contains(raised, e.Method) }) {
		return aal2
	}
	return aal1
}

// highestAAL is what the user could reach with the factors it has. Recovery codes
// stand in for a factor: alone they are none.
func (u *User) highestAAL() string {
	if slices.ContainsFunc(u.Factors, func(f Factor) bool { return f.Status == factorVerified && f.FactorType != FactorRecoveryCode }) {
		return aal2
	}
	return aal1
}

// AAL is how sure it is who the caller is: "aal1" or, once a second factor was used
// in its session, "aal2". An access token from before that stays "aal1", and one
// from before the factor was removed becomes it. A caller without a session is
// "aal1".
func (c *Caller) AAL() string {
	if c.session == nil || c.Claims != nil && c.Claims.AAL != aal2 {
		return aal1
	}
	return c.session.level()
}

// LastAuthenticated is when the caller last proved who it is, by whatever method;
// refreshing a session is no proof. The zero time for a caller without a session.
func (c *Caller) LastAuthenticated() (last time.Time) {
	if c.session == nil {
		return last
	}
	for _, e := range c.session.AMR {
		if e.At.After(last) {
			last = e.At
		}
	}
	return last
}

// lacksSecondFactor reports whether a caller acts for a user who has a second
// factor, and has not used it (guarantees: B11).
func lacksSecondFactor(c *Caller, u *User) bool { return u.highestAAL() == aal2 && c.AAL() != aal2 }

// mayChangeAddress refuses a caller whose address is about to change and who has a
// second factor but did not use it.
func mayChangeAddress(c *Caller) error {
	if lacksSecondFactor(c, c.User) {
		return insufficientAAL()
	}
	return nil
}

func insufficientAAL() *Error {
	return fail(KindUnauthorized, ErrInsufficientAAL, "AAL2 session is required to update email or password when MFA is enabled.")
}
