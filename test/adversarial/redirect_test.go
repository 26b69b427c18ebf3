package adversarial_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// treacherous are places that look as if the list allowed them: the site is
// https://app.example.com, and https://*.example.org/** and com.example.app://** are
// listed.
var treacherous = []string{
	"https://evil.example", "//evil.example", "///evil.example", `\\evil.example`, `/\evil.example`, `https:\\evil.example`, "https:evil.example", "https:/evil.example",
	"http://app.example.com", "https://app.example.com:444", "https://app.example.com.evil.example", "https://app.example.com@evil.example",
	"https://app.example.com:x@evil.example", "https://user@app.example.com", "https://app.example.com%40evil.example", `https://app.example.com\@evil.example`,
	`https://app.example.com\.evil.example`, "https://app.example.com%2eevil.example", "https://app.example.com%00.evil.example", "https://app.example.com\t.evil.example",
	"https://evil.example/https://app.example.com", "https://evil.example?https://app.example.com", "https://evil.example#https://app.example.com",
	"https://evil.example#.example.org/", "https://evil.example?.example.org/", "https://evil.example/.example.org/", `https://evil.example\.example.org/`,
	"https://evil.example%2f.example.org/", "https://a.b.example.org/", "https://.example.org/", "https://example.org/", "https://evilexample.org/", "https://a.example.org.evil.example/",
	"https://a.example.org:99999/", "https://a.example.org:80:80/", "https://a@b.example.org/",
	"https://ａpp.example.com", "https://app。example.com", "https://аpp.example.com", "https://2130706433/", "https://[::1]/", "http://127.0.0.1/", "http://localhost/",
	"javascript:alert(1)", "javascript://app.example.com/%0aalert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)",
	"data:text/html,x", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", "file:///etc/passwd", "blob:https://app.example.com/x", "about:blank", "view-source:https://app.example.com",
	"com.example.app.evil://x", "com.example.app:evil", "comXexample.app://x", "https://app.example.com/\r\nSet-Cookie: a=b", "https://app.example.com/%0d%0aSet-Cookie:%20a=b\n", "",
}

// Guarantee B8, E25: wherever somebody may say where a browser is sent, it is sent to
// the site unless the list allows the place.
func TestBrowsersAreSentNowhereElse(t *testing.T) {
	github := authtest.NewProvider("github")
	each(t, func(c *postern.Config) {
		c.Email.Autoconfirm = false
		c.Providers = []postern.Provider{github.Provider()}
	}, func(t *testing.T, w *world) {
		names := w.people(t)
		for _, place := range treacherous {
			t.Run(place, func(t *testing.T) {
				there := url.QueryEscape(place)
				names["place"] = there

				// A link that is no good any more, and one that is.
				w.play(t, 0, step{do: "GET /verify?type=signup&token=none&redirect_to=<place>"}, names).leadsTo(t, site)
				w.play(t, 1, step{do: "POST /recover?redirect_to=<place>", body: `{"email":"<email>"}`, want: "200"}, names)
				link, err := url.Parse(w.LastLink(t, names["email"]))
				if err != nil || !strings.HasPrefix(link.String(), external+"/verify?") {
					t.Fatalf("the mail's link is %s, %v", link, err)
				}
				if to := link.Query().Get("redirect_to"); to != site {
					t.Errorf("the mail leads to %q, want %s", to, site)
				}
				q := link.Query()
				q.Set("redirect_to", place)
				w.play(t, 2, step{do: "GET /verify?" + q.Encode()}, names).leadsTo(t, site)

				// By the headers that browsers send.
				for i, header := range []string{"redirect_to", "Referer"} {
					if strings.ContainsAny(place, "\r\n\x00\x01") { // which no client sends
						continue
					}
					w.play(t, 3+i, step{do: "GET /verify?type=signup&token=none", headers: []string{header + ": " + place}}, names).leadsTo(t, site)
				}

				// Over a provider.
				got := w.play(t, 5, step{do: "GET /authorize?provider=github&redirect_to=<place>", want: "302"}, names)
				back := github.Approve(got.header.Get("Location"), authtest.Person("gh@example.com"))
				w.play(t, 6, step{do: "GET /callback?" + back.Encode()}, names).leadsTo(t, site)
				w.play(t, 7, step{do: "GET /callback?error=access_denied&state=none&redirect_to=<place>"}, names).leadsTo(t, site)
			})
		}
	})
}

// leadsTo fails unless a browser is sent to a page of a site, and nothing but that.
func (a answer) leadsTo(t testing.TB, site string) {
	t.Helper()
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status/100 != 3 || to.Scheme+"://"+to.Host != site || to.User != nil || a.header.Get("Set-Cookie") != "" {
		t.Errorf("got %d to %q, want to be sent to %s", a.status, a.header.Get("Location"), site)
	}
}

// What a request says of the server's own address is not believed: links lead to
// where the configuration says that the service is.
func TestForwardedHostsAreNotBelieved(t *testing.T) {
	github := authtest.NewProvider("github")
	each(t, func(c *postern.Config) {
		c.Email.Autoconfirm = false
		c.Providers = []postern.Provider{github.Provider()}
	}, func(t *testing.T, w *world) {
		for _, header := range []string{
			"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: javascript", "X-Forwarded-Prefix: //evil.example", "X-Forwarded-Server: evil.example",
			"X-Forwarded-Port: 1", "X-Original-URL: /admin/users", "X-Rewrite-URL: /admin/users", "X-Host: evil.example", "Forwarded: host=evil.example;proto=http",
			"Host: evil.example", "Origin: https://evil.example", "X-HTTP-Host-Override: evil.example",
		} {
			t.Run(header, func(t *testing.T) {
				names := w.people(t)
				with := []string{header}
				w.play(t, 0, step{do: "POST /recover", body: `{"email":"<email>"}`, headers: with, want: "200"}, names)
				if link := w.LastLink(t, names["email"]); !strings.HasPrefix(link, external+"/verify?") || strings.Contains(link, "evil") {
					t.Errorf("the mail's link is %s", link)
				}
				got := w.play(t, 1, step{do: "GET /authorize?provider=github", headers: with, want: "302", lacks: "evil"}, names)
				to, _ := url.Parse(got.header.Get("Location"))
				if callback := to.Query().Get("redirect_uri"); callback != external+"/callback" {
					t.Errorf("the provider sends people back to %s", callback)
				}
				w.play(t, 2, step{do: "GET /health", headers: with, want: "200", has: "GoTrue"}, names)
			})
		}
	})
}

// Guarantee F28: what a stranger says of the own address is not stored.
func TestForwardedAddressesAreNotBelieved(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		for _, header := range []string{
			"X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 203.0.113.7, 203.0.113.8", "X-Real-IP: 203.0.113.7", "X-Client-IP: 203.0.113.7", "True-Client-IP: 203.0.113.7",
			"CF-Connecting-IP: 203.0.113.7", "Fly-Client-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "Sb-Forwarded-For: 203.0.113.7", "X-Forwarded-For: " + strings.Repeat("203.0.113.7,", 1000),
		} {
			t.Run(header[:min(len(header), 40)], func(t *testing.T) {
				names := w.people(t)
				w.play(t, 0, step{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, headers: []string{header}, want: "200"}, names)
				if all := w.everything(t); strings.Contains(all, "203.0.113") {
					t.Errorf("stored: %s", lineWith(all, "203.0.113"))
				}
			})
		}
	})
}
