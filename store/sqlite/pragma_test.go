package sqlite

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryConnectionHasThePragmas(t *testing.T) {
	t.Parallel()
	at := location{uri: fileURI(filepath.Join(t.TempDir(), "auth.db")), journal: "wal"}
	db, err := pool(at.dsn(at.pragmas("1")), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 {
		if err := check(t.Context(), db, at.pragmas("1")); err != nil {
			t.Error(err)
		}
		conn, err := db.Conn(t.Context()) // kept, so that the next look is at another
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if db.Stats().InUse == 3 {
			break
		}
	}
}

func TestPragmaThatDoesNotHoldIsRefused(t *testing.T) {
	t.Parallel()
	// A database in memory knows no WAL and says nothing about it.
	at := location{uri: url.URL{Scheme: "file", Path: "/" + t.Name()}, vfs: "memdb", journal: "wal"}
	_, err := open(t.Context(), at)
	if want := "its journal_mode is memory and has to be wal"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want one that says %q", err, want)
	}
}

func TestReadersSeeWhatWasWrittenAndCannotWrite(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]location{
		"file":   {uri: fileURI(filepath.Join(t.TempDir(), "auth.db")), journal: "wal"},
		"memory": {uri: url.URL{Scheme: "file", Path: "/" + t.Name()}, vfs: "memdb", journal: "memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			writer, err := pool(at.dsn(at.pragmas("0")), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			if _, err := writer.ExecContext(t.Context(), "CREATE TABLE t AS SELECT 1 AS n"); err != nil {
				t.Fatal(err)
			}
			reader, err := pool(at.dsn(at.pragmas("1")), 4)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()

			var n int
			if err := reader.QueryRowContext(t.Context(), "SELECT n FROM t").Scan(&n); err != nil || n != 1 {
				t.Errorf("read %d, %v, want 1", n, err)
			}
			if _, err := reader.ExecContext(t.Context(), "UPDATE t SET n = 2"); err == nil {
				t.Error("a reading connection has written")
			}
		})
	}
}
