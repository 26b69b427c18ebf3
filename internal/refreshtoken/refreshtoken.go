// Package refreshtoken reads both kinds of refresh token and writes the second.
//
// A legacy token is twelve random characters that mean something only to the
// table that holds them. A token of version 2 is stored nowhere: it names its
// session and its number among that session's tokens, and is authentic if the
// key on the session's row says so. Its bytes, in base64url without padding:
//
//	0x00 ‖ session id (16) ‖ counter (uvarint) ‖ MAC (16) ‖ checksum (4)
//
// The MAC is HMAC-SHA-256 over all that precedes it, the checksum SHA-256 over
// all that precedes that, both cut to their length. The checksum needs no key,
// so that a token which was mistyped, cut short or made up is refused before
// the database is asked; it proves nothing.
package refreshtoken

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/google/uuid"
)

// ErrMalformed is every failure of Parse: the text is no token of either
// version, whoever issued it.
var ErrMalformed = errors.New("malformed refresh token")

// The versions that a Token can have.
const (
	Legacy = 1
	V2     = 2
)

const (
	versionByte  = 0x00
	counterAt    = 1 + 16
	macSize      = 16
	checksumSize = 4
	tailSize     = macSize + checksumSize

	// A counter is the row's int64 and takes nine bytes at most.
	minSize = counterAt + 1 + tailSize
	maxSize = counterAt + 9 + tailSize

	// What is that long in base64url also decodes to minSize and maxSize.
	minLength    = (minSize*8 + 5) / 6
	maxLength    = (maxSize*8 + 5) / 6
	legacyLength = 12
)

// Token is a refresh token as Parse reads it. The zero Token is none.
type Token struct {
	version int
	session uuid.UUID
	counter int64
	signed  []byte
	mac     []byte
}

// Version is Legacy or V2. The other methods say something only about V2.
func (t Token) Version() int { return t.version }

// SessionID is the session that the token claims to belong to. Only Verify
// tells whether that is true.
func (t Token) SessionID() uuid.UUID { return t.session }

// Counter says which token of its session this is, counted from 0.
func (t Token) Counter() int64 { return t.counter }

// Verify reports, in constant time, whether the token was issued with key. It
// is false for legacy tokens, and for a key that is not KeySize bytes long: a
// row without a key vouches for nothing.
func (t Token) Verify(key []byte) bool {
	return t.version == V2 && len(key) == KeySize && hmac.Equal(t.mac, mac(t.signed, key))
}

// Signed returns what Verify checks the MAC of, for whoever else has the key.
func (t Token) Signed() (signed, mac []byte) { return t.signed, t.mac }

// Issue returns the token of version 2 with this counter, which must not be
// negative. key is the session's, as NewKey makes it.
func Issue(sessionID uuid.UUID, counter int64, key []byte) string {
	raw := make([]byte, 0, maxSize)
	raw = append(raw, versionByte)
	raw = append(raw, sessionID[:]...)
	raw = binary.AppendUvarint(raw, uint64(counter))
	raw = append(raw, mac(raw, key)...)
	raw = append(raw, checksum(raw)...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Parse reads a refresh token of either version. Of version 2 it accepts only
// what Issue can have written, to the bit, so that a token has one spelling;
// whether Issue did write it is for Verify to say. The error is ErrMalformed.
func Parse(s string) (Token, error) {
	if isLegacy(s) {
		return Token{version: Legacy}, nil
	}
	if len(s) < minLength || len(s) > maxLength {
		return Token{}, ErrMalformed
	}
	raw, err := decode(s)
	if err != nil || raw[0] != versionByte || !checksumHolds(raw) {
		return Token{}, ErrMalformed
	}
	macAt := len(raw) - tailSize
	counter, ok := minimalUvarint(raw[counterAt:macAt])
	if !ok {
		return Token{}, ErrMalformed
	}
	return Token{
		version: V2,
		session: uuid.UUID(raw[1:counterAt]),
		counter: counter,
		signed:  raw[:macAt],
		mac:     raw[macAt : macAt+macSize],
	}, nil
}

func isLegacy(s string) bool {
	return len(s) == legacyLength && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// decode refuses line breaks itself, since encoding/base64 skips them.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, ErrMalformed
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// minimalUvarint reads b as one uvarint that fills b and could not be shorter:
// a last byte of zero would add nothing.
func minimalUvarint(b []byte) (int64, bool) {
	v, n := binary.Uvarint(b)
	if n != len(b) || v > math.MaxInt64 || (n > 1 && b[n-1] == 0) {
		return 0, false
	}
	return int64(v), true
}

func mac(signed, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(signed)
	return h.Sum(nil)[:macSize]
}

func checksumHolds(raw []byte) bool {
	at := len(raw) - checksumSize
	return bytes.Equal(raw[at:], checksum(raw[:at]))
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:checksumSize]
}
