package redirect_test

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// The dialect of patterns a second time, by trying everything. It shares nothing
// with the package but what NewList says, expects a pattern that compiles, and
// gives up when trying takes too long.

// matchesByTrial returns whether text matches, and false if it gave up.
func matchesByTrial(pattern, text string) (matched, done bool) {
	t := trial{steps: 20_000}
	matched = t.match(elements(pattern), text)
	return matched, t.steps > 0
}

type trial struct{ steps int }

func (t *trial) match(pattern []element, text string) bool {
	if t.steps--; t.steps <= 0 {
		return false
	}
	if len(pattern) == 0 {
		return text == ""
	}
	first, rest := pattern[0], pattern[1:]
	switch first.kind {
	case "*", "**":
		for {
			if t.match(rest, text) {
				return true
			}
			if text == "" || first.kind == "*" && isSeparator(text[0]) {
				return false
			}
			text = text[1:]
		}
	case "?":
		return text != "" && !isSeparator(text[0]) && t.match(rest, text[1:])
	case "class":
		return text != "" && first.holds(rune(text[0])) && t.match(rest, text[1:])
	case "{":
		branches, behind := alternatives(pattern)
		for _, branch := range branches {
			if t.match(append(branch, behind...), text) {
				return true
			}
		}
		return false
	}
	text, ok := strings.CutPrefix(text, first.literal)
	return ok && t.match(rest, text)
}

func isSeparator(c byte) bool { return c == '.' || c == '/' }

// element is of the kind "*", "**", "?", "{", "," or "}", a class or a literal.
type element struct {
	kind    string
	literal string
	set     string // what stands between the brackets
}

func elements(pattern string) (list []element) {
	depth := 0
	for pattern != "" {
		var e element
		e, pattern = element{literal: pattern[:1]}, pattern[1:]
		switch {
		case e.literal == "*":
			e.kind = "*"
			for strings.HasPrefix(pattern, "*") {
				e.kind, pattern = "**", pattern[1:]
			}
		case e.literal == "?":
			e.kind = "?"
		case e.literal == "[":
			e.kind = "class"
			e.set, pattern = cutClass(pattern)
		case e.literal == "{":
			e.kind = "{"
			depth++
		case e.literal == "," && depth > 0:
			e.kind = ","
		case e.literal == "}" && depth > 0:
			e.kind = "}"
			depth--
		case e.literal == `\`:
			_, size := utf8.DecodeRuneInString(pattern)
			e.literal, pattern = escaped(pattern[:size]), pattern[size:]
		default:
			e.literal = escaped(e.literal)
		}
		list = append(list, e)
	}
	return list
}

// escaped works on single bytes as well as on characters.
func escaped(s string) string {
	if s[0] >= utf8.RuneSelf || strings.Contains("\"<>^`{|}", s) {
		return url.PathEscape(s)
	}
	return s
}

func cutClass(s string) (set, rest string) {
	for i := 0; ; i++ {
		switch s[i] {
		case '\\':
			i++
		case ']':
			return s[:i], s[i+1:]
		}
	}
}

func (e element) holds(c rune) bool {
	set, negated := strings.CutPrefix(e.set, "!")
	var members []rune
	var literal []bool // written with a backslash
	for i, rs := 0, []rune(set); i < len(rs); i++ {
		esc := rs[i] == '\\'
		if esc {
			i++
		}
		members, literal = append(members, rs[i]), append(literal, esc)
	}
	for i := 0; i < len(members); i++ {
		if i+2 < len(members) && members[i+1] == '-' && !literal[i+1] {
			if members[i] <= c && c <= members[i+2] {
				return !negated
			}
			i += 2
		} else if members[i] == c {
			return !negated
		}
	}
	return negated
}

// alternatives splits what begins with a brace into its branches and what comes
// behind the closing one.
func alternatives(pattern []element) (branches [][]element, behind []element) {
	depth, branch := 0, []element{}
	for i, e := range pattern {
		switch {
		case e.kind == "{":
			depth++
			if depth == 1 {
				continue
			}
		case e.kind == "}":
			depth--
			if depth == 0 {
				return append(branches, branch), pattern[i+1:]
			}
		case e.kind == "," && depth == 1:
			branches, branch = append(branches, branch), []element{}
			continue
		}
		branch = append(branch, e)
	}
	return nil, nil
}
