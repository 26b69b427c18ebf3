//go:build !telemetry

package main

import (
	"io"
	"strings"
	"testing"
)

func TestExportersThatAreNotBuiltInAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		want    []string // one for each line
	}{
		{[]string{"GOTRUE_TRACING_ENABLED=true"}, []string{"GOTRUE_TRACING_ENABLED"}},
		{[]string{"GOTRUE_METRICS_ENABLED=true", "GOTRUE_TRACING_ENABLED=true"}, []string{"GOTRUE_TRACING_ENABLED", "GOTRUE_METRICS_ENABLED"}},
		{[]string{"GOTRUE_METRICS_ENABLED=true", "GOTRUE_METRICS_EXPORTER=prometheus"}, []string{"GOTRUE_METRICS_ENABLED"}},
	} {
		var told strings.Builder
		err := run(t.Context(), nil, append(c.environ, inTempDir(t), "PORT=0"), io.Discard, io.Discard)
		if status := report(err, &told); status != 2 {
			t.Errorf("%q: got status %d, want 2", c.environ, status)
		}
		lines := strings.Split(strings.TrimSuffix(told.String(), "\n"), "\n")
		if len(lines) != len(c.want) {
			t.Fatalf("%q: got %q, want %d lines", c.environ, lines, len(c.want))
		}
		for i, variable := range c.want {
			if !strings.HasPrefix(lines[i], variable+" is true") || !strings.Contains(lines[i], "-tags telemetry") {
				t.Errorf("%q: got %q, want it to say how to build what %s needs", c.environ, lines[i], variable)
			}
		}
	}
}
