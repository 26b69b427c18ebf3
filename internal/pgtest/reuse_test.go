package pgtest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/pgtest"
)

// library is a migration that keeps a row and has two tables for more.
const library = `
	CREATE SCHEMA library;
	CREATE TABLE library.rooms (name text PRIMARY KEY);
	INSERT INTO library.rooms VALUES ('reading room');
	CREATE TABLE library.readers (id serial PRIMARY KEY);
	CREATE TABLE library.books (id serial PRIMARY KEY, reader int NOT NULL REFERENCES library.readers);
	SELECT nextval('library.books_id_seq')`

// databases returns a function that does something in a migrated database that earlier
// calls may have had, and returns its name.
func databases(t *testing.T) func(do func(t *testing.T, dsn string, conn *pgx.Conn)) string {
	t.Helper()
	if os.Getenv("POSTERN_TEST_POSTGRES") != "" {
		t.Skip("skipped: on a server that was named no database is used again")
	}
	key := rand.Text()
	migrate := func(dsn string) error {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(context.Background(), library)
		return errors.Join(err, conn.Close(context.Background()))
	}
	return func(do func(t *testing.T, dsn string, conn *pgx.Conn)) (name string) {
		t.Run("", func(t *testing.T) {
			dsn := pgtest.NewMigrated(t, key, migrate)
			conn := pgtest.Connect(t, dsn)
			name = conn.Config().Database
			do(t, dsn, conn)
		})
		return name
	}
}

func TestDatabaseWithMoreRowsIsUsedAgainAsNew(t *testing.T) {
	t.Parallel()
	in := databases(t)
	first := in(func(t *testing.T, dsn string, conn *pgx.Conn) {
		pgtest.Exec(t, conn, "INSERT INTO library.readers DEFAULT VALUES; INSERT INTO library.books (reader) VALUES (1)")
		left, err := pgx.Connect(context.Background(), dsn) // and not closed
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, left, "BEGIN; INSERT INTO library.readers DEFAULT VALUES")
	})
	second := in(func(t *testing.T, _ string, conn *pgx.Conn) {
		const found = `SELECT (SELECT count(*) FROM library.rooms) || ' ' || (SELECT count(*) FROM library.readers) || ' ' || (SELECT count(*) FROM library.books)
			|| ' ' || nextval('library.readers_id_seq') || ' ' || nextval('library.books_id_seq')
			|| ' ' || (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%transaction%')`
		var got string
		if err := conn.QueryRow(t.Context(), found).Scan(&got); err != nil || got != "1 0 0 1 2 0" {
			t.Errorf("rooms, readers, books, next reader, next book, connections in a transaction: got %q, %v", got, err)
		}
	})
	if first != second {
		t.Error("the database was not used again")
	}
}

func TestDatabaseThatIsNotAsNewIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"nothing":               "",
		"a table":               "CREATE TABLE mine (n int)",
		"a table less":          "DROP TABLE library.books",
		"an emptied table":      "TRUNCATE library.books",
		"a column":              "ALTER TABLE library.books ADD COLUMN title text",
		"a default":             "ALTER TABLE library.books ALTER COLUMN reader SET DEFAULT 1",
		"an index less":         "ALTER TABLE library.books DROP CONSTRAINT books_pkey",
		"a check":               "ALTER TABLE library.books ADD CHECK (id > 0)",
		"a function":            "CREATE FUNCTION library.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"a right":               "GRANT USAGE ON SCHEMA library TO PUBLIC",
		"a schema":              "CREATE SCHEMA other",
		"a kept row more":       "INSERT INTO library.rooms VALUES ('attic')",
		"a kept row changed":    "UPDATE library.rooms SET name = 'attic'",
		"a kept row less":       "DELETE FROM library.rooms",
		"statistics":            "INSERT INTO library.readers DEFAULT VALUES; ANALYZE library.readers",
		"statistics of nothing": "ANALYZE library.readers",
		"pages":                 "INSERT INTO library.readers SELECT generate_series(1, 5000)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := databases(t)
			first := in(func(t *testing.T, _ string, conn *pgx.Conn) { pgtest.Exec(t, conn, change) })
			second := in(func(*testing.T, string, *pgx.Conn) {})
			if again := first == second; again != (change == "") {
				t.Errorf("used again after %q: %v", change, again)
			}
		})
	}
}
