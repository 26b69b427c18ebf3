package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/httpadapter"
)

// serve serves the API until ctx ends, and then for as long as it takes to finish
// what has begun.
func serve(ctx context.Context, settings *goenv.Settings, stdout, stderr io.Writer) error {
	logger := newLogger(settings.LogLevel, stderr)
	settings.Config.Logger, settings.HTTP.Logger = logger, logger
	logVariables(logger, settings)

	listener, err := net.Listen("tcp", settings.Address)
	if err != nil {
		return fmt.Errorf("%w (GOTRUE_API_HOST and PORT say where to listen)", err)
	}
	defer listener.Close()
	st, auth, err := open(ctx, settings)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := greet(ctx, stdout, listener.Addr(), settings, auth); err != nil {
		return err
	}

	var housekeeping sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	housekeeping.Go(func() { _ = auth.Run(ctx) }) // ends when ctx does, and only then
	defer housekeeping.Wait()
	defer cancel()
	return listen(ctx, listener, routes(httpadapter.New(auth, settings.HTTP)), logger)
}

// newLogger writes for a person to a terminal and for programs anywhere else.
func newLogger(level slog.Level, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if file, ok := w.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(w, options))
		}
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func logVariables(logger *slog.Logger, settings *goenv.Settings) {
	if len(settings.NotYet) > 0 {
		logger.Warn("variables of features that are not there yet have no effect", "names", settings.NotYet)
	}
	for _, u := range settings.Unknown {
		logger.Warn("unknown variable", "name", u.Name, "nearest", u.Nearest)
	}
}

// greet tells a developer how to go on. All of it may be public.
func greet(ctx context.Context, stdout io.Writer, at net.Addr, settings *goenv.Settings, auth *postern.Auth) error {
	anon, err := auth.MintToken(ctx, "anon", year)
	if err != nil {
		return err
	}
	database, isFile := strings.CutPrefix(string(settings.DatabaseURL), "sqlite:")
	if !isFile {
		database = "PostgreSQL" // the address may have a password in it
	}
	confirmation := "accounts can sign in at once (GOTRUE_MAILER_AUTOCONFIRM), for there is no mailer yet"
	if !settings.Config.Email.Autoconfirm {
		confirmation = "there is no mailer yet: only accounts that an operator confirms can sign in"
	}
	_, err = fmt.Fprintf(stdout, `Postern %s

  API       http://%s, also under /auth/v1
  database  %s
  e-mail    %s
  anon key  %s
  operator  go run ./examples/standalone token service_role

`, postern.Version, at, database, confirmation, anon)
	return err
}

// routes serves the API at the root, as GoTrue does, and where Supabase's clients
// look for it.
func routes(api http.Handler) http.Handler {
	const prefix = "/auth/v1"
	below := http.StripPrefix(prefix, api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			below.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// grace is what requests in flight have when the server is to stop.
const grace = 10 * time.Second

// listen answers requests until ctx ends. New ones are refused from then on, and
// those in flight have some time to finish.
func listen(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second, // httpadapter sees to the bodies
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	logger.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		logger.Warn("requests that took too long were cut off", "error", err)
		return server.Close()
	}
	return nil
}
