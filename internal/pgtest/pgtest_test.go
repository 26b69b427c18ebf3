package pgtest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/pgtest"
)

func TestDatabaseIsEmptyAndItsOwn(t *testing.T) {
	t.Parallel()
	first, second := pgtest.Connect(t, pgtest.New(t)), pgtest.Connect(t, pgtest.New(t))

	pgtest.Exec(t, first, "CREATE TABLE mine (n int)")
	if got := count(t, second); got != 0 {
		t.Errorf("tables in the second database = %d, want 0", got)
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("inner", func(t *testing.T) {
		dsn = pgtest.New(t)
		pgtest.Connect(t, dsn) // dropped although somebody is in it
	})
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var left int
	const databases = "SELECT count(*) FROM pg_database WHERE datname = $1"
	if err := pgtest.Connect(t, pgtest.New(t)).QueryRow(context.Background(), databases, config.Database).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%s is still there", config.Database)
	}
}

func TestMigratedDatabasesAreCopies(t *testing.T) {
	t.Parallel()
	runs := 0
	migrate := func(dsn string) error {
		runs++
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(context.Background(), "CREATE TABLE migrated (n int)")
		return errors.Join(err, conn.Close(context.Background()))
	}

	key := rand.Text() // of no earlier run
	for i := range 3 {
		conn := pgtest.Connect(t, pgtest.NewMigrated(t, key, migrate))
		if got := count(t, conn); got != 1 {
			t.Errorf("copy %d: tables = %d, want 1", i, got)
		}
		pgtest.Exec(t, conn, fmt.Sprintf("CREATE TABLE of_copy_%d (n int)", i))
	}
	want := 1
	if os.Getenv("POSTERN_TEST_POSTGRES") != "" {
		want = 3
	}
	if runs != want {
		t.Errorf("migrate ran %d times, want %d", runs, want)
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ dsn, parameter, value, want string }{
		{"postgres://u@h/a", "dbname", "b", "postgres://u@h/b"},
		{"postgresql://u@h/a?x=1", "timezone", "+1 2", "postgresql://u@h/a?timezone=%2B1+2&x=1"},
		{"postgres://u@h/a?x=1", "x", "2", "postgres://u@h/a?x=2"},
		{"host=h dbname=a", "dbname", "b", "host=h dbname=a dbname='b'"},
		{"host=h", "options", `it's \`, `host=h options='it\'s \\'`},
	} {
		if got := pgtest.With(test.dsn, test.parameter, test.value); got != test.want {
			t.Errorf("With(%q, %q, %q) = %q, want %q", test.dsn, test.parameter, test.value, got, test.want)
		}
	}
}

// count returns the number of tables in the database.
func count(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	var n int
	const tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
	if err := conn.QueryRow(context.Background(), tables).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
