package otp

import (
	"fmt"
	"io"
	"strings"
)

// recoveryAlphabet has the letters and digits of a recovery code: those of Crockford's
// base 32, in which none looks like another.
const recoveryAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// recoveryLength is how many of them a code has: 80 bits, which nobody guesses.
const recoveryLength = 16

// GenerateRecoveryCode returns a code of 16 lower-case letters and digits, each code
// as likely as any other, drawn from random. It fails when random does.
func GenerateRecoveryCode(random io.Reader) (string, error) {
	code := make([]byte, recoveryLength)
	if _, err := io.ReadFull(random, code); err != nil {
		return "", fmt.Errorf("draw a recovery code: %w", err)
	}
	for i, b := range code {
		code[i] = recoveryAlphabet[int(b)%len(recoveryAlphabet)] // which divides 256
	}
	return string(code), nil
}

// likeness reads what people write for what they see.
var likeness = strings.NewReplacer("o", "0", "i", "1", "l", "1")

// NormalRecoveryCode returns a code as GenerateRecoveryCode makes them, however
// somebody has written it: in capitals, in groups, with an O for a 0.
func NormalRecoveryCode(code string) string {
	code = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, code)
	return likeness.Replace(strings.ToLower(code))
}
