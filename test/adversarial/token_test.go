package adversarial_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
)

// forgery is a token that a user makes out of the own one: its header and claims
// are edited, and then it is signed by whoever sign is.
type forgery struct {
	name   string
	header map[string]any
	claims map[string]any // nil removes a claim
	sign   func(w *world, t *testing.T, text string) string
	want   string
}

// The signatures of forgers and of us.
func unsigned(*world, *testing.T, string) string { return "" }
func ours(_ *world, _ *testing.T, text string) string {
	return mac([]byte(secret), text)
}
func withSecret(key string) func(*world, *testing.T, string) string {
	return func(_ *world, _ *testing.T, text string) string { return mac([]byte(key), text) }
}

// withThePublicKey takes a key that everybody can read for a secret, as the forms in
// which it can be read.
func withThePublicKey(w *world, t *testing.T, text string) string {
	return mac([]byte(w.send(t, step{do: "GET /.well-known/jwks.json"}).body), text)
}

// withAKeyOfTheirOwn signs with ES256.
func withAKeyOfTheirOwn(_ *world, t *testing.T, text string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := jwt.SigningMethodES256.Sign(text, crypto.Signer(key).(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(signature)
}

func mac(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func segment(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

const badJWT = "403 bad_jwt"

var (
	ownJWK    = map[string]any{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
	forgeries = []forgery{
		{name: "nothing is wrong", sign: ours, want: "200"},

		{name: "none", header: map[string]any{"alg": "none"}, sign: unsigned, want: badJWT},
		{name: "None", header: map[string]any{"alg": "None"}, sign: unsigned, want: badJWT},
		{name: "none with a signature", header: map[string]any{"alg": "none"}, sign: ours, want: badJWT},
		{name: "no algorithm", header: map[string]any{"alg": nil}, sign: ours, want: badJWT},
		{name: "an algorithm that is no text", header: map[string]any{"alg": 256}, sign: ours, want: badJWT},
		{name: "an algorithm in small letters", header: map[string]any{"alg": "hs256"}, sign: ours, want: badJWT},
		{name: "another algorithm of the same key", header: map[string]any{"alg": "HS512"}, sign: ours, want: badJWT},
		{name: "an algorithm that nobody uses", header: map[string]any{"alg": "PS256"}, sign: ours, want: badJWT},
		{name: "a list of algorithms", header: map[string]any{"alg": []string{"HS256", "none"}}, sign: ours, want: badJWT},
		{name: "no signature", sign: unsigned, want: badJWT},
		{name: "an empty secret", sign: withSecret(""), want: badJWT},
		{name: "another secret", sign: withSecret(secret + " "), want: badJWT},
		{name: "the key id for a secret", header: map[string]any{"kid": "x"}, sign: withSecret("x"), want: badJWT},
		{name: "the public keys for a secret", sign: withThePublicKey, want: badJWT},
		{name: "a key of their own", header: map[string]any{"alg": "ES256"}, sign: withAKeyOfTheirOwn, want: badJWT},
		{name: "a key id that leads elsewhere", header: map[string]any{"kid": "../../../../dev/null"}, sign: withSecret(""), want: badJWT},
		{name: "a key id with SQL", header: map[string]any{"kid": "' UNION SELECT 'x"}, sign: withSecret("x"), want: badJWT},
		{name: "an unknown key id", header: map[string]any{"kid": "unknown"}, sign: ours, want: badJWT},
		{name: "a key id that is no text", header: map[string]any{"kid": 7}, sign: ours, want: badJWT},
		{name: "an address of keys", header: map[string]any{"jku": "https://evil.example/jwks.json"}, sign: ours, want: badJWT},
		{name: "an address of certificates", header: map[string]any{"x5u": "https://evil.example/x.pem"}, sign: ours, want: badJWT},
		{name: "a key that it brings along", header: map[string]any{"alg": "ES256", "jwk": ownJWK}, sign: withAKeyOfTheirOwn, want: badJWT},
		{name: "certificates that it brings along", header: map[string]any{"x5c": []string{"MIIB"}}, sign: ours, want: badJWT},
		{name: "critical extensions", header: map[string]any{"crit": []string{"exp"}}, sign: ours, want: badJWT},

		{name: "expired", claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, sign: ours, want: badJWT},
		{name: "no expiry", claims: map[string]any{"exp": nil}, sign: ours, want: badJWT},
		{name: "an expiry that is a text", claims: map[string]any{"exp": "2999-01-01"}, sign: ours, want: badJWT},
		{name: "an expiry beyond all times", claims: map[string]any{"exp": json.Number("1e400")}, sign: ours, want: badJWT},
		{name: "a negative expiry", claims: map[string]any{"exp": -1}, sign: ours, want: badJWT},
		{name: "not valid yet", claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, sign: ours, want: badJWT},
		{name: "of tomorrow", claims: map[string]any{"iat": time.Now().Add(24 * time.Hour).Unix()}, sign: ours, want: badJWT},
		{name: "another audience", claims: map[string]any{"aud": "elsewhere"}, sign: ours, want: badJWT},
		{name: "no audience", claims: map[string]any{"aud": nil}, sign: ours, want: badJWT},
		{name: "an audience that is a number", claims: map[string]any{"aud": 1}, sign: ours, want: badJWT},
		{name: "another issuer", claims: map[string]any{"iss": "https://evil.example"}, sign: ours, want: badJWT},
		{name: "an issuer that begins like ours", claims: map[string]any{"iss": external + ".evil.example"}, sign: ours, want: badJWT},
		{name: "no subject", claims: map[string]any{"sub": nil}, sign: ours, want: badJWT},
		{name: "a subject with a NUL", claims: map[string]any{"sub": "a\x00b"}, sign: ours, want: "400 bad_jwt"},
		{name: "a subject with SQL", claims: map[string]any{"sub": "' OR '1'='1"}, sign: ours, want: "400 bad_jwt"},
		{name: "a subject in braces", claims: map[string]any{"sub": "{00000000-0000-4000-8000-000000000000}"}, sign: ours, want: "403 user_not_found"},
		{name: "the subject of nobody", claims: map[string]any{"sub": nobody}, sign: ours, want: "403 user_not_found"},
		{name: "a session with a NUL", claims: map[string]any{"session_id": "a\x00b"}, sign: ours, want: badJWT},
		{name: "a session of nobody", claims: map[string]any{"session_id": nobody}, sign: ours, want: "403 session_not_found"},
		{name: "a session of somebody else", claims: map[string]any{"session_id": "<other.session>"}, sign: ours, want: "403 session_not_found"},
		{name: "longer than its metadata", claims: map[string]any{"pad": long(20_000)}, sign: ours, want: badJWT},
		{name: "nested deep", claims: map[string]any{"pad": json.RawMessage(strings.Repeat("[", 9000) + strings.Repeat("]", 9000))}, sign: ours, want: badJWT},
		{name: "user metadata that is no object", claims: map[string]any{"user_metadata": "x"}, sign: ours, want: ""},
	}
)

// Guarantee C15: whatever a user does to a token, it is none of somebody else's.
func TestForgedTokensAreRefused(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		names := w.people(t)
		_, rest, _ := strings.Cut(names["access"], ".")
		payload, _, _ := strings.Cut(rest, ".")
		text, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		var own map[string]any
		if err := json.Unmarshal(text, &own); err != nil {
			t.Fatal(err)
		}
		for _, f := range forgeries {
			t.Run(f.name, func(t *testing.T) {
				header := edited(map[string]any{"alg": "HS256", "typ": "JWT"}, f.header)
				claims := edited(own, f.claims)
				if id, ok := claims["session_id"].(string); ok {
					claims["session_id"] = fill(id, names)
				}
				text := segment(t, header) + "." + segment(t, claims)
				names["forged"] = text + "." + f.sign(w, t, text)
				got := w.play(t, 0, step{do: "GET /user", as: "<forged>", want: f.want}, names)
				if f.want == "200" && got.text("id") != names["id"] {
					t.Errorf("got %s, want the user %s", got.body, names["id"])
				}
				w.play(t, 1, step{do: "GET /admin/users", as: "<forged>"}, names).refused(t)
			})
		}
	})
}

// edited is an object with some members changed, and those removed that are nil.
func edited(m, changes map[string]any) map[string]any {
	m = maps.Clone(m)
	for name, value := range changes {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

// The spellings of a token that are not its own.
func TestTokensHaveOneSpelling(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		for name, spell := range map[string]func(header, claims, signature string) string{
			"claims given twice": func(h, c, s string) string {
				claims, _ := base64.RawURLEncoding.DecodeString(c)
				text := h + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), "{", `{"role":"service_role","sub":"x",`, 1)))
				return text + "." + s
			},
			"two signatures":    func(h, c, s string) string { return h + "." + c + "." + s + "." + s },
			"no header":         func(_, c, s string) string { return "." + c + "." + s },
			"padding":           func(h, c, s string) string { return h + "." + c + "." + s + "=" },
			"bits to spare":     func(h, c, s string) string { return h + "." + c + "." + s[:len(s)-1] + other(s[len(s)-1]) },
			"a cut-off":         func(h, c, s string) string { return h + "." + c + "." + s[:len(s)-2] },
			"an encrypted one":  func(h, c, s string) string { return h + ".." + c + "." + s + "." },
			"only dots":         func(string, string, string) string { return ".." },
			"standard base64":   func(h, c, s string) string { return h + "." + c + "+/." + s },
			"a million letters": func(string, string, string) string { return long(500_000) },
			"JSON serialisation": func(h, c, s string) string {
				return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, h, c, s)
			},
		} {
			t.Run(name, func(t *testing.T) {
				names := w.people(t)
				parts := strings.Split(names["access"], ".")
				names["spelt"] = spell(parts[0], parts[1], parts[2])
				w.play(t, 0, step{do: "GET /user", as: "<spelt>"}, names).refused(t)
				w.play(t, 1, step{do: "GET /user", as: "<access>", want: "200"}, names)
			})
		}
	})
}

