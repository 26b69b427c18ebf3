package prometheus_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/telemetry/prometheus"
)

const (
	ada         = "ada@example.com"
	credentials = `{"email":"` + ada + `","password":"correct horse"}`
)

func measure(t *testing.T, st postern.Store) (api http.Handler, m *prometheus.Metrics) {
	t.Helper()
	m = prometheus.New()
	s := authtest.On(t, st, func(c *postern.Config) { c.Observe, c.Logger = m.Observe, slog.New(slog.DiscardHandler) })
	return httpadapter.New(s.Auth, httpadapter.Options{Observers: []httpadapter.Observer{m.Request}}), m
}

func do(t *testing.T, h http.Handler, line, body string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	return answer
}

// series reads the page as Prometheus does: the series, and how often each was
// counted or measured.
func series(t *testing.T, m *prometheus.Metrics) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(do(t, m, "GET /", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for name, family := range families {
		for _, metric := range family.Metric {
			var labels []string
			for _, l := range metric.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			key := name + " " + strings.Join(labels, ",")
			found[key] = metric.GetCounter().GetValue()
			if h := metric.Histogram; h != nil {
				found[key] = float64(h.GetSampleCount())
			}
		}
	}
	return found
}

func TestPageHasTheMeasures(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		api, m := measure(t, st)
		do(t, api, "POST /signup", credentials)
		do(t, api, "POST /token?grant_type=password&of-the-query", credentials)
		do(t, api, "POST /token?grant_type=password", `{"email":"`+ada+`","password":"wrong"}`)
		do(t, api, "POST /recover", `{"email":"`+ada+`"}`)
		do(t, api, "POST /recover", `{"email":"`+ada+`"}`) // too soon
		do(t, api, "GET /of-the-path", "")
		do(t, api, "GET /health", "")
		want := map[string]float64{
			"postern_requests_total error_code=,method=POST,route=/signup,status=2xx":                            1,
			"postern_requests_total error_code=,method=POST,route=/token,status=2xx":                             1,
			"postern_requests_total error_code=invalid_credentials,method=POST,route=/token,status=4xx":          1,
			"postern_requests_total error_code=,method=POST,route=/recover,status=2xx":                           1,
			"postern_requests_total error_code=over_email_send_rate_limit,method=POST,route=/recover,status=4xx": 1,
			"postern_requests_total error_code=,method=GET,route=unmatched,status=4xx":                           1,
			"postern_request_duration_seconds method=POST,route=/signup":                                         1,
			"postern_request_duration_seconds method=POST,route=/token":                                          2,
			"postern_request_duration_seconds method=POST,route=/recover":                                        2,
			"postern_request_duration_seconds method=GET,route=unmatched":                                        1,
			"postern_sign_ins_total method=sign_up,outcome=ok":                                                   1,
			"postern_sign_ins_total method=password,outcome=ok":                                                  1,
			"postern_sign_ins_total method=password,outcome=invalid_credentials":                                 1,
			"postern_message_duration_seconds channel=email,outcome=ok":                                          1,
			"postern_password_wait_seconds outcome=ok":                                                           3,
		}
		if got := series(t, m); !maps.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		page := do(t, m, "GET /", "").Body.String()
		for _, secret := range []string{ada, "correct horse", "of-the-"} {
			if strings.Contains(page, secret) {
				t.Errorf("the page shows %q:\n%s", secret, page)
			}
		}
	})
}

func TestWhateverIsSentThereAreOnlySoManySeries(t *testing.T) {
	t.Parallel()
	api, m := measure(t, dbtest.SQLite(t))
	for i := range 100 {
		do(t, api, fmt.Sprintf("GET /no/such/path/%d", i), "")
		do(t, api, fmt.Sprintf("BREW%d /user?%d", i, i), "")
		do(t, api, fmt.Sprintf("DELETE /admin/users/%d", i), "")
		do(t, api, fmt.Sprintf("POST /token?grant_type=%d", i), "")
	}
	if got := series(t, m); len(got) > 10 {
		t.Errorf("got %d series, want few: %v", len(got), got)
	}
}

func TestServicesOfOneProcessAreCountedApart(t *testing.T) {
	t.Parallel()
	one, first := measure(t, dbtest.SQLite(t))
	_, second := measure(t, dbtest.SQLite(t))
	do(t, one, "GET /settings", "")
	if len(series(t, first)) == 0 || len(series(t, second)) != 0 {
		t.Errorf("got %v and %v, want the request in the first alone", series(t, first), series(t, second))
	}
}
