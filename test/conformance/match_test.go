package conformance_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// placeholder is {{type}} or {{type:name}}.
var placeholder = regexp.MustCompile(`\{\{([a-z_0-9]+)(?::([a-z0-9]+))?\}\}`)

// wholeNumber is a placeholder that stands for a JSON number where it is the
// whole value.
var wholeNumber = regexp.MustCompile(`^\{\{(unix|int):[a-z0-9]+\}\}$`)

const uuidPattern = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// placeholderPatterns say what a placeholder of a type can stand for. Any text,
// for types that are not here.
var placeholderPatterns = map[string]string{
	"uuid":           uuidPattern,
	"code":           uuidPattern,
	"time":           `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)`,
	"unix":           `\d{10}`,
	"int":            `\d+`,
	"jwt":            `eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`,
	"refresh":        `[A-Za-z0-9_-]{12,70}`,
	"refresh_prefix": `[A-Za-z0-9_-]{1,8}`,
	"hash":           `[0-9a-f]{56}`,
	"otp":            `\d{6,10}`,
	"totp_secret":    `[A-Z2-7]{16,64}`,
	"qr":             `(?s:.*)<svg(?s:.*)`,
	"b64":            `[A-Za-z0-9_-]+`,
	"github_url":     `[^?"<]*`,
	"run":            `[a-z0-9]+`,
}

// loose are the types of which two uses of one name need not be equal.
var loose = map[string]bool{"time": true, "unix": true, "int": true, "string": true, "qr": true, "refresh_prefix": true}

// matcher compares recorded answers with real ones. What placeholders stand for
// it learns where they first appear, and expects from then on.
type matcher struct {
	vars  map[string]string // by "type:name", or "type" for those that have no name
	now   func() time.Time
	diffs []string // found since the last call of take
}

// take returns the differences found and forgets them.
func (m *matcher) take() []string {
	diffs := m.diffs
	m.diffs = nil
	return diffs
}

func (m *matcher) differ(at, format string, args ...any) {
	m.diffs = append(m.diffs, at+": "+fmt.Sprintf(format, args...))
}

// fill puts values in place of placeholders, for a request.
func (m *matcher) fill(text string) (string, error) {
	var unbound []string
	filled := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		kind, name, _ := strings.Cut(strings.Trim(p, "{}"), ":")
		if kind == "totp" {
			return totp(m.vars["totp_secret:"+name], m.now())
		}
		value, ok := m.vars[strings.Trim(p, "{}")]
		if !ok {
			unbound = append(unbound, p)
		}
		return value
	})
	if unbound != nil {
		return "", fmt.Errorf("nothing yet stands for %s", strings.Join(unbound, ", "))
	}
	return filled, nil
}

// compare notes every difference between a recorded JSON value and a real one.
func (m *matcher) compare(at string, want, got any) {
	switch want := want.(type) {
	case string:
		m.compareString(at, want, got)
	case map[string]any:
		m.compareObject(at, want, got)
	case []any:
		m.compareArray(at, want, got)
	default:
		if want != got {
			m.differ(at, "got %s, want %s", short(got), short(want))
		}
	}
}

func (m *matcher) compareString(at, want string, got any) {
	if wholeNumber.MatchString(want) {
		if n, ok := got.(float64); !ok || n != math.Trunc(n) {
			m.differ(at, "got %s, want an integer", short(got))
		}
		return
	}
	text, ok := got.(string)
	if !ok {
		m.differ(at, "got %s, want %q", short(got), want)
		return
	}
	m.compareText(at, want, text)
}

func (m *matcher) compareObject(at string, want map[string]any, got any) {
	object, ok := got.(map[string]any)
	if !ok {
		m.differ(at, "got %s, want %s", short(got), short(want))
		return
	}
	for _, key := range sortedKeys(want) {
		value, ok := object[key]
		if !ok {
			m.differ(at+"."+key, "is missing, want %s", short(want[key]))
			continue
		}
		m.compare(at+"."+key, want[key], value)
	}
	for _, key := range sortedKeys(object) {
		if _, ok := want[key]; !ok {
			m.differ(at+"."+key, "got %s, want nothing", short(object[key]))
		}
	}
}

func (m *matcher) compareArray(at string, want []any, got any) {
	array, ok := got.([]any)
	if !ok || len(array) != len(want) {
		m.differ(at, "got %s, want %d items: %s", short(got), len(want), short(want))
		return
	}
	for i := range want {
		m.compare(fmt.Sprintf("%s[%d]", at, i), want[i], array[i])
	}
}

// compareText compares a text that may have placeholders in it.
func (m *matcher) compareText(at, want, got string) {
	pattern, names := m.pattern(want)
	values := pattern.FindStringSubmatch(got)
	if values == nil {
		m.differ(at, "got %s, want %q", short(got), want)
		return
	}
	for i, name := range names {
		m.bind(at, name, values[i+1])
	}
}

// pattern is what a text with placeholders matches, and the names of those in it
// that the match gives a value to.
func (m *matcher) pattern(want string) (pattern *regexp.Regexp, names []string) {
	var b strings.Builder
	b.WriteString("^")
	end := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		b.WriteString(regexp.QuoteMeta(want[end:at[0]]))
		end = at[1]
		name, kind := strings.Trim(want[at[0]:at[1]], "{}"), want[at[2]:at[3]]
		if value, bound := m.vars[name]; bound && !loose[kind] {
			b.WriteString(regexp.QuoteMeta(value))
			continue
		}
		names = append(names, name)
		b.WriteString("(" + patternOf(kind) + ")")
	}
	b.WriteString(regexp.QuoteMeta(want[end:]) + "$")
	return regexp.MustCompile(b.String()), names
}

