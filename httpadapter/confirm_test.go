package httpadapter_test

import (
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

// scannerSafe is confirming with links that lead to the page.
func scannerSafe(c *postern.Config) {
	confirming(c)
	c.Email.ScannerSafeLinks = true
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// TestScannersUseNothingUp pins guarantee 6: a program that follows the link of a
// mail, however often, leaves it to the one who presses the button.
func TestScannersUseNothingUp(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: scannerSafe})
		a.enrol(t, "ann@example.com")
		for _, pkce := range []bool{false, true} {
			a.wait()
			body := object("email", "ann@example.com")
			if pkce {
				body = object("email", "ann@example.com", "code_challenge", codeChallenge, "code_challenge_method", "s256")
			}
			a.expect(t, request{line: "POST /recover?redirect_to=" + url.QueryEscape(site+"/reset?a=1&b=2"), body: body}, 200)
			mailed := a.mailTo(t, "ann@example.com").ConfirmationURL
			link := pathOf(t, mailed)
			if !strings.HasPrefix(link, "/confirm?token=") {
				t.Fatalf("the link leads to %q, want /confirm", link)
			}
			for range 3 {
				a.expect(t, request{line: "HEAD " + link}, 200)
				a.expect(t, request{line: "GET " + link}, 200)
			}
			page := a.expect(t, request{line: "GET " + link}, 200)
			press := request{line: "POST " + pathOf(t, actionOf(t, mailed, page.body)), body: formOf(page.body), headers: append(form, "Sec-Fetch-Site: same-origin", "Origin: null")}
			got := a.expect(t, press, 303)
			wantHeaders(t, got.header, map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
			want := site + "/reset?a=1&b=2#access_token="
			if pkce {
				want = site + "/reset?a=1&b=2&code="
			}
			if location := got.header.Get("Location"); !strings.HasPrefix(location, want) {
				t.Errorf("Location = %q, want %q…", location, want)
			}
			again := a.expect(t, press, 303)
			if location := again.header.Get("Location"); !strings.Contains(location, "error_code=otp_expired") {
				t.Errorf("pressed again: Location = %q", location)
			}
		}
	})
}

// actionOf is where a browser sends the form of a page.
func actionOf(t *testing.T, address, page string) string {
	t.Helper()
	base, err := url.Parse(address)
	action := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(page)
	if err != nil || action == nil {
		t.Fatalf("%v; no form in %s", err, page)
	}
	to, err := base.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// formOf is what a browser posts when the button of a page is pressed.
func formOf(page string) string {
	params := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		params.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return params.Encode()
}

func TestConfirmPage(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	got := a.expect(t, request{line: "GET /confirm?type=recovery&token=abc&redirect_to=" + url.QueryEscape("https://evil.example.net/")}, 200)
	nonce := regexp.MustCompile(`<style nonce="([A-Z2-7]+)">`).FindStringSubmatch(got.body)
	if nonce == nil {
		t.Fatalf("no style with a nonce in %s", got.body)
	}
	wantHeaders(t, got.header, map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'nonce-" + nonce[1] + "'; base-uri 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Set-Cookie": "",
	})
	for _, want := range []string{
		`<html lang="en">`, "<title>Choose a new password</title>", `<form method="post" action="confirm">`, "<button>Continue</button>",
		`name="viewport"`, "prefers-color-scheme: dark",
		`name="redirect_to" value="` + site + `"`, `name="token" value="abc"`, `name="type" value="recovery"`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s:\n%s", want, got.body)
		}
	}
	for _, not := range []string{"<script", "http-equiv", "src=", "<link", "url(", "@import", "evil"} {
		if strings.Contains(got.body, not) {
			t.Errorf("the page has %q:\n%s", not, got.body)
		}
	}
	if again := a.expect(t, request{line: "GET /confirm?type=recovery&token=abc"}, 200); strings.Contains(again.body, nonce[1]) {
		t.Error("two pages have the same nonce")
	}
}

func TestConfirmPageSpeaksTheReadersLanguage(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	titles := map[string]bool{}
	for _, c := range []struct{ accept, language, button string }{
		{"", "en", "Continue"},
		{"en-GB", "en", "Continue"},
		{"tlh, de-AT;q=0.5, fr;q=0.4", "de", "Weiter"},
		{"FR-ca", "fr", "Continuer"},
		{"es-419,en;q=0.1", "es", "Continuar"},
		{"pt-BR", "pt", "Continuar"},
		{"ja", "ja", "続ける"},
		{"tlh", "en", "Continue"},
	} {
		for _, kind := range []string{"signup", "invite", "magiclink", "recovery", "email_change", "email", "unheard-of"} {
			got := a.expect(t, request{line: "GET /confirm?token=x&type=" + kind, headers: []string{"Accept-Language: " + c.accept}}, 200)
			title := regexp.MustCompile(`<html lang="` + c.language + `">(?s:.*)<title>(.+)</title>(?s:.*)<button>` + c.button + `</button>`).FindStringSubmatch(got.body)
			if title == nil {
				t.Errorf("%q, %s: got %s", c.accept, kind, got.body)
				continue
			}
			titles[c.language+title[1]] = true
		}
		broken := a.expect(t, request{line: "GET /confirm?token=x", headers: []string{"Accept-Language: " + c.accept}}, 400)
		if !strings.Contains(broken.body, `<html lang="`+c.language+`">`) {
			t.Errorf("%q: got %s", c.accept, broken.body)
		}
	}
	if want := 6 * 6; len(titles) != want { // five types and the rest, in six languages
		t.Errorf("%d titles, want %d", len(titles), want)
	}
}

