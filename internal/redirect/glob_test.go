package redirect_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-auth/postern/internal/redirect"
)

// The dialect of contract tokens.md §10, from its examples on.
func TestPatternsMatchWholeURLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", false},
		{"https://*.example.com", "https://a.example.com/path", false},
		{"https://example.com/*", "https://example.com/a", true},
		{"https://example.com/*", "https://example.com/", true},
		{"https://example.com/*", "https://example.com", false},
		{"https://example.com/*", "https://example.com/a/b", false},
		{"https://example.com/*", "https://example.com/a.html", false},
		{"https://example.com/*", "https://example.com/a?x=1&y=http", true},
		{"https://example.com/**", "https://example.com/a/b.html?x=1", true},
		{"com.app://**", "com.app://a/b", true},
		{"http://localhost:3000", "http://localhost:3000/", false},
		{"https://Example.com/", "https://example.com/", false},

		{"", "", true},
		{"", "a", false},
		{"a", "ba", false},
		{"a", "ab", false},
		{"***", "a.b/c", true},
		{"a**b", "ab", true},
		{"*", "", true},
		{"*", ".", false},

		{"a?c", "abc", true},
		{"a?c", "a?c", true},
		{"a?c", "ac", false},
		{"a?c", "a.c", false},
		{"a?c", "a/c", false},

		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[abc]", "", false},
		{"[a-c]", "b", true},
		{"[a-c]", "-", false},
		{"[a-c0-9_]", "7", true},
		{"[a-c0-9_]", "_", true},
		{"[!a-c]", "b", false},
		{"[!a-c]", "d", true},
		{"[!a-c]", "/", true},
		{"[./]", "/", true},
		{"[a!]", "!", true},
		{"[-a]", "-", true},
		{"[a-]", "-", true},
		{"[a-]", "b", false},
		{`[a\-c]`, "b", false},
		{`[a\-c]`, "-", true},
		{`[\]]`, "]", true},
		{`[\!a]`, "!", true},
		{"[^a]", "^", true},
		{"[[a]", "[", true},
		{"[*]", "*", true},
		{"[*]", "a", false},
		{"]", "]", true},

		{"{a,b}", "a", true},
		{"{a,b}", "b", true},
		{"{a,b}", "a,b", false},
		{"{a,b}c", "bc", true},
		{"x{,-y}", "x", true},
		{"x{,-y}", "x-y", true},
		{"{a,b{c,d{e,f}}}g", "bdfg", true},
		{"{a,b{c,d{e,f}}}g", "bg", false},
		{"{*.a,**.b}", "x.a", true},
		{"{*.a,**.b}", "x/y.a", false},
		{"{*.a,**.b}", "x/y.b", true},
		{`{a\,b,c}`, "a,b", true},
		{"{[,],x}", ",", true},
		{"{}", "", true},
		{"a,b", "a,b", true},

		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\?`, "?", true},
		{`\[a]`, "[a]", true},
		{`\a`, "a", true},
		{`\\`, `\`, true},
		{"a.c", "abc", false},
		{"(a|b)+$", "a", false},
		{`\d`, "1", false},

		{"/ä", "/%C3%A4", true},
		{"/ä", "/ä", false},
		{`/\ä`, "/%C3%A4", true},
		{"/|", "/%7C", true},
		{`/\{x}`, "/%7Bx%7D", true},
	} {
		got, err := redirect.Match(c.pattern, c.text)
		if err != nil || got != c.want {
			t.Errorf("%q with %q: got %t, %v; want %t", c.pattern, c.text, got, err, c.want)
		}
		if got, _ := matchesByTrial(c.pattern, c.text); got != c.want {
			t.Errorf("%q with %q: the reference says %t, want %t", c.pattern, c.text, got, c.want)
		}
	}
}

func TestMistakenPatternsAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, want string }{
		{"{a", `redirect pattern "{a" has a "{" without its "}"`},
		{"{a{b}", `redirect pattern "{a{b}" has a "{" without its "}"`},
		{"[a", `redirect pattern "[a" has a "[" without its "]"`},
		{"[", `redirect pattern "[" has a "[" without its "]"`},
		{"[a-", `redirect pattern "[a-" has a "[" without its "]"`},
		{"[]", `redirect pattern "[]" has a class without characters`},
		{"[!]", `redirect pattern "[!]" has a class without characters`},
		{"[z-a]", `redirect pattern "[z-a]" has a range that ends before it begins`},
		{`a\`, `redirect pattern "a\\" ends in a backslash that escapes nothing`},
		{`[\`, `redirect pattern "[\\" ends in a backslash that escapes nothing`},
		{`[a-\`, `redirect pattern "[a-\\" ends in a backslash that escapes nothing`},
		{"\xff", `redirect pattern "\xff" is not UTF-8`},
	} {
		_, err := redirect.NewList("", []string{c.pattern})
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.pattern, err, c.want)
		}
	}
	deep := strings.Repeat("{a,*", 2000) + strings.Repeat("}", 2000)
	if _, err := redirect.NewList("", []string{deep}); err == nil || !strings.HasSuffix(err.Error(), "is too large or too deeply nested") {
		t.Errorf("a deep pattern: got %.100v", err)
	}
}

// By backtracking this would not end.
func TestMatchingIsLinear(t *testing.T) {
	t.Parallel()
	pattern, text := strings.Repeat("{*,**}", 50)+"!", strings.Repeat("a", 5000)
	if got, err := redirect.Match(pattern, text); got || err != nil {
		t.Errorf("got %t, %v; want false", got, err)
	}
}

// FuzzPattern: the matcher agrees with the reference.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"https://*.example.com/**", "https://a.example.com/b"},
		{"{a,b{c,[d-f]}}?*", "bex"},
		{`[!\]a-c]\{ä`, "x%7B%C3%A4"},
		{"[a-c-e]{,x}", "-x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !isASCII(text) || !utf8.ValidString(pattern) || len(pattern) > 100 || len(text) > 200 {
			return
		}
		got, err := redirect.Match(pattern, text)
		if err != nil {
			return
		}
		if want, done := matchesByTrial(pattern, text); done && got != want {
			t.Errorf("%q with %q: got %t, want %t", pattern, text, got, want)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
