package postern

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// task is a part of the housekeeping.
type task struct {
	name  string
	every time.Duration // at least, of all processes together
	// batch removes up to limit rows and reports whether there may be more.
	batch func(ctx context.Context, limit int) (more bool, err error)
}

// How often tasks are due: what lives for minutes at every look, and hourly what no
// index leads to. Run looks every housekeepingInterval, never to the second.
const (
	often  = housekeepingInterval / 2
	hourly = time.Hour
)

// batchSize is how many rows go at once, so that nobody waits for long.
const batchSize = 500

// day is for how long things are kept that are over, for whoever wants to look.
const day = 24 * time.Hour

// spentTokenLife is for how long legacy refresh tokens are known as spent: to find one
// that a thief has. Those of version 2 are known for ever.
const spentTokenLife = 30 * day

// tasks are all that Run does (docs/databases.md).
func (a *Auth) tasks() []task {
	now := a.now()
	tasks := []task{
		{"keys", often, func(ctx context.Context, _ int) (bool, error) { return false, a.dropOldKeys(ctx) }},
		{"flows", often, until(now.Add(-max(day, a.cfg.Email.CodeExpiry+a.cfg.FlowExpiry)), a.store.DropFlows)},
		{"counters", often, until(now.Add(-a.counterLife()), a.store.DropCounters)},
		{"buckets", often, until(now, a.store.DropBuckets)},
		{"challenges", often, until(now.Add(-max(day, a.cfg.MFA.ChallengeExpiry)), a.store.DropChallenges)},
		{"ceremonies", often, until(now, a.store.DropCeremonies)},
		{"factors", hourly, until(now.Add(-max(day, a.cfg.MFA.FactorExpiry)), a.store.DropUnverifiedFactors)},
		{"one-time tokens", hourly, until(now.Add(-day-max(a.cfg.Email.CodeExpiry, a.cfg.Phone.CodeExpiry)), a.store.DropOldOneTimeTokens)},
		{"sessions", hourly, a.dropSessions(now)},
		{"events", hourly, func(ctx context.Context, _ int) (bool, error) {
			return false, a.store.DropEvents(ctx, now.Add(-eventMaxAge))
		}},
		{"refresh tokens", hourly, until(now.Add(-spentTokenLife), a.store.DropLegacyTokens)},
	}
	if keep := a.cfg.Audit.Retention; keep > 0 {
		tasks = append(tasks, task{"audit log", often, until(now.Add(-keep), a.store.DropAuditEntries)})
	}
	if a.cfg.AnonymousMaxAge > 0 {
		tasks = append(tasks, task{"anonymous users", often, func(ctx context.Context, _ int) (bool, error) {
			return false, a.dropAnonymous(ctx)
		}})
	}
	return tasks
}

func until(before time.Time, drop func(context.Context, time.Time, int) (bool, error)) func(context.Context, int) (bool, error) {
	return func(ctx context.Context, limit int) (bool, error) { return drop(ctx, before, limit) }
}

// counterLife is for how long a counter may be asked for.
func (a *Auth) counterLife() time.Duration {
	return max(day, a.cfg.Email.MaxFrequency, a.cfg.Phone.MaxFrequency, a.cfg.MFA.Phone.MaxFrequency, a.cfg.Email.CodeExpiry)
}

// dropSessions removes what cannot be refreshed any more, some time after, as GoTrue
// does (contract: storage.md §4).
func (a *Auth) dropSessions(now time.Time) func(context.Context, int) (bool, error) {
	over := SessionsOver{NotAfter: now.Add(-3 * day)}
	if d := a.cfg.Session.Timebox; d > 0 {
		over.SignedIn = now.Add(-day - d)
	}
	if d := a.cfg.Session.InactivityTimeout; d > 0 {
		over.LastRefresh = now.Add(-day - d)
	}
	return func(ctx context.Context, limit int) (bool, error) { return a.store.DropSessions(ctx, over, limit) }
}

// tidy does what is due. One task that fails keeps no other.
func (a *Auth) tidy(ctx context.Context) error {
	var errs []error
	for _, t := range a.tasks() {
		if err := a.perform(ctx, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.name, err))
		}
	}
	return errors.Join(errs...)
}

// perform does a task, unless a process did so lately or is at it. It stops before
// the next may begin.
func (a *Auth) perform(ctx context.Context, t task) error {
	begun := a.now()
	_, err := a.store.Claim(ctx, "housekeeping:"+t.name, begun, begun.Add(-t.every))
	if errors.Is(err, ErrRowTaken) {
		return nil
	}
	for more := true; more && err == nil && a.now().Before(begun.Add(t.every/2)); {
		more, err = t.batch(ctx, batchSize)
	}
	return err
}
