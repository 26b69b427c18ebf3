//go:build unix

package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/otlptest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// Guarantee D20: the tests in this file use secrets that can be recognised, and
// look for them wherever they must not be.

// canaries are secrets, by what they are.
type canaries struct {
	mu      sync.Mutex
	secrets map[string]string
}

func newCanaries() *canaries { return &canaries{secrets: map[string]string{}} }

// add adds a secret, unless it is so short that it may be found by chance.
func (c *canaries) add(what, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(secret) >= 12 {
		c.secrets[secret] = what
	}
}

// password returns a password that is a canary. All signs in it survive being
// quoted, escaped and encoded.
func (c *canaries) password(name string) string {
	secret := "canary-" + name + "-" + strings.Repeat("x", 8)
	c.add("the password "+secret, secret)
	return secret
}

// addTokens adds what an answer grants. Of a JWT the signature is the secret.
func (c *canaries) addTokens(access, refresh string) {
	c.add("a refresh token", refresh)
	if i := strings.LastIndexByte(access, '.'); i >= 0 {
		c.add("the signature of an access token", access[i+1:])
	}
}

// addStored adds what a database keeps secret.
func (c *canaries) addStored(t *testing.T, st *store.Store, url string) {
	t.Helper()
	for what, query := range map[string]string{
		"a password's hash":      "SELECT encrypted_password FROM auth.users WHERE encrypted_password IS NOT NULL",
		"a refresh token's key":  "SELECT refresh_token_hmac_key FROM auth.sessions",
		"a part of a secret key": "SELECT secret FROM auth.postern_keys",
	} {
		for _, secret := range texts(t, st, url, query) {
			c.add(what, secret)
			c.add(what, privatePart(secret))
		}
	}
}

func privatePart(jwk string) string {
	var key struct{ D string }
	_ = json.Unmarshal([]byte(jwk), &key) // what is no key has none
	return key.D
}

// check fails for each secret that is in a text.
func (c *canaries) check(t *testing.T, where, text string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, what := range c.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %s:\n%s", where, what, lineWith(text, secret))
		}
	}
}

func lineWith(text, secret string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, secret) {
			return line
		}
	}
	return text
}

// texts returns the one column of a query.
func texts(t *testing.T, st *store.Store, url, query string) (found []string) {
	t.Helper()
	if isSQLite(url) {
		query = strings.ReplaceAll(query, "auth.", "auth_")
	}
	rows, err := st.DB().DB.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		found = append(found, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestServerShowsNoSecret(t *testing.T) {
	t.Parallel()
	const jwtSecret, columnKey = "canary-of-the-jwt-secret-of-32-bytes", "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE"
	for name, environ := range map[string][]string{
		"generated key": {"GOTRUE_JWT_SECRET=", "GOTRUE_METRICS_ENABLED=true"},
		"configured keys": {
			"GOTRUE_JWT_SECRET=" + jwtSecret,
			"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT=true", "GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID=canary",
			"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY=" + columnKey,
			"GOTRUE_METRICS_ENABLED=true", "GOTRUE_METRICS_EXPORTER=prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST=127.0.0.1", "OTEL_EXPORTER_PROMETHEUS_PORT=0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, url string) {
				c := newCanaries()
				c.add("the secret of tokens", jwtSecret)
				c.add("the key of columns", columnKey)
				environ := append(slices.Clone(environ), "GOTRUE_LOG_LEVEL=trace", "GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0")
				told := otlptest.New(t)
				environ = append(environ, tracing(told, c)...)
				s := start(t, url, environ...)
				st := open(t, url)
				v := &intruder{client: newClient(t, s.URL), canaries: c, t: t}
				v.operator = mintOperator(t, st, strings.TrimPrefix(environ[0], "GOTRUE_JWT_SECRET="))
				c.addTokens(v.operator, "")
				v.visit()
				c.addStored(t, st, url)
				v.breakDatabase(st, url)

				if slices.Contains(environ, "GOTRUE_METRICS_EXPORTER=prometheus") {
					c.check(t, "the page of measures", measures(t, s))
				}
				c.check(t, "what is told of it", everythingTold(t, s, told))
				c.check(t, "the log", s.Output())
				c.check(t, "the audit log", strings.Join(texts(t, st, url, "SELECT payload FROM auth.audit_log_entries"), "\n"))
				c.check(t, "an answer", v.refusals.String())
			})
		})
	}
}

