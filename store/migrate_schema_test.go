package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

func TestMigrateMakesGoTruesSchema(t *testing.T) {
	t.Parallel()
	gotrues := pgtest.New(t)
	load(t, gotrues, "schema.sql")
	sameLines(t, "schema", gotrueSchema(t, pgtest.Connect(t, migrated(t))), gotrueSchema(t, pgtest.Connect(t, gotrues)))
}

// The functions are compared by what they answer.
func TestHelperFunctionsAnswerAsGoTrues(t *testing.T) {
	t.Parallel()
	gotrues := pgtest.New(t)
	load(t, gotrues, "schema.sql")
	ours, theirs := pgtest.Connect(t, migrated(t)), pgtest.Connect(t, gotrues)

	const claims = `{"sub": "f4e2a382-99cd-4014-ad0c-70cf782a059a", "role": "authenticated", "email": "A@example.com", "aal": "aal1"}`
	for _, settings := range []map[string]string{
		{},
		{"claims": ""},
		{"claims": claims},
		{"claims": `{}`},
		{"claims": `{"sub": null, "role": 7, "email": {"a": 1}}`},
		{"claims": `{"sub": "nobody"}`},
		{"claims": `no JSON`},
		{"claim": claims},
		{"claim": "", "claims": claims},
		{"claim": `{"sub": 1}`, "claims": claims},
		{"claim.sub": "00000000-0000-0000-0000-000000000001", "claim.role": "anon", "claim.email": "b@example.com", "claims": claims},
		{"claim.sub": "", "claim.role": "", "claim.email": "", "claims": claims},
		{"claim.sub": "nobody"},
	} {
		for _, function := range []string{"uid", "role", "email", "jwt"} {
			got, want := answer(t, ours, settings, function), answer(t, theirs, settings, function)
			if got != want {
				t.Errorf("auth.%s() with %q = %s, want %s", function, settings, got, want)
			}
		}
	}
}

// answer calls a helper function in a request with settings.
func answer(t *testing.T, conn *pgx.Conn, settings map[string]string, function string) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	for name, value := range settings {
		if _, err := tx.Exec(t.Context(), "SELECT set_config($1, $2, true)", "request.jwt."+name, value); err != nil {
			t.Fatal(err)
		}
	}
	var result string
	err = tx.QueryRow(t.Context(), "SELECT coalesce(auth."+function+"()::text, 'NULL')").Scan(&result)
	return fmt.Sprint(result, " ", err)
}

func TestSQLiteHasGoTruesColumnsAndForeignKeys(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, migrated(t))
	s := dbtest.SQLite(t)

	columns := lines(t, conn, `SELECT c.relname || '.' || a.attname || ' ' || rank() OVER (PARTITION BY c.oid ORDER BY a.attnum) ||
			CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || CASE WHEN a.attgenerated = 's' THEN ' STORED' ELSE '' END
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'auth'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
			AND c.relname NOT IN ('schema_migrations', 'instances')`)
	sameLines(t, "columns", sqliteLines(t, s, `SELECT substr(m.name, 6) || '.' || c.name || ' ' || (c.cid + 1) ||
			iif(c."notnull" OR c.type = 'INTEGER' AND c.pk, ' NOT NULL', '') || iif(c.hidden = 3, ' STORED', '')
		FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND m.name LIKE 'auth/_%' ESCAPE '/'`), columns)

	keys := lines(t, conn, `SELECT c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
		WHERE c.connamespace = 'auth'::regnamespace AND c.contype IN ('f', 'p')`)
	sameLines(t, "keys", sqliteLines(t, s, `SELECT 'auth.' || substr(m.name, 6) || ' FOREIGN KEY (' || f."from" || ') REFERENCES auth.' ||
			substr(f."table", 6) || '(' || f."to" || ') ON DELETE ' || f.on_delete
		FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'
		UNION ALL SELECT 'auth.' || substr(m.name, 6) || ' PRIMARY KEY (' || group_concat(c.name, ', ' ORDER BY c.pk) || ')'
		FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.pk AND m.name LIKE 'auth/_%' ESCAPE '/' GROUP BY m.name
		UNION ALL VALUES ('auth.schema_migrations PRIMARY KEY (version)'), ('auth.instances PRIMARY KEY (id)')`), keys)
}

