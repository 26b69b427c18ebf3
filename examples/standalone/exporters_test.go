//go:build telemetry

package main

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/otlptest"
)

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

func TestAddressForPrometheusThatCannotBeHadEndsTheProgram(t *testing.T) {
	t.Parallel()
	endsWithErrorAbout(t, "measures", "GOTRUE_METRICS_ENABLED=true", "GOTRUE_METRICS_EXPORTER=prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST=192.0.2.1")
}
