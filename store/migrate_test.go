package store_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

func TestMigrateAdoptsWhatGoTrueMade(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	load(t, dsn, "schema.sql", "data.sql", "shift.sql")
	conn := pgtest.Connect(t, dsn)
	schema, rows := gotrueSchema(t, conn), checksums(t, conn)

	migrate(t, dsn)

	sameLines(t, "GoTrue's schema", gotrueSchema(t, conn), schema)
	sameLines(t, "GoTrue's rows", checksums(t, conn), rows)
	if got := made(t, openStore(t, dsn)); !slices.Equal(got, allMigrations) {
		t.Errorf("migrations = %q, want %q", got, allMigrations)
	}
}

func TestMigrateNamesWhatAnOlderGoTrueLacks(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	load(t, dsn, "schema.sql")
	conn := pgtest.Connect(t, dsn)
	// Every column and, as far as PostgreSQL lets go of one, every enum value.
	lacking := lines(t, conn, `SELECT table_schema || '.' || table_name || '.' || column_name
		FROM information_schema.columns WHERE table_schema = 'auth'`)
	drops := lines(t, conn, `SELECT format('ALTER TABLE auth.%I DROP COLUMN %I CASCADE', table_name, column_name)
		FROM information_schema.columns WHERE table_schema = 'auth'`)
	lacking = append(lacking, lines(t, conn, `SELECT 'auth.' || t.typname || '.' || e.enumlabel
		FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid`)...)
	drops = append(drops, lines(t, conn, `SELECT format('DROP TYPE auth.%1$I CASCADE; CREATE TYPE auth.%1$I AS ENUM ()', typname)
		FROM pg_type WHERE typtype = 'e'`)...)
	pgtest.Exec(t, conn, strings.Join(drops, ";"))
	before := gotrueSchema(t, conn)

	err := openStore(t, dsn).Migrate(t.Context())
	message := fmt.Sprint(err)
	if want := "GoTrue's own migrations first"; !strings.Contains(message, want) || strings.Contains(message, "\n") {
		t.Errorf("error = %q, want one line that says %q", message, want)
	}
	for _, column := range lacking {
		if !strings.Contains(message, " "+column+",") && !strings.Contains(message, " "+column+":") {
			t.Errorf("the error does not name %s", column)
		}
	}
	sameLines(t, "schema after the failure", gotrueSchema(t, conn), before)
}

func TestMigrateAddsTablesThatAnOlderGoTrueLacks(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	load(t, dsn, "schema.sql")
	conn := pgtest.Connect(t, dsn)
	whole := gotrueSchema(t, conn)
	pgtest.Exec(t, conn, `DROP TABLE auth.webauthn_challenges, auth.webauthn_credentials, auth.custom_oauth_providers,
		auth.oauth_consents, auth.oauth_authorizations, auth.one_time_tokens, auth.mfa_challenges, auth.mfa_factors, auth.schema_migrations;
		DROP TYPE auth.one_time_token_type, auth.oauth_response_type, auth.oauth_authorization_status, auth.factor_type;
		DROP FUNCTION auth.jwt()`)

	migrate(t, dsn)

	sameLines(t, "schema", gotrueSchema(t, conn), whole)
}

func TestMigrateLeavesATableAloneThatLacksAnIndex(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	load(t, dsn, "schema.sql")
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, "DROP INDEX auth.audit_logs_instance_id_idx; ALTER TABLE auth.users DISABLE ROW LEVEL SECURITY")
	before := gotrueSchema(t, conn)

	migrate(t, dsn)

	sameLines(t, "schema", gotrueSchema(t, conn), before)
}

// A role that owns the schema need not be allowed to make others.
func TestMigrateNeedsOnlyItsOwnSchema(t *testing.T) {
	t.Parallel()
	if os.Getenv("POSTERN_TEST_POSTGRES") != "" {
		t.Skip("skipped: a server that was named need not let another role in")
	}
	dsn := pgtest.New(t)
	role := fmt.Sprintf("tenant_%x", rand.Uint64())
	pgtest.Exec(t, pgtest.Connect(t, dsn), fmt.Sprintf("CREATE ROLE %[1]s LOGIN; CREATE SCHEMA auth AUTHORIZATION %[1]s", role))

	migrate(t, pgtest.With(dsn, "user", role))
}

func TestMigrateInEveryQueryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol", "describe_exec", "cache_describe", "cache_statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open("pgx", pgtest.With(pgtest.New(t), "default_query_exec_mode", mode))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			migrateStore(t, store.New(bun.NewDB(db, pgdialect.New())))
		})
	}
}

func TestMigrateAgainDoesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		s := openStore(t, dsn)
		for range 3 {
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := made(t, s); !slices.Equal(got, allMigrations) {
			t.Errorf("migrations = %q, want %q", got, allMigrations)
		}
	})
}

func TestMigrateAcceptsWhatANewerVersionMade(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		s := openStore(t, dsn)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB().ExecContext(t.Context(), "INSERT INTO "+ledgerOf(s)+" (name) VALUES ('9999_newer')"); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Errorf("error = %v, want none", err)
		}
		if got, want := made(t, s), append(slices.Clone(allMigrations), "9999_newer"); !slices.Equal(got, want) {
			t.Errorf("migrations = %q, want %q", got, want)
		}
	})
}

