package jwk_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern/internal/jwk"
)

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// hs256 signs a token whose header is written by hand.
func hs256(header, payload, secret string) string {
	text := segment(header) + "." + segment(payload)
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func verify(set *jwk.Set, token string) error {
	return set.Verify(token, jwt.MapClaims{}, at(vectorTime))
}

func checkRefused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The texts reach clients (contract: endpoints.md §0.3).
func TestVerifyRefusesInGolangJWTsWords(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{vectorKey(t, "ES256")}, Secret: mustSecret(t, "", secretText), Algorithms: []string{"ES256", "HS256"}})
	const plain = `{"alg":"HS256","typ":"JWT"}`
	good := hs256(plain, `{}`, secretText)
	es := vectorToken(t, "ES256")
	for _, c := range []struct{ name, token, want string }{
		{"empty", "", "token is malformed: token contains an invalid number of segments"},
		{"two segments", "a.b", "token is malformed: token contains an invalid number of segments"},
		{"four segments", good + ".", "token is malformed: token contains an invalid number of segments"},
		{"a header of another alphabet", "+." + strings.SplitN(good, ".", 2)[1], "token is malformed: could not base64 decode header: illegal base64 data at input byte 0"},
		{"a header that is no JSON", segment("x") + ".e30.", "token is malformed: could not JSON decode header: invalid character 'x' looking for beginning of value"},
		{"claims that are no JSON", hs256(plain, `x`, secretText), "token is malformed: could not JSON decode claim: invalid character 'x' looking for beginning of value"},
		{"padding", good + "=", "token is malformed: could not base64 decode signature: illegal base64 data at input byte 43"},
		{"loose bits", good[:len(good)-1] + next(good[len(good)-1]), "token is malformed: could not base64 decode signature: illegal base64 data at input byte 42"},
		{"a line break", good + "\n", "token is malformed: token contains a line break"},
		{"a line break inside", good[:len(good)-3] + "\r" + good[len(good)-3:], "token is malformed: token contains a line break"},
		{"too long", hs256(plain, `{"x":"`+strings.Repeat("x", 13000)+`"}`, secretText), "token is malformed: token is longer than 16384 bytes"},
		{"expired", hs256(plain, `{"exp":1}`, secretText), "token has invalid claims: token is expired"},
		{"not yet valid", hs256(plain, `{"nbf":32503680000}`, secretText), "token has invalid claims: token is not valid yet"},
		{"another secret", hs256(plain, `{}`, secretText+"!"), "token signature is invalid: signature is invalid"},
		{"no signature", good[:strings.LastIndex(good, ".")+1], "token signature is invalid: signature is invalid"},
		{"claims of another token", swapClaims(es, `{"sub":"other"}`), "token signature is invalid: crypto/ecdsa: verification error"},
		{"none", segment(`{"alg":"none"}`) + ".e30.", "token signature is invalid: signing method none is invalid"},
		{"none in another spelling", segment(`{"alg":"nOnE"}`) + ".e30.", "token is unverifiable: signing method (alg) is unavailable"},
		{"no alg", segment(`{"typ":"JWT"}`) + ".e30.", "token is unverifiable: signing method (alg) is unspecified"},
		{"a null header", segment(`null`) + ".e30.", "token is unverifiable: signing method (alg) is unspecified"},
		{"an algorithm nobody has", hs256(`{"alg":"HS512"}`, `{}`, secretText), "token signature is invalid: signing method HS512 is invalid"},
		{
			"an unknown kid", hs256(`{"alg":"HS256","kid":"x"}`, `{}`, secretText),
			"token is unverifiable: error while executing keyfunc: unrecognized JWT kid x for algorithm HS256",
		},
		{
			"a kid that is no string", hs256(`{"alg":"HS256","kid":7}`, `{}`, secretText),
			"token is unverifiable: error while executing keyfunc: unrecognized JWT kid 7 for algorithm HS256",
		},
		{
			"a null kid", hs256(`{"alg":"HS256","kid":null}`, `{}`, secretText),
			"token is unverifiable: error while executing keyfunc: unrecognized JWT kid <nil> for algorithm HS256",
		},
		{
			"ES256 without kid", segment(`{"alg":"ES256"}`) + ".e30." + strings.Repeat("A", 86),
			"token is unverifiable: error while executing keyfunc: unrecognized JWT kid <nil> for algorithm ES256",
		},
		{
			"the secret under an asymmetric key's kid", hs256(`{"alg":"HS256","kid":"es256-1"}`, `{}`, secretText),
			"token is unverifiable: error while executing keyfunc: unrecognized JWT kid es256-1 for algorithm HS256",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, verify(set, c.token), c.want)
		})
	}
	if err := verify(set, good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

// next is the following character of the base64url alphabet. The last one of an
// HS256 signature carries two bits that must be zero.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

func swapClaims(token, payload string) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + segment(payload) + "." + parts[2]
}