// tracing has a server tell r what it does, with a key.
func tracing(r *otlptest.Receiver, c *canaries) []string {
	return []string{
		"GOTRUE_TRACING_ENABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL,
		"OTEL_EXPORTER_OTLP_HEADERS=X-Key=" + c.password("of-the-receiver"),
	}
}

// everythingTold stops a server, since it tells the last then, and returns what it
// told.
func everythingTold(t *testing.T, s *standalone.Server, r *otlptest.Receiver) string {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.Output(), "request completed") || len(r.Spans()) < 20 {
		t.Errorf("the log tells of no requests, or there are few spans, %q: the test tests nothing", r.Spans())
	}
	return r.Text()
}

var pageOfMeasures = regexp.MustCompile(`serving measures for Prometheus","address":"([^"]+)"`)

// measures returns the page for Prometheus.
func measures(t *testing.T, s *standalone.Server) string {
	t.Helper()
	found := pageOfMeasures.FindStringSubmatch(s.Output())
	if found == nil {
		t.Fatal("the log does not say where the measures are")
	}
	res, err := http.Get("http://" + found[1])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(page), "postern_requests_total") {
		t.Errorf("got the page %.200s and error %v, want measures", page, err)
	}
	return string(page)
}

// mintOperator makes an operator's token with the server's keys.
func mintOperator(t *testing.T, st *store.Store, jwtSecret string) string {
	t.Helper()
	a, err := postern.New(st, postern.Config{JWT: postern.JWTConfig{Secret: postern.Secret(jwtSecret)}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.MintToken(t.Context(), "service_role", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// intruder sends requests with canaries in them, most of which are refused.
type intruder struct {
	*client
	*canaries
	t        *testing.T
	operator string
	refusals strings.Builder
}

// send sends a request, learns the secrets of an answer that grants something, and
// keeps one that refuses.
func (v *intruder) send(method, path, bearer string, body any, want int) *answer {
	v.t.Helper()
	a, err := v.do(v.t.Context(), method, path, bearer, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if a.status != want {
		v.t.Errorf("%s %s: got %s, want %d", method, path, a, want)
	}
	if a.ok() {
		v.addTokens(a.text("access_token"), a.text("refresh_token"))
		return a
	}
	fmt.Fprintf(&v.refusals, "%s\n%v\n", a, a.header)
	return a
}

func (v *intruder) visit() {
	first, second := v.password("first"), v.password("second")
	const email = "ada@example.com"
	credentials := func(password string) map[string]string {
		return map[string]string{"email": email, "password": password}
	}
	session := v.send("POST", "/signup", "", credentials(first), 200)
	access, refresh := session.text("access_token"), session.text("refresh_token")
	v.send("POST", "/signup", "", credentials(v.password("taken")), 422)
	v.send("POST", "/token?grant_type=password", "", credentials(first), 200)
	v.send("POST", "/token?grant_type=password", "", credentials(v.password("wrong")), 400)
	v.send("POST", "/token?grant_type=password&password="+v.password("in-the-query"), "", credentials("x"), 400)
	v.send("POST", "/token?grant_type="+v.password("as-grant"), "", nil, 400)

	v.send("PUT", "/user", access, map[string]string{"password": first}, 422)
	v.send("PUT", "/user", access, map[string]string{"password": second}, 200)
	v.send("PUT", "/user", access, map[string]any{"app_metadata": map[string]string{"password": v.password("in-metadata")}}, 403)
	v.send("PUT", "/user", access, map[string]string{"email": "not an address", "password": v.password("with-bad-address")}, 400)

	v.wrongBodies()
	v.wrongTokens(access)
	v.factors()
	v.refreshes(refresh)
	v.administrate()
}

// wrongBodies sends passwords that cannot be passwords.
func (v *intruder) wrongBodies() {
	number := "7316450928731645092873164509287316450928"
	v.add("a number for a password", number)
	for _, body := range []string{
		`{"email":"eve@example.com","password":{"deep":"` + v.password("nested") + `"}}`,
		`{"email":"eve@example.com","password":["` + v.password("listed") + `"]}`,
		`{"email":"eve@example.com","password":` + number + `}`,
		`{"email":"eve@example.com","password":"` + v.password("cut-off"),
		`{"email":"eve@example.com","password":` + v.password("unquoted") + `}`,
		`{"email":"eve@example.com","password":"` + v.password("with-nul") + `\u0000"}`,
		`{"email":"eve@example.com","password":"` + v.password("invalid") + "\xff" + `"}`,
		`{"email":"eve@example.com","password":"` + strings.Repeat(v.password("too-long"), 10) + `"}`,
		`{"email":"eve@example.com","data":{"password":"` + v.password("twice") + `"},"password":""}`,
	} {
		v.send("POST", "/signup", "", verbatim(body), 400)
	}
}

func (v *intruder) wrongTokens(access string) {
	head, rest, _ := strings.Cut(access, ".")
	claims, _, _ := strings.Cut(rest, ".")
	for _, token := range []string{
		v.password("as-token"), head + "." + v.password("as-claims") + ".x", head + "." + claims + "." + v.password("as-signature"),
		v.password("as-head") + "." + claims + ".x", strings.Repeat(v.password("long-token"), 2000),
	} {
		v.send("GET", "/user", token, nil, 403)
		v.send("GET", "/admin/users", token, nil, 403)
	}
}

// factors enrols an app and uses it, with wrong codes first.
func (v *intruder) factors() {
	token := v.send("POST", "/signup", "", map[string]string{"email": "grace.h@example.com", "password": v.password("of-the-app")}, 200).text("access_token")
	enrolled := v.send("POST", "/factors", token, map[string]string{"factor_type": "totp"}, 200)
	p := app{token, "/factors/" + enrolled.text("id"), enrolled.text("totp", "secret")}
	v.add("the secret of an app", p.secret)
	v.send("POST", "/factors", token, map[string]string{"factor_type": v.password("as-type")}, 400)
	challenge := p.challenge(v.t, v.client)
	verify := func(code string, want int) {
		v.send("POST", p.path+"/verify", token, map[string]string{"challenge_id": challenge, "code": code}, want)
	}
	verify(v.password("as-code"), 422)
	v.send("POST", p.path+"/verify", token, map[string]string{"challenge_id": "none", "code": v.password("for-nothing")}, 400)
	verify(p.code(v.t), 200)
}

// refreshes uses a refresh token until its session is ended.
func (v *intruder) refreshes(first string) {
	body := func(token string) map[string]string { return map[string]string{"refresh_token": token} }
	const path = "/token?grant_type=refresh_token"
	second := v.send("POST", path, "", body(first), 200).text("refresh_token")
	v.send("POST", path, "", body(first), 200)
	third := v.send("POST", path, "", body(second), 200).text("refresh_token")
	v.send("POST", path, "", body(first), 400)
	v.send("POST", path, "", body(third), 400)
	v.send("POST", path, "", body(v.password("as-refresh-token")), 400)
}

func (v *intruder) administrate() {
	hash, err := bcrypt.GenerateFromPassword([]byte(v.password("imported")), bcrypt.MinCost)
	if err != nil {
		v.t.Fatal(err)
	}
	v.add("an imported hash", string(hash))
	for _, user := range []struct {
		body map[string]any
		want int
	}{
		{map[string]any{"email": "grace@example.com", "password_hash": string(hash)}, 200},
		{map[string]any{"email": "grace@example.com", "password_hash": string(hash)}, 422},
		{map[string]any{"email": "bob@example.com", "password_hash": "$2a$" + v.password("no-hash")}, 400},
		{map[string]any{"email": "bob@example.com", "password_hash": "$argon2id$" + v.password("no-argon")}, 400},
		{map[string]any{"email": "bob@example.com", "password_hash": "$fbscrypt$" + v.password("no-scrypt")}, 400},
		{map[string]any{"email": "bob@example.com", "password": v.password("both"), "password_hash": string(hash)}, 400},
		{map[string]any{"password": v.password("nobody")}, 400},
	} {
		v.send("POST", "/admin/users", v.operator, user.body, user.want)
	}
}

// breakDatabase takes away tables that requests need.
func (v *intruder) breakDatabase(st *store.Store, url string) {
	session := v.send("POST", "/signup", "", map[string]string{"email": "eve@example.com", "password": v.password("before")}, 200)
	v.addStored(v.t, st, url)
	drop := "ALTER TABLE auth.identities RENAME TO lost"
	if isSQLite(url) {
		drop = "ALTER TABLE auth_identities RENAME TO lost"
	}
	if _, err := st.DB().DB.ExecContext(v.t.Context(), drop); err != nil {
		v.t.Fatal(err)
	}
	v.send("POST", "/signup", "", map[string]string{"email": "late@example.com", "password": v.password("late")}, 500)
	v.send("POST", "/token?grant_type=password&"+v.password("query"), "", map[string]string{"email": "ada@example.com", "password": v.password("late")}, 500)
	v.send("POST", "/token?grant_type=refresh_token", "", map[string]string{"refresh_token": session.text("refresh_token")}, 500)
	v.send("GET", "/user", session.text("access_token"), nil, 500)
}

// The address of a database has a password in it.
func TestServerShowsNoSecretWhenItsDatabaseIsGone(t *testing.T) {
	t.Parallel()
	c := newCanaries()
	cluster := pgtest.NewCluster(t)
	s := start(t, pgtest.With(cluster.DSN(), "password", c.password("of-the-database")), "GOTRUE_LOG_LEVEL=trace")
	v := &intruder{client: newClient(t, s.URL), canaries: c, t: t}
	session := v.send("POST", "/signup", "", map[string]string{"email": "ada@example.com", "password": v.password("first")}, 200)
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // stale connections end in other errors than new ones
		v.send("POST", "/signup", "", map[string]string{"email": "eve@example.com", "password": v.password("away")}, 503)
		v.send("POST", "/token?grant_type=refresh_token", "", map[string]string{"refresh_token": session.text("refresh_token")}, 503)
		v.send("GET", "/user", session.text("access_token"), nil, 503)
	}
	if !strings.Contains(s.Output(), "request failed") {
		t.Error("the log does not tell of failed requests: the test tests nothing")
	}
	c.check(t, "the log", s.Output())
	c.check(t, "an answer", v.refusals.String())
}

// What a program in the same process sees of errors, it may log.
func TestErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		c := newCanaries()
		var log bytes.Buffer
		s := authtest.On(t, st, func(cfg *postern.Config) {
			cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
			cfg.Session.ReuseInterval = -1
		})
		for i, err := range errorsOf(t, s, c) {
			if err == nil {
				t.Errorf("call %d succeeded", i)
			}
			for ; err != nil; err = errors.Unwrap(err) {
				c.check(t, fmt.Sprintf("the error of call %d", i), fmt.Sprintf("%v %+v %#v", err, err, err))
			}
		}
		c.check(t, "the log", log.String())
	})
}

// errorsOf collects errors of many kinds.
func errorsOf(t *testing.T, s *authtest.Service, c *canaries) []error {
	t.Helper()
	ctx := t.Context()
	res, err := s.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: c.password("first")})
	if err != nil {
		t.Fatal(err)
	}
	session := res.Session
	c.addTokens(session.AccessToken, session.RefreshToken)
	caller, err := s.Authenticate(ctx, session.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	var all []error
	note := func(_ any, err error) { all = append(all, err) }
	note(s.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: c.password("taken")}))
	note(s.SignUp(ctx, postern.SignUpParams{Email: "not an address", Password: c.password("no-address")}))
	note(s.SignUp(ctx, postern.SignUpParams{Email: "eve@example.com", Password: strings.Repeat(c.password("long"), 10)}))
	note(s.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: "ada@example.com", Password: c.password("wrong")}))
	note(s.UpdateUser(ctx, caller, postern.UpdateUserParams{Password: ptr("canary-first-xxxxxxxx")}))
	note(s.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: "bob@example.com", PasswordHash: "$2a$" + c.password("no-hash")}))
	note(s.Authenticate(ctx, c.password("as-token")))
	note(s.RefreshToken(ctx, c.password("as-refresh-token")))
	first := session.RefreshToken
	for range 2 {
		if session, err = s.RefreshToken(ctx, session.RefreshToken); err != nil {
			t.Fatal(err)
		}
		c.addTokens(session.AccessToken, session.RefreshToken)
	}
	note(s.RefreshToken(ctx, first)) // its error carries the session
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	note(s.SignUp(cancelled, postern.SignUpParams{Email: "eve@example.com", Password: c.password("cancelled")}))
	note(s.RefreshToken(cancelled, session.RefreshToken))
	return all
}

