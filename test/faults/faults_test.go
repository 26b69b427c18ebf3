//go:build unix

// Package faults kills, cuts off and fills up what Postern stands on, and checks
// that it keeps its promises. The server is examples/standalone, in processes of
// its own wherever the fault is one of a process.
//
// With FAULTS=full in the environment the tests take minutes instead of seconds:
// the promises speak of hundreds of rounds.
package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/test/internal/standalone"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := builtIn(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// builtIn and program make, once, a directory and the server in it.
var (
	builtIn = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "postern-faults-") })
	program = sync.OnceValues(func() (string, error) {
		dir, err := builtIn()
		if err != nil {
			return "", err
		}
		return standalone.Build(context.Background(), dir, "-tags=telemetry")
	})
)

// rounds returns how often to try, which FAULTS=full makes often.
func rounds(few, many int) int {
	if os.Getenv("FAULTS") == "full" {
		return many
	}
	return few
}

// secret signs the tokens of all servers and of the services in this process.
const secret = "the secret of all servers in these tests"

// start starts a server on a database. It is killed when the test ends, if it
// still runs then.
func start(t *testing.T, databaseURL string, environ ...string) *standalone.Server {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s, err := standalone.Start(path, nil, append([]string{
		"DATABASE_URL=" + databaseURL, "GOTRUE_JWT_SECRET=" + secret, "GOTRUE_MAILER_AUTOCONFIRM=true", "POSTERN_BCRYPT_COST=4",
		"POSTERN_RATE_LIMITS=off",
	}, environ...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server on %s said:\n%s", s.URL, s.Output())
		}
	})
	return s
}

// eachDatabase runs a test on a new database of each kind.
func eachDatabase(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for name, make := range map[string]func(*testing.T) string{
		"sqlite":   sqliteURL,
		"postgres": func(t *testing.T) string { return pgtest.New(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

func sqliteURL(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "auth.db") }

func isSQLite(url string) bool { return strings.HasPrefix(url, "sqlite:") }

// open opens a server's database in this process.
func open(t *testing.T, url string) *store.Store {
	t.Helper()
	st, err := openURL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func openURL(ctx context.Context, url string) (*store.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, url)
}

// newAuth returns a service that takes the servers' tokens and is configured as
// they are.
func newAuth(t *testing.T, st *store.Store) *postern.Auth {
	t.Helper()
	a, err := postern.New(st, postern.Config{
		Email:    postern.EmailConfig{Autoconfirm: true},
		Password: postern.PasswordConfig{BcryptCost: bcrypt.MinCost},
		JWT:      postern.JWTConfig{Secret: secret},
		Limits:   postern.LimitConfig{Off: true},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// operatorKey is a key that all servers take.
func operatorKey(t *testing.T) string {
	t.Helper()
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "service_role"}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// tally is what a test did and saw, which "make faults" prints.
type tally struct {
	rounds       int // of the test
	faults       int // that were made
	acknowledged int // requests, while there were faults
	lost         int // that were acknowledged, or not answered as they should
}

func (y tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d rounds, %d faults, %d acknowledged, %d lost", y.rounds, y.faults, y.acknowledged, y.lost)
}

// client talks to a server, over connections that no other client uses.
type client struct {
	url  string
	http *http.Client
}

// requestTimeout is more than a server gives itself.
const requestTimeout = 20 * time.Second

func newClient(t *testing.T, url string) *client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: requestTimeout}).DialContext,
		MaxIdleConnsPerHost: 16,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{url: url, http: &http.Client{
		Transport: transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what a server answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ok reports whether the server did what it was asked for.
func (a *answer) ok() bool { return a.status/100 == 2 }

// text is a string inside of a JSON answer, "" when there is none.
func (a *answer) text(path ...string) string {
	var at any
	_ = json.Unmarshal(a.body, &at)
	for _, name := range path {
		members, _ := at.(map[string]any)
		at = members[name]
	}
	text, _ := at.(string)
	return text
}

func (a *answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// verbatim is a body that is sent as it is, whether it is JSON or not.
type verbatim string

func encode(body any) ([]byte, error) {
	switch body := body.(type) {
	case nil:
		return nil, nil
	case verbatim:
		return []byte(body), nil
	}
	return json.Marshal(body)
}

// do sends a request with a body, nil for none. The error says that there was no
// answer.
func (c *client) do(ctx context.Context, method, path, bearer string, body any) (*answer, error) {
	text, err := encode(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return &answer{res.StatusCode, res.Header, b}, err
}

const password = "correct horse"

func (c *client) signUp(ctx context.Context, email string) (*answer, error) {
	return c.do(ctx, "POST", "/signup", "", map[string]string{"email": email, "password": password})
}

func (c *client) signIn(ctx context.Context, email, password string) (*answer, error) {
	return c.do(ctx, "POST", "/token?grant_type=password", "", map[string]string{"email": email, "password": password})
}

func (c *client) refresh(ctx context.Context, token string) (*answer, error) {
	return c.do(ctx, "POST", "/token?grant_type=refresh_token", "", map[string]string{"refresh_token": token})
}

// must fails the test unless a request was answered with success.
func must(t *testing.T, a *answer, err error) *answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !a.ok() {
		t.Fatalf("got %s, want success", a)
	}
	return a
}

// count returns the one number that a query finds. Tables are written with
// "auth.", which is "auth_" on SQLite.
func count(t *testing.T, st *store.Store, url, query string) int {
	t.Helper()
	if isSQLite(url) {
		query = strings.ReplaceAll(query, "auth.", "auth_")
	}
	var n int
	if err := st.DB().DB.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// checkConsistency checks what holds in every database, whatever happened to it.
func checkConsistency(t *testing.T, st *store.Store, url string) {
	t.Helper()
	for what, query := range map[string]string{
		"users without an identity": `SELECT count(*) FROM auth.users u WHERE NOT EXISTS (SELECT 1 FROM auth.identities i WHERE i.user_id = u.id)`,
		"identities without a user": `SELECT count(*) FROM auth.identities i WHERE NOT EXISTS (SELECT 1 FROM auth.users u WHERE u.id = i.user_id)`,
		"sessions without a user":   `SELECT count(*) FROM auth.sessions s WHERE NOT EXISTS (SELECT 1 FROM auth.users u WHERE u.id = s.user_id)`,
		"sessions without a method": `SELECT count(*) FROM auth.sessions s WHERE NOT EXISTS (SELECT 1 FROM auth.mfa_amr_claims c WHERE c.session_id = s.id)`,
	} {
		if n := count(t, st, url, query); n != 0 {
			t.Errorf("%s: got %d, want none", what, n)
		}
	}
	if !isSQLite(url) {
		return
	}
	if n := count(t, st, url, `SELECT count(*) FROM pragma_foreign_key_check`); n != 0 {
		t.Errorf("foreign_key_check finds %d rows, want none", n)
	}
	var verdict string
	if err := st.DB().DB.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: got %q and error %v, want ok", verdict, err)
	}
}
