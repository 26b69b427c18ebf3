package provider_test

import (
	"testing"

	"github.com/postern-auth/postern/provider"
)

// FuzzKeys reads what an issuer says are its keys, and a token that none of them has
// signed. Nothing panics, and nobody is believed.
func FuzzKeys(f *testing.F) {
	const token = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, keys := range []string{
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`,
		`{"keys":[{"kty":"oct","kid":"1","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","kid":"1","n":"AQAB","e":"AQ"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}`,
		`{"keys":[null,1,{}]}`, `{"keys":{}}`, `null`, `[]`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"","e":""}]}`, ``,
		`{"keys":[{"kty":"RSA","kid":"1","n":"AQAB","e":"AQAB","x5c":["AAAA"],"use":"enc"}]}`,
	} {
		f.Add([]byte(keys), token)
	}
	f.Add([]byte(`{"keys":[]}`), "..")
	f.Add([]byte(`{"keys":[]}`), `{"payload":"e30","signatures":[{"protected":"e30","signature":""}]}`)
	f.Fuzz(func(t *testing.T, keys []byte, token string) {
		if text, err := provider.ReadKeys(t.Context(), keys, token); err == nil {
			t.Errorf("%q is believed to say %q, with the keys %q", token, text, keys)
		}
	})
}
