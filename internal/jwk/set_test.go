package jwk_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern/internal/jwk"
)

func TestNewSetSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	es, ed, secret := vectorKey(t, "ES256"), vectorKey(t, "EdDSA"), mustSecret(t, "", secretText)
	for _, c := range []struct {
		name   string
		config jwk.SetConfig
		want   string
	}{
		{"nothing", jwk.SetConfig{}, "there is neither a key nor a secret to sign with"},
		{"a secret that only verifies", jwk.SetConfig{Secret: secret.VerifyOnly()}, "there is neither a key nor a secret to sign with"},
		{"two keys sign", jwk.SetConfig{Keys: []jwk.Key{es, ed}}, `exactly one key must have "sign" among its key_ops, these have it: ["es256-1" "eddsa-1"]`},
		{"no key signs", jwk.SetConfig{Keys: []jwk.Key{es.VerifyOnly()}, Secret: secret}, `exactly one key must have "sign" among its key_ops, these have it: []`},
		{"a key without kid", jwk.SetConfig{Keys: []jwk.Key{secret}}, "key 1 of the list has no kid"},
		{"the zero Key", jwk.SetConfig{Keys: []jwk.Key{es, {}}}, "key 2 of the list has no kid"},
		{"one key twice", jwk.SetConfig{Keys: []jwk.Key{es, es.VerifyOnly()}}, `kid "es256-1" names two keys`},
		{"an asymmetric secret", jwk.SetConfig{Keys: []jwk.Key{es}, Secret: ed}, `kid "eddsa-1" is no secret: its algorithm is EdDSA`},
		{
			"its own algorithm refused", jwk.SetConfig{Keys: []jwk.Key{es}, Algorithms: []string{"RS256", "HS256"}},
			`kid "es256-1" signs with ES256, which is not among the accepted algorithms ["RS256" "HS256"]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := jwk.NewSet(c.config); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestPublicListsAsymmetricKeysInOrder(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{
		Keys: []jwk.Key{
			vectorKey(t, "EdDSA").VerifyOnly(), vectorKey(t, "HS256").VerifyOnly(),
			vectorKey(t, "ES256"), vectorKey(t, "RS256").VerifyOnly(),
		},
		Secret: mustSecret(t, "", secretText),
	})
	var got []string
	for _, key := range set.Public() {
		got = append(got, key.KeyID)
	}
	if want := "eddsa-1 es256-1 rs256-1"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	set.Public()[0].KeyID = "changed"
	if got := set.Public()[0].KeyID; got != "eddsa-1" {
		t.Errorf("the caller changed the set: kid %q", got)
	}
}

func TestPublicOfASecretIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "s", secretText)}).Public())
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != "[]" {
		t.Errorf("got %s, want []", text)
	}
}

func TestSignWritesTheHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config jwk.SetConfig
		want   string
	}{
		{"secret without kid", jwk.SetConfig{Secret: mustSecret(t, "", secretText)}, `{"alg":"HS256","typ":"JWT"}`},
		{"secret with kid", jwk.SetConfig{Secret: mustSecret(t, "s1", secretText)}, `{"alg":"HS256","kid":"s1","typ":"JWT"}`},
		{"key", jwk.SetConfig{Keys: []jwk.Key{vectorKey(t, "ES256")}, Secret: mustSecret(t, "", secretText)}, `{"alg":"ES256","kid":"es256-1","typ":"JWT"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			token, err := mustSet(t, c.config).Sign(jwt.MapClaims{})
			if err != nil {
				t.Fatal(err)
			}
			header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
			if err != nil {
				t.Fatal(err)
			}
			if string(header) != c.want {
				t.Errorf("got %s, want %s", header, c.want)
			}
		})
	}
}

func TestEveryAlgorithmSignsWhatItVerifies(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Algorithm, func(t *testing.T) {
			t.Parallel()
			set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{mustParse(t, v.JWK)}})
			if got, want := set.SigningKey().Algorithm(), v.Algorithm; got != want {
				t.Errorf("signs with %s, want %s", got, want)
			}
			token, err := set.Sign(jwt.MapClaims{"sub": "somebody"})
			if err != nil {
				t.Fatal(err)
			}
			claims := jwt.MapClaims{}
			if err := set.Verify(token, claims, at(vectorTime)); err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if claims["sub"] != "somebody" {
				t.Errorf("sub = %v, want somebody", claims["sub"])
			}
		})
	}
}

func TestSignReportsClaimsThatAreNotJSON(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText)})
	if token, err := set.Sign(jwt.MapClaims{"f": func() {}}); err == nil {
		t.Errorf("got %q, want an error", token)
	}
}
