// Package jsontext refuses JSON that a parser would accept and a database or
// another parser would not: encoding/json quietly turns half a surrogate pair
// into U+FFFD, PostgreSQL's jsonb has no NUL, and deep nesting is only ever sent
// to hurt.
package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 64

// What is wrong with a text.
var (
	ErrEncoding  = errors.New("invalid UTF-8 in JSON text")
	ErrNUL       = errors.New("NUL character in JSON string")
	ErrSurrogate = errors.New("unpaired surrogate in JSON string")
	ErrRange     = errors.New("number out of range")
	ErrDepth     = errors.New("JSON text nested deeper than " + strconv.Itoa(MaxDepth) + " levels")
)

// Check reports the first of these faults in b. It does not check that b is
// JSON at all: what it lets pass still has to be parsed.
func Check(b []byte) error {
	if !utf8.Valid(b) {
		return ErrEncoding
	}
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			n, err := checkEscape(b[i+1:])
			if err != nil {
				return err
			}
			i += n
		case c == '"':
			inString = !inString
		case inString:
			if c == 0 {
				return ErrNUL
			}
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrDepth
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// checkEscape looks at what follows a backslash and returns how much of it the
// escape covers.
func checkEscape(b []byte) (int, error) {
	r, ok := unicodeEscape(b)
	switch {
	case !ok:
		return 1, nil // \n and its like; a broken \u is the parser's to report
	case r == 0:
		return 0, ErrNUL
	case !utf16.IsSurrogate(r):
		return 5, nil
	}
	if len(b) > 6 && b[5] == '\\' {
		if low, ok := unicodeEscape(b[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 11, nil
		}
	}
	return 0, ErrSurrogate
}

// unicodeEscape reads the uXXXX at the start of b.
func unicodeEscape(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[1:5]), 16, 16)
	return rune(n), err == nil
}

// longestNumber is the most characters of a number: more digits than PostgreSQL
// keeps.
const longestNumber = 1000

// CheckNumbers refuses numbers that are infinite or nothing to JavaScript, and
// those with more digits than PostgreSQL keeps. b has to be JSON.
func CheckNumbers(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n, ok := token.(json.Number); ok && !fits(n) {
			return ErrRange
		}
	}
}

func fits(n json.Number) bool {
	f, err := n.Float64()
	mantissa, _, _ := strings.Cut(strings.ToLower(n.String()), "e")
	vanishes := f == 0 && strings.ContainsAny(mantissa, "123456789")
	return err == nil && !vanishes && len(n) <= longestNumber
}
