package mail_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/mail"
)

// templates is a server of templates, which counts what it is asked.
type templates struct {
	*httptest.Server
	asked atomic.Int32

	mu     sync.Mutex
	answer http.HandlerFunc
}

func serveTemplates(t *testing.T, answer http.HandlerFunc) *templates {
	t.Helper()
	s := &templates{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *templates) now(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func fail(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// clock is one that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_800_000_000, c.ahead.Load()) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

const builtinPage = "the built-in mail"

// page renders a mail and returns its HTML, by its name if it is the built-in one.
func page(t *testing.T, r *mail.Renderer) string {
	t.Helper()
	got := render(t, r, signUp()).HTML
	if strings.Contains(got, "<html") {
		return builtinPage
	}
	return got
}

func wantPage(t *testing.T, r *mail.Renderer, want string) {
	t.Helper()
	if got := page(t, r); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func (s *templates) config(url string) mail.RendererConfig {
	return mail.RendererConfig{HTTPClient: s.Client(), URLs: map[postern.MailType]string{postern.MailSignUp: url}}
}

func TestTemplateIsFetched(t *testing.T) {
	t.Parallel()
	s := serveTemplates(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: {{.Token}}", r.URL.Path)
	})
	for name, tt := range map[string]struct{ siteURL, url, want string }{
		"absolute":            {"https://app.example.com", s.URL + "/a.html", "/a.html: 271828"},
		"relative":            {s.URL, "/b.html", "/b.html: 271828"},
		"relative to a path":  {s.URL + "/site/", "/b.html", "/site/b.html: 271828"},
		"relative, no slashs": {s.URL, "b.html", "/b.html: 271828"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := s.config(tt.url)
			cfg.SiteURL = tt.siteURL
			r := newRenderer(t, cfg)
			wantPage(t, r, tt.want)
			if got := render(t, r, signUp()).Text; got != tt.want+"\n" {
				t.Errorf("got text %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTemplateIsFetchedAgainWhenItIsOld(t *testing.T) {
	t.Parallel()
	var c clock
	s := serveTemplates(t, say("one"))
	cfg := s.config(s.URL)
	cfg.Now = c.now
	r := newRenderer(t, cfg)
	wantPage(t, r, "one")
	s.now(say("two"))
	c.advance(10*time.Minute - 1)
	wantPage(t, r, "one")
	if got := s.asked.Load(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
	c.advance(1)
	wantPage(t, r, "two")
}

func TestOldTemplateOutlivesItsServer(t *testing.T) {
	t.Parallel()
	var c clock
	s := serveTemplates(t, say("one"))
	cfg := s.config(s.URL)
	cfg.Now, cfg.MaxAge, cfg.RetryInterval = c.now, time.Hour, time.Minute
	r := newRenderer(t, cfg)
	wantPage(t, r, "one")
	s.now(fail(500))
	c.advance(time.Hour)
	wantPage(t, r, "one")
	wantPage(t, r, "one")
	if got := s.asked.Load(); got != 2 {
		t.Errorf("got %d requests, want 2: one more only after RetryInterval", got)
	}
	s.now(say("two"))
	c.advance(time.Minute)
	wantPage(t, r, "two")
}

func TestTemplateThatCannotBeHadGivesWay(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"not found":         fail(404),
		"no content":        fail(204),
		"redirected":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
		"too large":         say(strings.Repeat("x", 1_000_001)),
		"no template":       say("{{.Token"),
		"cannot be escaped": say(`<a href="{{if .Token}}">{{end}}`),
		"not in UTF-8":      say("\xff"),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "x")
		},
		"the connection breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveTemplates(t, answer)
			var c clock
			cfg := s.config(s.URL)
			cfg.Now = c.now
			r := newRenderer(t, cfg)
			wantPage(t, r, builtinPage)
			s.now(say("better"))
			wantPage(t, r, builtinPage)
			c.advance(10 * time.Second)
			wantPage(t, r, "better")
		})
	}
}

func TestLargestTemplateFits(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("x", 1_000_000)
	s := serveTemplates(t, say(want))
	if got := page(t, newRenderer(t, s.config(s.URL))); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

func TestFileStandsInForAURL(t *testing.T) {
	t.Parallel()
	s := serveTemplates(t, fail(500))
	cfg := s.config(s.URL)
	cfg.Files = files("confirmation.html", "all", "confirmation.de.html", "deutsch")
	r := newRenderer(t, cfg)
	wantPage(t, r, "all")
	m := signUp()
	m.Languages = []string{"de"}
	if got := render(t, r, m).HTML; got != "deutsch" {
		t.Errorf("got %q, want the file of the language", got)
	}
}

func TestServerThatHangsLeavesTimeForTheMail(t *testing.T) {
	t.Parallel()
	s := serveTemplates(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := newRenderer(t, s.config(s.URL))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got, err := r.Render(ctx, signUp())
	if err != nil || !strings.Contains(got.HTML, code) {
		t.Errorf("got %q, %v, want the built-in mail", got.Subject, err)
	}
	if ctx.Err() != nil {
		t.Error("no time is left to send it")
	}
}

func TestCallerWhoLeavesSpoilsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serveTemplates(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	r := newRenderer(t, s.config(s.URL))
	if got, err := r.Render(ctx, signUp()); err != nil || !strings.Contains(got.HTML, code) {
		t.Errorf("got %q, %v, want the built-in mail", got.Subject, err)
	}
	s.now(say("own"))
	wantPage(t, r, "own")
}

func TestTemplateIsFetchedOnceForAll(t *testing.T) {
	t.Parallel()
	var c clock
	s := serveTemplates(t, say("one"))
	cfg := s.config(s.URL)
	cfg.Now = c.now
	r := newRenderer(t, cfg)
	var rendering sync.WaitGroup
	for range 20 {
		rendering.Go(func() { wantPage(t, r, "one") })
	}
	rendering.Wait()
	if got := s.asked.Load(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}

	// While one fetches, the others use what there is.
	asked, release := make(chan struct{}), make(chan struct{})
	s.now(func(w http.ResponseWriter, _ *http.Request) { close(asked); <-release; fmt.Fprint(w, "two") })
	c.advance(time.Hour)
	rendering.Go(func() { wantPage(t, r, "two") })
	<-asked
	wantPage(t, r, "one")
	close(release)
	rendering.Wait()
}

func TestErrorsShowNoPasswordOfAURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"ftp://user:" + password + "@example.com/", "https://user:" + password + "@exa mple.com/"} {
		_, err := mail.NewRenderer(mail.RendererConfig{URLs: map[postern.MailType]string{postern.MailSignUp: url}})
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("got error %v, want one without the password", err)
		}
	}
}
