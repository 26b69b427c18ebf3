// Bench measures what requests cost, and prints a table beside what GoTrue was
// measured to take.
//
//	go run ./test/bench [-database sqlite] [-scenario user,refresh] [-postgres DSN]
//
// Client and server are processes of their own. A closed loop of keep-alive
// connections sends one request after the other; the processor time of the server
// and of all of PostgreSQL's processes, as the kernel counts it, is divided by
// their number. docs/performance.md says how to read the figures.
//
// It needs Linux, for /proc. Everything is on loopback and in a temporary
// directory, and ends with the program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if slices.Equal(os.Args[1:], []string{bareCommand}) {
		exit(serveBare(os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func exit(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// options are what the flags say.
type options struct {
	meter     meter
	runs      int
	users     int
	databases []string
	scenarios []string
	postgres  string
	server    string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.meter.duration, "duration", 8*time.Second, "of each run of a scenario")
	flags.DurationVar(&o.meter.warmUp, "warmup", time.Second, "before it, which is not counted")
	flags.IntVar(&o.meter.connections, "connections", 16, "at once")
	flags.IntVar(&o.runs, "runs", 3, "of each scenario; the median is printed")
	flags.IntVar(&o.users, "users", 1800, "in the database before the scenarios begin")
	flags.StringVar(&o.postgres, "postgres", "", "`DSN` of a server on this machine (default: a cluster that is started for the run)")
	flags.StringVar(&o.server, "server", "", "`path` of a built examples/standalone (default: it is built)")
	databases := flags.String("database", "sqlite,postgres", "`names` of the databases to measure on")
	scenarios := flags.String("scenario", "", "`names` of the scenarios to measure (default: all)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.databases, o.scenarios = names(*databases), names(*scenarios)
	return o, o.check(flags.Args())
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func (o options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	if o.meter.duration <= 0 || o.meter.warmUp < 0 || o.meter.connections < 1 || o.runs < 1 || o.users < 1 {
		return errors.New("durations and numbers have to be positive")
	}
	for _, name := range o.databases {
		if name != "sqlite" && name != "postgres" {
			return fmt.Errorf("there is no database %q, only sqlite and postgres", name)
		}
	}
	known := scenarioNames()
	for _, name := range o.scenarios {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no scenario %q, only %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// wants reports whether a scenario is to be measured.
func (o options) wants(name string) bool {
	return len(o.scenarios) == 0 || slices.Contains(o.scenarios, name)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the processor time of other processes is read from /proc, which %s does not have: run it on Linux", runtime.GOOS)
	}
	dir, err := os.MkdirTemp("", "postern-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	b := &bench{options: o, dir: dir, progress: stderr}
	results, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return results.print(stdout)
}
