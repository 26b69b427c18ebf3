package postern

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MintToken signs an access token that belongs to no user and no session: for a
// role in Config.AdminRoles an operator's key, and for one such as "anon" what
// clients that have not signed in show a gateway. It is good until ttl, at least
// a second, is over, or until the key that signed it no longer verifies: after
// RotateSigningKey or SetKeys it has to be minted again. It cannot be revoked.
//
// Errors: ErrValidationFailed without a role or with too short a ttl.
func (a *Auth) MintToken(ctx context.Context, role string, ttl time.Duration) (string, error) {
	if role == "" || ttl < time.Second {
		return "", invalid("A token needs a role, and has to live for a second at least")
	}
	keys, err := a.keySet(ctx)
	if err != nil {
		return "", err
	}
	now := a.cfg.Now()
	token, err := keys.Sign(mintedClaims{
		Role: role,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: a.cfg.JWT.Issuer, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
	})
	return token, internal("error generating jwt token", err)
}

type mintedClaims struct {
	jwt.RegisteredClaims
	Role string `json:"role"`
}