func TestMigrateAtOnceFromManyProcesses(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		errs := make(chan error)
		for range 10 {
			go func() {
				s, err := open(t.Context(), dsn)
				if err == nil {
					defer s.Close()
					err = s.Migrate(t.Context())
				}
				errs <- err
			}()
		}
		for range 10 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if got := made(t, openStore(t, dsn)); !slices.Equal(got, allMigrations) {
			t.Errorf("migrations = %q, want %q", got, allMigrations)
		}
	})
}

func TestMigrateInATransactionIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		s := openStore(t, dsn)
		tx, err := s.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if err := s.Join(tx).Migrate(t.Context()); err == nil {
			t.Error("error = nil, want one")
		}
	})
}

func TestMigrateGivenUpLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		s := openStore(t, dsn)
		s.DB().SetMaxOpenConns(1)
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(30*time.Millisecond))
			s.Migrate(ctx) // mostly in vain
			cancel()
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Errorf("error = %v, want none", err)
		}
		if got := made(t, s); !slices.Equal(got, allMigrations) {
			t.Errorf("migrations = %q, want %q", got, allMigrations)
		}
	})
}

// childEnv makes the test binary migrate the database that it names.
const childEnv = "MIGRATE_TEST_DSN"

func TestKilledMigrateResumes(t *testing.T) {
	t.Parallel()
	if dsn := os.Getenv(childEnv); dsn != "" {
		s := openStore(t, dsn)
		fmt.Println("begins")
		migrateStore(t, s)
		return
	}
	for range 5 {
		onBoth(t, func(t *testing.T, dsn string) {
			within := 250 * time.Millisecond // about what it takes beside the others
			if filepath.IsAbs(dsn) {
				within = 15 * time.Millisecond
			}
			for range 3 {
				killMigration(t, dsn, within)
			}
			s := openStore(t, dsn)
			migrateStore(t, s)
			if got := made(t, s); !slices.Equal(got, allMigrations) {
				t.Errorf("migrations = %q, want %q", got, allMigrations)
			}
			sound(t, s)
		})
	}
}

// killMigration begins a migration in another process and kills that at some
// moment.
func killMigration(t *testing.T, dsn string, within time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledMigrateResumes$")
	child.Env = append(os.Environ(), childEnv+"="+dsn)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "begins"; {
	}
	time.Sleep(rand.N(within))
	child.Process.Kill()
	child.Wait()
}

// sound checks that a database is whole.
func sound(t *testing.T, s *store.Store) {
	t.Helper()
	checks := map[string]string{"PRAGMA integrity_check": "ok"}
	if isPostgres(s) {
		checks = map[string]string{"SELECT count(*) FROM pg_index WHERE NOT indisvalid": "0"}
	}
	for query, want := range checks {
		var got string
		if err := s.DB().QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", query, got, err, want)
		}
	}
}

var allMigrations = []string{"0001_gotrue", "0002_postern", "0003_counters", "0004_flows", "0005_recovery_codes", "0006_events", "0007_audit", "0008_limits", "0009_list"}

// onBoth runs a test on an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.New(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}

// open opens the PostgreSQL database of a DSN, or the SQLite one of a path.
func open(ctx context.Context, dsn string) (*store.Store, error) {
	if filepath.IsAbs(dsn) {
		return sqlite.Open(ctx, dsn)
	}
	return postgres.Open(ctx, dsn)
}

func openStore(t *testing.T, dsn string) *store.Store {
	t.Helper()
	s, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func migrateStore(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func migrate(t *testing.T, dsn string) {
	t.Helper()
	migrateStore(t, openStore(t, dsn))
}

func isPostgres(s *store.Store) bool { return s.DB().Dialect().Name().String() == "pg" }

func ledgerOf(s *store.Store) string {
	if isPostgres(s) {
		return "auth.postern_migrations"
	}
	return "auth_postern_migrations"
}

// made returns the names in the ledger.
func made(t *testing.T, s *store.Store) (names []string) {
	t.Helper()
	err := s.DB().NewRaw("SELECT name FROM "+ledgerOf(s)+" ORDER BY name").Scan(t.Context(), &names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// load runs files of the data that GoTrue wrote.
func load(t *testing.T, dsn string, files ...string) {
	t.Helper()
	for _, file := range files {
		// Each file empties its connection's search_path.
		pgtest.Exec(t, pgtest.Connect(t, dsn), string(envtest.ReadGoTrue(t, "gotrue", file)))
	}
}

// lines returns the rows of a query that has one column of text.
func lines(t *testing.T, conn *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// checksums returns a line for each of GoTrue's tables that changes with its rows.
func checksums(t *testing.T, conn *pgx.Conn) (sums []string) {
	t.Helper()
	for _, table := range lines(t, conn, `SELECT tablename FROM pg_tables WHERE schemaname = 'auth' AND tablename NOT LIKE 'postern%'`) {
		rows := lines(t, conn, "SELECT r::text FROM auth."+table+" AS r")
		sums = append(sums, fmt.Sprintf("%s: %d rows, %x", table, len(rows), md5.Sum([]byte(strings.Join(rows, "\n")))))
	}
	return sums
}

// sameLines reports the lines that only one of the two has.
func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: unwanted %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: missing %s", what, line)
		}
	}
}
