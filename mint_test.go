package postern_test

import (
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

func TestMintedTokenIsAnOperatorsForAnAdminRoleOnly(t *testing.T) {
	each(t, func(c *postern.Config) { c.JWT.Issuer = "https://auth.example.com" }, func(t *testing.T, s service) {
		token := must(s.MintToken(t.Context(), "service_role", time.Hour))
		claims, err := s.AuthenticateAdmin(t.Context(), token)
		if err != nil {
			t.Fatalf("AuthenticateAdmin: %v", err)
		}
		if claims.Role != "service_role" || claims.Issuer != "https://auth.example.com" || claims.Subject != "" || claims.SessionID != "" {
			t.Errorf("got the claims %+v", claims)
		}
		if got := claims.ExpiresAt.Sub(claims.IssuedAt.Time); got != time.Hour {
			t.Errorf("the token lives for %v, want 1h", got)
		}
		_, err = s.Authenticate(t.Context(), token)
		wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)

		_, err = s.AuthenticateAdmin(t.Context(), must(s.MintToken(t.Context(), "anon", time.Hour)))
		wantError(t, err, postern.KindForbidden, postern.ErrNotAdmin)
	})
}

func TestMintedTokenExpires(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		token := must(s.MintToken(t.Context(), "service_role", time.Hour))
		s.Advance(2 * time.Hour)
		_, err := s.AuthenticateAdmin(t.Context(), token)
		wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)
	})
}

func TestMintTokenRefusesWhatIsNoToken(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		for _, c := range []struct {
			role string
			ttl  time.Duration
		}{{"", time.Hour}, {"anon", 0}, {"anon", -time.Hour}, {"anon", time.Millisecond}} {
			_, err := s.MintToken(t.Context(), c.role, c.ttl)
			wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
		}
	})
}
