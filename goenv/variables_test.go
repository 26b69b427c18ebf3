package goenv_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern/goenv"
)

// docs/variables.md says of every variable what this package does with it, and of
// no other one.
func TestVariablesAreDocumentedAsTheyAre(t *testing.T) {
	t.Parallel()
	documented, classes := documentedVariables(t), goenv.Classes()
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		if documented[name] != classes[name] {
			t.Errorf("%s is %s, and docs/variables.md has it as %q", name, classes[name], documented[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if classes[name] == "" {
			t.Errorf("docs/variables.md has %s, which nobody knows", name)
		}
	}
}

// documentedVariables reads the tables: what becomes of each variable.
func documentedVariables(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/variables.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, pattern := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			for _, name := range goenv.Expand(pattern[1]) {
				if documented[name] != "" {
					t.Errorf("docs/variables.md has %s twice", name)
				}
				documented[name] = strings.TrimSpace(cells[2])
			}
		}
	}
	return documented
}
