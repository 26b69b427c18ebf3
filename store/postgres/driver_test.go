package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/postern-auth/postern/internal/pgtest"
)

// pgxOwn opens the database with pgx's own driver, which decides what is right.
func pgxOwn(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["timezone"] = "UTC"
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestValuesAreThoseOfPgx(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	own, theirs := open(t, dsn).DB().DB, pgxOwn(t, dsn)
	for _, expression := range []string{
		"true", "false", "NULL::bool", `'\x00ff5c'::bytea`, "''::bytea", "7::int2", "-7::int4", "9223372036854775807::int8",
		"4294967295::oid", "1.5::float4", "-2.25e300::float8", "'NaN'::float8", "'-Infinity'::float8", "12.340::numeric",
		"'a''b\\c'::text", "''::text", "NULL::text", "'x'::char(3)", "'ab'::varchar", "'name'::name", "'c'::\"char\"",
		`'{"a": [1, "ä"]}'::json`, `'{"a": 1.10}'::jsonb`, "NULL::jsonb", "'<a/>'::xml",
		"'5f3c0000-0000-4000-8000-000000000001'::uuid", "'192.0.2.1'::inet", "'2001:db8::/32'::cidr", "'{a,\"b c\",NULL}'::text[]",
		"'2026-01-02'::date", "'2026-01-02 03:04:05.000006'::timestamp", "'2026-01-02 03:04:05'::timestamp",
		"'2026-01-02 03:04:05.6+01:30'::timestamptz", "'0001-01-01 00:00:00+00'::timestamptz", "'infinity'::timestamptz", "'-infinity'::date",
		"'1 day 2 hours'::interval", "'aal2'::text",
	} {
		var got, want any
		if err := own.QueryRowContext(t.Context(), "SELECT "+expression).Scan(&got); err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if err := theirs.QueryRowContext(t.Context(), "SELECT "+expression).Scan(&want); err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if at, ok := want.(time.Time); ok {
			want = at.UTC()
		}
		if !reflect.DeepEqual(got, want) && expression != "'NaN'::float8" {
			t.Errorf("%s = %#v, want %#v", expression, got, want)
		}
	}
}

// Years of more or of fewer than four digits, which are not within what is stored.
func TestTimesThatGoCannotReadStayText(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	var got any
	if err := db.QueryRowContext(t.Context(), "SELECT '0044-03-15 BC'::date").Scan(&got); err != nil || got != "0044-03-15 BC" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOffsetsOfAllLengthsAreRead(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB()
	db.SetMaxOpenConns(1)
	// Amsterdam kept its own mean time, to the second.
	for zone, year := range map[string]int{"UTC": 2026, "Asia/Tokyo": 2026, "Asia/Kathmandu": 2026, "Europe/Amsterdam": 1900} {
		want := time.Date(year, 1, 2, 3, 4, 5, 6000, time.UTC)
		var got time.Time
		if _, err := db.DB.ExecContext(t.Context(), "SELECT set_config('TimeZone', $1, false)", zone); err != nil {
			t.Fatal(err)
		}
		if err := db.DB.QueryRowContext(t.Context(), "SELECT $1::timestamptz", want).Scan(&got); err != nil || got != want {
			t.Errorf("in %s: %v, %v, want %v", zone, got, err, want)
		}
	}
}

func TestArgumentsArrive(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 5*3600+1800))
	for _, test := range []struct {
		kind      string
		arg, want any
	}{
		{"bool", true, true}, {"bool", false, false}, {"int8", int64(-1 << 63), int64(-1 << 63)}, {"int4", 7, int64(7)},
		{"float8", 0.1, 0.1}, {"text", "a'b\\ä", "a'b\\ä"}, {"text", "", ""}, {"text", nil, nil},
		{"bytea", []byte{0, 255}, []byte{0, 255}}, {"bytea", []byte{}, []byte{}}, {"bytea", []byte(nil), nil},
		{"jsonb", `{"a": 1}`, []byte(`{"a": 1}`)}, {"uuid", "5f3c0000-0000-4000-8000-000000000001", "5f3c0000-0000-4000-8000-000000000001"},
		{"timestamptz", at, at.Truncate(time.Microsecond).UTC()}, {"timestamptz", sql.NullTime{}, nil},
	} {
		var got any
		if err := db.QueryRowContext(t.Context(), "SELECT $1::"+test.kind, test.arg).Scan(&got); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%#v as %s: got %#v, %v, want %#v", test.arg, test.kind, got, err, test.want)
		}
	}
	if _, err := db.ExecContext(t.Context(), "SELECT $1", struct{}{}); err == nil {
		t.Error("an argument that is nothing to database/sql was taken")
	}
}

