package password

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2Hash is a hash in the form of Argon2's reference implementation:
//
//	$argon2id$v=19$m=19456,t=2,p=1$salt$key
//
// where data=… and keyid=… may follow p=…. They are accepted and play no part:
// GoTrue never used them either.
type argon2Hash struct {
	argon2Cost
	variant string // "argon2i" or "argon2id"
	salt    []byte
	key     []byte
}

const (
	argon2SaltLength = 16
	argon2KeyLength  = 32
)

func newArgon2(cost argon2Cost, password string) argon2Hash {
	a := argon2Hash{argon2Cost: cost, variant: "argon2id", salt: make([]byte, argon2SaltLength)}
	rand.Read(a.salt) // never fails
	a.key = a.derive(password, argon2KeyLength)
	return a
}

// unknownArgon2 has a key of zeros, which nobody can invert.
func unknownArgon2(cost argon2Cost) stored {
	return argon2Hash{
		argon2Cost: cost,
		variant:    "argon2id",
		salt:       make([]byte, argon2SaltLength),
		key:        make([]byte, argon2KeyLength),
	}
}

// text returns the form in which the hash is stored.
func (a argon2Hash) text() string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s",
		a.variant, argon2.Version, a.memory, a.passes, a.lanes, encode(a.salt), encode(a.key))
}

func parseArgon2(text string) (stored, error) {
	part := strings.Split(text, "$")
	if variant := part[1]; variant != "argon2i" && variant != "argon2id" {
		return nil, unsupported("of argon2 only argon2i and argon2id are accepted")
	}
	if len(part) < 3 || part[2] != "v=19" {
		return nil, unsupported("of argon2 only version 19 is accepted")
	}
	if len(part) != 6 {
		return nil, unsupported("after its version argon2 has parameters, salt and key")
	}
	set, ok := settings(part[3], []string{"m", "t", "p"}, []string{"data", "keyid"})
	if !ok {
		return nil, unsupported("argon2's parameters look like m=19456,t=2,p=1")
	}
	cost := argon2Cost{memory: number(set["m"]), passes: number(set["t"]), lanes: number(set["p"])}
	salt, saltErr := decode(base64.RawStdEncoding, "argon2 salt", part[4], 8)
	key, keyErr := decode(base64.RawStdEncoding, "argon2 key", part[5], minKeyLength)
	if err := cmp.Or(append(cost.check(), saltErr, keyErr)...); err != nil {
		return nil, unsupported("%v", err)
	}
	return argon2Hash{argon2Cost: cost, variant: part[1], salt: salt, key: key}, nil
}

func (a argon2Hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(a.derive(password, len(a.key)), a.key) == 1
}

func (a argon2Hash) derive(password string, length int) []byte {
	derive := argon2.IDKey
	if a.variant == "argon2i" {
		derive = argon2.Key
	}
	return derive([]byte(password), a.salt, uint32(a.passes), uint32(a.memory), uint8(a.lanes), uint32(length))
}

// argon2Cost holds the parameters m (KiB), t and p of RFC 9106 §3.1.
type argon2Cost struct{ memory, passes, lanes int }

// check applies GoTrue's upper limits and RFC 9106's lower ones; an error of the
// result is nil where the value is in order.
func (c argon2Cost) check() []error {
	return []error{
		within("argon2 lanes (p)", c.lanes, 1, 16),
		within("argon2 passes (t)", c.passes, 1, 20),
		within("argon2 memory (m, in KiB)", c.memory, 8*max(c.lanes, 1), 1<<20),
	}
}

func (c argon2Cost) work() int { return c.memory * c.passes }
