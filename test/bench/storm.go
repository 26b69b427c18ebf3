package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// weather measures GET /user in quiet, and while as many others sign in with passwords.
func (b *bench) weather(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "GET /user at %d connections, by itself and while %[1]d others sign in with passwords: %v each after %v of\n"+
		"warm-up, median of %d. Whom processor time goes to cannot be told in the storm.\n",
		b.meter.connections, b.meter.duration, b.meter.warmUp, b.runs)
	return b.eachPlace(ctx, func(p *place) error {
		for _, t := range p.targets {
			rows, err := b.measureStorm(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			fmt.Fprintf(w, "\n### %s, %s\n\n", p.name, t.name)
			table{variants: "meanwhile", rows: rows}.print(w)
			quiet, storm := rows[0], rows[1]
			fmt.Fprintf(w, "\nGET /user, storm ÷ quiet: p50 %s, p99 %s.\n",
				ratio(quotient(float64(storm.p50), float64(quiet.p50))), ratio(quotient(float64(storm.p99), float64(quiet.p99))))
		}
		return nil
	})
}

// measureStorm returns the rows of one target: quiet, storm, and who makes the storm.
func (b *bench) measureStorm(ctx context.Context, t *target) ([]row, error) {
	var quiet, storm, others []sample
	for i := range b.runs {
		fmt.Fprintf(b.progress, "storm, %s, run %d of %d\n", t.name, i+1, b.runs)
		s, err := scenarioNamed("user").measure(ctx, t, b.meter)
		if err != nil {
			return nil, err
		}
		quiet = append(quiet, s)
		s, o, err := b.oneStorm(ctx, t)
		if err != nil {
			return nil, err
		}
		storm, others = append(storm, s), append(others, o)
	}
	return []row{
		{name: "user", variant: "nothing", figures: median(quiet)},
		{name: "user", variant: "sign-ins", figures: median(storm)},
		{name: "password", variant: "user", figures: median(others)},
	}, nil
}

// oneStorm measures those who ask for their user, and beside them those who sign in.
func (b *bench) oneStorm(ctx context.Context, t *target) (users, others sample, err error) {
	asking, err := t.team(ctx, b.meter.connections, beginUser)
	if err != nil {
		return users, others, err
	}
	signingIn, err := t.team(ctx, b.meter.connections, beginPassword)
	if err != nil {
		return users, others, errors.Join(err, asking.close())
	}
	over := make(chan error)
	go func() {
		var err error
		others.latencies, others.elapsed, err = drive(ctx, signingIn.steps, b.meter.warmUp+b.meter.duration)
		over <- err
	}()
	users, err = b.meter.measure(ctx, asking.steps, none, none)
	return users, others, errors.Join(err, <-over, ctx.Err(), asking.close(), signingIn.close())
}
