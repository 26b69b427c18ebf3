package redirect_test

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/redirect"
)

// FuzzCheck: what is accepted has a reason that the test finds by itself, and
// whoever reads it reads what was decided on.
func FuzzCheck(f *testing.F) {
	for _, seed := range [][3]string{
		{"https://app.example.com", "https://*.example.com/**", "https://a.example.com/b?c#d"},
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000/welcome"},
		{"http://localhost:3000/#/", "", "http://[::1]:1/"},
		{"https://app.example.com", "com.myapp://**", "com.myapp://"},
		{"com.myapp://", "com.myapp:/{a,b}", "com.myapp:/a"},
		{"https://app.example.com", "**", `https:\\app.example.com@evil.example:80?.example.com#@x`},
		{"", "https://??.example/[!a-c]", "https://ab.example/ä"},
		{"https://app.example.com", "**", "javascript://0x7f.1/%0a"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, site, pattern, candidate string) {
		if len(pattern) > 200 || len(candidate) > 400 {
			return
		}
		l, err := redirect.NewList(site, []string{pattern})
		if err != nil {
			return
		}
		accepted, ok := l.Check(candidate)
		if !ok {
			return
		}
		if again, ok := l.Check(accepted); !ok || again != accepted {
			t.Errorf("got %q, and from that %q, %t", accepted, again, ok)
		}
		u := readAgain(t, candidate, accepted)
		if !hasReason(site, pattern, accepted, u) {
			t.Errorf("site %q, pattern %q, %q: accepted as %q", site, pattern, candidate, accepted)
		}
	})
}

// Fair targets are visible ASCII. Browsers find the host behind all the slashes.
var (
	fair      = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:[!#-\[\]_a-z~]*$`)
	asBrowser = regexp.MustCompile(`^(?:https?|wss?|ftp):/*([^/?#]*)`)
	dangerous = regexp.MustCompile(`^(?:javascript|data|vbscript|file|blob|about):`)
)

// readAgain checks that net/url and a browser find in accepted what was decided
// on, the host that candidate has.
func readAgain(t *testing.T, candidate, accepted string) *url.URL {
	t.Helper()
	before, err := url.Parse(candidate)
	if err != nil {
		t.Fatalf("%q: accepted as %q, but %v", candidate, accepted, err)
	}
	u, err := url.Parse(accepted)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != before.Scheme || u.Hostname() != before.Hostname() || u.Port() != before.Port() || u.User != nil {
		t.Errorf("%q: accepted as %q, with another origin", candidate, accepted)
	}
	if m := asBrowser.FindStringSubmatch(accepted); m != nil && (m[1] == "" || m[1] != u.Host) {
		t.Errorf("%q: a browser reads the host %q", accepted, m[1])
	}
	if !fair.MatchString(accepted) || dangerous.MatchString(accepted) {
		t.Errorf("%q: accepted as %q", candidate, accepted)
	}
	return u
}

func hasReason(site, pattern, accepted string, u *url.URL) bool {
	s, err := url.Parse(site)
	if err != nil {
		return false
	}
	addr, notIP := netip.ParseAddr(u.Hostname())
	sameHost := site != "" && strings.EqualFold(s.Scheme, u.Scheme) && strings.EqualFold(s.Hostname(), u.Hostname())
	switch {
	case sameHost && (s.Port() == u.Port() || isLocal(s)):
		return true
	case notIP == nil && !addr.IsLoopback():
		return false
	case notIP == nil && isLocal(s):
		return true
	}
	matched, done := matchesByTrial(pattern, asMatched(accepted))
	return matched || !done
}

func isLocal(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	addr, _ := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || addr.IsLoopback() || host == "0.0.0.0" || addr == netip.IPv6Unspecified()
}

var queryAtHost = regexp.MustCompile(`^((?:https?|wss?|ftp)://[^/?]*)\?`)

func asMatched(accepted string) string {
	text, _, _ := strings.Cut(accepted, "#")
	return queryAtHost.ReplaceAllString(text, "$1/?")
}
