package opentelemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/outbound"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/telemetry/opentelemetry"
)

const (
	ada         = "ada@example.com"
	credentials = `{"email":"` + ada + `","password":"correct horse"}`
)

// watched is a service that tells what it does.
type watched struct {
	*authtest.Service
	handler http.Handler
	spans   *tracetest.SpanRecorder
	reader  *metric.ManualReader
}

func watch(t *testing.T, st postern.Store, edit func(*postern.Config), propagator propagation.TextMapPropagator) *watched {
	t.Helper()
	w := &watched{spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	told, err := opentelemetry.New(opentelemetry.Config{
		TracerProvider: trace.NewTracerProvider(trace.WithSpanProcessor(w.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.reader)),
		Propagator:     propagator,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Service = authtest.On(t, told.Store(st), func(c *postern.Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		edit(c)
		c.Mailer, c.SMS, c.Observe = told.Mailer(c.Mailer), told.SMS(c.SMS), told.Observe
	})
	w.handler = httpadapter.New(w.Auth, httpadapter.Options{Observers: []httpadapter.Observer{told.Request}, RequestIDHeader: "X-Request-Id"})
	return w
}

func (w *watched) do(t *testing.T, line, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// span returns the only span of a name that has ended.
func (w *watched) span(t *testing.T, name string) trace.ReadOnlySpan {
	t.Helper()
	var found []trace.ReadOnlySpan
	for _, span := range w.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	if len(found) != 1 {
		t.Fatalf("got %d spans %q, want one of %s", len(found), name, w.said(t))
	}
	return found[0]
}

func attributes(span trace.ReadOnlySpan) map[string]string {
	found := map[string]string{}
	for _, a := range span.Attributes() {
		found[string(a.Key)] = a.Value.String()
	}
	return found
}

func hasAttributes(t *testing.T, span trace.ReadOnlySpan, want map[string]string) {
	t.Helper()
	if got := attributes(span); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("span %q: got %v, want %v", span.Name(), got, want)
	}
}

// measured returns the series of the measures, and how often each was measured.
func (w *watched) measured(t *testing.T) map[string]uint64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	series := map[string]uint64{}
	add := func(name string, set attribute.Set, n uint64) {
		series[name+" "+set.Encoded(attribute.DefaultEncoder())] += n
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Count)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, uint64(p.Value))
				}
			}
		}
	}
	return series
}

// said is all that was told, as text.
func (w *watched) said(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, span := range w.spans.Ended() {
		fmt.Fprintln(&all, span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	fmt.Fprintln(&all, w.measured(t))
	return all.String()
}

func unchanged(*postern.Config) {}

func TestRequestsAreSpansWithWhatTheyDidInThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		w := watch(t, st, func(c *postern.Config) { c.Email.Autoconfirm = false }, nil)
		w.do(t, "POST /signup?apikey=of-the-query", credentials, "X-Request-Id", "req-1")
		request, mail := w.span(t, "POST /signup"), w.span(t, "send mail")
		hasAttributes(t, request, map[string]string{
			"http.request.method": "POST", "http.route": "/signup", "http.response.status_code": "200", "postern.request_id": "req-1",
		})
		hasAttributes(t, mail, map[string]string{"postern.mail_type": "signup"})
		for _, span := range w.spans.Ended() {
			if span.Name() != "POST /signup" && span.Parent().SpanID() != request.SpanContext().SpanID() {
				t.Errorf("span %q is not in the request's", span.Name())
			}
		}
		if !slices.ContainsFunc(w.spans.Ended(), func(s trace.ReadOnlySpan) bool { return s.Name() == "store transaction" }) {
			t.Errorf("got no transaction in %s", w.said(t))
		}
		w.do(t, "GET /user", "", "Authorization", "Bearer of-the-header")
		hasAttributes(t, w.span(t, "GET /user"), map[string]string{
			"http.request.method": "GET", "http.route": "/user", "http.response.status_code": "403", "error.type": "bad_jwt",
			"postern.request_id": attributes(w.span(t, "GET /user"))["postern.request_id"],
		})
		code := w.LastCode(t, ada)
		w.do(t, "POST /verify", `{"type":"signup","email":"`+ada+`","token":"`+code+`"}`)
		for _, secret := range []string{ada, "correct horse", code, "of-the-query", "of-the-header"} {
			if strings.Contains(w.said(t), secret) {
				t.Errorf("%q was told: %s", secret, w.said(t))
			}
		}
	})
}

func TestMeasuresAreTakenOfEverything(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		w := watch(t, st, unchanged, nil)
		w.do(t, "POST /signup", credentials)
		w.do(t, "POST /token?grant_type=password", credentials)
		w.do(t, "POST /token?grant_type=password", `{"email":"`+ada+`","password":"wrong"}`)
		w.do(t, "POST /recover", `{"email":"`+ada+`"}`)
		got := w.measured(t)
		for series, n := range map[string]uint64{
			"http.server.request.duration http.request.method=POST,http.response.status_code=200,http.route=/signup":                               1,
			"http.server.request.duration http.request.method=POST,http.response.status_code=200,http.route=/token":                                1,
			"http.server.request.duration error.type=invalid_credentials,http.request.method=POST,http.response.status_code=400,http.route=/token": 1,
			"http.server.request.duration http.request.method=POST,http.response.status_code=200,http.route=/recover":                              1,
			"postern.sign_ins postern.method=sign_up,postern.outcome=ok":                                                                           1,
			"postern.sign_ins postern.method=password,postern.outcome=ok":                                                                          1,
			"postern.sign_ins postern.method=password,postern.outcome=invalid_credentials":                                                         1,
			"postern.message.duration postern.channel=email,postern.outcome=ok":                                                                    1,
			"postern.password.wait postern.outcome=ok":                                                                                             3,
		} {
			if got[series] != n {
				t.Errorf("%s: got %d, want %d of %v", series, got[series], n, got)
			}
			delete(got, series)
		}
		if len(got) != 0 {
			t.Errorf("got %v besides", got)
		}
	})
}