// Guarantee 15: a key that the token brings along, or an extension.
func TestVerifyRefusesForeignHeaderParameters(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText)})
	for _, c := range []struct{ name, member string }{
		{"jku", `"jku":"https://evil.example/jwks.json"`},
		{"jwk", `"jwk":{"kty":"oct","k":"YQ"}`},
		{"x5u", `"x5u":"https://evil.example/cert.pem"`},
		{"x5c", `"x5c":["MII"]`},
		{"crit", `"crit":["b64"],"b64":false`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			token := hs256(`{"alg":"HS256","typ":"JWT",`+c.member+`}`, `{}`, secretText)
			checkRefused(t, verify(set, token), `token is unverifiable: error while executing keyfunc: header parameter "`+c.name+`" is not accepted`)
		})
	}
}

// Guarantee 15: what everybody knows of a key is no HMAC secret, even where
// HS256 is accepted.
func TestPublicKeysAreNoSecrets(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		key := mustParse(t, v.JWK)
		shown, ok := key.Public()
		if !ok {
			continue
		}
		set := mustSet(t, jwk.SetConfig{
			Keys: []jwk.Key{key}, Secret: mustSecret(t, "", secretText), Algorithms: []string{v.Algorithm, "HS256"},
		})
		document, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		x, err := base64.RawURLEncoding.DecodeString(shown.X)
		if err != nil {
			t.Fatal(err)
		}
		for _, guess := range []string{string(document), shown.N, shown.X, string(x), ""} {
			for _, header := range []string{`{"alg":"HS256"}`, `{"alg":"HS256","kid":"` + key.ID() + `"}`} {
				if verify(set, hs256(header, `{}`, guess)) == nil {
					t.Errorf("%s: accepted with header %s", v.Algorithm, header)
				}
			}
		}
	}
}

func TestAKeyServesOnlyItsOwnAlgorithm(t *testing.T) {
	t.Parallel()
	key := mustParse(t, []byte(vectorJWK(t, "RS256", map[string]any{"alg": "RS512"})))
	set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{key}, Algorithms: []string{"RS256", "RS512"}})
	checkRefused(t, verify(set, vectorToken(t, "RS256")),
		"token is unverifiable: error while executing keyfunc: unrecognized JWT kid rs256-1 for algorithm RS256")
}

func TestNoneStaysRefusedWhenItIsListed(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText), Algorithms: []string{"HS256", "none"}})
	checkRefused(t, verify(set, segment(`{"alg":"none"}`)+".e30."),
		"token is unverifiable: error while executing keyfunc: unrecognized JWT kid <nil> for algorithm none")
}

func TestTheSecretStandsForItsKidAndForNone(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "s1", secretText)})
	for _, c := range []struct {
		header string
		want   string
	}{
		{`{"alg":"HS256"}`, ""},
		{`{"alg":"HS256","kid":""}`, ""},
		{`{"alg":"HS256","kid":"s1"}`, ""},
		{`{"alg":"HS256","kid":"s2"}`, "token is unverifiable: error while executing keyfunc: unrecognized JWT kid s2 for algorithm HS256"},
	} {
		if err := verify(set, hs256(c.header, `{}`, secretText)); c.want == "" && err != nil {
			t.Errorf("%s: %v", c.header, err)
		} else if c.want != "" {
			checkRefused(t, err, c.want)
		}
	}
}

