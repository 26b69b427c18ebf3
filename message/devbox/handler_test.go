package devbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/devbox"
	"github.com/postern-auth/postern/message/mail"
)

// mounted is the box's Handler where the package says to mount it.
func mounted(b *devbox.Box) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_inbox/", http.StripPrefix("/_inbox", b.Handler()))
	return mux
}

// ask makes a request as if for localhost; header has names and values in turn,
// of which Host is one.
func ask(b *devbox.Box, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost:9999"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	mounted(b).ServeHTTP(w, r)
	return w
}

// get returns the body of what must be a success.
func get(t *testing.T, b *devbox.Box, path string) string {
	t.Helper()
	w := ask(b, "GET", path)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d, want 200: %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// full returns a box with a mail to ada, a text message, and a mail to grace.
func full(t *testing.T) *devbox.Box {
	t.Helper()
	b := newBox()
	sendMail(t, b, "ada@example.com")
	sendSMS(t, b, "15550100010")
	sendMail(t, b, "grace@example.com")
	return b
}

func TestMessagesAsJSON(t *testing.T) {
	t.Parallel()
	b := full(t)
	for query, to := range map[string]string{
		"":                      "",
		"?to=ada@example.com":   "ada@example.com",
		"?to=%2B15550100010":    "15550100010",
		"?to=+15550100010":      "15550100010",
		"?to=noone@example.com": "noone@example.com",
	} {
		got := decode[[]devbox.Message](t, get(t, b, "/_inbox/messages"+query))
		if want := b.Messages(to); !reflect.DeepEqual(got, want) {
			t.Errorf("messages%s: got %+v, want %+v", query, got, want)
		}
	}
}

func TestMessageAsJSON(t *testing.T) {
	t.Parallel()
	b := full(t)
	want := `{"id":"2","at":"2026-03-01T12:00:00Z","kind":"sms","type":"whatsapp","to":"15550100010","subject":"","html":"",` +
		`"text":"Your code is 234299","code":"234299","link":"","token_hash":""}`
	if got := strings.TrimSpace(get(t, b, "/_inbox/messages/2")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w := ask(b, "GET", "/_inbox/messages/4")
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("a message that there is not: %d %s", w.Code, w.Body)
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/_inbox/messages", "/_inbox/raw/messages"} {
		if got := strings.TrimSpace(get(t, newBox(), path)); got != "[]" {
			t.Errorf("%s: got %s, want []", path, got)
		}
	}
}

// The header ends with the first empty line, and links are in the body as the
// HTML has them.
func TestRawMessagesAreWholeAndInOrderOfArrival(t *testing.T) {
	t.Parallel()
	b := full(t)
	sendMail(t, b, "ada@example.com")
	type raw struct{ Subject, Text string }
	all := decode[[]raw](t, get(t, b, "/_inbox/raw/messages"))
	if len(all) != 4 || !strings.Contains(all[1].Text, "15550100010") || !strings.Contains(all[2].Text, "grace@example.com") {
		t.Fatalf("got %+v, want the four in order of arrival", all)
	}
	mails := decode[[]raw](t, get(t, b, "/_inbox/raw/messages?to=ada%40example.com"))
	if len(mails) != 2 {
		t.Fatalf("got %d mails to ada, want 2", len(mails))
	}
	header, body, ok := strings.Cut(mails[0].Text, "\r\n\r\n")
	if !ok || !strings.Contains(header, "\r\nSubject: About signup\r\n") || mails[0].Subject != "About signup" {
		t.Errorf("the header is %q", header)
	}
	if m, _ := b.Last("ada@example.com"); body != m.HTML {
		t.Errorf("the body is %q, want %q", body, m.HTML)
	}
	if _, body, _ := strings.Cut(all[1].Text, "\r\n\r\n"); body != "Your code is 234299" {
		t.Errorf("the body of a text message is %q", body)
	}
}

func TestDeleteClears(t *testing.T) {
	t.Parallel()
	b := full(t)
	if w := ask(b, "DELETE", "/_inbox/messages"); w.Code != http.StatusNoContent {
		t.Errorf("status %d, want 204", w.Code)
	}
	if got := b.Messages(""); len(got) != 0 {
		t.Errorf("there are still %+v", got)
	}
}

func TestButtonClearsAndReturnsToThePage(t *testing.T) {
	t.Parallel()
	b := full(t)
	server := httptest.NewServer(mounted(b))
	t.Cleanup(server.Close)
	res, err := server.Client().Post(server.URL+"/_inbox/clear", "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Request.URL.Path != "/_inbox/" || res.StatusCode != http.StatusOK {
		t.Errorf("ended at %s with status %d, want the page", res.Request.URL.Path, res.StatusCode)
	}
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "Nothing here yet") {
		t.Errorf("the page does not say that there is nothing: %s", body)
	}
}

