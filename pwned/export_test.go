package pwned

// Waiting returns how many wait for a request.
func Waiting(c *Checker) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lookups {
		n += l.waiting
	}
	return n
}

// CommonLines returns the list.
func CommonLines() string { return common }

// LongestCommon is the length that the list is taken to have at most.
const LongestCommon = longestCommon
