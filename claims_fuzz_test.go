package postern_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// FuzzAccessTokens reads any header and claims that our own secret signed: as a
// user's token, an operator's, and one that is judged by itself. Whatever is wrong
// with it, that is no failure of ours, and what is read can be written again.
func FuzzAccessTokens(f *testing.F) {
	s := authtest.New(f, withSecret)
	user := s.SignedIn(f, ada)
	const plain = `{"alg":"HS256","typ":"JWT"}`
	for _, claims := range []string{
		`{"sub":"` + user.User.ID.String() + `","aud":"authenticated","iss":"https://auth.example.com","exp":9000000000,"session_id":"` + user.ID.String() + `"}`,
		`{"role":"service_role"}`, `{"role":"service_role","exp":1e400}`, `{"sub":7,"aud":["a",1],"exp":"x"}`, `{"aud":[],"amr":["pwd",{"method":"otp","timestamp":5}]}`,
		`{"amr":[1],"app_metadata":null,"user_metadata":[]}`, `{"sub":"\u0000","session_id":"\ud800"}`, `null`, `[]`, `1`, `{"exp":-1e308,"nbf":1e308,"iat":1e19}`,
		`{"role":"service_role","role":"anon"}`, `{"session_id":"x","role":"service_role"}`,
	} {
		f.Add(plain, claims)
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS256","kid":5}`, `{"alg":"HS256","crit":["x"]}`, `{"alg":["HS256"]}`, `{"alg":"HS512"}`, `{"alg":"HS256","jku":"https://x"}`, `{`, ``} {
		f.Add(header, `{"role":"service_role"}`)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(text))
		token := text + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))

		_, err := s.Authenticate(t.Context(), token)
		checkRefusal(t, token, err)
		_, err = s.VerifyToken(t.Context(), token)
		checkRefusal(t, token, err)
		read, err := s.AuthenticateAdmin(t.Context(), token)
		checkRefusal(t, token, err)
		if err == nil {
			if _, err := json.Marshal(read); err != nil {
				t.Errorf("%s: the claims cannot be written again: %v", claims, err)
			}
		}
	})
}

// checkRefusal fails for an error that is ours and not the token's.
func checkRefusal(t *testing.T, token string, err error) {
	t.Helper()
	var e *postern.Error
	if err != nil && (!errors.As(err, &e) || e.Kind == postern.KindInternal || e.Kind == postern.KindUnavailable) {
		t.Errorf("%s: %v", token, err)
	}
}
