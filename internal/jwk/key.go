// Package jwk holds the keys that sign and verify JWTs.
//
// A Key is read from a JSON Web Key (RFC 7517), made of a secret, or generated.
// A Set puts keys together: one signs, all verify. A token is accepted only if
// the set has a key for it and the token names that key's own algorithm; nothing
// in a token's header can bring in another key or change how the key is used.
package jwk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Key is one key, bound to one algorithm. Keys do not change and may be copied
// and used by several goroutines. The zero Key is no key.
type Key struct {
	public   Public
	method   jwt.SigningMethod
	material *material
}

// material is what Key keeps behind a pointer, out of reach of fmt's verbs.
type material struct {
	signing   any // as method.Sign wants it; nil in a key that only verifies
	verifying any // as method.Verify wants it
	private   private
}

// Secret returns the HS256 key whose bytes are secret, which must be at least 32
// (RFC 7518 §3.2). kid may be empty: tokens that it signs then name no key.
func Secret(kid string, secret []byte) (Key, error) {
	return document{
		Public:  Public{Type: "oct", KeyID: kid, Operations: []string{"sign"}},
		private: private{K: encode(secret)},
	}.key()
}

// GenerateES256 returns a new ES256 key that signs, with a random UUID as its
// id. The id is drawn from rand; crypto/ecdsa draws the key from its own secure
// source whatever it is given.
func GenerateES256(rand io.Reader) (Key, error) {
	id, err := uuid.NewRandomFromReader(rand)
	if err != nil {
		return Key{}, fmt.Errorf("draw a key id: %w", err)
	}
	generated, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return Key{}, fmt.Errorf("generate an ES256 key: %w", err)
	}
	return p256Key(id.String(), generated)
}

func p256Key(kid string, generated *ecdsa.PrivateKey) (Key, error) {
	point, err := generated.PublicKey.Bytes()
	if err != nil {
		return Key{}, fmt.Errorf("encode an ES256 key: %w", err)
	}
	d, err := generated.Bytes()
	if err != nil {
		return Key{}, fmt.Errorf("encode an ES256 key: %w", err)
	}
	return document{
		Public: Public{
			Type: "EC", Curve: "P-256", KeyID: kid, Operations: []string{"sign"},
			X: encode(point[1:33]), Y: encode(point[33:]),
		},
		private: private{D: encode(d)},
	}.key()
}

// ID is the key's kid, empty when it has none.
func (k Key) ID() string { return k.public.KeyID }

// Algorithm is the only algorithm (JWA, RFC 7518) that the key is used with.
func (k Key) Algorithm() string { return k.public.Algorithm }

// CanSign reports whether the key signs. Every key verifies.
func (k Key) CanSign() bool { return k.material != nil && k.material.signing != nil }

// IsZero reports whether k is the zero Key.
func (k Key) IsZero() bool { return k.material == nil }

// Symmetric reports whether whoever can verify with the key can sign with it.
// Such a key is published nowhere.
func (k Key) Symmetric() bool { return k.public.Type == "oct" }

// VerifyOnly returns the key as it serves once another has taken its place: it
// verifies what it signed and signs no more. The private part is dropped, but
// for a secret, which is needed to verify.
func (k Key) VerifyOnly() Key {
	if !k.CanSign() {
		return k
	}
	rest := material{verifying: k.material.verifying}
	if k.Symmetric() {
		rest.private = k.material.private
	}
	k.material = &rest
	return k
}

// Public returns the key as the JWKS document shows it. It reports false for a
// symmetric key, which must not be shown.
func (k Key) Public() (Public, bool) {
	if k.IsZero() || k.Symmetric() {
		return Public{}, false
	}
	shown := k.public
	shown.Operations = slices.Clone(shown.Operations)
	return shown, true
}

// MarshalPrivate returns the key as a JWK with everything it has, which ParseKey
// turns into an equal key. Of a key that signs, or of a symmetric one, that is a
// secret.
func (k Key) MarshalPrivate() ([]byte, error) {
	if k.IsZero() {
		return nil, fmt.Errorf("marshal a key: there is none")
	}
	d := document{Public: k.public, private: k.material.private}
	if k.CanSign() {
		d.Operations = []string{"sign", "verify"}
	}
	return json.Marshal(d)
}
