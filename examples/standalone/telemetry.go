package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/telemetry/opentelemetry"
	"github.com/postern-auth/postern/telemetry/prometheus"
)

// watch is what tells others how the service does: whatever of it is switched on.
type watch struct {
	settings goenv.Telemetry
	logger   *slog.Logger
	metrics  *prometheus.Metrics
	telling  *opentelemetry.Telemetry
	ends     []func(context.Context) error // in the order of their beginning
}

// startWatch makes it. Nothing is sent before there is something to tell.
func startWatch(ctx context.Context, settings goenv.Telemetry, logger *slog.Logger) (*watch, error) {
	w := &watch{settings: settings, logger: logger}
	if settings.PrometheusAddress != "" {
		w.metrics = prometheus.New()
		w.metrics.Registry().MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if !settings.Traces.Enabled && !settings.Metrics.Enabled {
		return w, nil
	}
	if err := w.startTelling(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("OpenTelemetry: %w", err), w.end())
	}
	return w, nil
}

func (w *watch) startTelling(ctx context.Context) error {
	service, err := describe(ctx, w.settings)
	if err != nil {
		return err
	}
	c := opentelemetry.Config{Propagator: propagation.TraceContext{}} // as GoTrue does
	if w.settings.Traces.Enabled {
		exporter, err := traceExporter(ctx, w.settings.Traces)
		if err != nil {
			return err
		}
		provider := trace.NewTracerProvider(trace.WithResource(service), trace.WithBatcher(loggedSpans{exporter, w.logger}))
		c.TracerProvider, w.ends = provider, append(w.ends, provider.Shutdown)
	}
	if w.settings.Metrics.Enabled {
		exporter, err := metricExporter(ctx, w.settings.Metrics)
		if err != nil {
			return err
		}
		provider := metric.NewMeterProvider(metric.WithResource(service), metric.WithReader(metric.NewPeriodicReader(loggedMetrics{exporter, w.logger})))
		c.MeterProvider, w.ends = provider, append(w.ends, provider.Shutdown)
	}
	w.telling, err = opentelemetry.New(c)
	return err
}

// describe says what the service is. What OTEL_RESOURCE_ATTRIBUTES says has
// precedence.
func describe(ctx context.Context, settings goenv.Telemetry) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{
		attribute.String("service.name", settings.ServiceName), attribute.String("service.version", postern.Version),
	}
	for name, value := range settings.Tags {
		attributes = append(attributes, attribute.String(name, value))
	}
	return resource.New(ctx, resource.WithAttributes(attributes...), resource.WithTelemetrySDK(), resource.WithFromEnv())
}

func traceExporter(ctx context.Context, o goenv.OTLP) (trace.SpanExporter, error) {
	if o.Protocol == "grpc" {
		return otlptrace.New(ctx, otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(o.Endpoint), otlptracegrpc.WithHeaders(headers(o))))
	}
	return otlptrace.New(ctx, otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHeaders(headers(o))))
}

func metricExporter(ctx context.Context, o goenv.OTLP) (metric.Exporter, error) {
	if o.Protocol == "grpc" {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(o.Endpoint), otlpmetricgrpc.WithHeaders(headers(o)))
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(o.Endpoint), otlpmetrichttp.WithHeaders(headers(o)))
}

func headers(o goenv.OTLP) map[string]string {
	plain := map[string]string{}
	for name, value := range o.Headers {
		plain[name] = string(value)
	}
	return plain
}

// loggedSpans and loggedMetrics say in the log that nobody took what there was to
// tell. OpenTelemetry would say so to a handler that all of a process shares.
type loggedSpans struct {
	trace.SpanExporter
	logger *slog.Logger
}

func (e loggedSpans) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.logger.Warn("spans were lost", "count", len(spans), "error", err)
	}
	return nil
}

type loggedMetrics struct {
	metric.Exporter
	logger *slog.Logger
}

func (e loggedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	if err := e.Exporter.Export(ctx, m); err != nil {
		e.logger.Warn("measures were not sent", "error", err)
	}
	return nil
}

// attach has the service tell what it does.
func (w *watch) attach(settings *goenv.Settings) {
	var told []func(context.Context, postern.Observation)
	if w.metrics != nil {
		told = append(told, w.metrics.Observe)
		settings.HTTP.Observers = append(settings.HTTP.Observers, w.metrics.Request)
	}
	if w.telling != nil {
		told = append(told, w.telling.Observe)
		settings.HTTP.Observers = append(settings.HTTP.Observers, w.telling.Request)
		settings.Config.Mailer, settings.Config.SMS = w.telling.Mailer(settings.Config.Mailer), w.telling.SMS(settings.Config.SMS)
	}
	if len(told) > 0 {
		settings.Config.Observe = func(ctx context.Context, o postern.Observation) {
			for _, tell := range told {
				tell(ctx, o)
			}
		}
	}
}

// store returns a store that is watched.
func (w *watch) store(st *store.Store) postern.Store {
	if w.metrics != nil {
		w.metrics.Registry().MustRegister(collectors.NewDBStatsCollector(st.DB().DB, "postern"))
	}
	if w.telling == nil {
		return st
	}
	return w.telling.Store(st)
}

// serve serves what is asked for on addresses of its own.
func (w *watch) serve() error {
	var errs []error
	if w.metrics != nil {
		errs = append(errs, w.serveAt("measures for Prometheus", w.settings.PrometheusAddress, w.metrics))
	}
	if w.settings.ProfilerAddress != "" {
		errs = append(errs, w.serveAt("the profiler", w.settings.ProfilerAddress, profiler()))
	}
	return errors.Join(errs...)
}

func (w *watch) serveAt(what, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(w.logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.logger.Error("no longer served: "+what, "error", err)
		}
	}()
	w.ends = append(w.ends, func(context.Context) error {
		err := server.Close()
		<-ended
		return err
	})
	w.logger.Info("serving "+what, "address", listener.Addr().String())
	return nil
}

// profiler is net/http/pprof, which the API's handler has nothing of.
func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// end sends what was not sent yet, for a short time, and stops serving.
func (w *watch) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, end := range w.ends {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}
