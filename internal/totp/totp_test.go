package totp_test

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/postern-auth/postern/internal/totp"
)

// secret is the key of RFC 6238, appendix B: "12345678901234567890".
const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func TestNewSecret(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"as much as is needed": "12345678901234567890",
		"more than is needed":  "12345678901234567890abc",
	} {
		got, err := totp.NewSecret(iotest.OneByteReader(strings.NewReader(key)))
		if err != nil || got != secret {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, secret)
		}
	}
}

func TestNewSecretFailsWithItsSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if got, err := totp.NewSecret(iotest.ErrReader(broken)); got != "" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v; want %v", got, err, broken)
	}
	if got, err := totp.NewSecret(bytes.NewReader(make([]byte, 19))); got != "" || err == nil {
		t.Errorf("from 19 bytes: got %q, %v; want an error", got, err)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{time.Unix(0, 0), 0},
		{time.Unix(29, 999_999_999), 0},
		{time.Unix(30, 0), 1},
		{time.Unix(59, 0), 1},
		{time.Unix(-1, 0), -1},
		{time.Unix(-30, 0), -1},
		{time.Unix(-31, 0), -2},
		{time.Date(2026, 3, 29, 3, 30, 29, 0, time.FixedZone("", 2*60*60)), 59158260},
	} {
		got := totp.Step(c.at)
		if got != c.want {
			t.Errorf("%v: got step %d, want %d", c.at, got, c.want)
		}
		begin := totp.StepTime(got)
		if begin.After(c.at) || !begin.Add(totp.Period).After(c.at) || begin.Location() != time.UTC {
			t.Errorf("%v: got a step that begins at %v", c.at, begin)
		}
	}
}

// The vectors for SHA-1 of RFC 6238, appendix B, without their first two digits.
func TestCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seconds, step int64
		want          string
	}{
		{59, 0x1, "287082"},
		{1111111109, 0x23523EC, "081804"},
		{1111111111, 0x23523ED, "050471"},
		{1234567890, 0x273EF07, "005924"},
		{2000000000, 0x3F940AA, "279037"},
		{20000000000, 0x27BC86AA, "353130"},
	} {
		if got := totp.Step(time.Unix(c.seconds, 0)); got != c.step {
			t.Errorf("%d: got step %#x, want %#x", c.seconds, got, c.step)
		}
		if got, err := totp.Code(secret, c.step); err != nil || got != c.want {
			t.Errorf("%d: got %q, %v; want %q", c.seconds, got, err, c.want)
		}
	}
}

func TestSecretsThatAreReadAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, secret, as string }{
		{"lower case", strings.ToLower(secret), secret},
		{"spaces around", " \t" + secret + " \n", secret},
		{"no padding is needed", secret[:24], secret[:24] + "========"},
		{"padding for one byte", "mfrgg", "MFRGG==="},
		{"padding for four bytes", "MFRGGZDFMY", "MFRGGZDFMY======"},
	} {
		got, err := totp.Code(c.secret, 1)
		want, wantErr := totp.Code(c.as, 1)
		if err != nil || wantErr != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, err, want, wantErr)
		}
	}
}

func TestBadSecrets(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"empty":                   "",
		"spaces":                  "   ",
		"padding alone":           "========",
		"a space within":          "GEZDGNBV GY3TQOJQ",
		"a digit of no base32":    "GEZDGNB1",
		"hex":                     "3132333435363738",
		"base64":                  "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA+",
		"padding within":          "GE======GEZDGNBV",
		"one character":           "G",
		"three characters":        "GEZ",
		"one character too many":  secret + "G",
		"six characters too many": secret + "GEZDGN",
		"other letters":           "ÄÖÜÄÖÜÄÖ",
		"no UTF-8":                "\xff\xfe\xfd\xfc",
		"a zero byte at the end":  secret + "\x00",
	} {
		if got, err := totp.Code(bad, 1); got != "" || !errors.Is(err, totp.ErrBadSecret) {
			t.Errorf("Code, %s: got %q, %v; want %v", name, got, err, totp.ErrBadSecret)
		}
		if step, ok, err := totp.Match(bad, "287082", time.Unix(59, 0)); step != 0 || ok || !errors.Is(err, totp.ErrBadSecret) {
			t.Errorf("Match, %s: got %d, %t, %v; want %v", name, step, ok, err, totp.ErrBadSecret)
		}
	}
}