func TestSymmetricKeysOfTheListNeedTheirKid(t *testing.T) {
	t.Parallel()
	var key struct {
		K string `json:"k"`
	}
	if err := json.Unmarshal([]byte(vectorJWK(t, "HS256", nil)), &key); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(key.K)
	if err != nil {
		t.Fatal(err)
	}
	set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{vectorKey(t, "HS256")}})
	if err := verify(set, hs256(`{"alg":"HS256","kid":"hs256-1"}`, `{}`, string(secret))); err != nil {
		t.Errorf("with kid: %v", err)
	}
	checkRefused(t, verify(set, hs256(`{"alg":"HS256"}`, `{}`, string(secret))),
		"token is unverifiable: error while executing keyfunc: unrecognized JWT kid <nil> for algorithm HS256")
}

func TestAKidOfBothMeansTheKey(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{
		Keys: []jwk.Key{vectorKey(t, "HS256")}, Secret: mustSecret(t, "hs256-1", secretText),
	})
	if err := verify(set, vectorToken(t, "HS256")); err != nil {
		t.Errorf("the key's token: %v", err)
	}
	checkRefused(t, verify(set, hs256(`{"alg":"HS256","kid":"hs256-1"}`, `{}`, secretText)), "token signature is invalid: signature is invalid")
}

// contract: config.md, GOTRUE_JWT_VALID_METHODS.
func TestSecretBesideAsymmetricKeysIsAcceptedOnlyWhenListed(t *testing.T) {
	t.Parallel()
	config := jwk.SetConfig{Keys: []jwk.Key{vectorKey(t, "ES256")}, Secret: mustSecret(t, "", secretText)}
	token := hs256(`{"alg":"HS256"}`, `{}`, secretText)
	checkRefused(t, verify(mustSet(t, config), token), "token signature is invalid: signing method HS256 is invalid")
	config.Algorithms = []string{"ES256", "HS256"}
	if err := verify(mustSet(t, config), token); err != nil {
		t.Errorf("listed: %v", err)
	}
}

func TestVerifyChecksTheTimesThatATokenHas(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText)})
	for _, c := range []struct {
		name, payload string
		now           int64
		want          error
	}{
		{"no times", `{}`, 1000, nil},
		{"before exp", `{"exp":1001}`, 1000, nil},
		{"at exp", `{"exp":1000}`, 1000, jwt.ErrTokenExpired},
		{"after exp", `{"exp":999}`, 1000, jwt.ErrTokenExpired},
		{"at nbf", `{"nbf":1000}`, 1000, nil},
		{"before nbf", `{"nbf":1001}`, 1000, jwt.ErrTokenNotValidYet},
		{"iat in the future", `{"iat":5000}`, 1000, nil},
		{"exp beyond all numbers", `{"exp":1e300}`, 1000, jwt.ErrTokenExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var claims jwt.RegisteredClaims
			err := set.Verify(hs256(`{"alg":"HS256"}`, c.payload, secretText), &claims, at(time.Unix(c.now, 0)))
			if !errors.Is(err, c.want) || (c.want != nil && !errors.Is(err, jwt.ErrTokenInvalidClaims)) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTheLongestTokenVerifies(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText)})
	const header = `{"alg":"HS256"}`
	fixed := len(hs256(header, `{"x":""}`, secretText))
	for n := (jwk.MaxTokenLength - fixed) * 3 / 4; ; n-- {
		token := hs256(header, `{"x":"`+strings.Repeat("x", n)+`"}`, secretText)
		if len(token) > jwk.MaxTokenLength {
			continue
		}
		if err := verify(set, token); err != nil {
			t.Errorf("%d bytes: %v", len(token), err)
		}
		return
	}
}

func TestASetServesManyGoroutines(t *testing.T) {
	t.Parallel()
	set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{vectorKey(t, "EdDSA"), vectorKey(t, "ES256").VerifyOnly()}})
	old := vectorToken(t, "ES256")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			token, err := set.Sign(jwt.MapClaims{})
			if err != nil {
				t.Error(err)
			}
			if err := errors.Join(verify(set, token), verify(set, old)); err != nil {
				t.Error(err)
			}
			set.Public()
		})
	}
	wg.Wait()
}

