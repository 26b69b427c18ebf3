package password

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// maxBcryptCost admits some four seconds for one verification. bcrypt's own
// limit, 31, would be a day and a half.
const maxBcryptCost = 16

// bcryptHash is a hash in the modular crypt format: $2a$, two digits of cost, $,
// 22 characters of salt and 31 of digest.
type bcryptHash struct {
	text []byte
	cost int
}

const (
	bcryptLength   = 60
	bcryptSalt     = len("$2a$10$")
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

func newBcrypt(cost int, password string) (string, error) {
	text, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	return string(text), err
}

// unknownBcrypt has a salt and a digest of zeros, which nobody can invert.
func unknownBcrypt(cost int) stored {
	zeros := strings.Repeat(bcryptAlphabet[:1], bcryptLength-bcryptSalt)
	return bcryptHash{text: fmt.Appendf(nil, "$2a$%02d$%s", cost, zeros), cost: cost}
}

func parseBcrypt(text string) (stored, error) {
	// The package bcrypt would take any letter after the 2 and ignore whatever
	// follows the digest.
	if len(text) != bcryptLength || text[3] != '$' || text[6] != '$' ||
		strings.Trim(text[bcryptSalt:], bcryptAlphabet) != "" {
		return nil, unsupported("bcrypt looks like $2b$, two digits, $ and 53 characters")
	}
	if !strings.Contains("aby", text[2:3]) {
		return nil, unsupported("of bcrypt only $2a$, $2b$ and $2y$ are accepted")
	}
	cost := number(text[4:6])
	if err := checkBcryptCost(cost); err != nil {
		return nil, unsupported("%v", err)
	}
	return bcryptHash{text: []byte(text), cost: cost}, nil
}

func checkBcryptCost(cost int) error {
	return within("bcrypt cost", cost, bcrypt.MinCost, maxBcryptCost)
}

// matches computes for a password that is too long as well, so that its refusal
// tells nothing about the account.
func (b bcryptHash) matches(password string) bool {
	same := bcrypt.CompareHashAndPassword(b.text, []byte(password)) == nil
	return same && len(password) <= MaxLength
}

func (b bcryptHash) work() int { return 35 << b.cost }
