package goenv

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/postern-auth/postern"
)

// Log says what is logged, how and where to.
type Log struct {
	// Level defaults to slog.LevelInfo.
	Level slog.Level
	// File is appended to, "" for standard error.
	File string
	// Format is "text", "json" or, for the program to choose, "".
	Format string
	// Fields are added to every line.
	Fields map[string]string
}

// Telemetry says who is told how the service does. Package goenv tells nobody: it is
// for the program to make what these ask for.
type Telemetry struct {
	Traces  OTLP
	Metrics OTLP
	// ServiceName is what the service is called in both. Defaults to "gotrue".
	ServiceName string
	// Tags are further attributes of the service.
	Tags map[string]string

	// PrometheusAddress is where Prometheus finds the measures, "" for nowhere.
	PrometheusAddress string
	// ProfilerAddress is where net/http/pprof is served, on loopback, "" for nowhere.
	ProfilerAddress string
}

// OTLP says how OpenTelemetry's protocol is spoken.
type OTLP struct {
	Enabled bool
	// Protocol is "http/protobuf" or "grpc".
	Protocol string
	// Endpoint is the URL of the receiver, its path included.
	Endpoint string
	// Headers go with each request. They may be secret.
	Headers map[string]postern.Secret
}

const protocolHTTP, protocolGRPC = "http/protobuf", "grpc"

// logging is about GOTRUE_LOG_*.
func logging(r *reader, s *Settings) {
	s.Log.Level = read(r, "GOTRUE_LOG_LEVEL", slog.LevelInfo, "one of trace, debug, info, warn, error, fatal, panic", logLevel)
	s.Log.File = r.text("GOTRUE_LOG_FILE", "")
	s.Log.Fields = r.pairs("GOTRUE_LOG_FIELDS")
	s.Log.Format = r.choice("POSTERN_LOG_FORMAT", "", "text", "json")
	s.HTTP.AccessLog = r.flag("POSTERN_ACCESS_LOG", true)
	// Log lines have no colours here, empty fields are quoted, and times are written as
	// RFC 3339 says, which is what reads them. SQL is never logged: it has what must not
	// be in a log.
	r.withoutEffect("GOTRUE_LOG_{DISABLE_COLORS,QUOTE_EMPTY_FIELDS,TSFORMAT,SQL}")
}

// logLevel reads the names of logrus, which GoTrue logs with.
func logLevel(text string) (slog.Level, error) {
	switch strings.ToLower(text) {
	case "trace":
		return slog.LevelDebug - 4, nil
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "fatal", "panic":
		return slog.LevelError, nil
	}
	return 0, errUnexpected
}

// telemetry is about tracing, metrics and the profiler. Of OpenTelemetry's own
// variables those are read that say where to; the others are read by its exporters.
func telemetry(r *reader, s *Settings) {
	t := &s.Telemetry
	shared := OTLP{
		Protocol: r.choice("OTEL_EXPORTER_OTLP_PROTOCOL", protocolHTTP, protocolHTTP, protocolGRPC),
		Endpoint: r.webURL("OTEL_EXPORTER_OTLP_ENDPOINT"),
		Headers:  r.headers("OTEL_EXPORTER_OTLP_HEADERS"),
	}
	t.Traces = r.otlp(shared, "GOTRUE_TRACING", "TRACES")
	t.Traces.Enabled = r.flag("GOTRUE_TRACING_ENABLED", false)
	r.choice("GOTRUE_TRACING_EXPORTER", "opentelemetry", "opentelemetry")
	t.ServiceName = r.text("GOTRUE_TRACING_SERVICE_NAME", "gotrue")
	t.Tags = r.pairs("GOTRUE_TRACING_TAGS")
	// Of a protocol before OpenTelemetry's: OTEL_EXPORTER_OTLP_ENDPOINT says where to.
	r.withoutEffect("GOTRUE_TRACING_{HOST,PORT}")

	metrics := r.flag("GOTRUE_METRICS_ENABLED", false)
	exporter := r.choice("GOTRUE_METRICS_EXPORTER", "opentelemetry", "opentelemetry", "prometheus")
	t.Metrics = r.otlp(shared, "GOTRUE_METRICS", "METRICS")
	t.Metrics.Enabled = metrics && exporter == "opentelemetry"
	page := r.address("GOTRUE_METRICS_OTEL_EXPORTER_PROMETHEUS_HOST OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0",
		"GOTRUE_METRICS_OTEL_EXPORTER_PROMETHEUS_PORT OTEL_EXPORTER_PROMETHEUS_PORT", 9100)
	if metrics && exporter == "prometheus" {
		t.PrometheusAddress = page
	}
	profiler(r, t)
}

// profiler is for this machine alone: a profile tells more of the service than
// anybody else should know, and whoever asks for it holds a processor.
func profiler(r *reader, t *Telemetry) {
	on := r.flag("GOTRUE_PROFILER_ENABLED", false)
	address := r.address("GOTRUE_PROFILER_HOST", "localhost", "GOTRUE_PROFILER_PORT", 9998)
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	switch {
	case !on:
	case host != "localhost" && (err != nil || !ip.IsLoopback()):
		r.mistake("GOTRUE_PROFILER_HOST is %q; it must be localhost or another loopback address: forward its port to get there from elsewhere", host)
	default:
		t.ProfilerAddress = address
	}
}

// otlp reads what is said of one of the signals alone.
func (r *reader) otlp(shared OTLP, prefix, signal string) OTLP {
	o := OTLP{
		Protocol: r.choice(prefix+"_OTEL_EXPORTER_OTLP_PROTOCOL", shared.Protocol, protocolHTTP, protocolGRPC),
		Endpoint: r.webURL("OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT"),
		Headers:  r.headers("OTEL_EXPORTER_OTLP_" + signal + "_HEADERS"),
	}
	if len(o.Headers) == 0 {
		o.Headers = shared.Headers
	}
	switch {
	case o.Endpoint != "":
	case o.Protocol == protocolGRPC:
		o.Endpoint = cmp.Or(shared.Endpoint, "http://localhost:4317")
	default:
		o.Endpoint = strings.TrimSuffix(cmp.Or(shared.Endpoint, "http://localhost:4318"), "/") + "/v1/" + strings.ToLower(signal)
	}
	return o
}

// address reads where to listen.
func (r *reader) address(hosts, host, ports string, port int) string {
	return net.JoinHostPort(r.text(hosts, host), strconv.Itoa(r.number(ports, port, 0, math.MaxUint16)))
}

// pairs reads a map as GoTrue writes it.
func (r *reader) pairs(names string) map[string]string {
	return read(r, names, nil, "a list of pairs such as region:eu,tier:gold", func(text string) (map[string]string, error) {
		pairs := map[string]string{}
		for _, entry := range split(text) {
			name, value, ok := strings.Cut(entry, ":")
			if !ok || name == "" {
				return nil, errUnexpected
			}
			pairs[name] = value
		}
		return pairs, nil
	})
}

// headers reads a map as OpenTelemetry writes it. Its mistakes show none of it.
func (r *reader) headers(names string) map[string]postern.Secret {
	name, text := r.secret(names)
	if text == "" {
		return nil
	}
	headers := map[string]postern.Secret{}
	for i, entry := range split(string(text)) {
		header, value, ok := strings.Cut(entry, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if header = strings.TrimSpace(header); !ok || header == "" || err != nil {
			r.wrong(name, errors.New("entry "+strconv.Itoa(i+1)+" must be a name and a value, as in name=value, with special characters escaped"))
			continue
		}
		headers[header] = postern.Secret(plain)
	}
	return headers
}
