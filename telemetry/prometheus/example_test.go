package prometheus_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/telemetry/prometheus"
)

func Example() {
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		panic(err)
	}
	m := prometheus.New()
	a, err := postern.New(st, postern.Config{Observe: m.Observe})
	if err != nil {
		panic(err)
	}
	api := httpadapter.New(a, httpadapter.Options{Observers: []httpadapter.Observer{m.Request}})

	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/settings", nil))
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "postern_requests_total") {
			fmt.Print(line)
		}
	}
	// Output: postern_requests_total{error_code="",method="GET",route="/settings",status="2xx"} 1
}
