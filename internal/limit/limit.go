// Package limit keeps token buckets in memory, and remembers who has to wait for
// those that are kept elsewhere.
package limit

import (
	"sync"
	"time"
)

// Buckets are token buckets. The zero value has all of them full.
type Buckets struct {
	mu   sync.Mutex
	full times // when a bucket is full again
}

// Spend takes a token out of a bucket of size tokens, of which one comes back every
// so often. If there is none it takes nothing, and returns how long it is until
// there is one.
func (b *Buckets) Spend(key string, every time.Duration, size int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.full.at[key]
	if full.Before(now) {
		full = now
	}
	if wait := full.Sub(now) - every*time.Duration(size-1); wait > 0 {
		return wait
	}
	b.full.set(key, full.Add(every), now)
	return 0
}

// Drop fills a bucket.
func (b *Buckets) Drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.full.at, key)
}

// Refusals are those who asked an empty bucket, and have to wait until it has a
// token again: it need not be asked meanwhile. The zero value has none.
type Refusals struct {
	mu    sync.Mutex
	until times
}

// Left returns how long the one with a key still has to wait.
func (r *Refusals) Left(key string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.until.at[key].Sub(now), 0)
}

// Add notes that the one with a key has to wait.
func (r *Refusals) Add(key string, wait time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until.set(key, now.Add(wait), now)
}

// Drop forgets a refusal.
func (r *Refusals) Drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until.at, key)
}

// times are points in time by key. What is past is dropped from time to time, so
// that there are about twice as many as are to come.
type times struct {
	at    map[string]time.Time
	sweep int // the number at which to look for what is past
}

func (t *times) set(key string, at, now time.Time) {
	if t.at == nil {
		t.at = map[string]time.Time{}
	}
	if t.at[key] = at; len(t.at) <= t.sweep {
		return
	}
	for key, at := range t.at {
		if at.Before(now) {
			delete(t.at, key)
		}
	}
	t.sweep = max(1024, 2*len(t.at))
}
