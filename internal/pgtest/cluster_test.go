package pgtest_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/pgtest"
)

func TestClusterKeepsWhatItAcknowledgedWhenItIsStopped(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, "synchronous_commit=on")
	pgtest.Exec(t, pgtest.Connect(t, c.DSN()), "CREATE TABLE kept (n int)")
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), c.DSN()); err == nil {
		conn.Close(t.Context())
		t.Error("a stopped cluster answers")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, pgtest.Connect(t, c.DSN()), "INSERT INTO kept VALUES (1)")
}

func TestClosedClusterLeavesNothing(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t)
	c.Close()
	if _, err := os.Stat(c.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: got error %v, want it removed", c.Dir(), err)
	}
}
