package provider_test

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postern-auth/postern/provider"
)

// The application that signs people in, and what a service gives it. In a header
// and in a form the secret looks different.
const (
	secret      = "s3cret/+"
	accessToken = "access-token"
	code        = "code-of-the-flow"
	callbackURL = "https://auth.example.com/callback"
	state       = "state-of-the-flow"
)

func application() provider.Config {
	return provider.Config{ClientID: "app-1", Secret: secret}
}

// standIn stands in for a service. It answers by path and query, whichever host is
// asked, and remembers what it was asked.
type standIn struct {
	*httptest.Server
	answers map[string]reply

	mu    sync.Mutex
	asked []asked
}

// reply writes an answer.
type reply func(http.ResponseWriter, *http.Request)

// asked is a request.
type asked struct {
	method string
	url    string // as it was asked for, on whichever host
	header http.Header
	form   url.Values
}

// serve starts a stand-in that answers with JSON, by the URL that it is asked for
// at the service's own place.
func serve(t testing.TB, answers map[string]string) *standIn {
	t.Helper()
	s := &standIn{answers: map[string]reply{}}
	for at, answer := range answers {
		s.answer(at, respond(http.StatusOK, answer))
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// answer sets the answer at a service's own place, and at the place where it is
// when the service is hosted elsewhere.
func (s *standIn) answer(at string, r reply) {
	s.answers[requestURI(at)] = r
	s.answers[requestURI(moved(at, "http://elsewhere"))] = r
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	scheme := cmp.Or(r.Header.Get("X-Scheme"), "http")
	s.mu.Lock()
	s.asked = append(s.asked, asked{r.Method, scheme + "://" + r.Host + r.URL.RequestURI(), r.Header, form})
	s.mu.Unlock()
	answer, ok := s.answers[r.URL.RequestURI()]
	if !ok {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

// requests are those that were made so far.
func (s *standIn) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.asked...)
}

// here is the application with the service at the stand-in.
func (s *standIn) here() provider.Config {
	c := application()
	c.URL = s.URL
	return c
}

// everywhere is the application with all hosts of the world at the stand-in.
func (s *standIn) everywhere() provider.Config {
	c := application()
	c.HTTPClient = &http.Client{Transport: detour{s}}
	return c
}

type detour struct{ *standIn }

func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Scheme", r.URL.Scheme)
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, "http", strings.TrimPrefix(d.URL, "http://")
	return http.DefaultTransport.RoundTrip(r)
}

// requestURI is a URL without its scheme and host.
func requestURI(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	_, path, found := strings.Cut(rest, "/")
	if !found {
		return ""
	}
	return "/" + path
}

// moved is where an endpoint is when its service is hosted at a URL.
func moved(endpoint, to string) string {
	if rest, ok := strings.CutPrefix(endpoint, "https://api.github.com"); ok {
		return to + "/api/v3" + rest // as a GitHub Enterprise Server has it
	}
	return to + requestURI(endpoint)
}

func respond(status int, body string) reply {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// respondHTML is the answer of a proxy, or of a page that people should see.
func respondHTML(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<html><body>"+accessToken+"</body></html>")
}

// respondHalf stops in the middle of an answer.
func respondHalf(body string) reply {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		io.WriteString(w, body[:len(body)/2])
	}
}

// respondElsewhere sends the client to a place that is not the service's.
func respondElsewhere(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
}

// replace returns answers with some of their text replaced.
func replace(answers map[string]string, with *strings.Replacer) map[string]string {
	out := maps.Clone(answers)
	for at, answer := range out {
		out[at] = with.Replace(answer)
	}
	return out
}
