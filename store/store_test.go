package store_test

import (
	"path/filepath"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/store/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *store.Store{
		"sqlite file":   openFile,
		"sqlite memory": dbtest.SQLite,
		"postgres":      dbtest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t testing.TB) postern.Store { return open(t) })
		})
	}
}

// openFile returns a migrated SQLite database in a file.
func openFile(t testing.TB) *store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "auth.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}
