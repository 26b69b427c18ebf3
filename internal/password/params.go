package password

import (
	"cmp"
	"errors"
	"fmt"
)

// Algorithm names how new hashes are made.
type Algorithm string

// The algorithms for new hashes.
const (
	Bcrypt   Algorithm = "bcrypt"
	Argon2id Algorithm = "argon2id"
)

// Params say how new hashes are made. The zero value is what GoTrue does:
// bcrypt of cost 10. Each field at zero takes its default.
type Params struct {
	// Algorithm defaults to Bcrypt.
	Algorithm Algorithm

	// Cost is bcrypt's, the binary logarithm of its rounds: 4 to 16. Defaults
	// to 10, some 60 ms of a processor.
	Cost int

	// Memory is argon2id's m in KiB, 8 for each lane to 1 GiB. Defaults to
	// 19456, which with two passes and one lane takes some 30 ms.
	Memory int

	// Passes is argon2id's t, 1 to 20. Defaults to 2.
	Passes int

	// Lanes is argon2id's p, 1 to 16. Defaults to 1.
	Lanes int
}

// Check returns a sentence for each value that cannot be used, joined in one
// error, or nil. Zero values are defaults and always in order.
func (p Params) Check() error {
	p = p.withDefaults()
	var unknown error
	if p.Algorithm != Bcrypt && p.Algorithm != Argon2id {
		unknown = fmt.Errorf("password algorithm %q is neither %q nor %q", p.Algorithm, Bcrypt, Argon2id)
	}
	return errors.Join(append(p.argon2Cost().check(), checkBcryptCost(p.Cost), unknown)...)
}

func (p Params) withDefaults() Params {
	return Params{
		Algorithm: cmp.Or(p.Algorithm, Bcrypt),
		Cost:      cmp.Or(p.Cost, 10),
		Memory:    cmp.Or(p.Memory, 19456),
		Passes:    cmp.Or(p.Passes, 2),
		Lanes:     cmp.Or(p.Lanes, 1),
	}
}

func (p Params) argon2Cost() argon2Cost {
	return argon2Cost{memory: p.Memory, passes: p.Passes, lanes: p.Lanes}
}

// hash makes a new hash of password.
func (p Params) hash(password string) (string, error) {
	if p.Algorithm == Argon2id {
		return newArgon2(p.argon2Cost(), password).text(), nil
	}
	return newBcrypt(p.Cost, password)
}

// unknown returns a hash of these parameters for which nobody knows a password.
func (p Params) unknown() stored {
	if p.Algorithm == Argon2id {
		return unknownArgon2(p.argon2Cost())
	}
	return unknownBcrypt(p.Cost)
}

// within is the sentence of every limit on a number.
func within(name string, value, low, high int) error {
	if value >= low && value <= high {
		return nil
	}
	return fmt.Errorf("%s must be between %d and %d", name, low, high)
}
