package postern_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// withCodes gives a signed-in user an app and recovery codes.
func (s service) withCodes(t *testing.T, session *postern.Session) (*postern.Session, app, *postern.RecoveryCodes) {
	t.Helper()
	raised, a := s.withApp(t, session)
	return raised, a, must(s.GenerateRecoveryCodes(t.Context(), s.caller(t, raised), ""))
}

func TestRecoveryCodeStandsInForAFactorOnce(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		_, a, codes := s.withCodes(t, s.signUp(t))
		if len(codes.Codes) != 10 || codes.Total != 10 || codes.FriendlyName != "Recovery codes" {
			t.Errorf("got %d codes of %d, called %q, want 10 of 10, Recovery codes", len(codes.Codes), codes.Total, codes.FriendlyName)
		}
		low := s.again(t)
		code := codes.Codes[3]
		written := " " + strings.ToUpper(code[:4]) + "-" + code[4:8] + " " + code[8:] + "\n"
		raised := must(s.VerifyRecoveryCode(t.Context(), s.caller(t, low), written))
		c := s.caller(t, raised)
		if c.AAL() != "aal2" || !slices.Equal(methods(c.Claims), []string{"mfa/recovery_code", "password"}) || raised.ID != low.ID {
			t.Errorf("got %s by %v, want aal2 by a recovery code in the same session", c.AAL(), methods(c.Claims))
		}
		if f := c.User.Factors; len(f) != 2 || f[0].ID != a.factor || f[1].ID != codes.ID || f[1].FactorType != "recovery_code" || f[1].Status != "verified" {
			t.Errorf("got factors %+v, want the app and the codes", f)
		}
		if status := must(s.RecoveryCodesStatus(t.Context(), c)); status.ID != codes.ID || status.Total != 10 || status.Remaining != 9 {
			t.Errorf("got %+v, want 9 of 10 left", status)
		}
		_, err := s.VerifyRecoveryCode(t.Context(), c, code)
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAVerificationFailed)
		if err := s.UnenrollFactor(t.Context(), c, a.factor); err != nil {
			t.Errorf("removing the factor that was lost: %v", err)
		}
	})
}

func TestOneOfManyUsesOfARecoveryCodeWins(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		_, _, codes := s.withCodes(t, s.signUp(t))
		c := s.caller(t, s.again(t))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := s.VerifyRecoveryCode(t.Context(), c, codes.Codes[0]); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("got %d uses that succeeded, want 1", won.Load())
		}
	})
}

func TestRecoveryCodesNeedAal2AndAnotherFactor(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		_, err := s.GenerateRecoveryCodes(t.Context(), s.caller(t, session), "")
		wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
		_, err = s.RecoveryCodesStatus(t.Context(), s.caller(t, session))
		wantError(t, err, postern.KindNotFound, postern.ErrMFAFactorNotFound)
		_, err = s.VerifyRecoveryCode(t.Context(), s.caller(t, session), "k4m9x7qp2ab8ht3z")
		wantError(t, err, postern.KindNotFound, postern.ErrMFAFactorNotFound)

		raised, a, codes := s.withCodes(t, session)
		c := s.caller(t, raised)
		_, err = s.GenerateRecoveryCodes(t.Context(), c, "more")
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAVerifiedFactorExists)
		_, err = s.EnrollFactor(t.Context(), c, postern.EnrollFactorParams{FactorType: postern.FactorTOTP, FriendlyName: "Recovery codes"})
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAFactorNameConflict)

		low := s.caller(t, s.again(t))
		_, err = s.RegenerateRecoveryCodes(t.Context(), low)
		wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
		_, err = s.UnenrollRecoveryCodes(t.Context(), low)
		wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
		wantError(t, s.UnenrollFactor(t.Context(), low, codes.ID), postern.KindForbidden, postern.ErrInsufficientAAL)

		if err := s.UnenrollFactor(t.Context(), c, a.factor); err != nil {
			t.Fatal(err)
		}
		if f := s.caller(t, raised).User.Factors; len(f) != 0 {
			t.Errorf("got factors %+v, want the codes to go with the last factor", f)
		}
	})
}

