package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

func TestUsersFlowsAndOneTimeTokensAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		manyRows(t, st)
		// All users are of one instance. Tables have aliases of one letter; what else
		// SQLite scans is what it has put together itself.
		const whole = `SCAN \w\b|Seq Scan|users_instance_id_idx|users_created_at`
		readNoWholeTable(t, plansOf(t, st, func(joined *store.Store) { nothingFound(t, joined) }), 9, whole)
	})
}

// plan is how a database would run a statement.
type plan struct{ query, text string }

// plansOf returns how a database would run what do sends it in a transaction, but for
// what adds rows.
func plansOf(t *testing.T, st *store.Store, do func(joined *store.Store)) (plans []plan) {
	t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	if isPostgres(st) {
		explain = "EXPLAIN "
	}
	seen := recorder{}
	seeing := store.New(st.DB().WithQueryHook(&seen))
	tx := begin(t, seeing)
	defer tx.Rollback()
	do(seeing.Join(tx))
	for _, query := range slices.Clone(seen.texts) {
		if verb := strings.Fields(query)[0]; slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "WITH"}, verb) {
			plans = append(plans, plan{query, planOf(t, tx, explain+query)})
		}
	}
	return plans
}

// wholeTable is what plans say that read all rows of a table or alias.
const wholeTable = `SCAN (\w|auth_\w+)\b|Seq Scan`

// readNoWholeTable fails the test unless there are so many plans, none of which says
// what it should not.
func readNoWholeTable(t *testing.T, plans []plan, want int, whole string) {
	t.Helper()
	for _, p := range plans {
		if regexp.MustCompile(whole).MatchString(p.text) {
			t.Errorf("got a plan that reads a whole table, want none:\n%s\n%s", p.query, p.text)
		}
	}
	if len(plans) != want {
		t.Errorf("got %d statements, want %d: %q", len(plans), want, plans)
	}
}

// manyRows stores so many users, tokens and flows that to read them all is dear.
func manyRows(t *testing.T, st *store.Store) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO auth.users (id, instance_id, aud, email, email_change, phone_change)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
			SELECT gen(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'mail' || i || '@example.com',
				'user' || i || '@example.com', '1555' || i FROM n`,
		`INSERT INTO auth.identities (id, provider_id, user_id, provider, identity_data)
			SELECT gen(), id, id, 'email', CAST('{"email": "' || email || '"}' AS jsonb) FROM auth.users`,
		`INSERT INTO auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
			SELECT gen(), id, 'email_change_token_new', 'email' || id, email_change, :now, :now FROM auth.users`,
		`INSERT INTO auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
			SELECT gen(), id, 'phone_change_token', 'phone' || id, phone_change, :now, :now FROM auth.users`,
		`INSERT INTO auth.flow_state (id, user_id, auth_code, provider_type, authentication_method, created_at)
			SELECT gen(), id, 'code' || id, 'email', 'magiclink', :now FROM auth.users`,
		`ANALYZE`,
	} {
		execute(t, st.DB(), inDialect(st, statement))
	}
}

// nothingFound looks for tokens, users and flows that are not there.
func nothingFound(t *testing.T, st *store.Store) {
	t.Helper()
	_, _, link := st.FindOneTimeToken(t.Context(), []string{"a", "b"})
	_, flow := st.FindFlow(t.Context(), uuid.New())
	_, code := st.FindFlowByCode(t.Context(), "code")
	_, newest := st.NewestFlow(t.Context(), uuid.New(), "magiclink")
	for what, err := range map[string]error{"FindOneTimeToken": link, "FindFlow": flow, "FindFlowByCode": code, "NewestFlow": newest} {
		if !errors.Is(err, postern.ErrNoRow) {
			t.Errorf("%s: got error %v, want ErrNoRow", what, err)
		}
	}
	byEmail, err := st.UsersByNewEmail(t.Context(), "a@example.com", "authenticated")
	ok(t, err)
	byPhone, err := st.UsersByNewPhone(t.Context(), "1", "authenticated")
	ok(t, err)
	takenEmail, err := st.EmailTaken(t.Context(), "a@example.com", uuid.Nil)
	ok(t, err)
	takenPhone, err := st.PhoneTaken(t.Context(), "1", uuid.Nil)
	ok(t, err)
	if takenEmail || takenPhone {
		t.Errorf("got an address taken %v, a number taken %v, want neither", takenEmail, takenPhone)
	}
	anonymous, err := st.AnonymousUsers(t.Context(), at)
	ok(t, err)
	byEmails, err := st.UsersByEmails(t.Context(), []string{"a@example.com", "b@example.com"})
	ok(t, err)
	if len(byEmail)+len(byPhone)+len(byEmails)+len(anonymous) != 0 {
		t.Errorf("got %d users by new address, %d by number, %d by address, %d anonymous, want none",
			len(byEmail), len(byPhone), len(byEmails), len(anonymous))
	}
}

// planOf returns the last columns of what a database says of a statement.
func planOf(t *testing.T, db bun.IDB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	ok(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	ok(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		ok(t, rows.Scan(targets...))
		fmt.Fprintln(&plan, values[len(values)-1].String)
	}
	ok(t, rows.Err())
	return plan.String()
}
