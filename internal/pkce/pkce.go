// Package pkce checks the client's half of Proof Key for Code Exchange (RFC 7636).
package pkce

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
)

// The bounds of RFC 7636 §4.1.
const (
	minLength = 43
	maxLength = 128
)

var unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// What is wrong with a challenge, in GoTrue's words.
var (
	ErrHalf    = errors.New("PKCE flow requires code_challenge_method and code_challenge")
	ErrLength  = errors.New("code challenge has to be between 43 and 128 characters")
	ErrCharset = errors.New("code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes")
	ErrMethod  = errors.New("Invalid code_challenge_method")
)

// Check reports what is wrong with a challenge and its method ("s256" or
// "plain" in any case). Neither given is fine: the client does not use PKCE.
func Check(challenge, method string) error {
	switch {
	case challenge == "" && method == "":
		return nil
	case challenge == "" || method == "":
		return ErrHalf
	case len(challenge) < minLength || len(challenge) > maxLength:
		return ErrLength
	case !unreserved.MatchString(challenge):
		return ErrCharset
	case !strings.EqualFold(method, "s256") && !strings.EqualFold(method, "plain"):
		return ErrMethod
	}
	return nil
}

// Verify reports whether a verifier is the one that a challenge was made of (RFC
// 7636 §4.6).
func Verify(challenge, method, verifier string) bool {
	if strings.EqualFold(method, "s256") {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return challenge != "" && subtle.ConstantTimeCompare([]byte(challenge), []byte(verifier)) == 1
}
