package jwk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern/internal/jwk"
)

// memberNames are the names of what v is as JSON, sorted.
func memberNames(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Sorted(maps.Keys(members)), " ")
}

func vectorJWK(t testing.TB, algorithm string, changes map[string]any) string {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Algorithm == algorithm {
			return string(edit(t, v.JWK, changes))
		}
	}
	t.Fatalf("no vector for %s", algorithm)
	return ""
}

func TestParseReadsArraysAndSets(t *testing.T) {
	t.Parallel()
	signs := vectorJWK(t, "ES256", nil)
	retired := vectorJWK(t, "EdDSA", map[string]any{"key_ops": []string{"verify"}})
	public := vectorJWK(t, "RS256", map[string]any{"key_ops": []string{"verify"}, "d": nil, "p": nil, "q": nil})
	list := fmt.Sprintf("[%s,%s,%s]", retired, signs, public)
	for _, text := range []string{list, ` {"keys":` + list + `}`} {
		keys, err := jwk.Parse([]byte(text))
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		var got []string
		for _, key := range keys {
			got = append(got, fmt.Sprintf("%s %s %t", key.ID(), key.Algorithm(), key.CanSign()))
		}
		want := []string{"eddsa-1 EdDSA false", "es256-1 ES256 true", "rs256-1 RS256 false"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseChecksTheKeysTogether(t *testing.T) {
	t.Parallel()
	signs := vectorJWK(t, "ES256", nil)
	verifies := vectorJWK(t, "EdDSA", map[string]any{"key_ops": []string{"verify"}})
	for _, c := range []struct{ name, text, want string }{
		{"not JSON", `[`, "JSON Web Keys are not a JSON array: unexpected end of JSON input"},
		{"empty", ``, "JSON Web Keys are not a JSON array: unexpected end of JSON input"},
		{"no array", `"x"`, "JSON Web Keys are not a JSON array: json: cannot unmarshal string into Go value of type []json.RawMessage"},
		{"one key without an array", signs, "JSON Web Keys have no key"},
		{"no keys", `[]`, "JSON Web Keys have no key"},
		{"null", `null`, "JSON Web Keys have no key"},
		{"nobody signs", "[" + verifies + "]", `exactly one key must have "sign" among its key_ops, these have it: []`},
		{
			"two sign", "[" + signs + "," + vectorJWK(t, "EdDSA", nil) + "]",
			`exactly one key must have "sign" among its key_ops, these have it: ["es256-1" "eddsa-1"]`,
		},
		{
			"one kid twice", "[" + signs + "," + vectorJWK(t, "EdDSA", map[string]any{"kid": "es256-1", "key_ops": nil}) + "]",
			`kid "es256-1" names two keys`,
		},
		{
			"no kid", "[" + signs + "," + vectorJWK(t, "EdDSA", map[string]any{"kid": nil, "key_ops": nil}) + "]",
			"key 2 of the list has no kid",
		},
		{
			"several mistakes", `[{"kty":"oct","kid":"a","k":"YQ"},7,{"kty":"DSA","kid":"b"}]`,
			`key 1 of the list: kid "a": secret has 1 bytes, at least 32 are needed` + "\n" +
				"key 2 of the list: not a JSON Web Key: json: cannot unmarshal number into Go value of type jwk.document\n" +
				`key 3 of the list: kid "b": kty "DSA" with crv "" and alg "" is not supported`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := jwk.Parse([]byte(c.text))
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestParseKeyGivesAKeyWithoutAlgTheFirstOfItsKind(t *testing.T) {
	t.Parallel()
	for algorithm, want := range map[string]string{
		"RS512": "RS256", "ES256": "ES256", "ES512": "ES512", "EdDSA": "EdDSA", "HS256": "HS256",
	} {
		key := mustParse(t, []byte(vectorJWK(t, algorithm, map[string]any{"alg": nil, "use": nil})))
		if key.Algorithm() != want {
			t.Errorf("%s without alg: got %s, want %s", algorithm, key.Algorithm(), want)
		}
	}
}

func TestPrivatePartsOfKeysThatOnlyVerifyAreNotKept(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		key := mustParse(t, []byte(vectorJWK(t, algorithm, map[string]any{"key_ops": nil})))
		for _, name := range strings.Fields(memberNames(t, json.RawMessage(marshal(t, key)))) {
			if strings.Contains("d p q k", name) {
				t.Errorf("%s keeps member %q", algorithm, name)
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	// No product of primes, but nobody gets to see that before its length.
	odd1024 := strings.Repeat("_", 170) + "w"
	for _, c := range []struct {
		name, algorithm string
		change          change
		want            string
	}{
		{"AWS KMS", "RS256", change{"aws:kms:arn": "arn:aws:kms:eu-west-1:1:key/x"}, "keys in AWS KMS (aws:kms:arn) are not supported: the private key itself is needed"},
		{"a key for encryption", "ES256", change{"use": "enc"}, `use is "enc", not "sig"`},
		{"no kty", "ES256", change{"kty": nil}, `kty "" with crv "P-256" and alg "ES256" is not supported`},
		{"another kind's alg", "ES256", change{"alg": "HS256"}, `kty "EC" with crv "P-256" and alg "HS256" is not supported`},
		{"another curve's alg", "ES512", change{"alg": "ES256"}, `kty "EC" with crv "P-521" and alg "ES256" is not supported`},
		{"alg none", "HS256", change{"alg": "none"}, `kty "oct" with crv "" and alg "none" is not supported`},
		{"alg HS512", "HS256", change{"alg": "HS512"}, `kty "oct" with crv "" and alg "HS512" is not supported`},
		{"alg PS256", "RS256", change{"alg": "PS256"}, `kty "RSA" with crv "" and alg "PS256" is not supported`},
		{"P-384", "ES256", change{"crv": "P-384", "alg": "ES384"}, `kty "EC" with crv "P-384" and alg "ES384" is not supported`},
		{"X25519", "EdDSA", change{"crv": "X25519"}, `kty "OKP" with crv "X25519" and alg "EdDSA" is not supported`},
		{"short RSA", "RS256", change{"n": odd1024}, "RSA modulus has 1024 bits, at least 2048 are needed"},
		{"even RSA modulus", "RS256", change{"n": odd1024 + odd1024 + "A"}, "RSA modulus and exponent must be odd, and the exponent between 3 and 2^31"},
		{"RSA exponent 1", "RS256", change{"e": "AQ"}, "RSA modulus and exponent must be odd, and the exponent between 3 and 2^31"},
		{"even RSA exponent", "RS256", change{"e": "AQAA"}, "RSA modulus and exponent must be odd, and the exponent between 3 and 2^31"},
		{"huge RSA exponent", "RS256", change{"e": "gAAAAQ"}, "RSA modulus and exponent must be odd, and the exponent between 3 and 2^31"},
		{"RSA without primes", "RS256", change{"p": nil}, `member "p" is missing`},
		{"RSA without d", "RS256", change{"d": nil}, `member "d" is missing`},
		{"RSA with zero primes", "RS256", change{"p": "AA", "q": "AA"}, "private and public part do not belong together"},
		{"RSA with primes of one", "RS256", change{"p": "AQ", "q": "AQ"}, "private and public part do not belong together"},
		{"RSA with d of zero", "RS256", change{"d": "AA"}, "private and public part do not belong together"},
		{"RSA with another modulus", "RS256", change{"n": odd1024 + odd1024 + "E"}, "private and public part do not belong together"},
		{"EC without x", "ES256", change{"x": nil}, `member "x" is missing`},
		{"EC off the curve", "ES256", change{"x": strings.Repeat("A", 43)}, "x and y are no point of P-256"},
		{"EC with a short x", "ES256", change{"x": "AAAA"}, `member "x" has 3 bytes instead of 32`},
		{"EC asked to sign without d", "ES256", change{"d": nil}, `member "d" is missing`},
		{"EC with another d", "ES256", change{"d": strings.Repeat("A", 42) + "E"}, "private and public part do not belong together"},
		{"EC with d of zero", "ES256", change{"d": strings.Repeat("A", 43)}, "private and public part do not belong together"},
		{"Ed25519 asked to sign without d", "EdDSA", change{"d": nil}, `member "d" is missing`},
		{"Ed25519 with another d", "EdDSA", change{"d": strings.Repeat("A", 43)}, "private and public part do not belong together"},
		{"Ed25519 with a short x", "EdDSA", change{"x": "AAAA"}, `member "x" has 3 bytes instead of 32`},
		{"no secret", "HS256", change{"k": nil}, `member "k" is missing`},
		{"a short secret", "HS256", change{"k": strings.Repeat("A", 42)}, "secret has 31 bytes, at least 32 are needed"},
		{"padding", "HS256", change{"k": strings.Repeat("A", 43) + "="}, `member "k" is not base64url without padding`},
		{"standard base64", "HS256", change{"k": strings.Repeat("+", 44)}, `member "k" is not base64url without padding`},
		{"loose bits", "HS256", change{"k": strings.Repeat("A", 42) + "B"}, `member "k" is not base64url without padding`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.change["kid"] = "mine"
			_, err := jwk.ParseKey([]byte(vectorJWK(t, c.algorithm, c.change)))
			if want := `kid "mine": ` + c.want; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// FuzzParseKey holds: no text makes ParseKey panic, and a key that it accepts is
// written and read back the same, and does what it says.
func FuzzParseKey(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.JWK))
	}
	f.Add([]byte(`{"kty":"RSA","key_ops":["sign"],"n":"AQ","e":"AQ","d":"AA","p":"AA","q":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := jwk.ParseKey(text)
		if err != nil {
			return
		}
		written := marshal(t, key)
		if again := marshal(t, mustParse(t, written)); !bytes.Equal(again, written) {
			t.Errorf("read back and written: %s, want %s", again, written)
		}
		if key.CanSign() && key.ID() != "" {
			checkSigns(t, key)
		}
	})
}

func checkSigns(t *testing.T, key jwk.Key) {
	t.Helper()
	set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{key}})
	token, err := set.Sign(jwt.MapClaims{})
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	if err := set.Verify(token, jwt.MapClaims{}, at(vectorTime)); err != nil && len(token) <= jwk.MaxTokenLength {
		t.Errorf("%s does not verify: %v", token, err)
	}
}
