package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/postern-auth/postern/test/bench/internal/fill"
)

// growing are the scenarios that are measured on databases of several sizes.
var growing = []string{
	"password", "user", "refresh", "verify", "list", "list-cursor", "list-last", "list-filter", "by-phone", "by-id",
}

// The ratio of a figure to that of the first size from which it is marked.
const grown = 1.5

// manySessions is how many each worker goes round: few would stay where they are found
// at once, however large the database.
const manySessions = 100

// grow measures on databases that grow.
func (b *bench) grow(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "%v a run after %v of warm-up, median of %d, %d connections. Processor time is that of the server\n"+
		"and of all of the database's processes, for one request; with ! where it is more than %.1f times that of the first size.\n",
		b.meter.duration, b.meter.warmUp, b.runs, b.meter.connections, grown)
	for _, kind := range b.databases {
		rows, err := b.growDatabases(ctx, kind)
		for _, s := range b.servers {
			fmt.Fprintf(w, "\n### %s, %s\n\n", kind, s.name)
			table{variants: "users", mark: grown, rows: bySize(rows[s.name])}.print(w)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// growDatabases returns the rows of each server, one size after the other, with an error
// those of the sizes before.
func (b *bench) growDatabases(ctx context.Context, kind string) (map[string][]row, error) {
	var databases []*database
	for range b.servers {
		db, err := b.openDatabase(ctx, kind)
		if err != nil {
			return nil, err
		}
		defer db.close()
		databases = append(databases, db)
	}
	rows := map[string][]row{}
	for _, size := range b.growth {
		measured, err := b.measureSize(ctx, databases, size)
		if err != nil {
			return rows, fmt.Errorf("%d users: %w", size, err)
		}
		for _, r := range measured {
			server := r.variant
			r.variant = strconv.Itoa(size)
			rows[server] = append(rows[server], r)
		}
	}
	return rows, nil
}

// measureSize fills the databases up and starts a server on each.
func (b *bench) measureSize(ctx context.Context, databases []*database, size int) (_ []row, err error) {
	var targets []*target
	defer func() { err = errors.Join(err, closeAll(targets)) }()
	for i, s := range b.servers {
		began := time.Now()
		if err := fill.Fill(ctx, databases[i].url, size); err != nil {
			return nil, err
		}
		fmt.Fprintf(b.progress, "%s: %d users after %v\n", s.name, size, time.Since(began).Round(time.Second))
		t, err := b.start(ctx, s, databases[i], size)
		if err != nil {
			return nil, err
		}
		t.sessions = manySessions
		targets = append(targets, t)
	}
	var list []scenario
	for _, name := range growing {
		list = append(list, scenarioNamed(name))
	}
	return b.measureScenarios(ctx, targets, only(list, b.scenarios))
}

// bySize brings the sizes of each scenario together.
func bySize(rows []row) []row {
	order := func(r row) int { return slices.Index(growing, r.name) }
	slices.SortStableFunc(rows, func(a, b row) int { return order(a) - order(b) })
	return rows
}
