package pwned_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern/pwned"
)

// service is a Have I Been Pwned that knows some passwords.
type service struct {
	*httptest.Server
	asked   atomic.Int64
	entered chan struct{} // gets an element for each request, if there is one
	release chan struct{} // holds requests back until it is closed, if there is one
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if s.entered != nil {
			s.entered <- struct{}{}
		}
		if s.release != nil {
			select {
			case <-s.release:
			case <-r.Context().Done():
				return
			}
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func hashOf(password string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(password))) }

// knowing answers as the service does, with padding.
func knowing(passwords ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		prefix := strings.TrimPrefix(r.URL.Path, "/")
		for _, p := range passwords {
			if hash, ok := strings.CutPrefix(hashOf(p), prefix); ok {
				fmt.Fprintf(w, "%s:17\r\n", hash)
			}
		}
		fmt.Fprintf(w, "%035X:0\r\n%035X:3\r\n", 0xabc, 0xdef)
	}
}

func (s *service) checker(t *testing.T, edit ...func(*pwned.Config)) *pwned.Checker {
	t.Helper()
	cfg := pwned.Config{URL: s.URL + "/"}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := pwned.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantLeaked(t *testing.T, c *pwned.Checker, password string, want bool) {
	t.Helper()
	got, err := c.Leaked(t.Context(), password)
	if got != want || err != nil {
		t.Errorf("Leaked(%q): got %v and error %v, want %v", password, got, err, want)
	}
}

func TestLeakedPasswordsAreKnown(t *testing.T) {
	t.Parallel()
	c := newService(t, knowing("hunter22", "Tr0ub4dor&3")).checker(t)
	wantLeaked(t, c, "hunter22", true)
	wantLeaked(t, c, "Tr0ub4dor&3", true)
	wantLeaked(t, c, "Hunter22", false)
	wantLeaked(t, c, "correct horse battery staple", false)
}

func TestServiceLearnsFiveDigits(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) { requests <- r })
	c := s.checker(t, func(c *pwned.Config) { c.UserAgent = "Notes" })
	wantLeaked(t, c, "hunter22", false)
	r := <-requests
	if want := "/" + hashOf("hunter22")[:5]; r.Method != "GET" || r.URL.String() != want || r.ContentLength > 0 {
		t.Errorf("got %s %s, want GET %s", r.Method, r.URL, want)
	}
	if r.Header.Get("Add-Padding") != "true" || r.Header.Get("User-Agent") != "Notes" {
		t.Errorf("got the headers %v, want Add-Padding and the user agent", r.Header)
	}
}

// Padding has the count 0: it never leaked.
func TestPaddingIsNoLeak(t *testing.T) {
	t.Parallel()
	c := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s:0\r\n", hashOf("hunter22")[5:])
	}).checker(t)
	wantLeaked(t, c, "hunter22", false)
}

func TestAnswersAreKeptForATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newService(t, knowing("hunter22"))
	c := s.checker(t, func(c *pwned.Config) {
		c.CacheSize, c.CacheTTL, c.Now = 2, time.Hour, func() time.Time { return now }
	})
	for _, step := range []struct {
		ask   string
		after time.Duration
		asked int64
	}{
		{"hunter22", 0, 1},
		{"hunter22", 59 * time.Minute, 1},
		{"hunter22", time.Minute, 2}, // expired
		{"another", 0, 3},
		{"hunter22", 0, 3},
		{"a third one", 0, 4}, // pushes out the one used longest ago
		{"hunter22", 0, 4},
		{"another", 0, 5},
	} {
		now = now.Add(step.after)
		wantLeaked(t, c, step.ask, step.ask == "hunter22")
		if got := s.asked.Load(); got != step.asked {
			t.Fatalf("after %+v: got %d requests, want %d", step, got, step.asked)
		}
	}
}

