package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
)

// worker is one of those who send a target requests, one after the other.
type worker struct {
	*target
	c         *client
	index, of int // among all workers
}

// user returns a random user whom no other worker is given: two links for one person at
// the same time would void each other.
func (w *worker) user() int {
	mine := (w.users - w.index + w.of - 1) / w.of
	return 1 + w.index + w.of*rand.IntN(mine)
}

// team is the workers of a run and what they repeat.
type team struct {
	workers []*worker
	steps   []step
}

// team connects workers to a target, and has begin called for each, all at the same time.
func (t *target) team(ctx context.Context, connections int, begin begin) (*team, error) {
	return newTeam(ctx, []*target{t}, connections, begin)
}

// newTeam spreads its workers over targets.
func newTeam(ctx context.Context, targets []*target, connections int, begin begin) (*team, error) {
	all := &team{make([]*worker, connections), make([]step, connections)}
	errs := make([]error, connections)
	var wait sync.WaitGroup
	for i := range connections {
		wait.Go(func() {
			w := &worker{target: targets[i%len(targets)], index: i, of: connections}
			if w.c, errs[i] = dial(ctx, w.url); errs[i] == nil {
				all.workers[i] = w
				all.steps[i], errs[i] = begin(ctx, w)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, all.close())
	}
	return all, nil
}

func (t *team) close() (err error) {
	for _, w := range t.workers {
		if w != nil {
			err = errors.Join(err, w.c.conn.Close())
		}
	}
	return err
}
