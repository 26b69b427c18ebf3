// Bench measures what requests cost, and prints a table beside what GoTrue was
// measured to take.
//
//	go run ./test/bench [-database sqlite] [-scenario user,refresh] [-postgres DSN]
//	go run ./test/bench -server old=/tmp/old -server new=/tmp/new
//	go run ./test/bench -url gotrue=http://127.0.0.1:9999 -pid gotrue=4711,4242 -secret …
//	go run ./test/bench -growth 10000,100000,1000000
//	go run ./test/bench -storm
//	go run ./test/bench -mix
//	go run ./test/bench -fill 1000000 -into sqlite:auth.db
//
// Client and server are processes of their own. A closed loop of keep-alive
// connections sends one request after the other; the processor time of the server
// and of all of PostgreSQL's processes, as the kernel counts it, is divided by
// their number. docs/performance.md says how to read the figures.
//
// Several servers are measured in turn, scenario by scenario and run by run, and
// compared with the first: those that run already (-url) come before those that are
// started (-server). Servers that run already get users in their databases, and keep
// them.
//
// It needs Linux, for /proc. What it starts is on loopback and in a temporary
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
	"syscall"

	"github.com/postern-auth/postern/test/bench/internal/fill"
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

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.fill > 0 {
		return fill.Fill(ctx, o.into, o.fill)
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
	if err := b.build(ctx); err != nil {
		return err
	}
	measure := b.compare
	switch {
	case len(o.growth) > 0:
		measure = b.grow
	case o.storm:
		measure = b.weather
	case o.mix:
		measure = b.mixed
	}
	return measure(ctx, stdout)
}
