package httpadapter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/logtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

const (
	secret   = "the secret of these tests, 32 bytes long or more"
	password = "Secret-pw-123"
)

// onEveryStore runs a test on each database.
func onEveryStore(t *testing.T, test func(t *testing.T, st postern.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, openSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.NewMigrated(t, "httpadapter", func(dsn string) error {
			st, err := postgres.Open(t.Context(), dsn)
			if err != nil {
				return err
			}
			defer st.Close()
			return st.Migrate(t.Context())
		})
		st, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		test(t, closeLater(t, st))
	})
}

func openSQLite(t testing.TB) postern.Store {
	t.Helper()
	st, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return closeLater(t, st)
}

func closeLater(t testing.TB, st *store.Store) postern.Store {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// stub is a store in which looking for anybody ends in an error. It has nothing
// else, so that any other call panics.
type stub struct {
	postern.Store
	find func(context.Context) error
}

func (s stub) FindUser(ctx context.Context, _ uuid.UUID) (*postern.UserRecord, error) {
	return nil, s.find(ctx)
}

func (s stub) FindCaller(ctx context.Context, _, _ uuid.UUID) (*postern.UserRecord, *postern.SessionRecord, error) {
	return nil, nil, s.find(ctx)
}

// nobody is a store without users.
var nobody = stub{find: func(context.Context) error { return postern.ErrNoRow }}

// api is the handler under test.
type api struct {
	auth    *postern.Auth
	handler http.Handler
	log     *logtest.Buffer
	sent    *outbox
	now     *time.Time
}

// settings are what a test wants to be different.
type settings struct {
	config  func(*postern.Config)
	options httpadapter.Options
}

// newAPI makes a handler that confirms every address at once. Its clock stands
// still until a test moves it.
func newAPI(t testing.TB, st postern.Store, s settings) *api {
	t.Helper()
	log, sent := &logtest.Buffer{}, &outbox{}
	now := time.Now()
	cfg := postern.Config{
		SiteURL: site, RedirectURLs: []string{"https://*.example.org/**", "com.example.app://**"}, ExternalURL: external,
		Mailer: sent, SMS: sent,
		Email:    postern.EmailConfig{Autoconfirm: true},
		Password: postern.PasswordConfig{BcryptCost: 4},
		JWT:      postern.JWTConfig{Secret: secret},
		Limits:   postern.LimitConfig{Off: true},
		Now:      func() time.Time { return now },
		Logger:   slog.New(slog.NewTextHandler(log, nil)),
	}
	if s.config != nil {
		s.config(&cfg)
	}
	auth, err := postern.New(st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.options.Logger == nil {
		s.options.Logger = cfg.Logger
	}
	return &api{auth: auth, handler: httpadapter.New(auth, s.options), log: log, sent: sent, now: &now}
}

// Where the app and the API are in these tests.
const (
	site     = "https://app.example.com"
	external = "https://auth.example.com/auth/v1"
)

// outbox keeps the messages that were sent.
type outbox struct {
	mu    sync.Mutex
	mails []postern.Mail
	texts []postern.SMS
	err   error // of whoever delivers
}

func (o *outbox) SendMail(_ context.Context, m postern.Mail) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mails = append(o.mails, m)
	return o.err
}

func (o *outbox) SendSMS(_ context.Context, m postern.SMS) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.texts = append(o.texts, m)
	return fmt.Sprintf("sms-%d", len(o.texts)), o.err
}

// fail makes delivery fail with err, nil for never.
func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// mailTo is the last mail to an address.
func (a *api) mailTo(t testing.TB, email string) postern.Mail {
	t.Helper()
	a.sent.mu.Lock()
	defer a.sent.mu.Unlock()
	for _, m := range slices.Backward(a.sent.mails) {
		if m.To == email {
			return m
		}
	}
	t.Fatalf("no mail to %s", email)
	return postern.Mail{}
}

// textTo is the last text message to a number.
func (a *api) textTo(t testing.TB, phone string) postern.SMS {
	t.Helper()
	a.sent.mu.Lock()
	defer a.sent.mu.Unlock()
	for _, m := range slices.Backward(a.sent.texts) {
		if m.Phone == phone {
			return m
		}
	}
	t.Fatalf("no text message to %s", phone)
	return postern.SMS{}
}

