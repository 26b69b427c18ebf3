package jwk

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

const (
	minRSABits     = 2048
	minSecretBytes = 32
)

// Public is the public half of a key as the JWKS document shows it (RFC 7517 §4,
// RFC 7518 §6, RFC 8037 §2).
type Public struct {
	Type       string   `json:"kty"`
	KeyID      string   `json:"kid,omitempty"`
	Use        string   `json:"use"`     // "sig"
	Operations []string `json:"key_ops"` // "verify"
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv,omitempty"`
	X          string   `json:"x,omitempty"`
	Y          string   `json:"y,omitempty"`
	N          string   `json:"n,omitempty"`
	E          string   `json:"e,omitempty"`
}

// private are the members of a JWK that must stay secret. RSA's CRT values are
// left out: they are computed anew from the primes.
type private struct {
	D string `json:"d,omitempty"`
	P string `json:"p,omitempty"`
	Q string `json:"q,omitempty"`
	K string `json:"k,omitempty"`
}

// document is a JWK as it is read and written.
type document struct {
	Public
	private
	KMS json.RawMessage `json:"aws:kms:arn,omitempty"`
}

// key is where every Key comes from, whichever way it was obtained.
func (d document) key() (Key, error) {
	if d.KMS != nil {
		return Key{}, errors.New("keys in AWS KMS (aws:kms:arn) are not supported: the private key itself is needed")
	}
	if d.Use != "" && d.Use != "sig" {
		return Key{}, fmt.Errorf("use is %q, not \"sig\"", d.Use)
	}
	method := methodFor(d.Type, d.Curve, d.Algorithm)
	if method == nil {
		return Key{}, fmt.Errorf("kty %q with crv %q and alg %q is not supported", d.Type, d.Curve, d.Algorithm)
	}
	signing, verifying, err := d.read()
	if err != nil {
		return Key{}, err
	}
	d.Use, d.Operations, d.Algorithm = "sig", []string{"verify"}, method.Alg()
	if signing == nil && d.Type != "oct" {
		d.private = private{}
	}
	return Key{public: d.Public, method: method, material: &material{signing, verifying, d.private}}, nil
}

func (d document) signs() bool { return slices.Contains(d.Operations, "sign") }

// methodFor is the algorithm of a kind of key; an alg that the kind does not
// have, or a kind that we do not know, has none. Without alg it is the first.
func methodFor(kty, crv, alg string) jwt.SigningMethod {
	switch kty + "|" + crv + "|" + alg {
	case "RSA||", "RSA||RS256":
		return jwt.SigningMethodRS256
	case "RSA||RS512":
		return jwt.SigningMethodRS512
	case "EC|P-256|", "EC|P-256|ES256":
		return jwt.SigningMethodES256
	case "EC|P-521|", "EC|P-521|ES512":
		return jwt.SigningMethodES512
	case "OKP|Ed25519|", "OKP|Ed25519|EdDSA":
		return jwt.SigningMethodEdDSA
	case "oct||", "oct||HS256":
		return jwt.SigningMethodHS256
	}
	return nil
}

// read turns the members into what the method works with. signing stays nil
// unless key_ops ask for it.
func (d document) read() (signing, verifying any, err error) {
	switch d.Type {
	case "RSA":
		return d.readRSA()
	case "EC":
		return d.readEC()
	case "OKP":
		return d.readEd25519()
	default:
		return d.readSecret()
	}
}

func (d document) readRSA() (signing, verifying any, err error) {
	var r members
	n, e := r.integer("n", d.N), r.integer("e", d.E)
	if r.err != nil {
		return nil, nil, r.err
	}
	if n.BitLen() < minRSABits {
		return nil, nil, fmt.Errorf("RSA modulus has %d bits, at least %d are needed", n.BitLen(), minRSABits)
	}
	// crypto/rsa says so only when the key is used.
	if n.Bit(0) == 0 || e.Bit(0) == 0 || e.BitLen() < 2 || e.Cmp(big.NewInt(math.MaxInt32)) > 0 {
		return nil, nil, errors.New("RSA modulus and exponent must be odd, and the exponent between 3 and 2^31")
	}
	public := rsa.PublicKey{N: n, E: int(e.Int64())}
	if !d.signs() {
		return nil, &public, nil
	}
	exponent, p, q := r.integer("d", d.D), r.integer("p", d.P), r.integer("q", d.Q)
	if r.err != nil {
		return nil, nil, r.err
	}
	key := &rsa.PrivateKey{PublicKey: public, D: exponent, Primes: []*big.Int{p, q}}
	if err := key.Validate(); err != nil {
		return nil, nil, errors.New("private and public part do not belong together")
	}
	key.Precompute()
	return key, &key.PublicKey, nil
}

func (d document) readEC() (signing, verifying any, err error) {
	curve := elliptic.P256()
	if d.Curve == "P-521" {
		curve = elliptic.P521()
	}
	size := (curve.Params().BitSize + 7) / 8
	var r members
	x, y := r.bytes("x", d.X, size), r.bytes("y", d.Y, size)
	if r.err != nil {
		return nil, nil, r.err
	}
	const uncompressed = 4
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{uncompressed}, x, y))
	if err != nil {
		return nil, nil, fmt.Errorf("x and y are no point of %s", d.Curve)
	}
	if !d.signs() {
		return nil, public, nil
	}
	secret := r.bytes("d", d.D, size)
	if r.err != nil {
		return nil, nil, r.err
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, secret)
	if err != nil || !key.PublicKey.Equal(public) {
		return nil, nil, errors.New("private and public part do not belong together")
	}
	return key, public, nil
}

func (d document) readEd25519() (signing, verifying any, err error) {
	var r members
	public := ed25519.PublicKey(r.bytes("x", d.X, ed25519.PublicKeySize))
	if r.err != nil || !d.signs() {
		return nil, public, r.err
	}
	seed := r.bytes("d", d.D, ed25519.SeedSize)
	if r.err != nil {
		return nil, nil, r.err
	}
	key := ed25519.NewKeyFromSeed(seed)
	if !public.Equal(key.Public()) {
		return nil, nil, errors.New("private and public part do not belong together")
	}
	return key, public, nil
}

func (d document) readSecret() (signing, verifying any, err error) {
	var r members
	secret := r.bytes("k", d.K, 0)
	if r.err != nil {
		return nil, nil, r.err
	}
	if len(secret) < minSecretBytes {
		return nil, nil, fmt.Errorf("secret has %d bytes, at least %d are needed", len(secret), minSecretBytes)
	}
	if !d.signs() {
		return nil, secret, nil
	}
	return secret, secret, nil
}

// members decodes the members of a JWK and keeps the first error.
type members struct{ err error }

// bytes decodes a member that must have size bytes; 0 is any number.
func (r *members) bytes(name, value string, size int) []byte {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	switch {
	case r.err != nil:
	case value == "":
		r.err = fmt.Errorf("member %q is missing", name)
	case err != nil:
		r.err = fmt.Errorf("member %q is not base64url without padding", name)
	case size > 0 && len(raw) != size:
		r.err = fmt.Errorf("member %q has %d bytes instead of %d", name, len(raw), size)
	}
	return raw
}

func (r *members) integer(name, value string) *big.Int {
	return new(big.Int).SetBytes(r.bytes(name, value, 0))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
