package opentelemetry_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/telemetry/opentelemetry"
)

func Example() {
	ctx := context.Background()
	exporter := tracetest.NewInMemoryExporter() // or otlptracehttp.New(ctx)
	tracers := trace.NewTracerProvider(trace.WithSyncer(exporter))

	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		panic(err)
	}
	t, err := opentelemetry.New(opentelemetry.Config{TracerProvider: tracers})
	if err != nil {
		panic(err)
	}
	a, err := postern.New(t.Store(st), postern.Config{Observe: t.Observe})
	if err != nil {
		panic(err)
	}
	api := httpadapter.New(a, httpadapter.Options{Observers: []httpadapter.Observer{t.Request}})

	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/settings", nil))
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output: GET /settings
}
