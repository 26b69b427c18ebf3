//go:build telemetry

package main

import (
	"context"
	"fmt"
	"log/slog"

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

// exporters are how others are told. Their libraries are a quarter of a program that
// has them, so there are none without the tag.
type exporters struct {
	metrics *prometheus.Metrics
	telling *opentelemetry.Telemetry
}

func (w *watch) startExporters(ctx context.Context) error {
	if w.settings.PrometheusAddress != "" {
		w.metrics = prometheus.New()
		w.metrics.Registry().MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		w.page = w.metrics
	}
	if !w.settings.Traces.Enabled && !w.settings.Metrics.Enabled {
		return nil
	}
	if err := w.startTelling(ctx); err != nil {
		return fmt.Errorf("OpenTelemetry: %w", err)
	}
	return nil
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
func (e *exporters) attach(settings *goenv.Settings) {
	var told []func(context.Context, postern.Observation)
	if e.metrics != nil {
		told = append(told, e.metrics.Observe)
		settings.HTTP.Observers = append(settings.HTTP.Observers, e.metrics.Request)
	}
	if e.telling != nil {
		told = append(told, e.telling.Observe)
		settings.HTTP.Observers = append(settings.HTTP.Observers, e.telling.Request)
		settings.Config.Mailer, settings.Config.SMS = e.telling.Mailer(settings.Config.Mailer), e.telling.SMS(settings.Config.SMS)
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
func (e *exporters) store(st *store.Store) postern.Store {
	if e.metrics != nil {
		e.metrics.Registry().MustRegister(collectors.NewDBStatsCollector(st.DB().DB, "postern"))
	}
	if e.telling == nil {
		return st
	}
	return e.telling.Store(st)
}
