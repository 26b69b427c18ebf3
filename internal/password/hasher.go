package password

import (
	"context"
	"strings"
)

// Hasher makes and verifies hashes, a bounded number at once. It is safe for
// concurrent use.
type Hasher struct {
	params  Params
	unknown stored // stands in where there is no hash to verify against
	gate    *gate
}

// New returns a Hasher that makes hashes as p says, or an error when p or l
// make no sense. It computes nothing and starts nothing.
func New(p Params, l Limit) (*Hasher, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	gate, err := newGate(l)
	if err != nil {
		return nil, err
	}
	p = p.withDefaults()
	return &Hasher{params: p, unknown: p.unknown(), gate: gate}, nil
}

// Hash returns a new hash of password, in the form that Verify reads. It fails
// with ErrTooLong or ErrNUL for what cannot be hashed, with ErrBusy when too
// many computations wait already, and with ctx's error when ctx ends before
// its turn comes.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	switch {
	case len(password) > MaxLength:
		return "", ErrTooLong
	case hasNUL(password):
		return "", ErrNUL
	}
	var hash string
	err := h.gate.run(ctx, func() (err error) {
		hash, err = h.params.hash(password)
		return err
	})
	return hash, err
}

// Verify reports whether hash was made of password. It reads bcrypt ($2a$,
// $2b$, $2y$), argon2i and argon2id (v=19) and Firebase's scrypt ($fbscrypt$v=1).
//
// The empty hash is that of an account that does not exist or has no password:
// it never matches, and takes as long as a hash made by Hash. So pass "" instead
// of not calling. A hash that Valid refuses takes as long, and the error wraps
// ErrUnsupported. (A hash of other parameters takes its own time.) The other
// errors are ErrBusy and ctx's, as for Hash.
//
// weaker says that the password matched and that its hash should be replaced by
// a new one, since that would be harder to break. Hashes are compared by the
// memory, in KiB, that one guess has to fill:
//
//   - argon2i and argon2id: m times t; lanes count nothing, they divide m.
//   - bcrypt: 35 MiB at cost 10, twice that with each step. At 35 MiB lie the
//     weakest settings of argon2id that OWASP's Password Storage Cheat Sheet
//     recommends (m=7168, t=5), and graphics cards guess at roughly the same rate.
//   - Firebase's scrypt: none. It is foreign, and Firebase allows at most 16 MiB
//     filled once, a fraction of what is recommended for scrypt.
//
// So a bcrypt hash is replaced by one of a higher cost and never by one of a
// lower, an imported argon2id hash at its usual settings survives bcrypt of
// cost 10, bcrypt of cost 10 gives way to argon2id at this package's defaults, and
// what Hash makes is never weaker.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, weaker bool, err error) {
	against, unreadable := h.against(hash)
	err = h.gate.run(ctx, func() error {
		ok = against.matches(password)
		return unreadable
	})
	if err != nil || hash == "" || hasNUL(password) {
		return false, false, err
	}
	return ok, ok && h.weaker(against), nil
}

func (h *Hasher) weaker(s stored) bool { return s.work() < h.unknown.work() }

// against returns what to verify against: h.unknown where hash is empty, and
// where it cannot be read, with the reason.
func (h *Hasher) against(hash string) (stored, error) {
	if hash == "" {
		return h.unknown, nil
	}
	s, err := parse(hash)
	if err != nil {
		return h.unknown, err
	}
	return s, nil
}

func hasNUL(password string) bool { return strings.ContainsRune(password, 0) }