func TestStatementsWithoutArgumentsMayBeMany(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	result, err := db.ExecContext(t.Context(), "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2); UPDATE t SET n = 3 WHERE n = 2")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Errorf("rows affected = %d, %v, want those of the last statement, 1", n, err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (4); SELECT 1/0"); err == nil {
		t.Error("an error of the last statement is lost")
	}
	if got := count(t, db); got != 2 {
		t.Errorf("rows = %d, want 2: statements that are sent together are one transaction", got)
	}
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestErrorsAfterTheFirstRowAreTold(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	rows, err := db.QueryContext(t.Context(), "SELECT 1 / (3 - n) FROM generate_series(1, 3) n")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if n != 2 || rows.Err() == nil || !strings.Contains(rows.Err().Error(), "division by zero") {
		t.Errorf("got %d rows and error %v, want 2 and a division by zero", n, rows.Err())
	}
	if err := db.QueryRowContext(t.Context(), "SELECT 1/0").Scan(&n); err == nil {
		t.Error("an error before the first row is lost")
	}
}

func TestTransactionsAreWhatTheyAreAskedToBe(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	for level, want := range map[sql.IsolationLevel]string{
		sql.LevelDefault: "read committed", sql.LevelReadCommitted: "read committed", sql.LevelSnapshot: "repeatable read",
		sql.LevelSerializable: "serializable",
	} {
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		var got, readOnly string
		if err := tx.QueryRowContext(t.Context(), "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')").Scan(&got, &readOnly); err != nil {
			t.Fatal(err)
		}
		if got != want || readOnly != "on" {
			t.Errorf("%v: got %s, read only %s, want %s, on", level, got, readOnly, want)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelLinearizable}); err == nil {
		t.Error("a level that there is not was begun")
	}
}

func TestCommitAfterAFailureIsAFailure(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT 1/0"); err == nil {
		t.Fatal("1/0 is something")
	}
	if err := tx.Commit(); err == nil {
		t.Error("what was rolled back is said to be committed")
	}
}

// Who gives up between two statements costs no connection.
func TestCancelledTransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB()
	db.SetMaxOpenConns(1)
	if _, err := db.DB.ExecContext(t.Context(), "CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	before := backend(t, db.DB)
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := db.DB.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := tx.Commit(); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("commit: got %v, want that it is too late", err)
	}
	if got := count(t, db.DB); got != 0 {
		t.Errorf("rows = %d, want none", got)
	}
	if after := backend(t, db.DB); after != before {
		t.Errorf("backends = %d and %d, want the same", before, after)
	}
}

func backend(t *testing.T, db *sql.DB) (pid int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestStatementEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB()
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		_, err := db.DB.ExecContext(ctx, "SELECT pg_advisory_lock(1), pg_sleep(600)")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	cancel()
	ended.Wait()
	backend(t, db.DB) // there is a connection for others again
}

func TestConnectionsThatTheServerEndedAreReplaced(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	db, other := open(t, dsn).DB().DB, open(t, dsn).DB().DB
	for range 3 {
		pid := backend(t, db)
		for there := true; there; {
			const end = "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE pid = $1"
			if err := other.QueryRowContext(t.Context(), end, pid).Scan(&there); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.PingContext(t.Context()) // may be the one to find out
		if got := backend(t, db); got == pid {
			t.Errorf("backend = %d, which is gone", got)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t)).DB().DB
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			var got int
			if err := db.QueryRowContext(t.Context(), "SELECT $1::int + n FROM generate_series(0, 9) n", i).Scan(&got); err != nil || got != i {
				t.Errorf("got %d, %v, want %d", got, err, i)
			}
		})
	}
	all.Wait()
}
