package redirect_test

import (
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/redirect"
)

const site = "https://app.example.com"

// list is one with this site and the patterns, which blanks separate.
func list(t testing.TB, site, patterns string) *redirect.List {
	t.Helper()
	l, err := redirect.NewList(site, strings.Fields(patterns))
	if err != nil {
		t.Fatalf("NewList: %v", err)
	}
	return l
}

func TestAllowedTargetsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ site, patterns, target string }{
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000"},
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000/welcome"},
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000/next?a=1"},
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000/reset"},
		{"http://127.0.0.1:3000", "", "http://127.0.0.1:3000/done"},

		{site, "", "https://app.example.com"},
		{site, "", "https://app.example.com/"},
		{site, "", "https://app.example.com/a/../b//c;d=1/%2F%2e%c3%a4?x=%20&y=a+b&z[]='1'&100%#/a?b=%2F"},
		{site, "", "https://app.example.com?x"},
		{site, "", "https://app.example.com/?"},
		{site, "", "https://APP.example.com/"},
		{site + "/deep/path?x#/", "", "https://app.example.com/other"},
		{"https://my_host:8443", "", "https://my_host:8443/"},
		{"http://192.168.1.5:3000", "", "http://192.168.1.5:3000/x"},
		{"https://xn--bcher-kva.example", "", "https://xn--bcher-kva.example/"},

		{"http://localhost:3000", "", "http://localhost:5173/"},
		{"http://a.localhost", "", "http://a.localhost:5173/"},
		{"http://[::1]:3000", "", "http://[::1]:5173/"},
		{"http://0.0.0.0:3000", "", "http://0.0.0.0:1/"},
		{"http://[::]:3000", "", "http://[::]:1/"},
		{"http://localhost:3000", "", "http://127.0.0.1:5173/"},
		{"http://localhost:3000", "", "https://127.7.7.7/"},
		{"http://localhost:3000", "", "http://[::1]/"},
		{"http://127.0.0.1", "", "exp://127.0.0.1:8081/--/callback"},

		{site, "http://127.0.0.1:*/**", "http://127.0.0.1:49152/callback"},
		{site, `http://\[::1\]:*/**`, "http://[::1]:49152/callback"},
		{site, "http://localhost:3000/**", "http://localhost:3000/x"},

		{site, "https://*.example.com", "https://a.example.com"},
		{site, "https://example.com/*", "https://example.com/a?x=1&y=http"},
		{site, "https://example.com/**", "https://example.com/a/b.html?x=1#part"},
		{site, "https://example.com/ä", "https://example.com/%C3%A4"},
		{site, "https://example.com/**", "https://example.com?x=1"},
		{"", "https://example.com", "https://example.com"},

		{site, "com.app://**", "com.app://a/b"},
		{site, "com.myapp://", "com.myapp://"},
		{site, "com.myapp://**", "com.myapp://"},
		{site, "com.myapp://**", "com.myapp://?x=1#y"},
		{site, "com.myapp://callback", "com.myapp://callback"},
		{site, "com.myapp://**", "com.myapp://login_callback/x"},
		{site, "com.myapp:///**", "com.myapp:///path"},
		{site, "com.myapp:/*", "com.myapp:/oauth2redirect"},
		{site, "com.myapp:*", "com.myapp:callback"},
		{site, "com.myapp:", "com.myapp:"},
		{site, "exp+app://**", "exp+app://expo-development-client/?url=http://x"},
		{"com.myapp://", "", "com.myapp://"},
		{"com.myapp://", "", "com.myapp:///path"},
		{"com.myapp://callback", "", "com.myapp://callback/x"},
	} {
		if got, ok := list(t, c.site, c.patterns).Check(c.target); !ok || got != c.target {
			t.Errorf("site %q, patterns %q: got %q, %t; want %q", c.site, c.patterns, got, ok, c.target)
		}
	}
}