// other is a letter of base64 that differs from another in the last two bits alone,
// which the 43 letters of 32 bytes do not use.
func other(letter byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, letter)^1])
}

func (a answer) refused(t testing.TB) {
	t.Helper()
	if a.status/100 != 4 {
		t.Errorf("got %d %.300s, want a 4xx", a.status, a.body)
	}
}

// Guarantee C16: a refresh token is good as it was issued and in no other form.
func TestAlteredRefreshTokensAreRefused(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		names := w.people(t)
		token := []byte(names["refresh"])
		for i := range token { // each letter, by one bit and by all of them
			for _, change := range []byte{1, 0x20} {
				altered := append([]byte{}, token...)
				altered[i] ^= change
				if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", rune(altered[i])) {
					continue
				}
				w.play(t, i, step{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"` + string(altered) + `"}`}, names).refused(t)
			}
		}
		for name, token := range map[string]string{
			"nothing": "", "a NUL": `<refresh>\u0000`, "a space": "<refresh> ", "twice": "<refresh><refresh>", "padding": "<refresh>=", "cut off": names["refresh"][:20],
			"an access token": "<access>", "SQL": "' OR '1'='1", "a legacy one": "abcdefghijkl", "very long": long(100_000), "of somebody else's session": names["refresh"][:len(names["refresh"])/2] + names["other.refresh"][len(names["other.refresh"])/2:],
		} {
			t.Run(name, func(t *testing.T) {
				w.play(t, 0, step{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"` + token + `"}`}, names).refused(t)
			})
		}
		w.play(t, 0, step{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "200"}, names)
	})
}

