// Package prometheus counts for Prometheus what a postern.Auth and its HTTP API do,
// and serves the page that Prometheus reads.
//
//	m := prometheus.New()
//	a, err := postern.New(st, postern.Config{Observe: m.Observe})
//	httpadapter.New(a, httpadapter.Options{Observers: []httpadapter.Observer{m.Request}})
//	internal.Handle("/metrics", m) // on an address that only Prometheus gets to
//
// The measures are:
//
//	postern_requests_total            by method, route, status ("2xx") and error_code
//	postern_request_duration_seconds  by method and route
//	postern_sign_ins_total            by method and outcome, as in postern.Observation
//	postern_message_duration_seconds  by channel and outcome
//	postern_password_wait_seconds     by outcome
//
// A path that leads nowhere has the route "unmatched". Whatever clients send, there
// are only so many series.
package prometheus

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

// Metrics has the measures of one service. It is safe for concurrent use. Make it
// with New.
type Metrics struct {
	registry *client.Registry
	page     http.Handler

	requests  *client.CounterVec
	durations *client.HistogramVec
	signIns   *client.CounterVec
	messages  *client.HistogramVec
	hashing   *client.HistogramVec
}

// New returns Metrics in a registry of their own.
func New() *Metrics {
	m := &Metrics{
		registry:  client.NewRegistry(),
		requests:  counter("postern_requests_total", "Requests that were answered.", "method", "route", "status", "error_code"),
		durations: histogram("postern_request_duration_seconds", "How long requests took.", "method", "route"),
		signIns:   counter("postern_sign_ins_total", "Attempts to get, raise or refresh a session.", "method", "outcome"),
		messages:  histogram("postern_message_duration_seconds", "How long mails and text messages took to be handed over.", "channel", "outcome"),
		hashing:   histogram("postern_password_wait_seconds", "How long passwords waited to be hashed or compared.", "outcome"),
	}
	m.registry.MustRegister(m.requests, m.durations, m.signIns, m.messages, m.hashing) // of names that nobody else has taken
	m.page = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

func counter(name, help string, labels ...string) *client.CounterVec {
	return client.NewCounterVec(client.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *client.HistogramVec {
	return client.NewHistogramVec(client.HistogramOpts{Name: name, Help: help}, labels) // in client.DefBuckets
}

// Registry is where the measures are, for others to be added to the page: of the
// process, of the database.
func (m *Metrics) Registry() *client.Registry { return m.registry }

// ServeHTTP serves the page. It tells how much a service is used, so it is for an
// address of its own.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.page.ServeHTTP(w, r) }

// Request is an httpadapter.Observer.
func (m *Metrics) Request(r *http.Request) (context.Context, func(httpadapter.Record)) {
	return r.Context(), func(rec httpadapter.Record) {
		route := cmp.Or(rec.Route, "unmatched")
		m.requests.WithLabelValues(rec.Method, route, strconv.Itoa(rec.Status/100)+"xx", string(rec.ErrorCode)).Inc()
		m.durations.WithLabelValues(rec.Method, route).Observe(rec.Duration.Seconds())
	}
}

// Observe is for Config.Observe of an Auth.
func (m *Metrics) Observe(_ context.Context, o postern.Observation) {
	switch o.What {
	case postern.ObservedSignIn:
		m.signIns.WithLabelValues(o.Name, o.Outcome).Inc()
	case postern.ObservedMessage:
		m.messages.WithLabelValues(o.Name, o.Outcome).Observe(o.Duration.Seconds())
	case postern.ObservedHashing:
		m.hashing.WithLabelValues(o.Outcome).Observe(o.Duration.Seconds())
	}
}