func TestOnlyOwnHostsAreAnswered(t *testing.T) {
	t.Parallel()
	b := newBox(func(c *devbox.Config) { c.Hosts = []string{"Dev.example.com", "192.0.2.7"} })
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9999": 200, "app.localhost:80": 200,
		"127.0.0.1": 200, "127.0.0.1:9999": 200, "127.9.9.9": 200, "[::1]": 200, "[::1]:9999": 200, "[::ffff:127.0.0.1]:1": 200,
		"dev.example.com": 200, "DEV.example.com:8443": 200, "192.0.2.7:9999": 200,
		"example.com": 403, "localhost.example.com": 403, "notlocalhost": 403, "127.0.0.1.example.com": 403,
		"other.dev.example.com": 403, "192.0.2.8": 403, "0.0.0.0:9999": 403, "[::]": 403, "10.0.0.1": 403,
		"localhost:x:y": 403, "": 403,
	} {
		for _, path := range []string{"/_inbox/", "/_inbox/messages", "/_inbox/raw/messages", "/_inbox/inbox.js"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			mounted(b).ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s for the host %q: status %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

func TestOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		header  []string
		allowed bool
	}{
		{"no browser", nil, true},
		{"same origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:9999"}, true},
		{"an old browser, same origin", []string{"Origin", "http://localhost:9999"}, true},
		{"cross site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another port of this machine", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000"}, false},
		{"an old browser, cross site", []string{"Origin", "https://evil.example"}, false},
		{"an old browser, no origin to name", []string{"Origin", "null"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for method, path := range map[string]string{"DELETE": "/_inbox/messages", "POST": "/_inbox/clear"} {
				b := full(t)
				w := ask(b, method, path, test.header...)
				if cleared := len(b.Messages("")) == 0; cleared != test.allowed {
					t.Errorf("%s %s: status %d, cleared %v, want %v", method, path, w.Code, cleared, test.allowed)
				}
				if !test.allowed && w.Code != http.StatusForbidden {
					t.Errorf("%s %s: status %d, want 403", method, path, w.Code)
				}
			}
		})
	}
}

func TestNothingIsSharedWithOtherOrigins(t *testing.T) {
	t.Parallel()
	b := full(t)
	for _, path := range []string{"", "?id=1", "messages", "messages/1", "messages/9", "messages/1/html", "raw/messages", "version", "inbox.js", "nothing"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			h := ask(b, method, "/_inbox/"+path, "Origin", "https://evil.example", "Access-Control-Request-Method", "GET").Header()
			for name := range h {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s answers with %s", method, path, name)
				}
			}
			for name, want := range map[string]string{
				"Cross-Origin-Resource-Policy": "same-origin",
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "no-referrer",
				"Cache-Control":                "no-store",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
				}
			}
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe-inline") != (path == "messages/1/html" && method == "GET") {
				t.Errorf("%s %s: the content security policy is %q", method, path, csp)
			}
		}
	}
}

func TestMailIsShownInASandbox(t *testing.T) {
	t.Parallel()
	b := newBox(func(c *devbox.Config) {
		c.Renderer = rendering(func(postern.Mail) (mail.Rendered, error) {
			return mail.Rendered{Subject: `<script>alert(1)</script>`, HTML: `<script>alert(2)</script>`, Text: `</pre><script>alert(3)</script>`}, nil
		})
	})
	sendMail(t, b, `"><script>alert(4)</script>@example.com`)
	if page := get(t, b, "/_inbox/?to="); strings.Contains(page, "<script>") {
		t.Errorf("the page has a script of the mail: %s", page)
	}
	frame := regexp.MustCompile(`<iframe [^>]*>`).FindString(get(t, b, "/_inbox/"))
	if !strings.Contains(frame, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) || !strings.Contains(frame, `src="messages/1/html"`) {
		t.Errorf("the mail is in %q", frame)
	}
	w := ask(b, "GET", "/_inbox/messages/1/html")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox ") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
		t.Errorf("the mail's content security policy is %q", csp)
	}
	if !strings.HasSuffix(w.Body.String(), `<script>alert(2)</script>`) {
		t.Errorf("the mail is not what was sent: %s", w.Body)
	}
}

func TestOnlyMailsHaveAnHTMLPart(t *testing.T) {
	t.Parallel()
	b := full(t)
	for _, id := range []string{"2", "9", "x"} {
		if w := ask(b, "GET", "/_inbox/messages/"+id+"/html"); w.Code != http.StatusNotFound {
			t.Errorf("message %s: status %d, want 404", id, w.Code)
		}
	}
}