func TestWhateverIsSentThereAreOnlySoManySeries(t *testing.T) {
	t.Parallel()
	w := watch(t, dbtest.SQLite(t), unchanged, nil)
	for i := range 100 {
		w.do(t, fmt.Sprintf("GET /no/such/path/%d", i), "")
		w.do(t, fmt.Sprintf("BREW%d /user?%d", i, i), "")
		w.do(t, fmt.Sprintf("GET /verify?type=signup&token=%d", i), "")
		w.do(t, fmt.Sprintf("DELETE /admin/users/%d", i), "")
		w.do(t, fmt.Sprintf("POST /token?grant_type=%d", i), "")
		w.do(t, "GET /health", "")
	}
	if got := w.measured(t); len(got) > 10 {
		t.Errorf("got %d series, want few: %v", len(got), got)
	}
	names := map[string]bool{}
	for _, span := range w.spans.Ended() {
		names[span.Name()] = true
	}
	if len(names) > 10 {
		t.Errorf("got %d names of spans, want few: %v", len(names), names)
	}
}

func TestFailuresAreMarkedWithoutTheirWords(t *testing.T) {
	t.Parallel()
	st := dbtest.SQLite(t)
	w := watch(t, st, func(c *postern.Config) { c.Email.Autoconfirm, c.Mailer = false, deaf{} }, nil)
	w.do(t, "POST /signup", credentials)
	for name, want := range map[string]string{"POST /signup": "unexpected_failure", "send mail": "_OTHER"} {
		span := w.span(t, name)
		if got := attributes(span)["error.type"]; got != want || span.Status().Code != codes.Error {
			t.Errorf("span %q: got error.type %q and status %v, want %q and an error", name, got, span.Status(), want)
		}
	}
	if strings.Contains(w.said(t), "10.0.0.5") {
		t.Errorf("the words of an error were told: %s", w.said(t))
	}
}

// deaf is a Mailer that cannot deliver.
type deaf struct{}

func (deaf) SendMail(context.Context, postern.Mail) error {
	return errors.New("10.0.0.5 does not know " + ada)
}

func TestCallsToOtherServicesAreSpansOfTheirHost(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := outbound.NewClient(outbound.Policy{Hosts: []string{outbound.Host(server.URL)}})
	w := watch(t, dbtest.SQLite(t), func(c *postern.Config) {
		c.Email.Autoconfirm = false
		c.Mailer = caller{client, server.URL + "/of-the-path?of-the-query"}
	}, nil)
	w.do(t, "POST /signup", credentials)
	call := w.span(t, "POST")
	hasAttributes(t, call, map[string]string{
		"http.request.method": "POST", "server.address": "127.0.0.1", "http.response.status_code": "404", "error.type": "404",
	})
	if call.Parent().SpanID() != w.span(t, "send mail").SpanContext().SpanID() {
		t.Error("the call is not in the mail's span")
	}
	if strings.Contains(w.said(t), "of-the-") {
		t.Errorf("the URL was told: %s", w.said(t))
	}
}

// caller is a Mailer that calls another service.
type caller struct {
	client *http.Client
	url    string
}

func (c caller) SendMail(ctx context.Context, _ postern.Mail) error {
	req, err := http.NewRequestWithContext(ctx, "POST", c.url, strings.NewReader("x"))
	if err != nil {
		return err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func TestTracesAreContinuedOnlyForWhoeverIsTrusted(t *testing.T) {
	t.Parallel()
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for name, c := range map[string]struct {
		propagator propagation.TextMapPropagator
		want       bool
	}{"by default": {nil, false}, "with a propagator": {propagation.TraceContext{}, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, dbtest.SQLite(t), unchanged, c.propagator)
			w.do(t, "GET /settings", "", "Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
			if got := w.span(t, "GET /settings").SpanContext().TraceID().String(); (got == theirs) != c.want {
				t.Errorf("got trace %s, want the request's: %t", got, c.want)
			}
		})
	}
}

func TestNothingIsToldWithoutProviders(t *testing.T) {
	t.Parallel()
	told, err := opentelemetry.New(opentelemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if told.Mailer(nil) != nil || told.SMS(nil) != nil {
		t.Error("nobody became somebody")
	}
	s := authtest.On(t, told.Store(dbtest.SQLite(t)), func(c *postern.Config) { c.Observe = told.Observe })
	h := httpadapter.New(s.Auth, httpadapter.Options{Observers: []httpadapter.Observer{told.Request}})
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "POST", "/signup", strings.NewReader(credentials)))
	if answer.Code != 200 {
		t.Errorf("got %d %s, want a session", answer.Code, answer.Body)
	}
}
