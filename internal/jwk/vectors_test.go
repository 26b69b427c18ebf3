package jwk_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern/internal/jwk"
)

// vector is a private JWK and a token that it signed, both made by Node's crypto.
type vector struct {
	Algorithm string          `json:"alg"`
	JWK       json.RawMessage `json:"jwk"`
	Token     string          `json:"token"`
}

// The time between iat and exp of every vector's token.
var vectorTime = time.Unix(1767225600+1800, 0)

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func vectorKey(t testing.TB, algorithm string) jwk.Key {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Algorithm == algorithm {
			return mustParse(t, v.JWK)
		}
	}
	t.Fatalf("no vector for %s", algorithm)
	return jwk.Key{}
}

func vectorToken(t testing.TB, algorithm string) string {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Algorithm == algorithm {
			return v.Token
		}
	}
	t.Fatalf("no vector for %s", algorithm)
	return ""
}

func mustParse(t testing.TB, text []byte) jwk.Key {
	t.Helper()
	key, err := jwk.ParseKey(text)
	if err != nil {
		t.Fatalf("ParseKey: %v", err)
	}
	return key
}

func mustSecret(t testing.TB, kid, secret string) jwk.Key {
	t.Helper()
	key, err := jwk.Secret(kid, []byte(secret))
	if err != nil {
		t.Fatalf("Secret: %v", err)
	}
	return key
}

func mustSet(t testing.TB, c jwk.SetConfig) *jwk.Set {
	t.Helper()
	set, err := jwk.NewSet(c)
	if err != nil {
		t.Fatalf("NewSet: %v", err)
	}
	return set
}

// edit returns a JWK with members replaced; nil removes one.
func edit(t testing.TB, text []byte, changes map[string]any) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	edited, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return edited
}

func TestTokensOfAnotherImplementationVerify(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Algorithm, func(t *testing.T) {
			t.Parallel()
			set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{mustParse(t, v.JWK)}})
			claims := jwt.MapClaims{}
			if err := set.Verify(v.Token, claims, at(vectorTime)); err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if got, want := claims["role"], "authenticated"; got != want {
				t.Errorf("role = %v, want %v", got, want)
			}
		})
	}
}

// RFC 7515 appendix A.1: a token without kid.
func TestExampleOfRFC7515Verifies(t *testing.T) {
	t.Parallel()
	key := mustParse(t, []byte(`{"kty":"oct","key_ops":["sign"],"k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`))
	set := mustSet(t, jwk.SetConfig{Secret: key})
	token := strings.Join([]string{
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	}, ".")
	var claims jwt.RegisteredClaims
	if err := set.Verify(token, &claims, at(time.Unix(1300819379, 0))); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if claims.Issuer != "joe" {
		t.Errorf("iss = %q, want %q", claims.Issuer, "joe")
	}
}
