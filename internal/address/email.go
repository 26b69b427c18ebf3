package address

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email returns the address in lower case, the form in which it is stored, or an
// Error. Nothing is trimmed: blanks around the address are an error.
//
// It accepts the grammar of HTML's <input type=email>: a local part of letters,
// digits and .!#$%&'*+/=?^_`{|}~-, and a host of one or more labels of up to 63
// letters, digits and inner hyphens, all ASCII; 255 bytes altogether. So there
// are no quoted local parts, no IP literals, no comments, no lists. A host need
// not have a dot, and dots may follow each other in the local part.
func Email(address string) (string, error) {
	address = lower(address)
	switch {
	case address == "":
		return "", ErrEmailMissing
	case len(address) > maxLength:
		return "", ErrEmailTooLong
	case !isEmail(address):
		return "", ErrEmailSyntax
	}
	return address, nil
}

// LookupEmail returns address as an account's stored address would be written,
// to find the account by, and false when no account can have it; then do not
// search. Addresses that providers have reported may hold what Email refuses, so
// this is also how to lower-case one of those.
func LookupEmail(address string) (string, bool) {
	if !utf8.ValidString(address) {
		return "", false // before lower replaces what is invalid
	}
	return findable(lower(address))
}

// lower leaves alone the characters outside ASCII whose lower case is inside: the
// Kelvin sign and the dotted capital İ. Folded, they would turn somebody else's
// address into that of an account.
func lower(address string) string {
	return strings.Map(func(r rune) rune {
		l := unicode.ToLower(r)
		if r >= utf8.RuneSelf && l < utf8.RuneSelf {
			return r
		}
		return l
	}, address)
}

func isEmail(address string) bool {
	local, host, ok := strings.Cut(address, "@")
	return ok && isLocalPart(local) && isHost(host)
}

func isLocalPart(local string) bool {
	return local != "" && !strings.ContainsFunc(local, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune(".!#$%&'*+/=?^_`{|}~-", r)
	})
}

func isHost(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' })
}

// isAlphanumeric expects lower case.
func isAlphanumeric(r rune) bool { return 'a' <= r && r <= 'z' || isDigit(r) }