// A code counts from the begin of the period before its own to the end of the one
// after, and its step is its own all the time.
func TestMatchAllowsOnePeriodOfSkew(t *testing.T) {
	t.Parallel()
	const step, code = 0x23523ED, "050471"
	begin := totp.StepTime(step)
	for _, c := range []struct {
		name string
		at   time.Time
		want bool
	}{
		{"two periods early", begin.Add(-totp.Period - 1), false},
		{"a period early", begin.Add(-totp.Period), true},
		{"a moment early", begin.Add(-1), true},
		{"at its begin", begin, true},
		{"in its last moment", begin.Add(totp.Period - 1), true},
		{"a moment late", begin.Add(totp.Period), true},
		{"at the end of the next period", begin.Add(2*totp.Period - 1), true},
		{"two periods late", begin.Add(2 * totp.Period), false},
	} {
		want := int64(0)
		if c.want {
			want = step
		}
		if got, ok, err := totp.Match(secret, code, c.at); got != want || ok != c.want || err != nil {
			t.Errorf("%s: got %d, %t, %v; want %d, %t", c.name, got, ok, err, want, c.want)
		}
	}
}

// Were it the earlier one, the code would be good for a replay at the later.
func TestMatchNamesTheLatestOfSeveralSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                   string
		earlier, current, want int64
		code                   string
	}{
		{"the period before and this one", 910737, 910738, 910738, "911617"},
		{"this period and the next", 910737, 910737, 910738, "911617"},
		{"the periods before and after", 153567, 153568, 153569, "468457"},
	} {
		for _, step := range []int64{c.earlier, c.want} {
			if got, err := totp.Code(secret, step); err != nil || got != c.code {
				t.Fatalf("step %d: got %q, %v; want %q", step, got, err, c.code)
			}
		}
		got, ok, err := totp.Match(secret, c.code, totp.StepTime(c.current))
		if got != c.want || !ok || err != nil {
			t.Errorf("%s: got %d, %t, %v; want %d", c.name, got, ok, err, c.want)
		}
	}
}

func TestMatchIgnoresSpacesAroundACode(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"287082", " 287082", "287082 ", "\t287082\r\n"} {
		if got, ok, err := totp.Match(secret, code, time.Unix(59, 0)); got != 1 || !ok || err != nil {
			t.Errorf("%q: got %d, %t, %v; want 1", code, got, ok, err)
		}
	}
}

func TestBadCodesMatchNothing(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{
		"empty":             "",
		"spaces":            "      ",
		"another code":      "287083",
		"five digits":       "28708",
		"seven digits":      "2870820",
		"eight digits":      "94287082",
		"a leading zero":    "0287082",
		"a sign":            "+287082",
		"inner space":       "287 082",
		"inner hyphen":      "287-082",
		"letters":           "abcdef",
		"a letter O":        "287O82",
		"full-width digits": "２８７０８２",
		"Arabic digits":     "٢٨٧٠٨٢",
		"a zero byte":       "287082\x00",
		"twice":             "287082287082",
		"long":              strings.Repeat("287082", 10_000),
		"the secret":        secret,
	} {
		if got, ok, err := totp.Match(secret, code, time.Unix(59, 0)); got != 0 || ok || err != nil {
			t.Errorf("%s: got %d, %t, %v; want no match", name, got, ok, err)
		}
	}
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// FuzzMatch: whatever a client sends and a database holds, nothing panics, Code and
// Match agree on which secrets are any, and a match is the code of its step.
func FuzzMatch(f *testing.F) {
	f.Add(secret, "287082", int64(59))
	f.Add(" gezdgnbvgy3tqojqgezdgnbvgy3tqojq ", " 287082 ", int64(0))
	f.Add("MFRGG===", "２８７０８２", int64(1111111109))
	f.Add("", "", int64(-1))
	f.Add("========", "000000", int64(math.MaxInt64))
	f.Add("G\n\r=", "28708", int64(math.MinInt64))
	f.Add("\xff", "287 082", int64(20000000000))
	f.Fuzz(func(t *testing.T, secret, code string, seconds int64) {
		at := time.Unix(seconds, 0)
		current, codeErr := totp.Code(secret, totp.Step(at))
		step, ok, err := totp.Match(secret, code, at)
		if !errors.Is(err, codeErr) || err != nil && !errors.Is(err, totp.ErrBadSecret) {
			t.Fatalf("got %v from Match, %v from Code", err, codeErr)
		}
		if err != nil {
			return
		}
		if !sixDigits.MatchString(current) {
			t.Errorf("got code %q", current)
		}
		if _, ok, err := totp.Match(secret, current, at); !ok || err != nil {
			t.Errorf("the current code %q: got %t, %v", current, ok, err)
		}
		if !ok {
			return
		}
		if want, err := totp.Code(secret, step); err != nil || strings.TrimSpace(code) != want {
			t.Errorf("%q matched step %d, whose code is %q, %v", code, step, want, err)
		}
		if off := step - totp.Step(at); off < -1 || off > 1 {
			t.Errorf("got a step %d off", off)
		}
	})
}