// Without one, deleting a parent reads the whole table of its children.
func TestSQLiteHasAnIndexForEveryForeignKey(t *testing.T) {
	t.Parallel()
	missing := sqliteLines(t, dbtest.SQLite(t), `SELECT m.name || '.' || f."from"
		FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND NOT EXISTS (
			SELECT 1 FROM pragma_index_list(m.name) i, pragma_index_info(i.name) c WHERE c.seqno = 0 AND c.name = f."from")`)
	if len(missing) > 0 {
		t.Errorf("foreign keys without an index: %q", missing)
	}
}

// What both databases must take, and what they must refuse. The statements are
// PostgreSQL's, with :name for a literal.
func TestBothSchemasTakeAndRefuseTheSame(t *testing.T) {
	t.Parallel()
	stores := map[string]*store.Store{"postgres": dbtest.Postgres(t), "sqlite": dbtest.SQLite(t)}
	for _, s := range stores {
		s.DB().SetMaxOpenConns(1)
	}
	long := strings.Repeat("ü", 256)
	user := func(columns, values string) string {
		return fmt.Sprintf("INSERT INTO auth.users (id, %s) VALUES (gen(), %s)", columns, values)
	}
	two := func(statement string) []string { return []string{statement, statement} }
	withUser := func(statements ...string) []string {
		return append([]string{"INSERT INTO auth.users (id, email) VALUES (:alice, 'alice@example.com')"}, statements...)
	}
	withSession := func(statements ...string) []string {
		return withUser(append([]string{"INSERT INTO auth.sessions (id, user_id) VALUES (:one, :alice)"}, statements...)...)
	}
	identity := "INSERT INTO auth.identities (id, user_id, provider, provider_id, identity_data) VALUES (gen(), :alice, 'email', 'x', '{}')"
	token := "INSERT INTO auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at) VALUES (gen(), :alice, '%s', '%s', '', :now, :now)"
	factor := "INSERT INTO auth.mfa_factors (id, user_id, factor_type, status, friendly_name, phone, created_at, updated_at) VALUES (gen(), :alice, '%s', '%s', %s, %s, :now, :now)"
	key := "INSERT INTO auth.postern_keys (kid, purpose, secret, created_at, retired_at) VALUES ('%s', '%s', '{}', :now, %s)"
	client := "INSERT INTO auth.oauth_clients (id, registration_type, client_type, redirect_uris, grant_types, token_endpoint_auth_method, created_at, updated_at) VALUES (gen(), '%s', '%s', '', '', '%s', :now, :now)"
	provider := "INSERT INTO auth.custom_oauth_providers (id, provider_type, identifier, name, client_id, client_secret, issuer, token_url, created_at, updated_at) VALUES (gen(), '%s', '%s', 'n', 'c', 's', %s, %s, :now, :now)"

	for _, test := range []struct {
		name       string
		statements []string
		taken      bool
	}{
		{"one address twice", two(user("email", "'a@example.com'")), false},
		{"one address twice among SSO users", two(user("email, is_sso_user", "'a@example.com', true")), true},
		{"one address in two spellings", []string{user("email", "'a@example.com'"), user("email", "'A@example.com'")}, true},
		{"no address twice", two(user("email", "NULL")), true},
		{"one number twice", two(user("phone", "'15550100'")), false},
		{"one confirmation token twice", two(user("confirmation_token", "'pkce_1a'")), false},
		{"one recovery token twice", two(user("recovery_token", "'1a'")), false},
		{"one reauthentication token twice", two(user("reauthentication_token", "'1a'")), false},
		{"one current-address token twice", two(user("email_change_token_current", "'1a'")), false},
		{"one new-address token twice", two(user("email_change_token_new", "'1a'")), false},
		{"no token twice", two(user("confirmation_token, recovery_token", "'', ''")), true},
		{"a code of digits twice", two(user("confirmation_token, recovery_token", "'123 456', '1'")), true},
		{"an address of 256 characters", []string{user("email", "'"+long+"'")}, false},
		{"an address of 255 characters", []string{user("email", "'"+strings.TrimSuffix(long, "ü")+"'")}, true},
		{"a confirm status of 3", []string{user("email_change_confirm_status", "3")}, false},
		{"metadata that is no JSON", []string{user("raw_user_meta_data", "'{'")}, false},
		{"metadata that is an array", []string{user("raw_user_meta_data", "'[1]'")}, true},
		{"is_sso_user of NULL", []string{user("is_sso_user", "NULL")}, false},
		{"confirmed_at set by hand", []string{user("confirmed_at", ":now")}, false},
		{"one identity twice", withUser(two(identity)...), false},
		{"an identity of nobody", []string{identity}, false},
		{"an identity's address set by hand", withUser("UPDATE auth.identities SET email = 'x'"), false},
		{"a token of an unknown type", withUser(fmt.Sprintf(token, "magiclink", "x")), false},
		{"a token without a hash", withUser(fmt.Sprintf(token, "recovery_token", "")), false},
		{"two tokens of a type", withUser(fmt.Sprintf(token, "recovery_token", "x"), fmt.Sprintf(token, "recovery_token", "y")), false},
		{"one hash for two types", withUser(fmt.Sprintf(token, "recovery_token", "x"), fmt.Sprintf(token, "confirmation_token", "x")), true},
		{"an unknown assurance level", withSession("UPDATE auth.sessions SET aal = 'aal4'"), false},
		{"a session of an unknown client", withSession("UPDATE auth.sessions SET oauth_client_id = :alice"), false},
		{"scopes of 4097 characters", withSession("UPDATE auth.sessions SET scopes = '" + strings.Repeat("s", 4097) + "'"), false},
		{"one refresh token twice", two("INSERT INTO auth.refresh_tokens (token) VALUES ('x')"), false},
		{"a refresh token of no session", []string{"INSERT INTO auth.refresh_tokens (token, session_id) VALUES ('x', :one)"}, false},
		{"an unknown factor type", withUser(fmt.Sprintf(factor, "email", "verified", "'a'", "NULL")), false},
		{"two factors of a name", withUser(two(fmt.Sprintf(factor, "totp", "verified", "'a'", "NULL"))...), false},
		{"two factors without a name", withUser(two(fmt.Sprintf(factor, "totp", "unverified", "' '", "NULL"))...), true},
		{"two factors of a number", withUser(fmt.Sprintf(factor, "phone", "verified", "'a'", "'1'"), fmt.Sprintf(factor, "phone", "verified", "'b'", "'1'")), false},
		{"two current keys", []string{fmt.Sprintf(key, "a", "signing", "NULL"), fmt.Sprintf(key, "b", "signing", "NULL")}, false},
		{"current keys of two purposes", []string{fmt.Sprintf(key, "a", "signing", "NULL"), fmt.Sprintf(key, "b", "hmac", "NULL")}, true},
		{"a current key and retired ones", []string{fmt.Sprintf(key, "a", "signing", "NULL"), fmt.Sprintf(key, "b", "signing", ":now"), fmt.Sprintf(key, "c", "signing", ":now")}, true},
		{"a key for nothing", []string{fmt.Sprintf(key, "a", "", "NULL")}, false},
		{"one counter twice", two("INSERT INTO auth.postern_counters (key, value, started_at) VALUES ('a', 1, :now)"), false},
		{"a counter without a time", []string{"INSERT INTO auth.postern_counters (key, value) VALUES ('a', 1)"}, false},
		{"a delivery of no event", []string{"INSERT INTO auth.postern_deliveries (event_id, subscriber, attempts, due_at) VALUES (:one, 'a', 0, :now)"}, false},
		{"an event that is no JSON", []string{"INSERT INTO auth.postern_events (id, type, user_id, payload, created_at) VALUES (:one, 'a', :alice, '{', :now)"}, false},
		{"an event of nobody", []string{"INSERT INTO auth.postern_events (id, type, user_id, payload, created_at) VALUES (:one, 'a', :alice, '{}', :now)"}, true},
		{"an OAuth client", []string{fmt.Sprintf(client, "dynamic", "public", "none")}, true},
		{"an unknown registration", []string{fmt.Sprintf(client, "automatic", "public", "none")}, false},
		{"an unknown kind of client", []string{fmt.Sprintf(client, "dynamic", "secret", "none")}, false},
		{"an unknown authentication of clients", []string{fmt.Sprintf(client, "dynamic", "public", "private_key_jwt")}, false},
		{"an OpenID provider", []string{fmt.Sprintf(provider, "oidc", "custom:a", "'https://a.example.com'", "NULL")}, true},
		{"an OpenID provider without an issuer", []string{fmt.Sprintf(provider, "oidc", "custom:a", "NULL", "NULL")}, false},
		{"an OpenID provider without TLS", []string{fmt.Sprintf(provider, "oidc", "custom:a", "'HTTPS://a.example.com'", "NULL")}, false},
		{"an OAuth provider without addresses", []string{fmt.Sprintf(provider, "oauth2", "custom:a", "NULL", "'https://a.example.com'")}, false},
		{"a provider's identifier in upper case", []string{fmt.Sprintf(provider, "oidc", "custom:A", "'https://a.example.com'", "NULL")}, false},
		{"a provider's identifier of one character", []string{fmt.Sprintf(provider, "oidc", "a", "'https://a.example.com'", "NULL")}, false},
		{"a provider's identifier that ends in a dash", []string{fmt.Sprintf(provider, "oidc", "custom:a-", "'https://a.example.com'", "NULL")}, false},
		{"two SSO domains", []string{
			"INSERT INTO auth.sso_providers (id, resource_id) VALUES (:one, NULL)",
			"INSERT INTO auth.sso_domains (id, sso_provider_id, domain) VALUES (gen(), :one, 'a.example.com'), (gen(), :one, 'A.example.com')"}, false},
		{"an SSO provider with an empty resource", []string{"INSERT INTO auth.sso_providers (id, resource_id) VALUES (:one, '')"}, true},
		{"an audit entry that is no JSON", []string{"INSERT INTO auth.audit_log_entries (id, payload) VALUES (gen(), 'x')"}, false},
		{"an audit entry without an address", []string{"INSERT INTO auth.audit_log_entries (id, payload) VALUES (gen(), '{}')"}, true},
	} {
		for name, s := range stores {
			if err := inVain(t, s, test.statements); (err == nil) != test.taken {
				t.Errorf("%s: %s: error = %v, want taken = %v", name, test.name, err, test.taken)
			}
		}
	}
}