// FuzzVerify holds a set against strings: nothing makes it panic, and it accepts
// only what its keys signed in this very test. Header and claims are compared,
// since ECDSA has many signatures for one text.
func FuzzVerify(f *testing.F) {
	set := mustSet(f, jwk.SetConfig{
		Keys:       []jwk.Key{vectorKey(f, "ES256"), vectorKey(f, "EdDSA").VerifyOnly(), vectorKey(f, "RS256").VerifyOnly()},
		Secret:     mustSecret(f, "", secretText),
		Algorithms: []string{"ES256", "EdDSA", "RS256", "HS256", "none"},
	})
	signed := map[string]bool{}
	add := func(token string) {
		f.Add(token)
		signed[token[:strings.LastIndex(token, ".")]] = true
	}
	add(vectorToken(f, "ES256"))
	add(vectorToken(f, "EdDSA"))
	add(vectorToken(f, "RS256"))
	add(hs256(`{"alg":"HS256","typ":"JWT"}`, `{"sub":"x"}`, secretText))
	f.Add(vectorToken(f, "HS256"))
	f.Add(segment(`{"alg":"none"}`) + ".e30.")
	f.Add(hs256(`{"alg":"HS256","kid":"es256-1"}`, `{}`, secretText))
	f.Add(segment(`{"alg":"EdDSA","kid":"eddsa-1"}`) + ".e30." + segment(strings.Repeat("x", ed25519.SignatureSize)))
	f.Fuzz(func(t *testing.T, token string) {
		if verify(set, token) != nil {
			return
		}
		end := strings.LastIndex(token, ".")
		if !signed[token[:end]] {
			t.Errorf("accepted a token that was not signed: %q", token)
		}
		signature, err := base64.RawURLEncoding.Strict().DecodeString(token[end+1:])
		if err != nil || base64.RawURLEncoding.EncodeToString(signature) != token[end+1:] {
			t.Errorf("accepted another spelling of a signature: %q", token)
		}
	})
}

// accessClaims are of the size and shape that an access token has.
type accessClaims struct {
	jwt.RegisteredClaims
	Email       string          `json:"email"`
	Phone       string          `json:"phone"`
	AppMetadata json.RawMessage `json:"app_metadata"`
	Metadata    json.RawMessage `json:"user_metadata"`
	Role        string          `json:"role"`
	AAL         string          `json:"aal"`
	SessionID   string          `json:"session_id"`
	IsAnonymous bool            `json:"is_anonymous"`
}

func benchmarkSets(b *testing.B, run func(b *testing.B, set *jwk.Set, claims *accessClaims)) {
	claims := &accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: "https://auth.example.com", Subject: "0b7ed9a4-8f4e-4a0e-9a3c-6f1d9d1f3f11",
			IssuedAt: jwt.NewNumericDate(vectorTime), ExpiresAt: jwt.NewNumericDate(vectorTime.Add(time.Hour)),
		},
		Email: "somebody@example.com", AppMetadata: json.RawMessage(`{"provider":"email","providers":["email"]}`),
		Metadata: json.RawMessage(`{"email":"somebody@example.com","email_verified":true}`),
		Role:     "authenticated", AAL: "aal1", SessionID: "6f1d9d1f-8f4e-4a0e-9a3c-0b7ed9a43f11",
	}
	for _, algorithm := range []string{"HS256", "ES256", "EdDSA"} {
		set := mustSet(b, jwk.SetConfig{Keys: []jwk.Key{vectorKey(b, algorithm)}})
		b.Run(algorithm, func(b *testing.B) {
			b.ReportAllocs()
			run(b, set, claims)
		})
	}
}

func BenchmarkSign(b *testing.B) {
	benchmarkSets(b, func(b *testing.B, set *jwk.Set, claims *accessClaims) {
		for b.Loop() {
			if _, err := set.Sign(claims); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	benchmarkSets(b, func(b *testing.B, set *jwk.Set, claims *accessClaims) {
		token, err := set.Sign(claims)
		if err != nil {
			b.Fatal(err)
		}
		now := at(vectorTime)
		for b.Loop() {
			var got accessClaims
			if err := set.Verify(token, &got, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