func ptr[T any](v T) *T { return &v }

func TestRefusedConfigurationsShowNoSecret(t *testing.T) {
	t.Parallel()
	c := newCanaries()
	secret := postern.Secret(c.password("setting"))
	jwk := func(members string) postern.Secret {
		return `[{"kty":"EC","crv":"P-256","kid":"k","key_ops":["sign"],` + postern.Secret(members) + `}]`
	}
	for i, cfg := range []postern.Config{
		{JWT: postern.JWTConfig{Secret: secret}},
		{JWT: postern.JWTConfig{Keys: secret}},
		{JWT: postern.JWTConfig{Keys: jwk(`"d":"` + string(secret) + `"`)}},
		{JWT: postern.JWTConfig{Keys: jwk(`"d":{"` + string(secret) + `":1}`)}},
		{JWT: postern.JWTConfig{Keys: `[{"kty":"oct","k":"` + secret + `","alg":"` + secret + `"`}},
		{Encryption: postern.EncryptionConfig{Encrypt: true, KeyID: "a", Keys: map[string]postern.Secret{"a": secret}}},
	} {
		_, err := postern.New(dbtest.SQLite(t), cfg)
		refusedWithout(t, c, fmt.Sprintf("configuration %d", i), err)
	}
	for _, variable := range []string{
		"GOTRUE_JWT_SECRET=", "GOTRUE_JWT_KEYS=", "DATABASE_URL=mysql://user:", "DATABASE_URL=sqlite://",
		"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY=", "GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=a:",
		"OTEL_EXPORTER_OTLP_HEADERS=",
	} {
		_, err := goenv.Load([]string{variable + string(secret)})
		refusedWithout(t, c, variable, err)
	}
}