// inVain runs statements in a transaction that is rolled back, and returns the
// error of the last one; those before it must succeed.
func inVain(t *testing.T, s *store.Store, statements []string) error {
	t.Helper()
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for i, statement := range statements {
		_, err = tx.Tx.ExecContext(t.Context(), inDialect(s, statement))
		if err != nil && i < len(statements)-1 {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return err
}

// inDialect fills in what the tables of statements leave open.
func inDialect(s *store.Store, statement string) string {
	names := []string{
		":alice", "'00000000-0000-4000-8000-00000000000a'", ":one", "'00000000-0000-4000-8000-000000000001'",
		":now", "'2026-01-02T03:04:05.000006Z'", "gen()", "gen_random_uuid()",
	}
	if !isPostgres(s) {
		names = append(names[:6], "gen()", "lower(hex(randomblob(16)))", "auth.", "auth_")
	}
	return strings.NewReplacer(names...).Replace(statement)
}

func TestBothSchemasDeriveTheSame(t *testing.T) {
	t.Parallel()
	for _, s := range []*store.Store{dbtest.Postgres(t), dbtest.SQLite(t)} {
		for _, statement := range []string{
			"INSERT INTO auth.users (id, email_confirmed_at, phone_confirmed_at) VALUES (:alice, '2026-01-02T00:00:00.000000Z', '2026-01-01T23:59:59.999999Z')",
			"INSERT INTO auth.users (id, email_confirmed_at) VALUES (:one, :now)",
			"INSERT INTO auth.users (id) VALUES (gen())",
			`INSERT INTO auth.identities (id, user_id, provider, provider_id, identity_data) VALUES (gen(), :alice, 'a', 'x', '{"email": "Alice@Example.com"}')`,
			`INSERT INTO auth.identities (id, user_id, provider, provider_id, identity_data) VALUES (gen(), :alice, 'b', 'x', '{"email": null}')`,
			"INSERT INTO auth.refresh_tokens (token) VALUES ('a')",
			"INSERT INTO auth.refresh_tokens (token) VALUES ('b')",
			"DELETE FROM auth.refresh_tokens WHERE token = 'b'",
			"INSERT INTO auth.refresh_tokens (token) VALUES ('c')",
		} {
			if _, err := s.DB().DB.ExecContext(t.Context(), inDialect(s, statement)); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		for _, test := range []struct {
			query string
			want  string
		}{
			{"SELECT count(*) FROM auth.users WHERE id = :alice AND confirmed_at = phone_confirmed_at", "1"},
			{"SELECT count(*) FROM auth.users WHERE id = :one AND confirmed_at = email_confirmed_at", "1"},
			{"SELECT count(*) FROM auth.users WHERE confirmed_at IS NULL", "1"},
			{"SELECT email FROM auth.identities WHERE provider = 'a'", "alice@example.com"},
			{"SELECT count(*) FROM auth.identities WHERE email IS NULL", "1"},
			{"SELECT count(*) FROM auth.users WHERE phone_change = '' AND reauthentication_token = '' AND phone IS NULL", "3"},
			{"SELECT id FROM auth.refresh_tokens WHERE token = 'c'", "3"},
		} {
			var got string
			if err := s.DB().DB.QueryRowContext(t.Context(), inDialect(s, test.query)).Scan(&got); err != nil || got != test.want {
				t.Errorf("%v: %s = %q, %v, want %q", s.DB().Dialect().Name(), test.query, got, err, test.want)
			}
		}
	}
}

// What PostgreSQL's types see to, SQLite's checks do.
func TestSQLiteRefusesWhatDoesNotCompare(t *testing.T) {
	t.Parallel()
	s := dbtest.SQLite(t)
	for name, value := range map[string]string{
		"a time with a space":    "'2026-01-02 03:04:05.000006Z'",
		"a time in milliseconds": "'2026-01-02T03:04:05.000Z'",
		"a time with a zone":     "'2026-01-02T03:04:05.000006+00:00'",
		"a time of Go's String":  "'2026-01-02 03:04:05.000006 +0000 UTC'",
		"seconds":                "1767322800",
		"bytes":                  "X'32303236'",
	} {
		if err := inVain(t, s, []string{"INSERT INTO auth.users (id, created_at) VALUES (gen(), " + value + ")"}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, statement := range []string{
		"INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen(), X'7b7d')",
		"INSERT INTO auth.users (id, is_sso_user) VALUES (gen(), 2)",
		"INSERT INTO auth.users (id, is_sso_user) VALUES (gen(), 'true')",
		"INSERT INTO auth.users (id) VALUES (NULL)",
	} {
		if err := inVain(t, s, []string{statement}); err == nil {
			t.Errorf("%s was taken", statement)
		}
	}
}

// migrated returns the DSN of a PostgreSQL database with the schema.
func migrated(t *testing.T) string {
	t.Helper()
	return pgtest.NewMigrated(t, "postern", func(dsn string) error {
		s, err := open(t.Context(), dsn)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Migrate(t.Context())
	})
}

func sqliteLines(t *testing.T, s *store.Store, query string) (lines []string) {
	t.Helper()
	rows, err := s.DB().DB.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// gotrueSchema describes the schema auth, without the tables and indexes that are
// Postern's, a line for each thing in it.
func gotrueSchema(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return lines(t, conn, `
	WITH tables AS (
		SELECT c.* FROM pg_class c WHERE c.relnamespace = 'auth'::regnamespace AND c.relname NOT LIKE 'postern%'
	)
	SELECT format('relation %s %s: row security %s %s', relname, relkind, relrowsecurity, relforcerowsecurity) FROM tables
	UNION ALL
	SELECT format('column %s.%s, place %s: %s%s%s default %s', t.relname, a.attname, rank() OVER (PARTITION BY t.oid ORDER BY a.attnum),
		format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' END,
		CASE WHEN a.attgenerated <> '' THEN ' generated ' || a.attgenerated::text END, pg_get_expr(d.adbin, d.adrelid))
	FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT format('constraint %s.%s: %s', t.relname, k.conname, pg_get_constraintdef(k.oid))
	FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
	UNION ALL
	SELECT pg_get_indexdef(i.indexrelid) FROM tables t JOIN pg_index i ON i.indrelid = t.oid
	WHERE i.indexrelid::regclass::text NOT LIKE 'auth.postern%'
	UNION ALL
	SELECT format('sequence %s: %s from %s by %s up to %s, of %s', t.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax,
		pg_get_serial_sequence('auth.refresh_tokens', 'id'))
	FROM tables t JOIN pg_sequence s ON s.seqrelid = t.oid
	UNION ALL
	SELECT format('enum %s: %s', y.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder))
	FROM pg_type y LEFT JOIN pg_enum e ON e.enumtypid = y.oid
	WHERE y.typnamespace = 'auth'::regnamespace AND y.typtype = 'e' GROUP BY y.typname
	UNION ALL
	SELECT format('function %s returns %s in %s: %s %s %s %s', p.oid::regprocedure, p.prorettype::regtype, l.lanname,
		p.provolatile, p.prosecdef, p.proisstrict, p.proparallel)
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'auth'::regnamespace AND p.proname NOT LIKE 'postern%'
	UNION ALL
	SELECT format('trigger %s on %s', g.tgname, t.relname) FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
	UNION ALL
	SELECT format('policy %s on %s', o.polname, t.relname) FROM tables t JOIN pg_policy o ON o.polrelid = t.oid`)
}
