package devbox_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/message/devbox"
)

func TestPageSaysWhatWillBeThere(t *testing.T) {
	t.Parallel()
	if page := get(t, newBox(), "/_inbox/"); !strings.Contains(page, "Nothing here yet") || !strings.Contains(page, "sign-in links") {
		t.Errorf("the empty page is %s", page)
	}
	if page := get(t, full(t), "/_inbox/?to=nobody@example.com"); !strings.Contains(page, "Nothing to nobody@example.com") {
		t.Errorf("the page for somebody without messages is %s", page)
	}
}

func TestPageWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	b := full(t)
	page := get(t, b, "/_inbox/")
	var chosen []string
	for _, link := range regexp.MustCompile(`<li><a href="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		chosen = append(chosen, html.UnescapeString(link[1]))
	}
	if got := strings.Join(chosen, " "); got != "?id=3 ?id=2 ?id=1" {
		t.Fatalf("the list links to %q, want the three, newest first", got)
	}
	for i, want := range []string{"grace@example.com", "15550100010", "ada@example.com"} {
		page := get(t, b, "/_inbox/"+chosen[i])
		if _, article, ok := strings.Cut(page, "<article>"); !ok || !strings.Contains(article, "To <strong>"+want+"</strong>") {
			t.Errorf("%s does not show the message to %s", chosen[i], want)
		}
	}
}

func TestPageShowsCodeAndLinkToClick(t *testing.T) {
	t.Parallel()
	_, article, _ := strings.Cut(get(t, full(t), "/_inbox/?id=1"), "<article>")
	for _, want := range []string{
		`>481516</code>`,
		`href="http://localhost:9999/verify?token=abc&amp;type=signup" target="_blank" rel="noopener noreferrer">`,
		"<pre>Type 481516</pre>",
		`href="messages/1"`,
	} {
		if !strings.Contains(article, want) {
			t.Errorf("%s is not in %s", want, article)
		}
	}
}

func TestPageShowsTheNewestUnlessAnotherIsChosen(t *testing.T) {
	t.Parallel()
	b := full(t)
	for query, want := range map[string]string{"": "3", "?to=ada@example.com": "1", "?id=2": "2", "?id=2&to=ada@example.com": "2"} {
		page := get(t, b, "/_inbox/"+query)
		if !strings.Contains(page, `<a href="messages/`+want+`">JSON</a>`) {
			t.Errorf("%q does not show message %s: %s", query, want, page)
		}
		if got := strings.Contains(page, `<main class="chosen">`); got != strings.Contains(query, "id=") {
			t.Errorf("%q says that it was chosen: %v", query, got)
		}
	}
}

func TestListKeepsItsFilterInTheLinks(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "a+b&c@example.com")
	page := get(t, b, "/_inbox/?to=a%2Bb%26c@example.com")
	link := html.UnescapeString(regexp.MustCompile(`<li><a href="([^"]+)"`).FindStringSubmatch(page)[1])
	if page := get(t, b, "/_inbox/"+link); !strings.Contains(page, `value="a&#43;b&amp;c@example.com"`) || !strings.Contains(page, "<li>") {
		t.Errorf("%q has lost the filter: %s", link, page)
	}
}

func TestPageOfAMessageThatIsGoneSaysSo(t *testing.T) {
	t.Parallel()
	for _, b := range []*devbox.Box{full(t), newBox()} {
		w := ask(b, "GET", "/_inbox/?id=9")
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "This message is gone") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
}

// What the page loads must be on this server, and be there.
func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	b := full(t)
	b.Clear()
	sendSMS(t, b, "15550100010") // mails have links
	page := get(t, b, "/_inbox/")
	for _, ref := range regexp.MustCompile(`(?:src|href|action)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		switch url := ref[1]; {
		case strings.HasPrefix(url, "data:"), url == "clear":
		case strings.Contains(url, ":"), strings.HasPrefix(url, "/"):
			t.Errorf("the page refers to %s", url)
		default:
			get(t, b, "/_inbox/"+strings.TrimPrefix(html.UnescapeString(url), "."))
		}
	}
	for file, want := range map[string]string{"inbox.css": "text/css; charset=utf-8", "inbox.js": "text/javascript; charset=utf-8"} {
		w := ask(b, "GET", "/_inbox/"+file)
		if got := w.Header().Get("Content-Type"); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
		if body := w.Body.String(); strings.Contains(body, "://") || strings.Contains(body, "@import") {
			t.Errorf("%s refers to elsewhere", file)
		}
	}
}

func TestVersionChangesWithTheMessages(t *testing.T) {
	t.Parallel()
	b := newBox(keep(2))
	seen := map[string]bool{}
	changed := func(what string) {
		t.Helper()
		version := get(t, b, "/_inbox/version")
		if seen[version] {
			t.Errorf("after %s the version is %s, as it was once before", what, version)
		}
		seen[version] = true
		if page := get(t, b, "/_inbox/"); !strings.Contains(page, `data-version="`+version+`"`) {
			t.Errorf("the page has another version than %s", version)
		}
	}
	changed("nothing")
	for range 4 {
		sendSMS(t, b, "15550100010")
		changed("a message")
	}
	b = newBox(func(c *devbox.Config) { c.Now = func() time.Time { return noon.Add(time.Minute) } })
	sendSMS(t, b, "15550100010")
	changed("a restart and a message")
}
