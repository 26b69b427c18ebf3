package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store/postgres"
)

func TestFunctionsOfTheDatabaseAnswerHooks(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	for _, statement := range []string{
		`CREATE SCHEMA "My Hooks"`,
		`CREATE TABLE calls (event jsonb)`,
		`CREATE FUNCTION "My Hooks"."on ""sign-up"""(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
			BEGIN INSERT INTO calls VALUES (event); RETURN jsonb_build_object('got', event->>'name'); END $$`,
		`CREATE FUNCTION nothing(event jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'`,
		`CREATE FUNCTION slow(event jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{}''::jsonb FROM pg_sleep(60)'`,
		`CREATE FUNCTION raises(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
			BEGIN INSERT INTO calls VALUES (event); RAISE EXCEPTION 'not from there' USING HINT = 'move', DETAIL = 'far'; END $$`,
		`CREATE FUNCTION chooses(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
			BEGIN RAISE SQLSTATE 'PT402' USING MESSAGE = 'pay first'; END $$`,
	} {
		if _, err := s.DB().DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	call := func(schema, name string) (string, error) {
		answer, err := postgres.Function(s, schema, name)(t.Context(), []byte(`{"name":"O'Hara \\"}`))
		return string(answer), err
	}
	if answer, err := call("My Hooks", `on "sign-up"`); err != nil || answer != `{"got": "O'Hara \\"}` {
		t.Errorf("got %s and error %v", answer, err)
	}
	if answer, err := call("public", "nothing"); err != nil || answer != "" {
		t.Errorf("NULL: got %s and error %v, want nothing", answer, err)
	}
	for name, want := range map[string]struct {
		state  string
		status int
	}{
		"raises": {"P0001", 500}, "chooses": {"PT402", 402}, "slow": {"57014", 0}, "missing": {"42883", 0},
	} {
		_, err := call("public", name)
		e, _ := errors.AsType[*postern.Error](err)
		if e == nil || e.Kind != postern.KindInternal || e.Message != "Error running hook URI: pg-functions://postgres/public/"+name {
			t.Errorf("%s: got %v, want GoTrue's error", name, err)
			continue
		}
		raised, _ := errors.AsType[*postern.DatabaseError](err)
		if raised == nil || raised.State != want.state || raised.Status() != want.status || strings.Contains(err.Error(), "O'Hara") {
			t.Errorf("%s: got %+v, want state %s with status %d", name, raised, want.state, want.status)
		}
	}
	var calls int
	if err := s.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM calls").Scan(&calls); err != nil || calls != 1 {
		t.Errorf("got %d rows and error %v, want what the function wrote that raised nothing", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Function(s, "public", "nothing")(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the request", err)
	}
}
