package password

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Valid returns nil when hash is one that Verify reads and whose cost is
// within the limits, so that it can be imported; otherwise an error that wraps
// ErrUnsupported and says why. The limits: bcrypt cost 4 to 16; argon2 memory up
// to 1 GiB, 20 passes, 16 lanes; scrypt up to 1 GiB over all its lanes; 255 bytes.
func Valid(hash string) error {
	_, err := parse(hash)
	return err
}

// stored is a hash that was read.
type stored interface {
	// matches compares in constant time and costs the same whatever password is.
	matches(password string) bool

	// work is how much memory, in KiB, one guess has to fill (see Verify).
	work() int
}

// maxHashLength is the width of the column users.encrypted_password.
const maxHashLength = 255

func parse(text string) (stored, error) {
	if len(text) > maxHashLength {
		return nil, unsupported("it is longer than %d bytes", maxHashLength)
	}
	// base64's decoder would skip line breaks.
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, unsupported("it contains characters that no hash has")
	}
	switch {
	case strings.HasPrefix(text, "$2"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2"):
		return parseArgon2(text)
	case strings.HasPrefix(text, "$fbscrypt$"):
		return parseFirebase(text)
	}
	return nil, unsupported("it is neither bcrypt, argon2 nor Firebase scrypt")
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// minKeyLength is the fewest bytes that may stand for a password. Hashes of
// no or few bytes would match many.
const minKeyLength = 12

// settings reads "m=19456,t=2,p=1": the required names in their order, then
// optional ones in any order, each at most once.
func settings(text string, required, optional []string) (map[string]string, bool) {
	set := make(map[string]string, len(required)+len(optional))
	for i, field := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(field, "=")
		if i < len(required) {
			ok = ok && name == required[i]
		} else {
			ok = ok && slices.Contains(optional, name)
		}
		if _, twice := set[name]; twice || !ok {
			return nil, false
		}
		set[name] = value
	}
	return set, len(set) >= len(required)
}

// number returns the value of decimal digits, and -1, which no limit admits,
// for anything else.
func number(digits string) int {
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

func decode(encoding *base64.Encoding, name, text string, minLength int) ([]byte, error) {
	b, err := encoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s must be in base64", name)
	}
	if len(b) < minLength {
		return nil, fmt.Errorf("%s must have at least %d bytes", name, minLength)
	}
	return b, nil
}