func patternOf(kind string) string {
	if p, ok := placeholderPatterns[kind]; ok {
		return p
	}
	return `(?s:.*)`
}

// bind lets a placeholder stand for a value from now on. One that appears twice
// in the text that introduces it has to be the same in both places.
func (m *matcher) bind(at, name, value string) {
	kind, _, _ := strings.Cut(name, ":")
	if before, bound := m.vars[name]; bound && !loose[kind] && before != value {
		m.differ(at, "{{%s}} was %s, is %s", name, before, value)
		return
	}
	m.vars[name] = value
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// short is a value as JSON, cut where it gets long.
func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	const most = 300
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// totp is the code of RFC 6238 (SHA-1, 30 s, six digits) for a secret in base32.
func totp(secret string, at time.Time) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return "no code: " + err.Error()
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30) // a hash takes everything
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1e6)
}

func TestPlaceholdersStandForOneValue(t *testing.T) {
	t.Parallel()
	const (
		one = "5a1f1f5e-7f4e-4d0c-9a3e-2f0d6b0a9c11"
		two = "0b9c1f0e-3c57-4f0a-9d2c-6f1f3c1d2e3f"
	)
	for _, c := range []struct {
		name      string
		want, got string // JSON
		differs   bool
	}{
		{"any value at first", `"{{uuid:9}}"`, `"` + two + `"`, false},
		{"the same again", `"{{uuid:1}}"`, `"` + one + `"`, false},
		{"another", `"{{uuid:1}}"`, `"` + two + `"`, true},
		{"twice in one text", `"{{code:1}} {{code:1}}"`, `"` + one + ` ` + one + `"`, false},
		{"twice in one text, unlike", `"{{code:1}} {{code:1}}"`, `"` + one + ` ` + two + `"`, true},
		{"not of its type", `"{{uuid:9}}"`, `"ABC"`, true},
		{"times are never compared", `["{{time:1}}","{{time:1}}"]`, `["2026-01-02T03:04:05Z","2026-01-02T03:04:06.123456789+05:45"]`, false},
		{"a time of the wrong form", `"{{time:1}}"`, `"2026-01-02 03:04:05"`, true},
		{"a whole number", `"{{unix:1}}"`, `1795503600`, false},
		{"a number as text", `"{{unix:1}}"`, `"1795503600"`, true},
		{"no integer", `"{{int:1}}"`, `1.5`, true},
		{"a number inside of a text", `"after {{int:1}} seconds"`, `"after 59 seconds"`, false},
		{"a given value", `"{{base_auto}}/verify"`, `"http://127.0.0.1:1/verify"`, false},
		{"characters with a meaning in patterns", `"a.b*[c]"`, `"a.b*[c]"`, false},
		{"a point is no wildcard", `"a.b"`, `"axb"`, true},
		{"any text, with line ends", `"{{string:1}}"`, `"a\nb"`, false},
		{"text before and after", `"x{{run:1}}y"`, `"xr0yz"`, true},
		{"null", `null`, `null`, false},
		{"null and nothing", `null`, `""`, true},
		{"numbers", `3600`, `3600.5`, true},
		{"booleans", `true`, `false`, true},
		{"a missing key", `{"a":1,"b":null}`, `{"a":1}`, true},
		{"an extra key", `{"a":1}`, `{"a":1,"b":null}`, true},
		{"order of keys", `{"a":1,"b":2}`, `{"b":2,"a":1}`, false},
		{"a shorter list", `[1,2]`, `[1]`, true},
		{"an object for a list", `[]`, `{}`, true},
		{"a list for an object", `{}`, `[]`, true},
	} {
		m := &matcher{vars: map[string]string{"uuid:1": one, "run:1": "r0", "base_auto": "http://127.0.0.1:1"}}
		m.compare("body", parsed(t, c.want), parsed(t, c.got))
		if diffs := m.take(); (len(diffs) > 0) != c.differs {
			t.Errorf("%s: %s against %s: got differences %q, want some: %v", c.name, c.want, c.got, diffs, c.differs)
		}
	}
}

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestDifferencesNameThePlace(t *testing.T) {
	t.Parallel()
	m := &matcher{vars: map[string]string{}}
	m.compare("body", parsed(t, `{"user":{"identities":[{"id":"x"}]}}`), parsed(t, `{"user":{"identities":[{"id":"y"}]}}`))
	if got, want := strings.Join(m.take(), "\n"), `body.user.identities[0].id: got "y", want "x"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if again := m.take(); again != nil {
		t.Errorf("after take: got %q, want none", again)
	}
}

func TestRequestsAreFilledIn(t *testing.T) {
	t.Parallel()
	m := &matcher{
		vars: map[string]string{"run:1": "r0", "uuid:1": "u", "admin_jwt": "j", "totp_secret:2": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
		now:  func() time.Time { return time.Unix(59, 0) },
	}
	for _, c := range []struct{ text, want string }{
		{"/admin/users/{{uuid:1}}?filter={{run:1}}", "/admin/users/u?filter=r0"},
		{"Bearer {{admin_jwt}}", "Bearer j"},
		{"{{totp:2}}", "287082"}, // RFC 6238 appendix B, its last six digits
		{"plain {text}", "plain {text}"},
	} {
		if got, err := m.fill(c.text); got != c.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
	if got, err := m.fill("{{uuid:7}}"); err == nil {
		t.Errorf("an unknown placeholder: got %q, want an error", got)
	}
}
