package store

import (
	"context"
	"sync"
	"time"

	"github.com/postern-auth/postern"
)

// A long list is not counted for each of its pages. What counting took, a hundred times
// and a minute at most, is how long the number is good for: so a hundredth of a
// processor's time is spent on it, however long the list.
//
// Only those are remembered who were made more than a minute ago. Those since are
// counted each time, by an index, since a page that is found from the list's end would
// otherwise pass over as many as were added.
const (
	exactTotal = 10_000 // so many and fewer are counted each time

	totalAge    = 100 // times what counting took
	maxTotalAge = time.Minute

	settling = time.Minute // until nobody is stored any more with a time of creation

	maxTotals = 100 // lists
)

// totals are the numbers of users in the lists that were found to be long.
type totals struct {
	mu    sync.Mutex
	known map[totalKey]*total
}

type totalKey struct{ aud, filter, email string }

func keyOf(q postern.UserQuery) totalKey { return totalKey{q.Aud, q.Filter, q.Email} }

// total is the number of users in a list.
type total struct {
	counting chan struct{} // full while somebody counts or looks

	settled int       // so many were made
	before  time.Time // before this
	until   time.Time // when to count again
}

func newTotal() *total { return &total{counting: make(chan struct{}, 1)} }

// total returns how many users a query matches.
func (c conn) total(ctx context.Context, all listing, q postern.UserQuery) (int, error) {
	if !c.isLong(q) {
		n, err := c.count(ctx, all)
		c.noteTotal(q, n)
		return n, err
	}
	settled, before, err := c.totals.add(keyOf(q)).get(ctx, func(before time.Time) (int, error) {
		return c.count(ctx, all.before(before))
	})
	if err != nil {
		return 0, err
	}
	recent, err := c.count(ctx, all.since(before))
	if err == nil && settled+recent <= exactTotal {
		c.totals.drop(keyOf(q))
	}
	return settled + recent, err
}

// isLong reports whether a list is known to be long. A transaction counts for itself,
// as it may see what nobody else does.
func (c conn) isLong(q postern.UserQuery) bool { return c.tx == nil && c.totals.has(keyOf(q)) }

// noteTotal notes whether a list that was counted is long.
func (c conn) noteTotal(q postern.UserQuery, n int) {
	if c.tx == nil && n > exactTotal {
		c.totals.add(keyOf(q))
	}
}

// get returns how many were made before a time, which is the one that it hands to
// count if the last count is too old. One counts while the others wait.
func (t *total) get(ctx context.Context, count func(before time.Time) (int, error)) (int, time.Time, error) {
	select {
	case t.counting <- struct{}{}:
		defer func() { <-t.counting }()
	case <-ctx.Done():
		return 0, time.Time{}, ctx.Err()
	}
	begun := time.Now()
	if begun.Before(t.until) {
		return t.settled, t.before, nil
	}
	before := begun.Add(-settling)
	n, err := count(before)
	if err != nil {
		return 0, time.Time{}, err
	}
	t.settled, t.before, t.until = n, before, begun.Add(min(totalAge*time.Since(begun), maxTotalAge))
	return n, before, nil
}

func (t *totals) has(key totalKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[key] != nil
}

// add returns the number of a long list, which nobody has counted if it is new.
// Whichever other is forgotten for it will be new again.
func (t *totals) add(key totalKey) *total {
	t.mu.Lock()
	defer t.mu.Unlock()
	if long := t.known[key]; long != nil {
		return long
	}
	for other := range t.known {
		if len(t.known) >= maxTotals {
			delete(t.known, other)
		}
	}
	if t.known == nil {
		t.known = map[totalKey]*total{}
	}
	t.known[key] = newTotal()
	return t.known[key]
}

func (t *totals) drop(key totalKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
}