// messages counts what was sent.
func (a *api) messages() int {
	a.sent.mu.Lock()
	defer a.sent.mu.Unlock()
	return len(a.sent.mails) + len(a.sent.texts)
}

// wait lets as much time go by as has to be between two messages.
func (a *api) wait() { *a.now = a.now.Add(time.Minute) }

// object is a JSON object of strings, given as name, value, name, value.
func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// request is what a test sends: method and path, a bearer token if any, headers
// of the form "Name: value", and a body, JSON if nothing else is said.
type request struct {
	line    string
	token   string
	headers []string
	body    string
}

func (q request) build(ctx context.Context) *http.Request {
	method, target, _ := strings.Cut(q.line, " ")
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(q.body))
	r.RequestURI = ""
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	for _, h := range q.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request and checks what has to be true of every answer.
func (a *api) do(t testing.TB, q request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, q.build(t.Context()))
	if w.Code == http.StatusInternalServerError {
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s: %s", q.line, a.log)
			}
		})
	}
	return read(t, q.line, w.Result())
}

func read(t testing.TB, line string, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: res.StatusCode, header: res.Header, body: string(body)}
	if h := got.header.Values("Access-Control-Allow-Credentials"); len(h) > 0 {
		t.Errorf("%s: Access-Control-Allow-Credentials = %q, want none", line, h)
	}
	if h := got.header.Get("Cache-Control"); strings.Contains(got.body, `"access_token"`) && h != "no-store" {
		t.Errorf("%s: Cache-Control of an answer with a token = %q, want no-store", line, h)
	}
	if h := got.header.Get("Content-Type"); strings.HasPrefix(got.body, "{") && h != "application/json" {
		t.Errorf("%s: Content-Type of JSON = %q, want application/json", line, h)
	}
	return got
}

// expect sends a request that has to be answered with a status, and if want is
// given with that body.
func (a *api) expect(t testing.TB, q request, status int, want ...string) answer {
	t.Helper()
	got := a.do(t, q)
	if got.status != status || len(want) > 0 && got.body != want[0] {
		t.Fatalf("%s %.200s\n got %d %.2000s\nwant %d %s", q.line, q.body, got.status, got.body, status, strings.Join(want, ""))
	}
	return got
}

// decode reads the body of an answer.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// signUp makes an account with the password of these tests.
func (a *api) signUp(t testing.TB, email string) postern.Session {
	t.Helper()
	return decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: credentials(email)}, 200))
}

func credentials(email string) string {
	return `{"email":"` + email + `","password":"` + password + `"}`
}

// operator is the token of an operator, issued before time was measured.
func operator(t testing.TB) string { return mint(t, jwt.MapClaims{"role": "service_role"}) }

// mint signs claims with the secret of these tests.
func mint(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// older is the body of an error in the format that is not asked for.
func older(status, code, message string) string {
	return `{"code":` + status + `,"error_code":"` + code + `","msg":"` + message + `"}`
}

func TestServiceRoutes(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, c := range []struct{ line, cache, want string }{
		{
			"GET /health", "",
			`{"version":"` + postern.Version + `","name":"GoTrue","description":"GoTrue is a user registration and authentication API"}`,
		},
		{
			"GET /settings", "",
			`{"external":{"anonymous_users":false,"apple":false,"azure":false,"bitbucket":false,"discord":false,"email":true,` +
				`"facebook":false,"figma":false,"fly":false,"github":false,"gitlab":false,"google":false,"kakao":false,` +
				`"keycloak":false,"linkedin":false,"linkedin_oidc":false,"notion":false,"phone":false,"slack":false,` +
				`"slack_oidc":false,"snapchat":false,"spotify":false,"twitch":false,"twitter":false,"workos":false,"zoom":false},` +
				`"disable_signup":false,"mailer_autoconfirm":true,"phone_autoconfirm":false,"sms_provider":"",` +
				`"saml_enabled":false,"saml_private_key_next_configured":true,"passkeys_enabled":false}`,
		},
		{"GET /.well-known/jwks.json", "public, max-age=600", `{"keys":[]}`},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			got := a.expect(t, request{line: c.line}, 200, c.want)
			if h := got.header.Get("Cache-Control"); h != c.cache {
				t.Errorf("Cache-Control = %q, want %q", h, c.cache)
			}
		})
	}
}
