package address

import "strings"

// Phone returns the number in the form in which it is stored, the digits of
// E.164 without the plus sign, or ErrPhoneSyntax. One leading plus sign and all
// spaces are removed; then there must be 2 to 15 digits, the first not 0. Other
// punctuation is an error.
func Phone(number string) (string, error) {
	number = strip(number)
	if !isPhone(number) {
		return "", ErrPhoneSyntax
	}
	return number, nil
}

// LookupPhone returns number as an account's stored number would be written, to
// find the account by, and false when no account can have it; then do not search.
func LookupPhone(number string) (string, bool) {
	return findable(strip(number))
}

func strip(number string) string {
	return strings.ReplaceAll(strings.TrimPrefix(number, "+"), " ", "")
}

func isPhone(number string) bool {
	return len(number) >= 2 && len(number) <= 15 && number[0] != '0' &&
		!strings.ContainsFunc(number, func(r rune) bool { return !isDigit(r) })
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
