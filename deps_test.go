package postern_test

import (
	"errors"
	"go/build"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/postern-auth/postern"

// TestRootStaysLight holds what importing the root costs: no driver, no
// framework, nothing that talks to a network.
func TestRootStaysLight(t *testing.T) {
	t.Parallel()
	allowed := []string{
		module + "/internal",
		"github.com/golang-jwt/jwt/v5", "github.com/google/uuid",
		"golang.org/x/crypto", "golang.org/x/sys/cpu", // the second for the first
		"github.com/boombuler/barcode", // draws nothing but QR codes here, and depends on nothing
	}
	for _, dep := range dependencies(t, ".") {
		if dep != module && !isStandard(dep) && !slices.ContainsFunc(allowed, func(tree string) bool { return within(dep, tree) }) {
			t.Errorf("the root depends on %s", dep)
		}
	}
}

// TestEmbeddingStaysLight holds what a program without a server of its own has to
// carry. What executes templates calls methods by their names, so that the linker
// cannot leave out any.
func TestEmbeddingStaysLight(t *testing.T) {
	t.Parallel()
	for _, dep := range dependencies(t, ".", "./store/sqlite") {
		if slices.Contains([]string{"net/http", "text/template", "html/template"}, dep) {
			t.Errorf("the root and store/sqlite depend on %s", dep)
		}
	}
}

// TestServerStaysLight holds that whoever wants no exporters has none of their
// libraries in examples/standalone, nor pgx's own driver, which store/postgres does
// without.
func TestServerStaysLight(t *testing.T) {
	t.Parallel()
	for _, dep := range dependencies(t, "./examples/standalone") {
		for _, tree := range []string{"go.opentelemetry.io", "github.com/prometheus", "google.golang.org", "github.com/jackc/pgx/v5/stdlib"} {
			if within(dep, tree) {
				t.Errorf("examples/standalone depends on %s", dep)
			}
		}
	}
}

// dependencies returns what packages import, however indirectly, and themselves.
func dependencies(t *testing.T, pkgs ...string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, pkgs...)...)
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

// isStandard goes by the first element, which has a dot everywhere else.
func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".")
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct {
		name    string
		from    func(pkg string) bool
		imports func(pkg string) bool
	}{
		{"the root and internal packages build on nothing of the module's but each other", isBase, isAboveBase},
		{"the HTTP API knows no store", inTree("httpadapter"), inTree("store")},
		{"the store knows no HTTP API", inTree("store"), inTree("httpadapter")},
		{"drivers come with a store, and are for no other package", mayNotBringDriver, isDriver},
		{"the library of WebAuthn comes with package webauthn", isProductBut("webauthn"), isOf("github.com/go-webauthn")},
		{"OpenTelemetry comes with the package for it, and is for no other", mayNotMeasure, isOf("go.opentelemetry.io")},
		{"so does Prometheus' library", mayNotMeasure, isOf("github.com/prometheus")},
		{"what is made for tests is imported by tests", isProduct, isMadeForTests},
	} {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			for pkg, imports := range packages(t) {
				for _, imported := range imports {
					if rule.from(pkg) && rule.imports(imported) {
						t.Errorf("%s imports %s", pkg, imported)
					}
				}
			}
		})
	}
}

func isBase(pkg string) bool {
	return pkg == module || inTree("internal")(pkg) && !isMadeForTests(pkg)
}

func isAboveBase(pkg string) bool {
	return within(pkg, module) && !isBase(pkg)
}

func mayNotBringDriver(pkg string) bool {
	return isProduct(pkg) && !inTree("store/sqlite")(pkg) && !inTree("store/postgres")(pkg) && !inTree("examples")(pkg)
}

func mayNotMeasure(pkg string) bool {
	return isProduct(pkg) && !inTree("telemetry")(pkg)
}

// isProductBut is every package of the product but one.
func isProductBut(dir string) func(pkg string) bool {
	return func(pkg string) bool { return isProduct(pkg) && !inTree(dir)(pkg) }
}

func isOf(tree string) func(pkg string) bool {
	return func(pkg string) bool { return within(pkg, tree) }
}

func isDriver(pkg string) bool {
	return within(pkg, "github.com/jackc") || within(pkg, "modernc.org")
}

// isProduct is what is neither a test nor a help for tests.
func isProduct(pkg string) bool {
	return !isMadeForTests(pkg) && !inTree("test")(pkg)
}

// isMadeForTests goes by the name, as in authtest and storetest.
func isMadeForTests(pkg string) bool {
	return within(pkg, module) && strings.HasSuffix(path.Base(pkg), "test")
}

func inTree(dir string) func(pkg string) bool {
	return func(pkg string) bool { return within(pkg, module+"/"+dir) }
}

func within(pkg, tree string) bool {
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

// packages returns what each package of the module imports, not counting its
// tests. It reads the files itself, so that a cached result of this test is void
// when one of them has changed.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if name := entry.Name(); dir != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return fs.SkipDir
		}
		pkg, err := build.ImportDir(dir, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		imports[path.Join(module, filepath.ToSlash(dir))] = pkg.Imports
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}