// Refresh tokens are no access tokens, and neither is one user's another's.
func TestCredentialsAreGoodForWhatTheyAre(t *testing.T) {
	each(t, func(c *postern.Config) { c.Session.ReuseInterval = -1 }, func(t *testing.T, w *world) {
		w.run(t, []attack{
			{"a refresh token as bearer", []step{{do: "GET /user", as: "<refresh>", want: badJWT}}},
			{"a password as bearer", []step{{do: "GET /user", as: "correct-horse", want: badJWT}}},
			{"an operator's key as a user", []step{{do: "GET /user", as: "<operator>", want: badJWT}}},
			{"a user's token as an operator", []step{{do: "GET /admin/users", as: "<access>", want: "403 not_admin"}}},
			{"the anon key as an operator", []step{{do: "GET /admin/users", as: mint(t, jwt.MapClaims{"role": "anon"}), want: "403 not_admin"}}},
			{"after signing out", []step{
				{do: "POST /logout", as: "<access>", want: "204"},
				{do: "GET /user", as: "<access>", want: "403 session_not_found"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "400 refresh_token_not_found"},
			}},
			{"a thief's refresh ends the session", []step{
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "200", keep: "second=refresh_token"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<second>"}`, want: "200", keep: "third=refresh_token"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "400 refresh_token_already_used"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<third>"}`, want: "400 refresh_token_not_found"},
				{do: "GET /user", as: "<access>", want: "403 session_not_found"},
			}},
			{"of a user who is gone", []step{
				{do: "DELETE /admin/users/<id>", as: "<operator>", body: `{}`, want: "200"},
				{do: "GET /user", as: "<access>", want: "403 user_not_found"},
				{do: "PUT /user", as: "<access>", body: `{"data":{"a":1}}`, want: "403 user_not_found"},
			}},
			{"of a user who is banned", []step{
				{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"ban_duration":"24h"}`, want: "200"},
				{do: "GET /user", as: "<access>", want: "403 user_banned"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "400 user_banned"},
			}},
			{"of another session, after the password changed", []step{
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, want: "200", keep: "another=access_token"},
				{do: "PUT /user", as: "<another>", body: `{"password":"battery staple"}`, want: "200"},
				{do: "GET /user", as: "<access>", want: "403 session_not_found"},
			}},
			{"a factor of somebody else", []step{
				{do: "POST /factors", as: "<other.access>", body: `{"factor_type":"totp"}`, want: "200", keep: "factor=id"},
				{do: "POST /factors/<factor>/challenge", as: "<access>", want: "404 mfa_factor_not_found"},
				{do: "DELETE /factors/<factor>", as: "<access>", want: "404 mfa_factor_not_found"},
			}},
			{"an identity of somebody else", []step{
				{do: "DELETE /user/identities/<other.id>", as: "<access>"},
				{do: "GET /user", as: "<other.access>", want: "200", has: "<other.email>"},
			}},
		})
	})
}
