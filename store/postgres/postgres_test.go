package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
)

func TestTimesAreUTC(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{pgtest.New(t), pgtest.With(pgtest.New(t), "TimeZone", "Asia/Tokyo")} {
		s := open(t, dsn)
		var zone, text string
		var at time.Time
		const query = `SELECT current_setting('TimeZone'), timestamptz '2026-01-02 03:04:05.000006+01', (timestamptz '2026-01-02 03:04:05+01')::timestamp::text`
		if err := s.DB().QueryRowContext(t.Context(), query).Scan(&zone, &at, &text); err != nil {
			t.Fatal(err)
		}
		if zone != "UTC" || text != "2026-01-02 02:04:05" {
			t.Errorf("zone = %s and a time without zone = %s, want UTC and 2026-01-02 02:04:05", zone, text)
		}
		if want := time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC); at != want {
			t.Errorf("time = %v in %v, want %v in UTC", at, at.Location(), want)
		}
	}
}

func TestStatementsAreNotPrepared(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	for _, dsn := range []string{
		dsn, pgtest.With(dsn, "default_query_exec_mode", "exec"), pgtest.With(dsn, "statement_cache_capacity", "100"),
	} {
		s := open(t, dsn)
		s.DB().SetMaxOpenConns(1)
		var got int
		if _, err := s.DB().DB.ExecContext(t.Context(), "SELECT $1::int", 1); err != nil {
			t.Fatal(err)
		}
		stmt, err := s.DB().DB.PrepareContext(t.Context(), "SELECT count(*) - $1 FROM pg_prepared_statements")
		if err != nil {
			t.Fatal(err)
		}
		if err := stmt.QueryRowContext(t.Context(), 0).Scan(&got); err != nil || got != 0 {
			t.Errorf("%s: prepared statements = %d, %v, want 0", dsn, got, err)
		}
		if err := stmt.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestIdleConnectionsAreKept(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	backend := func() (pid int) {
		t.Helper()
		if err := s.DB().QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	if first, second := backend(), backend(); first != second {
		t.Errorf("backends = %d and %d, want the same", first, second)
	}
}

func TestUnfitServerIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	for _, test := range []struct{ name, dsn, want string }{
		{"backslashes are escapes", pgtest.With(dsn, "standard_conforming_strings", "off"), "standard_conforming_strings is off"},
		{"no such database", pgtest.With(dsn, "dbname", "missing"), `database "missing" does not exist`},
		{"nobody listens", "postgres://u:canary@127.0.0.1:1/auth?sslmode=disable", "127.0.0.1"},
		{"nobody listens, with TLS or without", "postgres://u:canary@localhost:1/auth", "refused"},
		{"no such socket", "postgres://u:canary@/auth?host=/nonexistent", "/nonexistent"},
		{"no DSN", "postgres://u:canary@[/auth", "cannot parse"},
		{"another query mode", "postgres://u:canary@h/auth?default_query_exec_mode=cache_statement", "default_query_exec_mode"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := postgres.Open(t.Context(), test.dsn)
			if err == nil {
				s.Close()
			}
			got := fmt.Sprint(err)
			if !strings.HasPrefix(got, "postgres: ") || !strings.Contains(got, test.want) {
				t.Errorf("error = %q, want postgres: … %s …", got, test.want)
			}
			if strings.Contains(got, "canary") || strings.Contains(got, "\n") {
				t.Errorf("error = %q, want one line without the password", got)
			}
		})
	}
}

func open(t *testing.T, dsn string) *store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
