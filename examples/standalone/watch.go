package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/postern-auth/postern/goenv"
)

// watch is what tells others how the service does: whatever of it is switched on.
type watch struct {
	exporters
	settings goenv.Telemetry
	logger   *slog.Logger
	page     http.Handler                  // for Prometheus, or nil
	ends     []func(context.Context) error // in the order of their beginning
}

// startWatch makes it. Nothing is sent before there is something to tell.
func startWatch(ctx context.Context, settings goenv.Telemetry, logger *slog.Logger) (*watch, error) {
	w := &watch{settings: settings, logger: logger}
	if err := w.startExporters(ctx); err != nil {
		return nil, errors.Join(err, w.end())
	}
	return w, nil
}

// serve serves what is asked for on addresses of its own.
func (w *watch) serve() error {
	var errs []error
	if w.page != nil {
		errs = append(errs, w.serveAt("measures for Prometheus", w.settings.PrometheusAddress, w.page))
	}
	if w.settings.ProfilerAddress != "" {
		errs = append(errs, w.serveAt("the profiler", w.settings.ProfilerAddress, profiler()))
	}
	return errors.Join(errs...)
}

func (w *watch) serveAt(what, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(w.logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.logger.Error("no longer served: "+what, "error", err)
		}
	}()
	w.ends = append(w.ends, func(context.Context) error {
		err := server.Close()
		<-ended
		return err
	})
	w.logger.Info("serving "+what, "address", listener.Addr().String())
	return nil
}

// profiler is net/http/pprof, which the API's handler has nothing of.
func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// end sends what was not sent yet, for a short time, and stops serving.
func (w *watch) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, end := range w.ends {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}
