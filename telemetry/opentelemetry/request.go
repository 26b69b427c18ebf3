package opentelemetry

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/outbound"
)

// Names of OpenTelemetry's conventions for HTTP.
const (
	requestMethod = attribute.Key("http.request.method")
	route         = attribute.Key("http.route")
	statusCode    = attribute.Key("http.response.status_code")
	errorType     = attribute.Key("error.type")
	serverAddress = attribute.Key("server.address")
)

// Request is an httpadapter.Observer.
func (t *Telemetry) Request(r *http.Request) (context.Context, func(httpadapter.Record)) {
	ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
	ctx = outbound.WithWatcher(ctx, t.call)
	return ctx, func(rec httpadapter.Record) {
		attributes := attributesOf(rec)
		t.requests.Record(ctx, rec.Duration.Seconds(), metric.WithAttributes(attributes...))
		span.SetName(spanName(rec))
		span.SetAttributes(append(attributes, attribute.String("postern.request_id", rec.ID))...)
		if rec.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

func attributesOf(rec httpadapter.Record) []attribute.KeyValue {
	attributes := []attribute.KeyValue{requestMethod.String(rec.Method), statusCode.Int(rec.Status)}
	if rec.Route != "" {
		attributes = append(attributes, route.String(rec.Route))
	}
	why := string(rec.ErrorCode)
	if rec.Status >= http.StatusInternalServerError {
		why = cmp.Or(why, strconv.Itoa(rec.Status))
	}
	if why != "" {
		attributes = append(attributes, errorType.String(why))
	}
	return attributes
}

func spanName(rec httpadapter.Record) string {
	method := rec.Method
	if method == "_OTHER" {
		method = "HTTP"
	}
	if rec.Route == "" {
		return method
	}
	return method + " " + rec.Route
}

// call is an outbound.Watcher. Of the URL it tells the host alone: paths and queries
// of other services have accounts and secrets in them. Nothing is added to the
// request, whose receiver is no part of this system.
func (t *Telemetry) call(r *http.Request) func(status int, err error) {
	_, span := t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(requestMethod.String(r.Method), serverAddress.String(r.URL.Hostname())))
	return func(status int, err error) {
		if status != 0 {
			span.SetAttributes(statusCode.Int(status))
		}
		if err == nil && status >= http.StatusBadRequest {
			span.SetAttributes(errorType.String(strconv.Itoa(status)))
			span.SetStatus(codes.Error, "")
		}
		end(span, err)
	}
}