func TestOddlyWrittenTargetsAreWrittenAnew(t *testing.T) {
	t.Parallel()
	l := list(t, site, "https://example.com/** com.myapp://**")
	for _, c := range []struct{ target, want string }{
		{"HTTPS://app.example.com/", "https://app.example.com/"},
		{"HTTPS://example.com/A", "https://example.com/A"},
		{"Com.MyApp://", "com.myapp://"},
		{"https://app.example.com:/x", "https://app.example.com/x"},
		{"https://app.example.com/#", "https://app.example.com/"},
		{`https://app.example.com/ä%2F"<script>{|}^` + "`" + `?"ä"#"ä"#%2F`,
			"https://app.example.com/%C3%A4%2F%22%3Cscript%3E%7B%7C%7D%5E%60?%22%C3%A4%22#%22%C3%A4%22%23%2F"},
		{"https://example.com/日本", "https://example.com/%E6%97%A5%E6%9C%AC"},
	} {
		if got, ok := l.Check(c.target); !ok || got != c.want {
			t.Errorf("%q: got %q, %t; want %q", c.target, got, ok, c.want)
		}
	}
}

// Everything is refused although the site or the pattern ** seems to allow it.
func TestTreacherousTargetsAreRefused(t *testing.T) {
	t.Parallel()
	l := list(t, site, "** http://*.localhost")
	for _, target := range []string{
		"", "/", "/path", "path", "//app.example.com/", "///app.example.com", "?x", "#x", ":", "://x", "1a:b", "a_b://x",
		"http:", "https:", "https:/", "https://", "https:///", "https:app.example.com", "https:/app.example.com", "https:///app.example.com",
		"https://:443/", "https://?x", "https://#x", "ws:x", "wss:///x", "ftp:/x",

		"javascript:alert(1)", "JavaScript://app.example.com/%0aalert(1)", "data:text/html,x", "vbscript:x", "blob:https://app.example.com/x",
		"file:///etc/passwd", "file://app.example.com/x", "filesystem:https://x/y", "about:blank", "view-source:https://app.example.com/",

		"https://user@app.example.com/", "https://user:secret@app.example.com/", "https://@app.example.com/", "https://app.example.com@evil.example/",
		"https://app.example.com:443@evil.example/", "com.myapp://user@callback", "https://app.example.com%40evil.example/",

		`https://app.example.com\@evil.example/`, `https:\\app.example.com\`, `https://evil.example\.app.example.com`, `https://app.example.com/a\b`,
		`https://app.example.com/?a\b`, `https://app.example.com/#a\b`, `\\app.example.com`, `https:/\app.example.com`,

		" https://app.example.com/", "https://app.example.com/ ", "https://app.example.com/a b", "https://app.example.com/\u00a0", "https://app.example.com/\u2028",
		"https://app.example.com/\t", "https://app.example.com/\r\nSet-Cookie: a=b", "https://app.example.com/\n", "https://app.example.com/\x00", "https://app.example.com/\x7f",
		"https://app.example.com/\u0085", "java\tscript:alert(1)", "https://app.exa\nmple.com/", "https://app.example.com/\xff", "\x01https://app.example.com",

		"https://2130706433/", "https://0x7f000001/", "https://0X7F.1/", "https://127.1/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://1.2.3/", "https://0x/",
		"https://1.2.3.4.5/", "https://256.1.1.1/", "https://example.1/", "com.myapp://123",
		"https://8.8.8.8/", "https://169.254.169.254/", "https://10.0.0.1/", "https://[2001:db8::1]/", "https://[::ffff:8.8.8.8]/", "https://0.0.0.0/", "https://[::]/", "exp://192.168.1.5:8081",
		"https://[::1%25eth0]/", "https://[fe80::1%25en0]/", "https://[::1", "https://::1/", "https://[127.0.0.1]/", "https://[x]/", "com.myapp://a:b:80/",

		"https://аpp.example.com/", "https://app。example.com/", "https://app.example.com／evil.example/", "https://ａpp.example.com/", "https://app.example\u00ad.com/",
		"https://%61pp.example.com/", "https://%D0%B0pp.example.com/", "com.myapp://ä", "https://app.example.com\u2044/", "https://ſite.example/",

		"https://-app.example.com/", "https://app.example.com./", "https://my_app.example.com/", "https://a,b/", "https://*/", "https://a!b.example/", "https://.example.com/",
		"https://app.example.com:port/", "https://app.example.com:1:2/", "https://app.example.com/%zz", "https://app.example.com/%", "https://app.example.com/#%zz",
		"https://app.example.com/" + strings.Repeat("a", 8<<10), "https://app.example.com/" + strings.Repeat("ä", 2<<10),
	} {
		if got, ok := l.Check(target); ok || got != "" {
			t.Errorf("%.200q: got %q, %t; want it refused", target, got, ok)
		}
	}
}

func TestOtherPlacesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ site, patterns, target string }{
		{site, "", "http://app.example.com/"},
		{site, "", "https://app.example.com:443/"},
		{site, "", "https://app.example.com:8443/"},
		{site, "", "https://example.com/"},
		{site, "", "https://app.example.com.evil.example/"},
		{site, "", "https://evil.example/app.example.com"},
		{site, "", "https://evil.example/#https://app.example.com"},
		{site, "", "com.myapp://"},
		{"", "", "https://app.example.com/"},
		{"", "", "com.myapp://"},
		{"com.myapp://callback", "", "com.myapp://"},
		{"com.myapp://", "", "com.myapp://callback"},
		{"com.myapp://", "", "com.other://"},
		{"http://localhost:3000", "", "https://localhost:3000/"},
		{"http://localhost:3000", "", "http://a.localhost:3000/"},
		{"http://127.0.0.1:3000", "", "http://localhost:3000/"},
		{"http://127.0.0.1:3000", "", "http://0.0.0.0:3000/"},
		{"http://192.168.1.5:3000", "", "http://192.168.1.5/"},

		{site, "", "http://127.0.0.1:3000/"},
		{site, "", "http://[::1]/"},
		{site, "", "http://[::ffff:127.0.0.1]/"},
		{site, "", "http://localhost/"},
		{"http://192.168.1.5:3000", "", "http://127.0.0.1/"},
		{"http://localhost.example.com", "", "http://127.0.0.1/"},
		{"", "", "http://127.0.0.1/"},
		{site, "http://127.0.0.1:3000/**", "http://127.0.0.1:3001/"},
		{site, "http://192.168.1.5:3000/**", "http://192.168.1.5:3000/"},

		{site, "https://*.example.com", "https://a.b.example.com"},
		{site, "https://*.example.com", "https://a.example.com/path"},
		{site, "https://*.example.com", "https://ai?.example.com"},
		{site, "https://*.example.com", "https://ai#.example.com"},
		{site, "https://*.example.com", "https://ai:80?.example.com"},
		{site, "https://example.com*", "https://example.com?"},
		{site, "https://*-app.example.com", "https://ai?-app.example.com"},
		{site, "https://example.com/*", "https://example.com"},
		{site, "https://example.com/*", "https://example.com/a.html"},
		{site, "http://localhost:3000", "http://localhost:3000/"},
		{site, "https://Example.com/", "https://example.com/"},
		{site, "https://example.com/a#b", "https://example.com/a#b"},
		{site, "com.myapp://callback", "com.myapp://"},
	} {
		if got, ok := list(t, c.site, c.patterns).Check(c.target); ok || got != "" {
			t.Errorf("site %q, patterns %q, %q: got %q, %t; want it refused", c.site, c.patterns, c.target, got, ok)
		}
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	l, err := redirect.NewList("app.example.com", []string{"https://ok/**", "[", "{"})
	const want = `site URL "app.example.com" is not an absolute URL that browsers can be redirected to
redirect pattern "[" has a "[" without its "]"
redirect pattern "{" has a "{" without its "}"`
	if l != nil || err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, site := range []string{"/", "https://", "https://user@app.example.com", "https://bücher.example", "javascript:x", "https://a b/", "https://2130706433"} {
		if _, err := redirect.NewList(site, nil); err == nil {
			t.Errorf("site %q: got no error", site)
		}
	}
}
