package conformance_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern/internal/refreshtoken"
)

// column is one of the real server's that may be NULL.
type column struct{ table, name string }

// TestRowsWithNULLNeverFail makes a user for every column that may be NULL, with
// NULL in that one, and does with each what a client and an operator do. Whatever
// they are told, it is no 5xx.
func TestRowsWithNULLNeverFail(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	dsn := adopt(t)
	server := serve(t, openAdopted(t, dsn), m.environment(nil))
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())

	columns := nullableColumns(t, conn)
	if len(columns) < 40 {
		t.Fatalf("got %d columns that may be NULL, want the many of the real server", len(columns))
	}
	for _, c := range columns {
		o := newOddity(t, conn)
		o.setNULL(t, conn, c)
		o.live(t, server, c, m)
	}
}

// oddTables are the tables in which an oddity has a row, with the columns by which
// its row is found.
var oddTables = map[string]string{
	"users": "id", "identities": "user_id", "sessions": "user_id", "refresh_tokens": "session_id",
	"mfa_factors": "user_id", "mfa_amr_claims": "session_id",
}

// nullableColumns are those of oddTables that nobody works out.
func nullableColumns(t *testing.T, conn *pgx.Conn) []column {
	t.Helper()
	var columns []column
	for _, table := range slices.Sorted(maps.Keys(oddTables)) {
		for _, name := range list(t, conn, `SELECT column_name FROM information_schema.columns
			WHERE table_schema = 'auth' AND table_name = $1 AND is_nullable = 'YES' AND is_generated = 'NEVER' AND column_name <> $2
			ORDER BY ordinal_position`, table, oddTables[table]) {
			columns = append(columns, column{table, name})
		}
	}
	return columns
}

// oddity is a user with two sessions, one of each kind of refresh tokens, and a
// second factor.
type oddity struct {
	user, session, legacySession uuid.UUID
	email, legacyToken           string
	key                          []byte // of the session's refresh tokens
}

const oddPassword = "odd-password-1"

// newOddity stores one, as the real server would have.
func newOddity(t *testing.T, conn *pgx.Conn) *oddity {
	t.Helper()
	o := &oddity{user: uuid.New(), session: uuid.New(), legacySession: uuid.New(), key: make([]byte, 32)}
	_, _ = rand.Read(o.key)
	o.email, o.legacyToken = "odd."+o.user.String()+"@example.com", hex.EncodeToString(o.key[:6])
	hash, err := bcrypt.GenerateFromPassword([]byte(oddPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), insertOddity, o.user, o.email, string(hash), time.Now(),
		o.session, refreshtoken.EncodeKey(o.key), o.legacySession, o.legacyToken)
	if err != nil {
		t.Fatalf("storing an odd user: %v", err)
	}
	return o
}

const insertOddity = `
	WITH u AS (
		INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at,
			confirmation_token, confirmation_sent_at, recovery_token, recovery_sent_at, email_change_token_new, email_change,
			email_change_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at)
		VALUES ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2, $3, $4, $4,
			'', $4, '', $4, '', '', $4, $4, '{"provider": "email", "providers": ["email"]}', '{"a": 1}', false, $4, $4)
		RETURNING id
	), i AS (
		INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
		SELECT id::text, id, jsonb_build_object('sub', id, 'email', $2::text), 'email', $4, $4, $4 FROM u
	), f AS (
		INSERT INTO auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret)
		SELECT gen_random_uuid(), id, 'app', 'totp', 'unverified', $4, $4, 'GEZDGNBVGY3TQOJQ' FROM u
	), s AS (
		INSERT INTO auth.sessions (id, user_id, created_at, updated_at, aal, refreshed_at, user_agent, ip,
			refresh_token_hmac_key, refresh_token_counter)
		SELECT session, u.id, $4, $4, 'aal1'::auth.aal_level, $4, 'test', '127.0.0.1'::inet, key, counter
		FROM u, (VALUES ($5::uuid, $6::text, 0), ($7::uuid, NULL, NULL)) AS v (session, key, counter)
		RETURNING id, user_id
	), c AS (
		INSERT INTO auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
		SELECT gen_random_uuid(), id, $4, $4, 'password' FROM s
	)
	INSERT INTO auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, session_id)
	SELECT '00000000-0000-0000-0000-000000000000', $8, user_id, false, $4, $4, id FROM s WHERE id = $7::uuid`

func (o *oddity) setNULL(t *testing.T, conn *pgx.Conn, c column) {
	t.Helper()
	statement := fmt.Sprintf("UPDATE auth.%s SET %s = NULL WHERE %s = ANY($1)", c.table, pgx.Identifier{c.name}.Sanitize(), oddTables[c.table])
	tag, err := conn.Exec(t.Context(), statement, []uuid.UUID{o.user, o.session, o.legacySession})
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("%s.%s: %v, %v; want a row to be changed", c.table, c.name, tag, err)
	}
}

// live does with an oddity what is done with users.
func (o *oddity) live(t *testing.T, server *instance, c column, m *manifest) {
	t.Helper()
	env := m.Config.Env
	admin := mint(t, env["GOTRUE_JWT_SECRET"], time.Hour, jwt.MapClaims{"role": "service_role"})
	own := mint(t, env["GOTRUE_JWT_SECRET"], time.Hour, jwt.MapClaims{
		"sub": o.user.String(), "aud": "authenticated", "role": "authenticated", "iss": env["GOTRUE_JWT_ISSUER"], "session_id": o.session.String(),
	})
	byID := "/admin/users/" + o.user.String()
	for _, r := range []struct{ method, path, body, token string }{
		{"GET", byID, "", admin},
		{"GET", "/admin/users", "", admin}, // the newest first
		{"GET", "/admin/users?filter=" + o.email, "", admin},
		{"GET", "/user", "", own},
		{"PUT", "/user", `{"data":{"b":2}}`, own},
		{"POST", "/token?grant_type=password", fmt.Sprintf(`{"email":%q,"password":%q}`, o.email, oddPassword), ""},
		{"POST", "/token?grant_type=refresh_token", fmt.Sprintf(`{"refresh_token":%q}`, refreshtoken.Issue(o.session, 0, o.key)), ""},
		{"POST", "/token?grant_type=refresh_token", fmt.Sprintf(`{"refresh_token":%q}`, o.legacyToken), ""},
		{"POST", "/signup", fmt.Sprintf(`{"email":%q,"password":"another-password"}`, o.email), ""},
		{"PUT", byID, `{"email":"new.` + o.email + `","user_metadata":{"c":3},"app_metadata":{"d":4}}`, admin},
		{"PUT", "/user", `{"password":"odd-password-2"}`, own},
		{"POST", "/logout?scope=others", "", own},
		{"DELETE", byID, `{"should_soft_delete":true}`, admin},
		{"DELETE", byID, "", admin},
	} {
		var headers []string
		if r.token != "" {
			headers = append(headers, "authorization", "Bearer "+r.token)
		}
		a := server.call(t, r.method, r.path, r.body, headers...)
		if a.status >= http.StatusInternalServerError || a.status == 0 {
			t.Errorf("%s.%s is NULL: %s %s: got %d %s", c.table, c.name, r.method, strings.ReplaceAll(r.path, o.user.String(), "{id}"), a.status, short(a.body))
		}
	}
}
