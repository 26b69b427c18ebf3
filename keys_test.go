package postern_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
)

func TestGeneratedKeyIsKeptAndPublished(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		jwks := must(s.JWKS(t.Context()))
		if len(jwks.Keys) != 1 || strings.Contains(string(must(json.Marshal(jwks))), `"d"`) {
			t.Fatalf("JWKS = %s, want one public key", must(json.Marshal(jwks)))
		}
		s.with(t, nop).caller(t, session) // another process
		if n := s.count(t, "SELECT count(*) FROM auth.postern_keys WHERE purpose = 'signing'"); n != 1 {
			t.Errorf("%d keys, want 1", n)
		}
	})
}

func TestProcessesThatStartAtOnceAgreeOnAKey(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var wg sync.WaitGroup
		kids := make([]string, 8)
		for i := range kids {
			process := s.with(t, nop)
			wg.Go(func() {
				jwks, err := process.JWKS(t.Context())
				if err != nil {
					t.Errorf("JWKS: %v", err)
					return
				}
				kids[i] = fmt.Sprint(jwks.Keys[0])
			})
		}
		wg.Wait()
		for _, kid := range kids {
			if kid != kids[0] {
				t.Fatalf("processes have different keys: %v", kids)
			}
		}
	})
}

func TestRotatedKeyVerifiesUntilItsTokensHaveExpired(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		other := s.with(t, nop)
		before := s.signUp(t)
		other.caller(t, before)
		if err := s.RotateSigningKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := &s.signIn(t, goodPassword).Session
		if kidOf(t, before) == kidOf(t, after) {
			t.Fatal("the new token is signed with the old key")
		}
		s.caller(t, before)
		if n := len(must(s.JWKS(t.Context())).Keys); n != 2 {
			t.Errorf("JWKS has %d keys, want both", n)
		}
		other.Advance(2 * time.Second) // a token of a key that it does not know makes it look
		other.caller(t, after)
		other.caller(t, before)

		s.Advance(2 * time.Hour)
		if n := len(must(s.JWKS(t.Context())).Keys); n != 1 {
			t.Errorf("JWKS has %d keys after the old key's time, want 1", n)
		}
	})
}

func TestConfiguredKeys(t *testing.T) {
	old, current := ecKey(t, "old", false), ecKey(t, "current", true)
	each(t, func(c *postern.Config) {
		c.JWT.Keys = postern.Secret("[" + current + "," + old + "]")
		c.JWT.Secret, c.JWT.ValidMethods = secret, []string{"ES256", "HS256"}
	}, func(t *testing.T, s service) {
		session := s.signUp(t)
		if got := kidOf(t, session); got != "current" {
			t.Errorf("kid = %q, want current", got)
		}
		if n := len(must(s.JWKS(t.Context())).Keys); n != 2 {
			t.Errorf("JWKS has %d keys, want 2", n)
		}
		if _, err := s.AuthenticateAdmin(t.Context(), mint(t, secret, jwt.MapClaims{"role": "service_role"})); err != nil {
			t.Errorf("a key signed with the secret: %v", err)
		}
		wantError(t, s.RotateSigningKey(t.Context()), postern.KindInvalid, postern.ErrValidationFailed)

		next := ecKey(t, "next", true)
		keep := strings.Replace(current, `"sign"`, `"verify"`, 1)
		if err := s.SetKeys(postern.JWTConfig{Keys: postern.Secret("[" + next + "," + keep + "]")}); err != nil {
			t.Fatal(err)
		}
		s.caller(t, session)
		if got := kidOf(t, s.refresh(t, session.RefreshToken)); got != "next" {
			t.Errorf("kid after SetKeys = %q, want next", got)
		}
		if err := s.SetKeys(postern.JWTConfig{Keys: "[]"}); err == nil {
			t.Error("SetKeys took an empty list")
		}
		s.caller(t, session)
	})
}

func TestSecretAloneHidesNothingInTheJWKS(t *testing.T) {
	each(t, withSecret, func(t *testing.T, s service) {
		if got := string(must(json.Marshal(must(s.JWKS(t.Context()))))); got != `{"keys":[]}` {
			t.Errorf("JWKS = %s, want no keys", got)
		}
	})
}

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

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := postern.New(nil, postern.Config{})
	if err == nil {
		t.Error("New without a store succeeded")
	}
	each := []string{"TTL", "MaxMetadata", "Timebox", "DefaultRole", "algorithm", "32 bytes", "Encryption", "Autoconfirm"}
	_, err = postern.New(noStore{}, postern.Config{
		MaxMetadata: -1, DefaultRole: "service_role",
		JWT:        postern.JWTConfig{Secret: "short", TTL: time.Millisecond},
		Session:    postern.SessionConfig{Timebox: -1},
		Password:   postern.PasswordConfig{Algorithm: "md5"},
		Email:      postern.EmailConfig{Autoconfirm: true, AllowUnverifiedSignIns: true},
		Encryption: postern.EncryptionConfig{Keys: map[string]postern.Secret{"a": "b"}},
	})
	for _, want := range each {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error says nothing of %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "short") {
		t.Errorf("the error shows a secret: %v", err)
	}
}

// noStore stands where New must not look.
type noStore struct{ postern.Store }

func TestTransactionOfTheApplication(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t) // so that there is a key
		undo := errors.New("undo")
		for email, fate := range map[string]error{"kept@example.com": nil, "undone@example.com": undo} {
			tx, err := s.st.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.In(s.st.Join(tx)).SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword})
			if err != nil {
				t.Fatal(err)
			}
			if fate == nil {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Authenticate(t.Context(), res.Session.AccessToken)
			if committed := err == nil; committed != (fate == nil) {
				t.Errorf("after %v: Authenticate = %v", fate, err)
			}
		}
	})
}

func TestFirstKeyMadeInATransactionThatIsUndone(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		tx, err := s.st.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.In(s.st.Join(tx)).SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		session := s.signUp(t)
		s.with(t, nop).caller(t, session) // the key that signed is one that others can see
	})
}

func kidOf(t *testing.T, s *postern.Session) string {
	t.Helper()
	token, _, err := jwt.NewParser().ParseUnverified(s.AccessToken, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := token.Header["kid"].(string)
	return kid
}

func ecKey(t *testing.T, kid string, signs bool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	op := "verify"
	if signs {
		op = "sign"
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","alg":"ES256","kid":%q,"key_ops":[%q],"x":%q,"y":%q,"d":%q}`,
		kid, op, b64(point[1:33]), b64(point[33:]), b64(d))
}
