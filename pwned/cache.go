package pwned

import (
	"container/list"
	"time"
)

// cache keeps the answers that were used last. It is not safe for concurrent use.
type cache struct {
	size     int
	byPrefix map[string]*list.Element
	used     *list.List // of *answer, the one used last at the front
}

type answer struct {
	prefix string
	known  []suffix
	until  time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, byPrefix: map[string]*list.Element{}, used: list.New()}
}

func (c *cache) get(prefix string, now time.Time) ([]suffix, bool) {
	e := c.byPrefix[prefix]
	if e == nil {
		return nil, false
	}
	a := e.Value.(*answer)
	if !now.Before(a.until) {
		c.drop(e)
		return nil, false
	}
	c.used.MoveToFront(e)
	return a.known, true
}

func (c *cache) put(prefix string, known []suffix, until time.Time) {
	if e := c.byPrefix[prefix]; e != nil {
		c.drop(e)
	}
	c.byPrefix[prefix] = c.used.PushFront(&answer{prefix, known, until})
	if len(c.byPrefix) > c.size {
		c.drop(c.used.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	delete(c.byPrefix, c.used.Remove(e).(*answer).prefix)
}
