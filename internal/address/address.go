// Package address brings e-mail addresses and phone numbers into the one form
// in which they are stored and compared, so that one person has one account.
//
// Email and Phone are for addresses that are about to be stored or written to:
// they normalise first and check what came out. LookupEmail and LookupPhone are
// for finding an account by what somebody typed; they judge no format, and agree
// with the former on whatever those accept.
package address

import (
	"strings"
	"unicode/utf8"
)

// Error is why an address is refused, in GoTrue's words, to be shown to the
// client with the code validation_failed.
type Error string

// Error returns the words.
func (e Error) Error() string { return string(e) }

// The reasons to refuse an address.
const (
	ErrEmailMissing Error = "An email address is required"
	ErrEmailTooLong Error = "An email address is too long"
	ErrEmailSyntax  Error = "Unable to validate email address: invalid format"
	ErrPhoneSyntax  Error = "Invalid phone number format (E.164 required)"
)

// maxLength, in bytes, is the width of the column that holds e-mail addresses;
// no phone number comes near it.
const maxLength = 255

// findable returns address and whether an account could have it at all. The
// empty one must not be searched for: every account without an address has it.
func findable(address string) (string, bool) {
	if address == "" || len(address) > maxLength ||
		!utf8.ValidString(address) || strings.ContainsRune(address, 0) {
		return "", false
	}
	return address, true
}
