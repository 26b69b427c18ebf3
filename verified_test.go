package postern_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

const (
	firstSecret = "a secret that has more than thirty-two bytes"
	otherSecret = "another one that has more than thirty-two bytes"
)

// What is known of a token is asked for again, but for its signature.
func TestTokenThatWasVerifiedIsStillJudged(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		for range 2 {
			s.caller(t, session)
		}
		if err := s.SignOut(t.Context(), s.caller(t, session), postern.SignOutLocal); err != nil {
			t.Fatal(err)
		}
		_, err := s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
		if _, err := s.VerifyToken(t.Context(), session.AccessToken); err != nil {
			t.Error(err)
		}
		s.Advance(time.Hour)
		_, err = s.VerifyToken(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)
	})
}

func TestTokenThatWasVerifiedEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := authtest.New(t, func(c *postern.Config) { c.JWT.Secret = firstSecret })
	token := s.SignedIn(t, ada).AccessToken
	for range 2 {
		must(s.VerifyToken(t.Context(), token))
	}
	if err := s.SetKeys(postern.JWTConfig{Secret: otherSecret}); err != nil {
		t.Fatal(err)
	}
	_, err := s.VerifyToken(t.Context(), token)
	wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)
	if err := s.SetKeys(postern.JWTConfig{Secret: firstSecret}); err != nil {
		t.Fatal(err)
	}
	must(s.VerifyToken(t.Context(), token))
}

func TestClaimsOfATokenAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	s := authtest.New(t)
	session := s.SignedIn(t, ada)
	first := must(s.VerifyToken(t.Context(), session.AccessToken))
	whole := must(s.VerifyToken(t.Context(), session.AccessToken))
	first.Role, first.Audience[0], first.AMR[0].Method = "service_role", "x", "x"
	for i := range first.UserMetadata {
		first.UserMetadata[i] = 'x'
	}
	if again := must(s.VerifyToken(t.Context(), session.AccessToken)); !reflect.DeepEqual(again, whole) {
		t.Errorf("got %+v, want %+v", again, whole)
	}
}

// More tokens than are remembered, and some that are always asked for.
func TestTokensThatAreNotRememberedAreVerified(t *testing.T) {
	t.Parallel()
	s := authtest.New(t, func(c *postern.Config) { c.JWT.Secret = firstSecret })
	var tokens []string
	for i := range 2000 {
		tokens = append(tokens, must(s.MintToken(t.Context(), "service_role", time.Duration(i+1)*time.Hour)))
	}
	for range 2 {
		for _, token := range tokens {
			for _, asked := range []string{token, tokens[0]} {
				if _, err := s.AuthenticateAdmin(t.Context(), asked); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func BenchmarkVerifyToken(b *testing.B) {
	for name, edit := range map[string]func(*postern.Config){
		"HS256": func(c *postern.Config) { c.JWT.Secret = firstSecret },
		"ES256": func(*postern.Config) {},
	} {
		b.Run(name, func(b *testing.B) {
			s := authtest.New(b, edit)
			token := s.SignedIn(b, ada).AccessToken
			b.ReportAllocs()
			for b.Loop() {
				must(s.VerifyToken(b.Context(), token))
			}
		})
	}
}