func TestOneRequestServesAllWhoWait(t *testing.T) {
	t.Parallel()
	s := newService(t, knowing("hunter22"))
	s.entered, s.release = make(chan struct{}, 20), make(chan struct{})
	c := s.checker(t)

	impatient, cancel := context.WithCancel(t.Context())
	lost := make(chan error)
	go func() {
		_, err := c.Leaked(impatient, "hunter22")
		lost <- err
	}()
	<-s.entered
	var waiting sync.WaitGroup
	var known atomic.Int64
	for range 20 {
		waiting.Go(func() {
			if yes, err := c.Leaked(t.Context(), "hunter22"); yes && err == nil {
				known.Add(1)
			}
		})
	}
	for pwned.Waiting(c) < 21 { // no more than a moment
		time.Sleep(time.Millisecond)
	}
	cancel() // who began it goes away; the others still get its answer
	if err := <-lost; !errors.Is(err, context.Canceled) {
		t.Errorf("who lost patience: got %v, want context.Canceled", err)
	}
	close(s.release)
	waiting.Wait()
	if known.Load() != 20 || s.asked.Load() != 1 {
		t.Errorf("got %d answers of %d requests, want 20 of 1", known.Load(), s.asked.Load())
	}
}

func TestRequestEndsWithTheLastWhoWaits(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(ended)
	})
	s.entered = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.entered
		cancel()
	}()
	if _, err := s.checker(t, func(c *pwned.Config) { c.Timeout = time.Hour }).Leaked(ctx, "hunter22"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-ended
}

// TestBadAnswersAreErrors plays services that are broken: nobody can tell, which is
// no "no", and nothing of it is kept.
func TestBadAnswersAreErrors(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("0", 35) + ":1\r\n"
	for name, answer := range map[string]http.HandlerFunc{
		"an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"a refusal": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"a page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><p>Welcome!</html>") },
		"no count":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("0", 35)) },
		"no number": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("0", 35)+":many")
		},
		"no hash":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("z", 35)+":1") },
		"a redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"a long line":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("0", 1<<17)) },
		"no end of it": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(line, 1<<16)) },
		"half of it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, line)
		},
		"no answer":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"none for long": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, answer)
			c := s.checker(t, func(c *pwned.Config) {
				if name == "none for long" {
					c.Timeout = 20 * time.Millisecond
				}
			})
			for n := int64(1); n <= 2; n++ {
				leaked, err := c.Leaked(t.Context(), "hunter22")
				if leaked || err == nil {
					t.Fatalf("got %v and no error, want an error", leaked)
				}
				if strings.Contains(strings.ToUpper(err.Error()), hashOf("hunter22")[:5]) {
					t.Errorf("got %q, which shows a part of the hash", err)
				}
				if s.asked.Load() < n && name != "none for long" { // whose time may be over before the service hears of it
					t.Error("the failure was kept")
				}
			}
		})
	}
}

func TestPrivateNetworksAreReachedOnlyByName(t *testing.T) {
	t.Parallel()
	c := newService(t, knowing("hunter22"))
	wantLeaked(t, c.checker(t), "hunter22", true) // the configured mirror is on this machine
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []pwned.Config{
		{URL: "api.pwnedpasswords.com"}, {URL: "file:///etc/passwd"}, {URL: "http://"}, {URL: "https://ex ample"},
		{Timeout: -1}, {CacheSize: -1}, {CacheTTL: -1},
	} {
		if _, err := pwned.New(cfg); err == nil {
			t.Errorf("New(%+v): got no error", cfg)
		}
	}
}

func TestAnyAsksInOrder(t *testing.T) {
	t.Parallel()
	says := func(yes bool, err error) func(context.Context, string) (bool, error) {
		return func(context.Context, string) (bool, error) { return yes, err }
	}
	unreachable := errors.New("unreachable")
	never := func(context.Context, string) (bool, error) {
		t.Error("was asked after somebody knew")
		return false, nil
	}
	for name, c := range map[string]struct {
		any     func(context.Context, string) (bool, error)
		want    bool
		wantErr error
	}{
		"nobody":              {pwned.Any(), false, nil},
		"no":                  {pwned.Any(says(false, nil), says(false, nil)), false, nil},
		"the first":           {pwned.Any(says(true, nil), never), true, nil},
		"after a failure":     {pwned.Any(says(false, unreachable), says(true, nil)), true, nil},
		"nobody could tell":   {pwned.Any(says(false, nil), says(false, unreachable)), false, unreachable},
		"the first could not": {pwned.Any(says(false, unreachable), says(false, nil)), false, unreachable},
	} {
		if got, err := c.any(t.Context(), "hunter22"); got != c.want || !errors.Is(err, c.wantErr) {
			t.Errorf("%s: got %v and error %v, want %v and %v", name, got, err, c.want, c.wantErr)
		}
	}
}
