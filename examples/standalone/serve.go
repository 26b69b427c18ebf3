package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/message/devbox"
)

// serve serves the API until ctx ends, and then for as long as it takes to finish
// what has begun.
func serve(ctx context.Context, settings *goenv.Settings, stdout, stderr io.Writer) error {
	logger, closeLog, err := openLog(settings.Log, stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	settings.Config.Logger, settings.HTTP.Logger = logger, logger
	logVariables(logger, settings)

	listener, err := net.Listen("tcp", settings.Address)
	if err != nil {
		return fmt.Errorf("%w (GOTRUE_API_HOST and PORT say where to listen)", err)
	}
	defer listener.Close()
	if settings.Mailer != nil {
		defer settings.Mailer.Close()
	}
	box := develop(settings, listener.Addr())
	w, err := startWatch(ctx, settings.Telemetry, logger)
	if err != nil {
		return err
	}
	defer func() {
		if err := w.end(); err != nil {
			logger.Warn("not everything was told", "error", err)
		}
	}()
	w.attach(settings)
	settings.Config.Observe = processThreads.observing(settings.Config.Observe)
	st, auth, err := open(ctx, settings, w.store)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := w.serve(); err != nil {
		return err
	}
	if err := greet(ctx, stdout, listener.Addr(), settings, auth, box); err != nil {
		return err
	}

	var housekeeping sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	housekeeping.Go(func() { _ = auth.Run(ctx) }) // ends when ctx does, and only then
	defer housekeeping.Wait()
	defer cancel()
	return listen(ctx, listener, routes(httpadapter.New(auth, settings.HTTP), box), logger)
}

func logVariables(logger *slog.Logger, settings *goenv.Settings) {
	for _, sentence := range settings.Advice {
		logger.Warn(sentence)
	}
	if len(settings.NotYet) > 0 {
		logger.Warn("variables of features that are not there yet have no effect", "names", settings.NotYet)
	}
	if len(settings.WithoutEffect) > 0 {
		logger.Info("variables have no effect here, as docs/variables.md explains", "names", settings.WithoutEffect)
	}
	for _, i := range settings.Incomplete {
		logger.Warn("nobody can be sent to a provider that is switched on", "provider", i.Provider, "reason", i.Reason)
	}
	for _, u := range settings.Unknown {
		logger.Warn("unknown variable", "name", u.Name, "nearest", u.Nearest)
	}
}

// develop fills in what a newcomer has not configured: where the service and its
// site are, and a mailbox for what it sends. Who reads the mailbox can sign in as
// anybody, so there is none, and nothing is sent, where others get to the service.
func develop(settings *goenv.Settings, at net.Addr) *devbox.Box {
	c := &settings.Config
	if c.ExternalURL == "" {
		c.ExternalURL = "http://" + at.String()
	}
	if settings.Mailer != nil || !isLocal("http://"+at.String()) || !isLocal(c.ExternalURL) {
		return nil
	}
	box := devbox.New(devbox.Config{Renderer: settings.Renderer})
	c.Mailer = box
	if c.SMS == nil {
		c.SMS, c.Phone.WhatsApp = box, true
	}
	if c.SiteURL == "" {
		c.SiteURL = "http://" + at.String() + welcomePath
	}
	return box
}

// isLocal reports whether a URL is of this machine, for this machine alone.
func isLocal(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// greet tells a developer how to go on. All of it may be public.
func greet(ctx context.Context, stdout io.Writer, at net.Addr, settings *goenv.Settings, auth *postern.Auth, box *devbox.Box) error {
	anon, err := auth.MintToken(ctx, "anon", year)
	if err != nil {
		return err
	}
	database, isFile := strings.CutPrefix(string(settings.DatabaseURL), "sqlite:")
	if !isFile {
		database = "PostgreSQL" // the address may have a password in it
	}
	mails := "not sent, for GOTRUE_SMTP_HOST is not set; kept and shown only where this machine alone gets to the API"
	switch {
	case settings.Config.Hooks.SendEmail != nil:
		mails = "sent by the hook GOTRUE_HOOK_SEND_EMAIL_URI"
	case settings.Mailer != nil:
		mails = "sent by GOTRUE_SMTP_HOST"
	case box != nil:
		mails = fmt.Sprintf("kept at http://%s%s/, for GOTRUE_SMTP_HOST is not set", at, inboxPath)
	}
	_, err = fmt.Fprintf(stdout, `Postern %s

  API       http://%s, also under /auth/v1
  mails     %s
  database  %s
  anon key  %s
  operator  go run ./examples/standalone token service_role

`, postern.Version, at, mails, database, anon)
	return err
}

// Paths of pages for developers. They begin as no path of the API does.
const (
	inboxPath   = "/_inbox"
	welcomePath = "/_welcome"
)

//go:embed welcome.html
var welcomePage []byte

// routes serves the API at the root, as GoTrue does, and where Supabase's clients
// look for it; and where there is a mailbox, the mailbox and a page for links to
// lead to.
func routes(api http.Handler, box *devbox.Box) http.Handler {
	const prefix = "/auth/v1"
	below := http.StripPrefix(prefix, api)
	var inbox http.Handler
	if box != nil {
		inbox = http.StripPrefix(inboxPath, box.Handler())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, prefix+"/"):
			below.ServeHTTP(w, r)
		case inbox != nil && path == inboxPath:
			http.Redirect(w, r, inboxPath+"/", http.StatusSeeOther)
		case inbox != nil && strings.HasPrefix(path, inboxPath+"/"):
			inbox.ServeHTTP(w, r)
		case inbox != nil && path == welcomePath:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Referrer-Policy", "no-referrer")
			_, _ = w.Write(welcomePage)
		default:
			api.ServeHTTP(w, r)
		}
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
