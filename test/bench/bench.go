package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/postern-auth/postern/test/internal/standalone"
)

// bench measures everything that the options ask for.
type bench struct {
	options
	dir      string
	progress io.Writer
}

func (b *bench) measure(ctx context.Context) (*results, error) {
	if b.server == "" {
		var err error
		if b.server, err = standalone.Build(ctx, b.dir); err != nil {
			return nil, err
		}
	}
	r := &results{options: b.options}
	info, err := os.Stat(b.server)
	if err != nil {
		return nil, err
	}
	r.binary = info.Size()
	if r.floor, err = b.measureFloor(ctx); err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	for _, name := range b.databases {
		d, err := b.measureDatabase(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.databases = append(r.databases, d)
	}
	return r, nil
}

// secret signs the tokens of the server and of the operator. GoTrue's figures
// were taken with a secret, too.
const secret = "a secret that is as long as it needs to be"

func environ(db *database) []string {
	return []string{
		"DATABASE_URL=" + db.url, "GOTRUE_JWT_SECRET=" + secret, "GOTRUE_LOG_LEVEL=error", "GOTRUE_MAILER_AUTOCONFIRM=true",
		"POSTERN_RATE_LIMITS=off",
	}
}

func (b *bench) measureDatabase(ctx context.Context, name string) (_ *databaseResults, err error) {
	db, err := b.openDatabase(ctx, name)
	if err != nil {
		return nil, err
	}
	defer db.close()
	r := &databaseResults{name: name}
	if r.firstStart, err = b.start(ctx, db, 1); err != nil {
		return nil, err
	}
	if r.start, err = b.start(ctx, db, 5); err != nil {
		return nil, err
	}
	server, err := standalone.Start(b.server, nil, environ(db)...)
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	if err := answer(ctx, server.URL); err != nil {
		return nil, err
	}
	if r.idle, err = resident(server.PID()); err != nil {
		return nil, err
	}
	bed, err := newBed(ctx, server, db, b.options)
	if err != nil {
		return nil, err
	}
	if r.rows, err = b.measureScenarios(ctx, bed); err != nil {
		return nil, err
	}
	if r.loaded, err = resident(server.PID()); err != nil {
		return nil, err
	}
	return r, server.Stop()
}

// start returns the median time from the start of the process to its first answer.
func (b *bench) start(ctx context.Context, db *database, times int) (time.Duration, error) {
	var took []time.Duration
	for range times {
		began := time.Now()
		server, err := standalone.Start(b.server, nil, environ(db)...)
		if err != nil {
			return 0, err
		}
		err = answer(ctx, server.URL)
		took = append(took, time.Since(began))
		if err == nil {
			err = server.Stop()
		}
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// answer gets one answer.
func answer(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (b *bench) measureScenarios(ctx context.Context, bed *bed) ([]row, error) {
	var rows []row
	for _, s := range scenarios {
		if !b.wants(s.name) {
			continue
		}
		r, err := b.measureRuns(ctx, s.name, func() (sample, error) { return s.measure(ctx, bed) })
		if err != nil {
			return nil, err
		}
		r.peer = s.peer
		rows = append(rows, r)
	}
	return rows, nil
}

// measureRuns measures several times and keeps the median of each figure.
func (b *bench) measureRuns(ctx context.Context, name string, measure func() (sample, error)) (row, error) {
	var samples []sample
	for i := range b.runs {
		fmt.Fprintf(b.progress, "%s, run %d of %d\n", name, i+1, b.runs)
		s, err := measure()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return row{}, fmt.Errorf("%s: %w", name, err)
		}
		samples = append(samples, s)
	}
	return row{name: name, figures: median(samples)}, nil
}
