package sms

import (
	"net/url"
	"strings"
	"unicode"
)

// Error says why a message was not sent, or a code not checked. Its text has no
// credential in it, and not the code.
type Error struct {
	Service string // its name in GOTRUE_SMS_PROVIDER
	// Message is what the service said, or what happened instead of an answer:
	// a line of at most 200 characters that clients may see.
	Message string
	// Err is what went wrong on the way, nil if the service refused. It may
	// name hosts and addresses: log it, and show it to no client.
	Err error
}

// Error returns Message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// refused is the error of a service that did not do what it was asked for, with
// what it said about that, in its own words.
func refused(reason string) error { return &Error{Message: reason} }

// without returns text with the secrets blotted out, as they are and as a form
// has them.
func without(text string, secrets ...string) string {
	const blot = "[secret]"
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, blot)
			text = strings.ReplaceAll(text, url.QueryEscape(secret), blot)
		}
	}
	return text
}

// tidy returns text as one line that is not long and that a terminal shows as it is.
func tidy(text string) string {
	const longest = 200 // characters
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, " "))
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > longest {
		return string(line[:longest-1]) + "…"
	}
	return string(line)
}
