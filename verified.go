package postern

import (
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/postern-auth/postern/internal/jwk"
)

// verified remembers the claims of tokens whose signature was found good, since a
// client sends the same token with every request, and verifying one that an
// asymmetric key signed takes longer than all else about it. Whether the token's time
// has come or is over, and whether its session is alive, is asked each time. It is
// safe for concurrent use.
type verified struct {
	mu  sync.Mutex
	set *jwk.Set // the keys by which they are good; with others nothing is known

	// What was asked for lately, and what before that. When the first is full the
	// second is forgotten, so that what is not asked for any more goes.
	young, old map[digest]*Claims
}

// digest stands for a token, which is not kept.
type digest = [sha256.Size]byte

// Of so many tokens each generation has claims, and of none that is longer.
const (
	maxVerified     = 512
	longestVerified = 4 << 10
)

// find returns the claims of a token that a set of keys is known to verify, for the
// caller to keep, or nil.
func (v *verified) find(set *jwk.Set, token string) *Claims {
	if len(token) > longestVerified {
		return nil
	}
	key := sha256.Sum256([]byte(token))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.set != set {
		return nil
	}
	c, ok := v.young[key]
	if !ok {
		if c, ok = v.old[key]; !ok {
			return nil
		}
		v.keep(key, c)
	}
	return c.clone()
}

// add notes the claims of a token that a set of keys has verified.
func (v *verified) add(set *jwk.Set, token string, c *Claims) {
	if len(token) > longestVerified {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.set != set {
		v.set, v.young, v.old = set, nil, nil
	}
	v.keep(sha256.Sum256([]byte(token)), c.clone())
}

func (v *verified) keep(key digest, c *Claims) {
	if v.young == nil || len(v.young) >= maxVerified {
		v.young, v.old = make(map[digest]*Claims), v.young
	}
	v.young[key] = c
}

// clone is a copy that shares nothing that can be changed.
func (c *Claims) clone() *Claims {
	d := *c
	d.Audience, d.AMR = slices.Clone(c.Audience), slices.Clone(c.AMR)
	d.AppMetadata, d.UserMetadata = slices.Clone(c.AppMetadata), slices.Clone(c.UserMetadata)
	return &d
}
