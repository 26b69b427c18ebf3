// Package otp makes one-time codes and the hashes by which they are stored.
//
// A hash is also the token that a mail's link carries, and clients send it back
// as token_hash. So it must be found by itself, without the code.
package otp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
)

// The lengths that a code can have.
const (
	MinDigits = 6
	MaxDigits = 10
)

// Generate returns a code of that many decimal digits, each code as likely as any
// other, drawn from random. A length that is not between MinDigits and MaxDigits
// counts as MinDigits, as it does in GoTrue. It fails when random does.
func Generate(random io.Reader, digits int) (string, error) {
	if digits < MinDigits || digits > MaxDigits {
		digits = MinDigits
	}
	code, err := rand.Int(random, big.NewInt(int64(math.Pow10(digits))))
	if err != nil {
		return "", fmt.Errorf("draw a one-time code: %w", err)
	}
	return fmt.Sprintf("%0*d", digits, code), nil
}

// Hash returns GoTrue's hash of a code that was sent to address: the SHA-224 of
// both, one behind the other, in lower-case hex. Who reads it from the database
// finds the code within a million tries; it is there to recognise codes that an
// adopted database holds. Address is in its normal form, a phone number without
// its plus sign.
func Hash(address, code string) string {
	sum := sha256.Sum224([]byte(address + code))
	return hex.EncodeToString(sum[:])
}

// KeyedHash returns the hash of a code that was sent to address for a purpose, one
// of the kinds of one-time token: HMAC-SHA-256 under key, which whoever wants to
// try codes needs too. Key is secret, random and 32 bytes long. No two triples
// are hashed alike, wherever one part ends and the next begins.
//
// It is cut to 224 bits (RFC 2104 §5) and written in lower-case hex, so that it
// has the form of GoTrue's: that is what clients and GoTrue expect of a token in
// a link. It equals a Hash only by an accident of 1 in 2^224.
func KeyedHash(key []byte, purpose, address, code string) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{purpose, address, code} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return hex.EncodeToString(mac.Sum(nil)[:sha256.Size224])
}

// Equal reports whether two hashes are the same, in a time that depends on their
// lengths alone. The empty hash, which columns use for "none", equals nothing.
func Equal(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

const pkcePrefix = "pkce_"

// WithPKCE returns a hash as it is stored, and sent in links, when the code was
// asked for with a PKCE challenge.
func WithPKCE(hash string) string { return pkcePrefix + hash }

// IsPKCE reports whether hash is one that WithPKCE returned. No bare hash is.
func IsPKCE(hash string) bool { return strings.HasPrefix(hash, pkcePrefix) }

// TrimPKCE returns the bare hash, with or without WithPKCE's mark on it.
func TrimPKCE(hash string) string { return strings.TrimPrefix(hash, pkcePrefix) }
