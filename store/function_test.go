package store_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

func TestFunctionsThatAreGoneAreMadeAgain(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	s := openStore(t, dsn)
	migrateStore(t, s)
	const count = `SELECT count(*) FROM pg_proc WHERE pronamespace = 'auth'::regnamespace AND proname LIKE 'postern\_q\_%'`
	var before, after int
	ok(t, s.DB().QueryRowContext(t.Context(), count).Scan(&before))
	execute(t, s.DB(), `DO $$ DECLARE f regprocedure; BEGIN
		FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'auth'::regnamespace AND proname LIKE 'postern\_q\_%' LOOP
			EXECUTE 'DROP FUNCTION ' || f;
		END LOOP;
	END $$`)
	execute(t, s.DB(), `CREATE FUNCTION auth.postern_q_other() RETURNS integer LANGUAGE sql AS 'SELECT 1'`)
	for range 2 {
		migrate(t, dsn)
		ok(t, s.DB().QueryRowContext(t.Context(), count).Scan(&after))
		if before == 0 || after != before+1 {
			t.Errorf("got %d functions, want %d and that of another version", after, before)
		}
	}
	if _, err := s.FindUser(t.Context(), uuid.New()); !errors.Is(err, postern.ErrNoRow) {
		t.Errorf("got error %v, want ErrNoRow", err)
	}
}

// With plans for whatever is asked, since such are kept: those that are made while the
// tables are empty, or not analysed yet, too.
func TestHotStatementsReadNoWholeTable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		findByIndexes(t, st)
		execute(t, st.DB(), inDialect(st, `INSERT INTO auth.users (id, instance_id, aud, email, email_change, phone_change)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
			SELECT gen(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'early' || i || '@example.com', '', '' FROM n`))
		findByIndexes(t, st)
		manyRows(t, st)
		execute(t, st.DB(), inDialect(st, `INSERT INTO auth.sessions (id, user_id, created_at, updated_at) SELECT gen(), id, :now, :now FROM auth.users`))
		execute(t, st.DB(), `ANALYZE`)
		findByIndexes(t, st)
	})
}

var (
	argument = regexp.MustCompile(`\?\d+`)
	// PostgreSQL may also read all of an index, and says no condition then.
	wholeOfIt = regexp.MustCompile(`SCAN \w\b|Seq Scan on|users_instance_id_idx|users_created_at_idx|Index (Only )?Scan using [^\n]*\n *[^I ]|Index Cond: \(instance_id = '[^']*'::uuid\)`)
)

// findByIndexes fails the test if a hot statement reads a whole table.
func findByIndexes(t *testing.T, st *store.Store) {
	t.Helper()
	tx := begin(t, st)
	defer tx.Rollback()
	if isPostgres(st) {
		execute(t, tx, `SET LOCAL plan_cache_mode = force_generic_plan`)
		execute(t, tx, `SET LOCAL enable_seqscan = off`)
	}
	n := 0
	for text, params := range store.HotStatements(!isPostgres(st)) {
		explain := "EXPLAIN QUERY PLAN " + argument.ReplaceAllString(text, "NULL")
		if isPostgres(st) {
			n++
			execute(t, tx, fmt.Sprintf("PREPARE hot%d (%s) AS %s", n, params, text))
			nulls := strings.TrimSuffix(strings.Repeat("NULL, ", strings.Count(params, ",")+1), ", ")
			explain = fmt.Sprintf("EXPLAIN EXECUTE hot%d (%s)", n, nulls)
		}
		if plan := planOf(t, tx, explain); wholeOfIt.MatchString(plan + "\n.") {
			t.Errorf("got a plan that reads a whole table, want none:\n%s\n%s", text, plan)
		}
		if isPostgres(st) {
			execute(t, tx, fmt.Sprintf("DEALLOCATE hot%d", n))
		}
	}
}
