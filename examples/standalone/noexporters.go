//go:build !telemetry

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/store"
)

// exporters are none: see exporters.go.
type exporters struct{}

// startExporters refuses to go on without those that are asked for. Who watches
// would take silence for health.
func (w *watch) startExporters(context.Context) error {
	var errs []error
	for _, asked := range []struct {
		variable string
		on       bool
	}{
		{"GOTRUE_TRACING_ENABLED", w.settings.Traces.Enabled},
		{"GOTRUE_METRICS_ENABLED", w.settings.Metrics.Enabled || w.settings.PrometheusAddress != ""},
	} {
		if asked.on {
			errs = append(errs, fmt.Errorf("%s is true, but this program was built without what it takes; have it with: go build -tags telemetry ./examples/standalone", asked.variable))
		}
	}
	if len(errs) > 0 {
		return mistake{errors.Join(errs...)}
	}
	return nil
}

func (exporters) attach(*goenv.Settings) {}

func (exporters) store(st *store.Store) postern.Store { return st }
