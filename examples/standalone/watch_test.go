package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// halt stops the server, which sends what it has not sent yet.
func (s *server) halt(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v\n%s", err, s.stderr)
	}
}

// address returns where the log says that something is served.
func (s *server) address(t *testing.T, what string) string {
	t.Helper()
	found := regexp.MustCompile(regexp.QuoteMeta(what) + `","address":"([^"]+)"`).FindStringSubmatch(s.stderr.String())
	if found == nil {
		t.Fatalf("the log does not say where %s is served:\n%s", what, s.stderr)
	}
	return "http://" + found[1]
}

func TestProfilerHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "GOTRUE_PROFILER_ENABLED=true", "GOTRUE_PROFILER_HOST=127.0.0.1", "GOTRUE_PROFILER_PORT=0")
	for url, want := range map[string]int{
		s.address(t, "serving the profiler") + "/debug/pprof/":          http.StatusOK,
		s.address(t, "serving the profiler") + "/debug/pprof/goroutine": http.StatusOK,
		s.url + "/debug/pprof/": http.StatusNotFound,
	} {
		res := s.get(t, http.DefaultClient, url)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: got %d, want %d", url, res.StatusCode, want)
		}
	}
}

func TestLogGoesWhereAndHowItIsWanted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.log")
	s := start(t, inTempDir(t), "GOTRUE_LOG_FILE="+path, "GOTRUE_LOG_FIELDS=region:eu,tier:gold", "REQUEST_ID_HEADER=X-Request-Id")
	s.signUp(t)
	s.halt(t)
	if got := s.stderr.String(); got != "" {
		t.Errorf("standard error has %s, want nothing", got)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var routes []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		if line["region"] != "eu" || line["tier"] != "gold" {
			t.Errorf("got %s, want the fields in every line", lines.Bytes())
		}
		if route, ok := line["route"].(string); ok {
			routes = append(routes, route)
		}
	}
	if want := []string{"/signup", "/verify"}; !slices.Equal(routes, want) {
		t.Errorf("got lines of the routes %q, want %q", routes, want)
	}
}

func TestLogMayBeTextAndWithoutRequests(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "POSTERN_LOG_FORMAT=text", "POSTERN_ACCESS_LOG=false")
	s.signUp(t)
	s.halt(t)
	if got := s.stderr.String(); !strings.Contains(got, "msg=listening") || strings.Contains(got, "request completed") {
		t.Errorf("got %s, want text, and no requests in it", got)
	}
}

func TestLogThatCannotBeWrittenEndsTheProgram(t *testing.T) {
	t.Parallel()
	endsWithErrorAbout(t, "GOTRUE_LOG_FILE", "GOTRUE_LOG_FILE="+filepath.Join(t.TempDir(), "none", "auth.log"))
}

func endsWithErrorAbout(t *testing.T, what string, environ ...string) {
	t.Helper()
	err := run(t.Context(), nil, append(environ, inTempDir(t), "PORT=0"), io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("%q: got error %v, want one about %s", environ, err, what)
	}
}
