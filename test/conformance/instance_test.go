package conformance_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/message/devbox"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

// databases are the kinds that everything is run on. Each opens a new one with
// the schema in it.
var databases = []struct {
	name string
	open func(t testing.TB) *store.Store
}{
	{"sqlite", openSQLite},
	{"postgres", openPostgres},
}

func openSQLite(t testing.TB) *store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "auth.db"))
	return closing(t, st, err, (*store.Store).Migrate)
}

func openPostgres(t testing.TB) *store.Store {
	t.Helper()
	dsn := pgtest.NewMigrated(t, "conformance", func(dsn string) error {
		st, err := postgres.Open(context.Background(), dsn)
		if err != nil {
			return err
		}
		defer st.Close()
		return st.Migrate(context.Background())
	})
	st, err := postgres.Open(t.Context(), dsn)
	return closing(t, st, err)
}

// closing returns a store that is closed with the test, after some first steps.
func closing(t testing.TB, st *store.Store, err error, first ...func(*store.Store, context.Context) error) *store.Store {
	t.Helper()
	if err != nil {
		t.Fatalf("opening the database: %v", err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	for _, f := range first {
		if err := f(st, t.Context()); err != nil {
			t.Fatalf("preparing the database: %v", err)
		}
	}
	return st
}

// secret signs and verifies the tokens of every instance.
const secret = "conformance-secret-of-more-than-32-bytes"

// shared are the settings that all instances have.
var shared = map[string]string{
	"GOTRUE_SITE_URL":                              "http://127.0.0.1:3000",
	"GOTRUE_URI_ALLOW_LIST":                        "http://127.0.0.1:3000/**",
	"GOTRUE_JWT_SECRET":                            secret,
	"GOTRUE_JWT_AUD":                               "authenticated",
	"GOTRUE_JWT_DEFAULT_GROUP_NAME":                "authenticated",
	"GOTRUE_JWT_EXP":                               "3600",
	"GOTRUE_JWT_ADMIN_ROLES":                       "service_role,supabase_admin",
	"GOTRUE_MAILER_AUTOCONFIRM":                    "true",
	"GOTRUE_MAILER_OTP_LENGTH":                     "6",
	"GOTRUE_MAILER_OTP_EXP":                        "3600",
	"GOTRUE_SMTP_MAX_FREQUENCY":                    "1ns",
	"GOTRUE_PASSWORD_MIN_LENGTH":                   "6",
	"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED":      "true",
	"GOTRUE_EXTERNAL_PHONE_ENABLED":                "false",
	"GOTRUE_EXTERNAL_GITHUB_ENABLED":               "true",
	"GOTRUE_EXTERNAL_GITHUB_CLIENT_ID":             "smoke-github-client",
	"GOTRUE_EXTERNAL_GITHUB_SECRET":                "smoke-github-secret",
	"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED":       "true",
	"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL": "0",
	"POSTERN_RATE_LIMITS":                          "off",
	"GOTRUE_RATE_LIMIT_EMAIL_SENT":                 "100000",
	"GOTRUE_RATE_LIMIT_SMS_SENT":                   "100000",
	"GOTRUE_RATE_LIMIT_VERIFY":                     "100000",
	"GOTRUE_RATE_LIMIT_TOKEN_REFRESH":              "100000",
	"GOTRUE_RATE_LIMIT_OTP":                        "100000",
	"GOTRUE_RATE_LIMIT_ANONYMOUS_USERS":            "100000",
	"POSTERN_BCRYPT_COST":                          "4",
}

// instances are the servers that the recordings were made with: what each sets
// beside or instead of the shared settings.
var instances = map[string]map[string]string{
	"auto": {"GOTRUE_JWT_VALID_METHODS": "ES256,HS256"}, // and a signing key, see start
	"confirm": {
		"GOTRUE_MAILER_AUTOCONFIRM":               "false",
		"GOTRUE_MAILER_OTP_EXP":                   "5",
		"GOTRUE_SMTP_MAX_FREQUENCY":               "60s",
		"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED": "false",
		"GOTRUE_PASSWORD_MIN_LENGTH":              "8",
		"GOTRUE_PASSWORD_REQUIRED_CHARACTERS":     "abcdefghijklmnopqrstuvwxyz:ABCDEFGHIJKLMNOPQRSTUVWXYZ:0123456789",
		"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED":  "false",
	},
	"phone": {
		"GOTRUE_EXTERNAL_PHONE_ENABLED":         "true",
		"GOTRUE_SMS_AUTOCONFIRM":                "false",
		"GOTRUE_SMS_PROVIDER":                   "twilio",
		"GOTRUE_SMS_TWILIO_ACCOUNT_SID":         "dummy",
		"GOTRUE_SMS_TWILIO_AUTH_TOKEN":          "dummy",
		"GOTRUE_SMS_TWILIO_MESSAGE_SERVICE_SID": "dummy",
		"GOTRUE_SMS_MAX_FREQUENCY":              "1ns",
		"GOTRUE_SMS_OTP_EXP":                    "60",
		"GOTRUE_SMS_TEST_OTP":                   testCodes(),
		"GOTRUE_MFA_PHONE_ENROLL_ENABLED":       "true",
		"GOTRUE_MFA_PHONE_VERIFY_ENABLED":       "true",
		"GOTRUE_MFA_PHONE_MAX_FREQUENCY":        "1ns",
	},
	"closed": {
		"GOTRUE_DISABLE_SIGNUP":                                    "true",
		"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED":                  "false",
		"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED":                   "false",
		"GOTRUE_MFA_TOTP_ENROLL_ENABLED":                           "false",
		"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD": "true",
		"GOTRUE_PASSWORD_MIN_LENGTH":                               "8",
	},
	"noemail": {"GOTRUE_EXTERNAL_EMAIL_ENABLED": "false"},
	"v2": {
		"GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION": "2",
		"GOTRUE_JWT_KEY_ID": "test-key-id",
	},
}

// testCodes maps 15550100010 to 15550100040 to 1234 and their last two digits.
func testCodes() string {
	codes := ""
	for n := 10; n <= 40; n++ {
		number := string(rune('0'+n/10)) + string(rune('0'+n%10))
		codes += "155501000" + number + ":1234" + number + ","
	}
	return codes
}

// world is one of each instance, on databases of one kind.
type world struct {
	open     func(t testing.TB) *store.Store
	instance map[string]*instance
}

// newWorld starts the instances. They end with the test.
func newWorld(t testing.TB, open func(t testing.TB) *store.Store) *world {
	t.Helper()
	w := &world{open: open, instance: map[string]*instance{}}
	for name, settings := range instances {
		if name == "auto" {
			settings = with(settings, "GOTRUE_JWT_KEYS", signingKeys(t))
		}
		w.instance[name] = start(t, open(t), settings)
	}
	return w
}

func with(m map[string]string, name, value string) map[string]string {
	m = maps.Clone(m)
	m[name] = value
	return m
}

// signingKeys is a list of one new ES256 key.
func signingKeys(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	jwks, err := json.Marshal([]map[string]any{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": []string{"sign", "verify"},
		"kid": uuid.NewString(), "x": text(public[1:33]), "y": text(public[33:]), "d": text(private),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(jwks)
}

// instance is a server in this process.
type instance struct {
	url   string
	store *store.Store
	auth  *postern.Auth
	box   *devbox.Box // what it sends
}

// start serves a store on a free port, with the shared settings and others.
func start(t testing.TB, st *store.Store, settings map[string]string) *instance {
	t.Helper()
	env := maps.Clone(shared)
	maps.Copy(env, settings)
	return serve(t, st, env)
}

// serve serves a store with the settings of an environment. What that leaves out
// of the address by which clients know the server is the one it listens on.
func serve(t testing.TB, st *store.Store, env map[string]string) *instance {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	if env["API_EXTERNAL_URL"] == "" {
		env = with(env, "API_EXTERNAL_URL", url)
		env = with(env, "GOTRUE_JWT_ISSUER", url)
		env = with(env, "GOTRUE_EXTERNAL_GITHUB_REDIRECT_URI", url+"/callback")
	}
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	set, err := goenv.Load(environ)
	if err != nil {
		t.Fatalf("reading the settings: %v", err)
	}
	for _, u := range set.Unknown {
		t.Errorf("the setting %s is known to nobody; it may be %s", u.Name, u.Nearest)
	}
	set.Config.Logger = slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	set.HTTP.Logger = set.Config.Logger
	set.HTTP.MaxRequestDuration = time.Minute // the race detector makes hashing many times slower
	box := devbox.New(devbox.Config{Renderer: set.Renderer})
	set.Config.Mailer = box
	if set.Config.Phone.Provider != "" {
		set.Config.SMS = box
	}
	auth, err := postern.New(st, set.Config)
	if err != nil {
		t.Fatalf("postern.New: %v", err)
	}
	server.Config.Handler = httpadapter.New(auth, set.HTTP)
	server.Start()
	t.Cleanup(server.Close)
	return &instance{url: url, store: st, auth: auth, box: box}
}

// testLog writes to the log of a test.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("server: %s", line)
	return len(line), nil
}
