package httpadapter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// TestLanguagesOfAMail pins RFC 9110 §12.5.4.
func TestLanguagesOfAMail(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) {
		confirming(c)
		c.Email.MaxFrequency = -1
	}})
	a.enrol(t, "ann@example.com")
	for _, c := range []struct{ header, want string }{
		{"", ""},
		{"de", "de"},
		{"da, en-GB;q=0.8, en;q=0.7", "da en-GB en"},
		{"en;q=0.7,da , en-gb; q=0.8", "da en-gb en"},
		{"en;q=0.5, de;q=0.5, fr;q=0.5", "en de fr"},
		{"en;Q=0.5, de", "de en"},
		{"zh-Hant-TW;q=1.000, ja;q=0.001", "zh-Hant-TW ja"},
		{"en;q=0, de;q=0.000, fr", "fr"},
		{"*, de;q=0.1", "de"},
		{"de-*, fr", "fr"},
		{",, de,\t,", "de"},
		{"en;q=2, fr;q=-1, es;q=x, pt;q=, ja;q=0.1234, it;level=1, nl;q=0.5;x=1, de", "de"},
		{"en us, d\x00e, \xff, ünïcode, <script>, averylongtag, fr", "fr"},
		{strings.Repeat("a,", 5000), strings.TrimSpace(strings.Repeat("a ", 16))},
		{strings.Repeat(" ", 1024) + "de", ""},
	} {
		a.expect(t, request{line: "POST /recover", headers: []string{"Accept-Language: " + c.header}, body: `{"email":"ann@example.com"}`}, 200)
		if got := a.mailTo(t, "ann@example.com").Languages; !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%.80q: got %q, want %s", c.header, got, c.want)
		}
	}
}
