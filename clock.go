package postern

import (
	"log/slog"
	"sync"
	"time"
)

// A clock that is set back must not let anything live for longer (guarantees: G40).
// There are two defences. While a process runs, a steadyClock keeps what was set back
// from having any effect. And what says that it was made later than now is refused,
// by a process that was started since the clock was set back, or by another one.

// steadyClock reads a clock that may be set back, and goes on from where it was. Until
// the clock has caught up, or the process is started anew, it is ahead of it. It is
// safe for concurrent use.
type steadyClock struct {
	read   func() time.Time
	logger *slog.Logger

	mu    sync.Mutex
	last  time.Time     // that was read
	ahead time.Duration // of what is read
}

const (
	// leastStep is the least change of a clock that counts as setting it: by less it
	// is slewed.
	leastStep = time.Second
	// mostAhead is how far a clock may be set back without effect. One that was wrong
	// by more was never the time, and to be ahead of the world for good helps nobody.
	mostAhead = time.Hour
	// mostSkew is by how much the clocks of several processes may differ.
	mostSkew = 5 * time.Minute
)

// now is what the clock says, or would say had nobody set it back. How much time has
// passed it knows from the monotonic reading, where there is one (package time).
func (c *steadyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.read()
	if !c.last.IsZero() {
		passed := max(0, t.Sub(c.last))
		c.step(t.Round(0).Sub(c.last.Round(0)) - passed)
	}
	c.last = t
	return t.Add(c.ahead)
}

// step takes note of by how much a clock was set.
func (c *steadyClock) step(by time.Duration) {
	switch {
	case by >= leastStep:
		c.ahead = max(0, c.ahead-by)
	case by > -leastStep:
	case c.ahead-by > mostAhead:
		c.ahead = 0
		c.logger.Warn("the clock was set back; what was made before that ends early", "by", -by)
	default:
		c.ahead -= by
		c.logger.Warn("the clock was set back, which has no effect until it has caught up or the process is started anew", "by", -by)
	}
}

// over reports whether what was made at a time has lived for as long as it may, or
// was made at a time that has not come.
func (a *Auth) over(made time.Time, life time.Duration) bool {
	return !a.now().Before(made.Add(life)) || a.toCome(made)
}

func (a *Auth) toCome(t time.Time) bool { return t.After(a.now().Add(mostSkew)) }
