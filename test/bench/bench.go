package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/postern-auth/postern/test/internal/standalone"
)

// bench measures what the options ask for.
type bench struct {
	options
	dir      string
	progress io.Writer
}

// ownSecret signs the tokens of the servers that are started here and of the operator.
// GoTrue's figures were taken with a secret, too.
const ownSecret = "a secret that is as long as it needs to be"

// build builds the server, unless others are named.
func (b *bench) build(ctx context.Context) error {
	if len(b.servers) > 0 || len(b.databases) == 0 {
		return nil
	}
	path, err := standalone.Build(ctx, b.dir)
	b.servers = []named{{"postern", path}}
	return err
}

// compare measures all scenarios on all targets.
func (b *bench) compare(ctx context.Context, w io.Writer) error {
	if err := b.printHead(w); err != nil {
		return err
	}
	floor, err := b.measureFloor(ctx)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	fmt.Fprint(w, "\n### Floor\n\n")
	table{rows: floor}.print(w)
	return b.eachPlace(ctx, func(p *place) error {
		rows, err := b.measureScenarios(ctx, p.targets, only(scenarios, b.scenarios))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n### %s\n\n", p.name)
		table{variants: p.variants(), peers: true, rows: rows}.print(w)
		return p.printMemory(w)
	})
}

// place is where servers are compared: each on a new database of the same kind, beside
// those that run already.
type place struct {
	name    string
	targets []*target
	close   func() error
}

// variants is the heading of what distinguishes rows of the same scenario, "" where
// nothing does.
func (p *place) variants() string {
	if len(p.targets) == 1 {
		return ""
	}
	return "server"
}

// eachPlace opens one place after the other.
func (b *bench) eachPlace(ctx context.Context, do func(*place) error) error {
	kinds := b.databases
	if len(kinds) == 0 {
		kinds = []string{""}
	}
	for _, kind := range kinds {
		p, err := b.open(ctx, kind)
		if err == nil {
			err = errors.Join(do(p), p.close())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// open starts the servers on databases of a kind, "" for none, and sees to their users.
func (b *bench) open(ctx context.Context, kind string) (_ *place, err error) {
	p := &place{name: kind}
	if kind == "" {
		p.name = "running servers"
	}
	ends := []func(){}
	p.close = func() error {
		err := closeAll(p.targets)
		for _, end := range ends {
			end()
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	for _, s := range b.urls {
		t, err := b.running(s)
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, t)
	}
	for _, s := range b.servers {
		db, err := b.openDatabase(ctx, kind)
		if err != nil {
			return nil, err
		}
		ends = append(ends, db.close)
		t, err := b.startNew(ctx, s, db)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		p.targets = append(p.targets, t)
	}
	for _, t := range p.targets {
		fmt.Fprintf(b.progress, "%s: creating %d users\n", t.name, t.users)
		if err := t.seed(ctx, b.meter.connections); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return p, nil
}

// startNew starts a server on a new database and measures how long that takes.
func (b *bench) startNew(ctx context.Context, s named, db *database) (*target, error) {
	first, err := b.startTime(ctx, s, db, 1)
	if err != nil {
		return nil, err
	}
	later, err := b.startTime(ctx, s, db, 5)
	if err != nil {
		return nil, err
	}
	t, err := b.start(ctx, s, db, b.users)
	if err != nil {
		return nil, err
	}
	t.memory.firstStart, t.memory.start = first, later
	if t.memory.idle, err = resident(t.pid); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// measureScenarios measures one scenario after the other: each run of it on all
// targets before the next run, so that what changes on the machine meanwhile meets all
// alike.
func (b *bench) measureScenarios(ctx context.Context, targets []*target, list []scenario) (rows []row, err error) {
	for _, s := range list {
		of := make([]runs, len(targets))
		for i := range b.runs {
			for k, t := range targets {
				fmt.Fprintf(b.progress, "%s, %s, run %d of %d\n", s.name, t.name, i+1, b.runs)
				result, err := s.measure(ctx, t, b.meter)
				if err := errors.Join(of[k].add(result, err), ctx.Err()); err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s.name, t.name, err)
				}
			}
		}
		for k, t := range targets {
			rows = append(rows, row{name: s.name, variant: t.name, figures: median(of[k].samples), failure: of[k].failure, peer: s.peer})
		}
	}
	return rows, nil
}

// runs are what came of the runs of a scenario on a target.
type runs struct {
	samples []sample
	failure string // why there are none, for the table
}

// add returns errors that are more than a want of the target's: it does not have the
// scenario, or is too slow for it.
func (r *runs) add(s sample, err error) error {
	switch {
	case errors.Is(err, errNotThere):
		*r = runs{failure: "none"}
	case refused(err, http.StatusGatewayTimeout):
		*r = runs{failure: "timeout"}
	case err != nil:
		return err
	case r.failure == "":
		r.samples = append(r.samples, s)
	}
	return nil
}

// printHead says how was measured.
func (b *bench) printHead(w io.Writer) error {
	fmt.Fprintf(w, "%v a run after %v of warm-up, median of %d, %d connections, %d users.\n",
		b.meter.duration, b.meter.warmUp, b.runs, b.meter.connections, b.users)
	for _, s := range b.servers {
		info, err := os.Stat(s.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "The program %s has %.1f MB.\n", s.name, megabytes(info.Size()))
	}
	fmt.Fprintf(w, "\n%s", explanation)
	return nil
}

// printMemory says what the servers take beside processor time.
func (p *place) printMemory(w io.Writer) error {
	for _, t := range p.targets {
		if t.pid == 0 {
			continue
		}
		loaded, err := resident(t.pid)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s: resident memory %.0f MB after the load", t.name, megabytes(loaded))
		if t.process != nil {
			m := t.memory
			fmt.Fprintf(w, ", %.0f MB idle. Start to first answer %.0f ms; %.0f ms on an empty database",
				megabytes(m.idle), milliseconds(m.start), milliseconds(m.firstStart))
		}
		fmt.Fprintln(w, ".")
	}
	return nil
}
