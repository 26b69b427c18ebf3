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

	"github.com/postern-auth/postern/internal/otlptest"
)

// halt stops the server, which sends what it has not sent yet.
func (s *server) halt(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v\n%s", err, s.stderr)
	}
}

func TestTracesAndMeasuresGoToTheReceiver(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t)
	s := start(t, inTempDir(t), "GOTRUE_TRACING_ENABLED=true", "GOTRUE_METRICS_ENABLED=true", "GOTRUE_TRACING_TAGS=region:eu",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_HEADERS=X-Tenant=acme%20inc")
	s.signUp(t)
	s.halt(t)
	for _, name := range []string{"POST /signup", "send mail", "store transaction", "POST /verify"} {
		if got := r.Spans(); !slices.Contains(got, name) {
			t.Errorf("got spans %q, want %q among them", got, name)
		}
	}
	for _, name := range []string{"http.server.request.duration", "postern.sign_ins", "postern.message.duration", "postern.password.wait"} {
		if got := r.Metrics(); !slices.Contains(got, name) {
			t.Errorf("got measures %q, want %q among them", got, name)
		}
	}
	if got := r.Service(); got["service.name"] != "gotrue" || got["region"] != "eu" {
		t.Errorf("the service is %v, want GoTrue's name, and the tag", got)
	}
	for _, header := range r.Headers() {
		if got := header.Get("X-Tenant"); got != "acme inc" {
			t.Errorf("X-Tenant: got %q, want that of the environment", got)
		}
	}
}

func TestTracesGoOverGRPCToo(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t)
	s := start(t, inTempDir(t), "GOTRUE_TRACING_ENABLED=true", "GOTRUE_TRACING_OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT="+r.GRPC)
	s.signUp(t)
	s.halt(t)
	if got := r.Spans(); !slices.Contains(got, "POST /signup") {
		t.Errorf("got spans %q, want the request's among them", got)
	}
}

// Requests do not wait for who does not listen.
func TestReceiverThatIsDownIsOnlyLogged(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "GOTRUE_TRACING_ENABLED=true", "GOTRUE_METRICS_ENABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	s.signUp(t)
	s.halt(t)
	for _, want := range []string{"spans were lost", "measures were not sent"} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("the log does not say that %s:\n%s", want, s.stderr)
		}
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

func TestPrometheusHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "GOTRUE_METRICS_ENABLED=true", "GOTRUE_METRICS_EXPORTER=prometheus",
		"OTEL_EXPORTER_PROMETHEUS_HOST=127.0.0.1", "OTEL_EXPORTER_PROMETHEUS_PORT=0")
	s.signUp(t)
	res := s.get(t, http.DefaultClient, s.address(t, "serving measures for Prometheus")+"/metrics")
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`postern_requests_total{error_code="",method="POST",route="/signup",status="2xx"} 1`,
		`postern_sign_ins_total{method="otp",outcome="ok"} 1`, "go_goroutines ", `go_sql_open_connections{db_name="postern"}`,
	} {
		if !strings.Contains(string(page), "\n"+line) {
			t.Errorf("the page has no line %s:\n%s", line, page)
		}
	}
	if status, _ := s.do(t, "GET", "/health", "", ""); status != http.StatusOK {
		t.Errorf("GET /health: got %d, want 200", status)
	}
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

func TestWhatCannotBeServedEndsTheProgram(t *testing.T) {
	t.Parallel()
	for variable, environ := range map[string][]string{
		"measures":        {"GOTRUE_METRICS_ENABLED=true", "GOTRUE_METRICS_EXPORTER=prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST=192.0.2.1"},
		"GOTRUE_LOG_FILE": {"GOTRUE_LOG_FILE=" + filepath.Join(t.TempDir(), "none", "auth.log")},
	} {
		err := run(t.Context(), nil, append(environ, inTempDir(t), "PORT=0"), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%q: got error %v, want one about %s", environ, err, variable)
		}
	}
}
