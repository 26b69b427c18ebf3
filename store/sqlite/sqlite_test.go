package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
)

func TestPathIsTakenLiterally(t *testing.T) {
	t.Parallel()
	names := []string{
		"auth.db", "a b.db", "100%25.db", "a#b.db", "a&mode=ro.db", "a+b;c,d.db", "ä.db", "'a.db", "-a.db",
		"a?b.db", "a.db?_pragma=synchronous(0)", "a.db?vfs=memdb", "a:b.db", `a"b.db`,
	}
	if runtime.GOOS == "windows" {
		names = names[:9]
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			s := open(t, path)
			exec(t, s, "CREATE TABLE kept (n)")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			if got := fileNames(t, dir); !slices.Equal(got, []string{name}) {
				t.Errorf("files after Close = %q, want only %q", got, name)
			}
			exec(t, open(t, path), "INSERT INTO kept VALUES (1)")
		})
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("skipped: no permission bits on Windows")
	}
	dir := t.TempDir()
	exec(t, open(t, filepath.Join(dir, "auth.db")), "CREATE TABLE t (n)")
	for _, name := range fileNames(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %o, want 600", name, got)
		}
	}
}

func TestWhatIsNoDatabaseIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"a text file", text, "is not a SQLite database"},
		{"a directory", dir, "is a directory"},
		{"a directory that is missing", filepath.Join(dir, "missing", "auth.db"), "cannot be opened or made"},
		{"a directory that is a file", filepath.Join(text, "auth.db"), "cannot be opened or made"},
		{"NUL in the path", filepath.Join(dir, "a\x00b"), "cannot be opened or made"},
		{"no path", "", "OpenMemory"},
		{"memory", ":memory:", "OpenMemory"},
		{"a URI", "file:auth.db?mode=memory", "OpenMemory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlite.Open(t.Context(), test.path)
			if err == nil {
				s.Close()
			}
			refused(t, err, test.want)
		})
	}
	if content, _ := os.ReadFile(text); string(content) != "no database" {
		t.Errorf("the text file is now %q", content)
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("skipped: root may write everywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.db")
	s := open(t, path)
	exec(t, s, "CREATE TABLE t (n)")
	s.Close()

	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path)
	refused(t, err, "cannot be written to")

	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	_, err = sqlite.Open(t.Context(), filepath.Join(dir, "other.db"))
	refused(t, err, "cannot be opened or made")
}

func TestOpenWaitsForTransactionOfAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	tx, err := open(t, path).DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		s, err := sqlite.Open(t.Context(), path)
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestOpenLeavesTheDatabaseAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	s := open(t, path)
	exec(t, s, "PRAGMA user_version = 7")
	s.Close()

	var got int
	if err := open(t, path).DB().QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != 7 {
		t.Errorf("user_version = %d, want 7", got)
	}
}

func TestMemoryIsOneDatabaseForEachCall(t *testing.T) {
	t.Parallel()
	first, second := memory(t), memory(t)
	exec(t, first, "CREATE TABLE t (n)")
	exec(t, second, "CREATE TABLE t (n)") // would be there already
}

func TestMemoryOutlivesCancelledStatement(t *testing.T) {
	t.Parallel()
	s := memory(t)
	exec(t, s, "CREATE TABLE t (n)")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		const endless = `WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) INSERT INTO t SELECT max(n) FROM r`
		_, err := s.DB().DB.ExecContext(ctx, endless)
		done <- err
	}()
	for s.DB().Stats().InUse == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err == nil {
		t.Fatal("the endless statement came to an end")
	}
	exec(t, s, "INSERT INTO t VALUES (1)")
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func memory(t *testing.T) *store.Store {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func exec(t *testing.T, s *store.Store, statement string) {
	t.Helper()
	if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func fileNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// refused checks that err is one line that says what is wanted.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if got := fmt.Sprint(err); !strings.HasPrefix(got, "sqlite: ") || !strings.Contains(got, want) || strings.Contains(got, "\n") {
		t.Errorf("error = %q, want one line, sqlite: … %s …", got, want)
	}
}
