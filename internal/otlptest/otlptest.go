// Package otlptest receives what OpenTelemetry's exporters send.
package otlptest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Receiver is a server of OTLP.
type Receiver struct {
	// URL is its OTEL_EXPORTER_OTLP_ENDPOINT for HTTP, and GRPC that for gRPC, which
	// takes spans only.
	URL, GRPC string

	mu      sync.Mutex
	headers []http.Header
	traces  []*traces.ExportTraceServiceRequest
	metrics []*metrics.ExportMetricsServiceRequest
}

// New returns a Receiver that works until the test ends.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, req *http.Request) {
		var m traces.ExportTraceServiceRequest
		r.receive(w, req, &m, func() { r.traces = append(r.traces, &m) })
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, req *http.Request) {
		var m metrics.ExportMetricsServiceRequest
		r.receive(w, req, &m, func() { r.metrics = append(r.metrics, &m) })
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.URL = server.URL
	r.serveGRPC(t)
	return r
}

func (r *Receiver) serveGRPC(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	traces.RegisterTraceServiceServer(server, traceService{r: r})
	go func() { _ = server.Serve(listener) }() // until it is stopped
	t.Cleanup(server.Stop)
	r.GRPC = "http://" + listener.Addr().String()
}

type traceService struct {
	traces.UnimplementedTraceServiceServer
	r *Receiver
}

// Export keeps spans.
func (s traceService) Export(_ context.Context, m *traces.ExportTraceServiceRequest) (*traces.ExportTraceServiceResponse, error) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.traces = append(s.r.traces, m)
	return &traces.ExportTraceServiceResponse{}, nil
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request, m proto.Message, keep func()) {
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = proto.Unmarshal(body, m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, req.Header)
	keep()
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Headers returns the headers of each request.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

// Spans returns the names of all spans, in order.
func (r *Receiver) Spans() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.traces {
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					names = append(names, span.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// Metrics returns the names of all measures, in order, each once.
func (r *Receiver) Metrics() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.metrics {
		for _, resource := range request.ResourceMetrics {
			for _, scope := range resource.ScopeMetrics {
				for _, metric := range scope.Metrics {
					names = append(names, metric.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Service returns the attributes of what the spans are of.
func (r *Receiver) Service() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]string{}
	for _, request := range r.traces {
		for _, resource := range request.ResourceSpans {
			for _, a := range resource.Resource.Attributes {
				if text, ok := a.Value.Value.(*common.AnyValue_StringValue); ok {
					found[a.Key] = text.StringValue
				}
			}
		}
	}
	return found
}

// Text returns all that was received as text.
func (r *Receiver) Text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all strings.Builder
	for _, m := range r.traces {
		all.WriteString(prototext.Format(m))
	}
	for _, m := range r.metrics {
		all.WriteString(prototext.Format(m))
	}
	return all.String()
}
