package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
)

// TestMigrationKeepsTheCatalogue: whatever the real server made is there as it was
// afterwards, and what is new in its tables is an index, or may be left out of its
// INSERTs.
func TestMigrationKeepsTheCatalogue(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	if err := load(dsn, envtest.GoTrue(t, "gotrue", "schema.sql"), envtest.GoTrue(t, "gotrue", "data.sql")); err != nil {
		t.Fatal(err)
	}
	before := catalogue(t, dsn)
	if len(before) < 400 {
		t.Fatalf("got %d entries in the catalogue, want the many of the real server", len(before))
	}
	for range 2 { // the second time nothing is left to do
		if err := migrate(dsn); err != nil {
			t.Fatal(err)
		}
	}
	after := catalogue(t, dsn)
	for _, entry := range before {
		if !slices.Contains(after, entry) {
			t.Errorf("is gone: %s", entry)
		}
	}
	for _, entry := range after {
		if table := strings.Fields(entry)[1]; slices.Contains(before, entry) || !isTable(before, table) {
			continue
		}
		ourIndex := strings.HasPrefix(entry, "index ") && strings.Contains(entry, " CREATE INDEX postern_")
		if !ourIndex && (!strings.HasPrefix(entry, "column ") || !strings.Contains(entry, " nullable ")) {
			t.Errorf("is new in a table of the real server: %s", entry)
		}
	}
}

// isTable reports whether a catalogue has a table of a name.
func isTable(catalogue []string, name string) bool {
	return slices.ContainsFunc(catalogue, func(entry string) bool { return strings.HasPrefix(entry, "rows "+name+" ") })
}

// catalogue describes what is in the schema auth, an entry for each column, index,
// constraint, trigger, policy, type and number of rows: its kind, the table that it
// belongs to, and the rest.
func catalogue(t testing.TB, dsn string) []string {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)

	entries := list(t, conn, `
		SELECT concat_ws(' ', 'column', table_name, column_name, CASE is_nullable WHEN 'YES' THEN 'nullable' ELSE 'required' END,
			udt_name, character_maximum_length, column_default, generation_expression)
		FROM information_schema.columns WHERE table_schema = 'auth'
		UNION ALL SELECT concat_ws(' ', 'index', tablename, indexdef) FROM pg_indexes WHERE schemaname = 'auth'
		UNION ALL SELECT concat_ws(' ', 'constraint', relname, conname, pg_get_constraintdef(n.oid))
			FROM pg_constraint n JOIN pg_class c ON c.oid = conrelid WHERE connamespace = 'auth'::regnamespace
		UNION ALL SELECT concat_ws(' ', 'trigger', relname, pg_get_triggerdef(t.oid))
			FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'auth'::regnamespace AND NOT tgisinternal
		UNION ALL SELECT concat_ws(' ', 'security', relname, relrowsecurity, relforcerowsecurity)
			FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r'
		UNION ALL SELECT concat_ws(' ', 'type', typname, enumlabel)
			FROM pg_enum e JOIN pg_type y ON y.oid = enumtypid WHERE typnamespace = 'auth'::regnamespace
		UNION ALL SELECT concat_ws(' ', 'function', proname, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'auth'::regnamespace`)
	for _, table := range list(t, conn, "SELECT tablename FROM pg_tables WHERE schemaname = 'auth'") {
		entries = append(entries, list(t, conn, "SELECT 'rows "+table+" ' || count(*) FROM auth."+pgx.Identifier{table}.Sanitize())...)
	}
	return entries
}

func list(t testing.TB, conn *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return texts
}