func TestRegeneratingReplacesAllCodes(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		raised, _, old := s.withCodes(t, s.signUp(t))
		c := s.caller(t, s.again(t))
		for range 5 {
			_, err := s.VerifyRecoveryCode(t.Context(), c, "0000000000000000")
			wantError(t, err, postern.KindUnprocessable, postern.ErrMFAVerificationFailed)
		}
		_, err := s.VerifyRecoveryCode(t.Context(), c, old.Codes[0])
		wantError(t, err, postern.KindTooMany, postern.ErrMFARecoveryCodesLocked)

		codes := must(s.RegenerateRecoveryCodes(t.Context(), s.caller(t, raised)))
		if codes.ID != old.ID || codes.FriendlyName != old.FriendlyName || len(codes.Codes) != 10 {
			t.Errorf("got %+v, want the same factor with 10 codes", codes)
		}
		_, err = s.VerifyRecoveryCode(t.Context(), c, old.Codes[0])
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAVerificationFailed)
		if _, err := s.VerifyRecoveryCode(t.Context(), c, codes.Codes[0]); err != nil {
			t.Errorf("a new code: got error %v, want none", err)
		}
	})
}

func TestRemovedRecoveryCodesLowerTheirSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		first, _, codes := s.withCodes(t, s.signUp(t))
		raised := must(s.VerifyRecoveryCode(t.Context(), s.caller(t, s.again(t)), codes.Codes[0]))
		if got := must(s.UnenrollRecoveryCodes(t.Context(), s.caller(t, first))); got != codes.ID {
			t.Errorf("got %v, want the id of the codes", got)
		}
		if aal := s.caller(t, raised).AAL(); aal != "aal1" {
			t.Errorf("a session that a code raised: got %s, want aal1", aal)
		}
		if aal := s.caller(t, first).AAL(); aal != "aal2" {
			t.Errorf("one that the app raised: got %s, want aal2", aal)
		}
		codes = must(s.GenerateRecoveryCodes(t.Context(), s.caller(t, first), "again"))
		if got := must(s.AdminDeleteFactor(t.Context(), first.User.ID, codes.ID)); got.ID != codes.ID || got.FactorType != "recovery_code" {
			t.Errorf("an operator: got %+v, want the codes", got)
		}
		_, err := s.AdminDeleteFactor(t.Context(), first.User.ID, uuid.New())
		wantError(t, err, postern.KindNotFound, postern.ErrMFAFactorNotFound)
	})
}

func TestRecoveryCodesMayBeSwitchedOff(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		raised, _, codes := s.withCodes(t, s.signUp(t))
		off := s.with(t, func(c *postern.Config) {
			c.MFA.RecoveryCodes = postern.RecoveryCodesConfig{NoEnroll: true, NoVerify: true}
		})
		c := off.caller(t, raised)
		_, err := off.RegenerateRecoveryCodes(t.Context(), c)
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFARecoveryCodesEnrollNotEnabled)
		_, err = off.VerifyRecoveryCode(t.Context(), c, codes.Codes[0])
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFARecoveryCodesVerifyNotEnabled)
		if got := must(off.RecoveryCodesStatus(t.Context(), c)); got.Remaining != 10 {
			t.Errorf("got %d left, want 10", got.Remaining)
		}
	})
}

func TestStoredRecoveryCodesAreOfNoUse(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		_, _, codes := s.withCodes(t, s.signUp(t))
		for _, code := range codes.Codes {
			if got := s.count(t, `SELECT count(*) FROM auth.postern_recovery_codes WHERE hash LIKE '%`+code+`%'`); got != 0 {
				t.Errorf("got %d rows with a code in them, want none", got)
			}
		}
		if got := s.count(t, `SELECT count(*) FROM auth.postern_recovery_codes WHERE length(hash) = 56 AND used_at IS NULL`); got != 10 {
			t.Errorf("got %d hashes, want 10", got)
		}
	})
}
