// Package totp makes and checks the codes that authenticator apps show: time-based
// one-time passwords (RFC 6238), with the parameters that every app knows. Nothing
// in it reads the clock.
package totp

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Period is for how long a code is current, the time step X of RFC 6238 §4.1.
const Period = 30 * time.Second

const (
	secretSize = sha1.Size // bytes: what RFC 4226 §4 recommends
	skew       = 1         // steps that a code may be early or late
)

// ErrBadSecret is the error about a secret that is empty or not base32.
var ErrBadSecret = errors.New("the TOTP secret is not in base32")

// NewSecret returns a secret of 160 bits, drawn from random, in base32 (RFC 4648
// §6) without padding: 32 characters. It fails when random does.
func NewSecret(random io.Reader) (string, error) {
	key := make([]byte, secretSize)
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("draw a TOTP secret: %w", err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key), nil
}

// Step returns the number of the period that at is in, counted from 1970 on: the T
// of RFC 6238 §4.2.
func Step(at time.Time) int64 {
	return at.Truncate(Period).Unix() / int64(Period/time.Second)
}

// StepTime returns the moment at which a step begins, in UTC.
func StepTime(step int64) time.Time {
	return time.Unix(step*int64(Period/time.Second), 0).UTC()
}

// Code returns the six digits that are current during a step. The secret is in
// base32, in upper or lower case, with or without padding, and may have spaces
// around it; otherwise the error is ErrBadSecret.
func Code(secret string, step int64) (string, error) {
	key, err := decode(secret)
	if err != nil {
		return "", err
	}
	return hotp(key, step), nil
}

// Match reports whether code is current at a moment, or was a period before, or is
// a period later (RFC 6238 §5.2; GoTrue allows as much), and the step that it
// belongs to, the latest if it is the code of several. A code is used up once it
// has matched: whoever calls remembers the step and takes no other code of that
// step or an earlier one.
//
// Spaces around the code do not count. What is not six ASCII digits matches
// nothing. How long it takes tells nothing of how close a guess of six digits is.
// The secret may be written as for Code; otherwise the error is ErrBadSecret.
func Match(secret, code string, at time.Time) (step int64, ok bool, err error) {
	key, err := decode(secret)
	if err != nil {
		return 0, false, err
	}
	given := []byte(strings.TrimSpace(code))
	current, offset, found := Step(at), 0, 0
	for i := -skew; i <= skew; i++ {
		equal := subtle.ConstantTimeCompare(given, []byte(hotp(key, current+int64(i))))
		offset = subtle.ConstantTimeSelect(equal, i, offset)
		found |= equal
	}
	if found == 0 {
		return 0, false, nil
	}
	return current + int64(offset), true, nil
}

// decode returns the key that a secret stands for.
func decode(secret string) ([]byte, error) {
	secret = strings.TrimRight(strings.ToUpper(strings.TrimSpace(secret)), "=")
	// With its padding, since a length that no key encodes to goes unnoticed without.
	secret += strings.Repeat("=", -len(secret)&7)
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		return nil, ErrBadSecret
	}
	return key, nil
}

// hotp returns the code of a counter (RFC 4226 §5.3), always six digits.
func hotp(key []byte, counter int64) string {
	mac := hmac.New(sha1.New, key)
	var message [8]byte
	binary.BigEndian.PutUint64(message[:], uint64(counter))
	mac.Write(message[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%06d", number%1_000_000)
}
