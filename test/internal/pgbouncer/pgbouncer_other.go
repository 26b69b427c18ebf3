//go:build !unix

package pgbouncer

// Bouncer is a PgBouncer; there is none on this system.
type Bouncer struct{}

// Start returns ErrNone: it needs a Unix shell to end what it starts.
func Start(string, int) (*Bouncer, error) { return nil, ErrNone }

// DSN returns nothing.
func (*Bouncer) DSN() string { return "" }

// PID returns 0.
func (*Bouncer) PID() int { return 0 }

// Close does nothing.
func (*Bouncer) Close() {}
