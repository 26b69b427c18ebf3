// Standalone is a server with GoTrue's API, configured as GoTrue is. Without any
// configuration it serves http://127.0.0.1:9999 from a SQLite file in the working
// directory, with keys that it makes and keeps there.
//
//	go run ./examples/standalone
//	go run ./examples/standalone token service_role
//	go run ./examples/standalone mails DIR
//
// Built with -tags telemetry it has exporters for OpenTelemetry and Prometheus.
//
// It ends with status 0 when it is told to stop (SIGINT, SIGTERM), with 2 when its
// arguments or settings are wrong, and with 1 when something else failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/postern-auth/postern/goenv"
)

const usage = `Usage:

  standalone                      serve the API
  standalone mails DIR            write all mails, as they would look, into a
                                  directory
  standalone token [-ttl D] ROLE  print a token for a role: service_role opens
                                  /admin, anon is for clients that want a key;
                                  valid for D (8760h, a year)

The environment is GoTrue's: GOTRUE_JWT_SECRET, GOTRUE_DISABLE_SIGNUP and so on.
Without it:

  DATABASE_URL=sqlite:postern.db  or postgres://user:password@host/database
  GOTRUE_API_HOST=127.0.0.1       where to listen
  PORT=9999
  GOTRUE_SMTP_HOST                unset: mails and text messages are kept, and
                                  shown under /_inbox, if nobody but this
                                  machine gets to the API
  API_EXTERNAL_URL                where clients find the service, for links
  GOTRUE_SITE_URL                 where links lead; unset: to a page of its own
  GOTRUE_JWT_SECRET and _KEYS     unset: a key is made, and kept in the database
`

// defaults are what is different here from an environment without anything.
var defaults = []string{
	"DATABASE_URL=sqlite:postern.db",
	"GOTRUE_API_HOST=127.0.0.1",
	"PORT=9999",
	"POSTERN_SCANNER_SAFE_LINKS=true",
}

func main() {
	collectLessOften()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	os.Exit(report(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr), os.Stderr))
}

// run does what args ask for, until it is done or ctx ends.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	words, ttl, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := io.WriteString(stdout, usage)
		return err
	}
	if err != nil {
		return mistake{err}
	}
	settings, err := goenv.Load(slices.Concat(defaults, environ))
	if err != nil {
		return mistake{err}
	}
	switch {
	case len(words) == 0:
		return serve(ctx, settings, stdout, stderr)
	case words[0] == "token":
		return token(ctx, words[1:], ttl, settings, stdout)
	case words[0] == "mails" && len(words) == 2:
		return settings.Renderer.Preview(ctx, words[1])
	case words[0] == "mails":
		return mistake{errors.New("mails needs one directory")}
	}
	return mistake{fmt.Errorf("there is no command %q, only token and mails", words[0])}
}

// parse separates the flag from the words, which may stand in any order.
func parse(args []string) (words []string, ttl time.Duration, err error) {
	flags := flag.NewFlagSet("standalone", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // report says what is wrong
	flags.DurationVar(&ttl, "ttl", year, "")
	for {
		if err := flags.Parse(args); err != nil {
			return nil, 0, err
		}
		if flags.NArg() == 0 {
			return words, ttl, nil
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// mistake is an error of whoever started the program, a line for each sentence.
type mistake struct{ error }

// report says what went wrong and returns the program's exit status.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, err)
	if errors.As(err, new(mistake)) {
		return 2
	}
	return 1
}
