//go:build !unix

package pgtest

// startCluster needs a Unix shell to end what it starts.
func startCluster() (*server, error) { return nil, errNone }
