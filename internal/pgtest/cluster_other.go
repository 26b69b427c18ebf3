//go:build !unix

package pgtest

// startCluster needs a Unix shell to end what it starts.
func startCluster(string, []string) (*Cluster, error) { return nil, errNone }

func (c *Cluster) awaitAnswer(bool) error { return errNone }
