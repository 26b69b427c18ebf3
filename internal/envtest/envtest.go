// Package envtest gives tests what they need of the machine that they run on: the
// data that a GoTrue server wrote, and a way to do without what is not there.
package envtest

import (
	"os"
	"path/filepath"
	"testing"
)

// LeaveOut skips a test that lacks what it needs. Where CI is "true" it fails it: a
// run that counts leaves nothing out.
func LeaveOut(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot be left out in CI: "+format, args...)
	}
	t.Skipf("skipped: "+format, args...)
}

// GoTrue returns the path of a file or directory among what a GoTrue server wrote
// or was recorded to answer. It lies beside the repository, or where
// POSTERN_DATA_DIR says. Without it the test is left out.
func GoTrue(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("POSTERN_DATA_DIR")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "data")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		LeaveOut(t, "the data of GoTrue's is not here (POSTERN_DATA_DIR names its directory): %v", err)
	}
	return path
}

// ReadGoTrue returns what is in a file that GoTrue names.
func ReadGoTrue(t testing.TB, elem ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(GoTrue(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// root returns the module's directory. Tests run in their package's, below it.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod in the working directory nor above it")
		}
	}
}