func refusedWithout(t *testing.T, c *canaries, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was not refused", what)
		return
	}
	c.check(t, "the refusal of "+what, fmt.Sprintf("%v %+v %#v", err, err, err))
}

// Whoever prints a record shows nothing of what is secret in it.
func TestPrintedRecordsShowNoSecret(t *testing.T) {
	t.Parallel()
	c := newCanaries()
	secret := postern.Secret(c.password("printed"))
	keys := map[string]postern.Secret{"a": secret}
	config := postern.Config{JWT: postern.JWTConfig{Secret: secret, Keys: secret}, Encryption: postern.EncryptionConfig{Keys: keys}}
	session := postern.SessionRecord{ID: uuid.New(), RefreshTokenKey: secret}
	for name, record := range map[string]any{
		"Config": config, "JWTConfig": config.JWT, "EncryptionConfig": config.Encryption,
		"Settings of an environment": goenv.Settings{Config: config, DatabaseURL: secret},
		"UserRecord":                 postern.UserRecord{PasswordHash: secret},
		"SessionRecord":              session,
		"SessionUpgrade":             postern.SessionUpgrade{Key: secret},
		"SessionRaise":               postern.SessionRaise{Key: secret},
		"FactorRecord":               postern.FactorRecord{Secret: secret},
		"ChallengeRecord":            postern.ChallengeRecord{Code: secret},
		"KeyRecord":                  postern.KeyRecord{KID: "k", Secret: secret},
		"LegacyToken":                postern.LegacyToken{Token: secret, Successor: secret},
		"FlowRecord":                 postern.FlowRecord{ProviderAccessToken: secret, ProviderRefreshToken: secret},
		"ReusedTokenError":           postern.ReusedTokenError{Session: session},
		"a slice of records":         []*postern.KeyRecord{{Secret: secret}},
		"a map of secrets":           maps.Clone(keys),
		"a pointer to a secret":      &secret,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			c.check(t, name+" with "+verb, fmt.Sprintf(verb, record))
		}
		text, _ := json.Marshal(record) // what cannot be marshalled shows nothing
		c.check(t, name+" as JSON", string(text))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("record", "record", record)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("record", "record", record)
		c.check(t, name+" in a log", log.String())
	}
}
