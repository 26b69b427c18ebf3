package pgtest

import (
	"os"
	"testing"
)

// Cluster is a server that nobody else uses, and that can be stopped and started.
// It ends with the process, however that ends.
type Cluster struct {
	dsn   string
	dir   string
	leash *os.File // takes orders; the cluster ends when this is closed
	ended <-chan error
}

// NewCluster returns a cluster that ends with the test. Like that of New it keeps
// its promises only as long as the machine runs, and loses what it acknowledged
// last when it is stopped; settings such as "synchronous_commit=on" change that.
// Where there is no PostgreSQL to start, the test is skipped or fails as in New.
func NewCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := StartCluster(settings...)
	refuse(t, err)
	t.Cleanup(c.Close)
	return c
}

// StartCluster is NewCluster for programs that are no tests.
func StartCluster(settings ...string) (*Cluster, error) { return startCluster(tempDir, settings) }

// tempDir is where clusters are whose files shall be as files are. The path has to be
// short, for a socket's is limited, and root's own temporary directory may be closed
// to the user that runs the server.
const tempDir = "/tmp"

// DSN returns the address of the cluster's database postgres.
func (c *Cluster) DSN() string { return c.dsn }

// Dir returns the cluster's directory, which belongs to the user that runs it.
func (c *Cluster) Dir() string { return c.dir }

// Stop ends the server at once, as pg_ctl -m immediate does: it finishes nothing,
// and recovers when it is started. Stop returns when it answers no more.
func (c *Cluster) Stop() error { return c.order("stop\n", false) }

// Start starts a server that was stopped and returns when it answers.
func (c *Cluster) Start() error { return c.order("start\n", true) }

func (c *Cluster) order(order string, answers bool) error {
	if _, err := c.leash.WriteString(order); err != nil {
		return err
	}
	return c.awaitAnswer(answers)
}

// Close ends the server and removes what it kept.
func (c *Cluster) Close() {
	c.leash.Close()
	<-c.ended
}
