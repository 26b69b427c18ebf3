package redirect

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What is wrong with a pattern, as the end of a sentence about it.
var (
	errNotUTF8    = errors.New("is not UTF-8")
	errBraceOpen  = errors.New(`has a "{" without its "}"`)
	errClassOpen  = errors.New(`has a "[" without its "]"`)
	errClassEmpty = errors.New("has a class without characters")
	errClassRange = errors.New("has a range that ends before it begins")
	errLoneEscape = errors.New("ends in a backslash that escapes nothing")
	errTooLarge   = errors.New("is too large or too deeply nested")
)

// compile translates a pattern of the dialect that NewList describes into a
// regular expression, which Go matches in time linear in the text.
func compile(pattern string) (*regexp.Regexp, error) {
	if !utf8.ValidString(pattern) {
		return nil, errNotUTF8
	}
	t := translator{rest: pattern}
	for t.rest != "" {
		if err := t.next(); err != nil {
			return nil, err
		}
	}
	if t.depth > 0 {
		return nil, errBraceOpen
	}
	re, err := regexp.Compile(`(?s)\A(?:` + t.out.String() + `)\z`)
	if err != nil {
		return nil, errTooLarge
	}
	return re, nil
}

// translator holds the part of a pattern that is yet to be translated.
type translator struct {
	rest  string
	depth int // of open braces
	out   strings.Builder
}

// next translates one element.
func (t *translator) next() error {
	switch r := t.take(); {
	case r == '*':
		t.run()
	case r == '?':
		t.out.WriteString(`[^./]`)
	case r == '[':
		return t.class()
	case r == '{':
		t.depth++
		t.out.WriteString(`(?:`)
	case r == ',' && t.depth > 0:
		t.out.WriteByte('|')
	case r == '}' && t.depth > 0:
		t.depth--
		t.out.WriteByte(')')
	default:
		return t.literal(r)
	}
	return nil
}

// run translates the stars that began with the one just taken.
func (t *translator) run() {
	if !t.skip("*") {
		t.out.WriteString(`[^./]*`)
		return
	}
	t.rest = strings.TrimLeft(t.rest, "*")
	t.out.WriteString(`.*`)
}

func (t *translator) literal(r rune) error {
	r, err := t.unescape(r)
	t.out.WriteString(regexp.QuoteMeta(encode(string(r))))
	return err
}

// class translates from behind the opening bracket to the closing one.
func (t *translator) class() error {
	t.out.WriteByte('[')
	if t.skip("!") {
		t.out.WriteByte('^')
	}
	if t.skip("]") {
		return errClassEmpty
	}
	for !t.skip("]") {
		if err := t.member(); err != nil {
			return err
		}
	}
	t.out.WriteByte(']')
	return nil
}

// member translates a character or a range of a class. A hyphen that has no
// character on both sides is one.
func (t *translator) member() error {
	low, err := t.character()
	if err != nil {
		return err
	}
	high := low
	if len(t.rest) > 1 && t.rest[0] == '-' && t.rest[1] != ']' {
		t.take()
		if high, err = t.character(); err != nil {
			return err
		}
	}
	if high < low {
		return errClassRange
	}
	fmt.Fprintf(&t.out, `\x{%x}-\x{%x}`, low, high)
	return nil
}

// character takes one character of a class.
func (t *translator) character() (rune, error) {
	if t.rest == "" {
		return 0, errClassOpen
	}
	return t.unescape(t.take())
}

// unescape returns r, or when that is a backslash what comes behind it.
func (t *translator) unescape(r rune) (rune, error) {
	if r != '\\' {
		return r, nil
	}
	if t.rest == "" {
		return 0, errLoneEscape
	}
	return t.take(), nil
}

func (t *translator) take() rune {
	r, size := utf8.DecodeRuneInString(t.rest)
	t.rest = t.rest[size:]
	return r
}

func (t *translator) skip(prefix string) bool {
	rest, ok := strings.CutPrefix(t.rest, prefix)
	t.rest = rest
	return ok
}
