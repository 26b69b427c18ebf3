// Package dbtest runs a test on every database that Postern stands on.
package dbtest

import (
	"context"
	"testing"

	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

// Each runs test once on SQLite and once on PostgreSQL, at the same time, each
// on an empty migrated database of its own.
func Each(t *testing.T, test func(t *testing.T, st *store.Store)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) *store.Store{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// SQLite returns a migrated database in memory.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	st, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, st)
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// Postgres returns a migrated PostgreSQL database.
func Postgres(t testing.TB) *store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), pgtest.NewMigrated(t, "postern", migrate))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, st)
	return st
}

func migrate(dsn string) error {
	ctx := context.Background()
	st, err := postgres.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Migrate(ctx)
}

func closeLater(t testing.TB, st *store.Store) {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
}