func TestConfirmRefusals(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	const whole = "type=recovery&token=x"
	for _, c := range []struct {
		name   string
		q      request
		status int
	}{
		{"nothing", request{line: "GET /confirm"}, 400},
		{"no type", request{line: "GET /confirm?token=x"}, 400},
		{"no token", request{line: "GET /confirm?type=recovery"}, 400},
		{"nothing posted", request{line: "POST /confirm"}, 400},
		{"no type posted", request{line: "POST /confirm", body: "token=x", headers: form}, 400},
		{"no token posted", request{line: "POST /confirm", body: "type=recovery", headers: form}, 400},
		{"what the query says", request{line: "POST /confirm?" + whole}, 400},
		{"JSON", request{line: "POST /confirm", body: object("type", "recovery", "token", "x")}, 400},
		{"a form that is too large", request{line: "POST /confirm", body: strings.Repeat("a=b&", 1<<18) + whole, headers: form}, 400},
		{"another site", request{line: "POST /confirm", body: whole, headers: append(form, "Sec-Fetch-Site: cross-site")}, 403},
		{"another origin of the site", request{line: "POST /confirm", body: whole, headers: append(form, "Sec-Fetch-Site: same-site")}, 403},
		{"an origin of another host", request{line: "POST /confirm", body: whole, headers: append(form, "Origin: https://evil.example.net")}, 403},
		{"an origin that is none", request{line: "POST /confirm", body: whole, headers: append(form, "Origin: https://%zz")}, 403},
	} {
		got := a.expect(t, c.q, c.status)
		if strings.Contains(got.body, "<form") || !strings.Contains(got.body, "<title>This link does not work</title>") {
			t.Errorf("%s: got %s", c.name, got.body)
		}
		wantHeaders(t, got.header, map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})
	}
}

func TestConfirmFromThePage(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	for _, headers := range [][]string{
		nil, {"Origin: null"}, {"Origin: http://example.com"}, // httptest's host
		{"Sec-Fetch-Site: same-origin", "Origin: null"}, {"Sec-Fetch-Site: none"},
	} {
		got := a.expect(t, request{line: "POST /confirm", body: "type=recovery&token=x", headers: append(headers, form...)}, 303)
		if location := got.header.Get("Location"); !strings.HasPrefix(location, site+"#error=access_denied&error_code=otp_expired") {
			t.Errorf("%q: Location = %q", headers, location)
		}
	}
}

func TestConfirmPageIsSafeFromItsParameters(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	const attack = `"><script>alert(1)</script>{{.Nonce}}` + "\x00\xff"
	for _, q := range []string{"type", "token", "redirect_to"} {
		params := url.Values{"type": {"x"}, "token": {"x"}}
		params.Set(q, attack)
		got := a.expect(t, request{line: "GET /confirm?" + params.Encode()}, 200)
		if strings.Contains(got.body, "<script") || strings.Count(got.body, "<form") != 1 {
			t.Errorf("%s: got %s", q, got.body)
		}
	}
}

func TestConfirmPageOfTheApplication(t *testing.T) {
	t.Parallel()
	page := template.Must(template.New("").Parse(
		`<style nonce="{{.Nonce}}"></style>{{.Language}} {{.Title}} {{.Text}} {{.Button}} {{.Action}}{{range $name, $value := .Fields}} {{$name}}={{$value}}{{end}}`))
	a := newAPI(t, nobody, settings{options: httpadapter.Options{ConfirmPage: page}})
	got := a.expect(t, request{line: "GET /confirm?type=signup&token=abc"}, 200)
	if want := "Confirm your e-mail address Press the button to go on. The link works only once. Continue confirm redirect_to=" + site + " token=abc type=signup"; !strings.HasSuffix(got.body, "en "+want) {
		t.Errorf("got %s, want %s", got.body, want)
	}
	broken := template.Must(template.New("").Parse(`half of it {{.Nothing}}`))
	a = newAPI(t, nobody, settings{options: httpadapter.Options{ConfirmPage: broken}})
	if got := a.expect(t, request{line: "GET /confirm?type=signup&token=abc"}, 500); strings.Contains(got.body, "half") {
		t.Errorf("got %s", got.body)
	}
}
