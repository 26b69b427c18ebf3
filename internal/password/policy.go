package password

import (
	"fmt"
	"slices"
	"strings"
)

// minLengthFloor holds whatever Policy.MinLength says.
const minLengthFloor = 6

// Policy says how strong a password must be. The zero value asks for six bytes.
type Policy struct {
	// MinLength counts bytes. Defaults to 6; smaller values count as 6.
	MinLength int

	// RequiredCharacters are sets such as "0123456789"; a password needs a
	// member of each. Empty sets ask for nothing.
	RequiredCharacters []string
}

// Weakness returns why password is weak, as GoTrue's reasons ("length",
// "characters", "pwned", in this order) and as its sentences joined by a space. A
// strong password has no reasons and an empty message. Whether the password is
// known from a leak is asked elsewhere and told by leaked.
func (p Policy) Weakness(password string, leaked bool) (reasons []string, message string) {
	var sentences []string
	if need := max(p.MinLength, minLengthFloor); len(password) < need {
		reasons = append(reasons, "length")
		sentences = append(sentences, fmt.Sprintf("Password should be at least %d characters.", need))
	}
	if slices.ContainsFunc(p.RequiredCharacters, func(set string) bool { return lacks(password, set) }) {
		reasons = append(reasons, "characters")
		sentences = append(sentences, "Password should contain at least one character of each: "+
			strings.Join(p.RequiredCharacters, ", ")+".")
	}
	if leaked {
		reasons = append(reasons, "pwned")
		sentences = append(sentences, "Password is known to be weak and easy to guess, please choose a different one.")
	}
	return reasons, strings.Join(sentences, " ")
}

func lacks(password, set string) bool {
	return set != "" && !strings.ContainsAny(password, set)
}
