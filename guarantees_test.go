package postern_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that docs/guarantees.md names is there, and it leaves out no fuzz target
// and none of the tests that are there for nothing but the guarantees.
func TestGuaranteesNameTheTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, match := range regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1) {
		named[match[1]] = true
	}
	if len(named) == 0 {
		t.Fatal("docs/guarantees.md names no test")
	}
	defined := testNames(t)
	for name := range named {
		if defined[name] == "" {
			t.Errorf("docs/guarantees.md names %s, which is no test", name)
		}
	}
	for name, dir := range defined {
		its := strings.HasPrefix(name, "Fuzz") || dir == filepath.Join("test", "adversarial") || dir == filepath.Join("test", "faults")
		if its && name != "TestMain" && !named[name] {
			t.Errorf("docs/guarantees.md does not name %s of %s", name, dir)
		}
	}
}

// testNames returns the directories of all tests, by name.
func testNames(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declaration.FindAllSubmatch(source, -1) {
			names[string(match[1])] = filepath.Dir(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
