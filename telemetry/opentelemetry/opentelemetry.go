// Package opentelemetry tells OpenTelemetry what a postern.Auth and its HTTP API do:
// a trace of each request, and measures.
//
//	t, err := opentelemetry.New(opentelemetry.Config{TracerProvider: tracers, MeterProvider: meters})
//	a, err := postern.New(t.Store(st), postern.Config{Mailer: t.Mailer(mailer), SMS: t.SMS(sms), Observe: t.Observe})
//	httpadapter.New(a, httpadapter.Options{Observers: []httpadapter.Observer{t.Request}})
//
// Each of these can be left out. Providers are handed in, nothing here is global, and
// whoever made the providers shuts them down.
//
// # Spans
//
// A request is a span of its method and route, "POST /token". Within it are those of
// transactions and of the statements behind every authenticated request, of mails
// and text messages, and of calls to other services. No span tells who somebody is,
// what was sent, or which words an error had: postern.request_id leads to the line in
// the log that does.
//
// # Measures
//
//	http.server.request.duration  s, by http.request.method, http.route,
//	                              http.response.status_code and error.type, which
//	                              is GoTrue's error code
//	postern.sign_ins              by postern.method and postern.outcome, as in
//	                              postern.Observation
//	postern.message.duration      s, by postern.channel and postern.outcome
//	postern.password.wait         s, by postern.outcome
//
// Whatever clients send, there are only so many series.
package opentelemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	nometric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	notrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/postern-auth/postern"
)

// Config says where spans and measures go.
type Config struct {
	// TracerProvider gets the spans. Defaults to none.
	TracerProvider trace.TracerProvider
	// MeterProvider gets the measures. Defaults to none.
	MeterProvider metric.MeterProvider
	// Propagator reads from a request which trace it belongs to, as in
	// propagation.TraceContext{}. Whoever sends a request then decides that it is
	// traced, so leave it out where strangers do. Defaults to none: each request is
	// a trace of its own.
	Propagator propagation.TextMapPropagator
}

// Telemetry tells what happens. It is safe for concurrent use.
type Telemetry struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator

	requests metric.Float64Histogram
	signIns  metric.Int64Counter
	messages metric.Float64Histogram
	hashing  metric.Float64Histogram
}

const scope = "github.com/postern-auth/postern/telemetry/opentelemetry"

// New returns a Telemetry, or the reason why the MeterProvider refuses a measure.
func New(c Config) (*Telemetry, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = notrace.NewTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = nometric.NewMeterProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.NewCompositeTextMapPropagator()
	}
	t := &Telemetry{
		tracer:     c.TracerProvider.Tracer(scope, trace.WithInstrumentationVersion(postern.Version)),
		propagator: c.Propagator,
	}
	if err := t.measure(c.MeterProvider.Meter(scope, metric.WithInstrumentationVersion(postern.Version))); err != nil {
		return nil, fmt.Errorf("opentelemetry: %w", err)
	}
	return t, nil
}

func (t *Telemetry) measure(meter metric.Meter) error {
	var errs [4]error
	seconds := func(i int, name, description string) (h metric.Float64Histogram) {
		h, errs[i] = meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
		return h
	}
	t.requests = seconds(0, "http.server.request.duration", "Duration of HTTP server requests.")
	t.messages = seconds(1, "postern.message.duration", "How long mails and text messages took to be handed over.")
	t.hashing = seconds(2, "postern.password.wait", "How long passwords waited to be hashed or compared.")
	t.signIns, errs[3] = meter.Int64Counter("postern.sign_ins", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts to get, raise or refresh a session."))
	return errors.Join(errs[:]...)
}

// Observe is for Config.Observe of an Auth.
func (t *Telemetry) Observe(ctx context.Context, o postern.Observation) {
	outcome := attribute.String("postern.outcome", o.Outcome)
	switch o.What {
	case postern.ObservedSignIn:
		t.signIns.Add(ctx, 1, metric.WithAttributes(attribute.String("postern.method", o.Name), outcome))
	case postern.ObservedMessage:
		t.messages.Record(ctx, o.Duration.Seconds(), metric.WithAttributes(attribute.String("postern.channel", o.Name), outcome))
	case postern.ObservedHashing:
		t.hashing.Record(ctx, o.Duration.Seconds(), metric.WithAttributes(outcome))
	}
}
