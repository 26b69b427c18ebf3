package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// step is one request, or whatever else is measured, by one worker, and a check of
// its answer.
type step func(ctx context.Context) error

// meter drives steps and measures them.
type meter struct {
	duration, warmUp time.Duration
	connections      int
}

// clock tells the processor time that processes have used until now.
type clock func() (time.Duration, error)

// none is the clock of what has no process, or none that is known.
func none() (time.Duration, error) { return 0, nil }

// together tells the sum of what clocks tell.
func together(clocks ...clock) clock {
	return func() (sum time.Duration, err error) {
		for _, c := range clocks {
			t, e := c()
			sum, err = sum+t, errors.Join(err, e)
		}
		return sum, err
	}
}

// sample is what one run measured.
type sample struct {
	latencies        []time.Duration // sorted
	elapsed          time.Duration
	server, database time.Duration // processor time
}

// maxSteps bounds what a worker does in a run, should the clock stand still.
const maxSteps = 10_000_000

// measure runs one worker for each step, in a closed loop.
func (m meter) measure(ctx context.Context, steps []step, server, database clock) (s sample, err error) {
	if _, _, err := drive(ctx, steps, m.warmUp); err != nil {
		return s, err
	}
	return m.count(ctx, steps, server, database)
}

// count is measure without the warm-up.
func (m meter) count(ctx context.Context, steps []step, server, database clock) (s sample, err error) {
	serverBefore, err1 := server()
	databaseBefore, err2 := database()
	s.latencies, s.elapsed, err = drive(ctx, steps, m.duration)
	serverAfter, err3 := server()
	databaseAfter, err4 := database()
	s.server, s.database = serverAfter-serverBefore, databaseAfter-databaseBefore
	return s, errors.Join(err, err1, err2, err3, err4)
}

// drive lets every worker repeat its step for a time. The first that fails ends
// them all: figures of a server that refuses say nothing.
func drive(ctx context.Context, steps []step, d time.Duration) ([]time.Duration, time.Duration, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	began := time.Now()
	took := make([][]time.Duration, len(steps))
	var workers sync.WaitGroup
	for i, step := range steps {
		workers.Go(func() {
			var err error
			if took[i], err = repeat(ctx, step, began.Add(d)); err != nil {
				fail(err)
			}
		})
	}
	workers.Wait()
	elapsed := time.Since(began)
	all := slices.Concat(took...)
	slices.Sort(all)
	return all, elapsed, context.Cause(ctx)
}

func repeat(ctx context.Context, step step, end time.Time) ([]time.Duration, error) {
	var took []time.Duration
	now := time.Now()
	for range maxSteps {
		if !now.Before(end) || ctx.Err() != nil {
			break
		}
		if err := step(ctx); err != nil {
			return took, err
		}
		done := time.Now()
		took = append(took, done.Sub(now))
		now = done
	}
	return took, nil
}

// figures are what a sample says of one request.
type figures struct {
	perSecond           float64
	p50, p95, p99, p999 time.Duration
	server, database    time.Duration // processor time, zero where it is not known
}

// cpu is the processor time in all.
func (f figures) cpu() time.Duration { return f.server + f.database }

func (s sample) figures() figures {
	n := time.Duration(len(s.latencies))
	if n == 0 {
		return figures{}
	}
	return figures{
		perSecond: float64(n) / s.elapsed.Seconds(),
		p50:       s.percentile(500), p95: s.percentile(950), p99: s.percentile(990), p999: s.percentile(999),
		server: s.server / n, database: s.database / n,
	}
}

// percentile returns the latency that so many of a thousand requests stay below.
func (s sample) percentile(thousandths int) time.Duration {
	return s.latencies[len(s.latencies)*thousandths/1000]
}

// median returns the median of each figure by itself, nothing of no samples.
func median(samples []sample) figures {
	if len(samples) == 0 {
		return figures{}
	}
	var all []figures
	for _, s := range samples {
		all = append(all, s.figures())
	}
	return figures{
		perSecond: middle(all, func(f figures) float64 { return f.perSecond }),
		p50:       middle(all, func(f figures) time.Duration { return f.p50 }),
		p95:       middle(all, func(f figures) time.Duration { return f.p95 }),
		p99:       middle(all, func(f figures) time.Duration { return f.p99 }),
		p999:      middle(all, func(f figures) time.Duration { return f.p999 }),
		server:    middle(all, func(f figures) time.Duration { return f.server }),
		database:  middle(all, func(f figures) time.Duration { return f.database }),
	}
}

func middle[T cmp.Ordered](all []figures, figure func(figures) T) T {
	values := make([]T, len(all))
	for i, f := range all {
		values[i] = figure(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
