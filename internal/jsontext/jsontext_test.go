package jsontext_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/jsontext"
)

func TestCheckRefusesWhatParsersLetPass(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"plain", `{"a":[1,"b",null]}`, nil},
		{"escaped quote and brackets in a string", `{"a":"\"[[[{{{\\"}`, nil},
		{"escaped backslash before u0000", `{"a":"\\u0000"}`, nil},
		{"surrogate pair", `"\ud83d\ude00"`, nil},
		{"letters by number", `"\u00e9\u0041"`, nil},
		{"NUL by number", `"a\u0000"`, jsontext.ErrNUL},
		{"NUL as it is", "\"a\x00\"", jsontext.ErrNUL},
		{"high half alone", `"\ud83d"`, jsontext.ErrSurrogate},
		{"high half twice", `"\ud83d\ud83d"`, jsontext.ErrSurrogate},
		{"low half alone", `"\ude00"`, jsontext.ErrSurrogate},
		{"high half before a letter", `"\ud83dx"`, jsontext.ErrSurrogate},
		{"not UTF-8", "\"\xff\"", jsontext.ErrEncoding},
		{"as deep as allowed", nested(jsontext.MaxDepth), nil},
		{"too deep", nested(jsontext.MaxDepth + 1), jsontext.ErrDepth},
		{"wide is not deep", "[" + strings.Repeat("[],", 1000) + "[]]", nil},
		{"ends in a backslash", `"\`, nil},
		{"ends in half an escape", `"\u00`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := jsontext.Check([]byte(c.text)); !errors.Is(got, c.want) {
				t.Errorf("Check(%q) = %v, want %v", c.text, got, c.want)
			}
		})
	}
}

func TestCheckNumbers(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		`{"a":[1,-2.5e10,12345678901234567890,0,0.0e5]}`: true,
		`"1e999"`:                        true,
		`[1e999]`:                        false,
		`[-1e999]`:                       false,
		`{"a":1e-999}`:                   false,
		strings.Repeat("1", 300):         true,
		"0." + strings.Repeat("1", 1000): false,
	} {
		if err := jsontext.CheckNumbers([]byte(text)); (err == nil) != ok {
			t.Errorf("CheckNumbers(%.40q) = %v, want it to pass: %v", text, err, ok)
		}
	}
}

// What passes and parses keeps its meaning when it is written again.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":"\ud83d\ude00"}`, `["\u0000"]`, `"\ud800"`, `[[[]]]`, `"\\u0000"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if jsontext.Check(b) != nil || json.Unmarshal(b, &v) != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("Marshal of %q: %v", b, err)
		}
		if err := jsontext.Check(again); err != nil {
			t.Errorf("Check passed %q but not %q, which means the same: %v", b, again, err)
		}
		if strings.ContainsRune(string(again), '\uFFFD') && !strings.ContainsRune(string(b), '\uFFFD') && !strings.Contains(strings.ToLower(string(b)), `\ufffd`) {
			t.Errorf("Check passed %q, which the parser altered to %q", b, again)
		}
	})
}
