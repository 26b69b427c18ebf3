package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
)

// manifest is what is known about the database that the real server wrote.
type manifest struct {
	DumpedAt time.Time `json:"dumped_at"`
	Config   struct {
		Env map[string]string `json:"env"`
	} `json:"config"`
	Users          map[string]adoptedUser `json:"users"`
	LegacySessions struct {
		Sessions []struct {
			Name         string `json:"name"`
			RefreshToken string `json:"refresh_token"`
		} `json:"sessions"`
	} `json:"legacy_sessions"`
}

// adoptedUser is a user with the answer of the real server to who asked for it.
type adoptedUser struct {
	ID       string       `json:"id"`
	Email    string       `json:"email"`
	Phone    string       `json:"phone"`
	Password string       `json:"password"` // "" for none
	Snapshot postern.User `json:"snapshot"`
}

func readManifest(t testing.TB) *manifest {
	t.Helper()
	text, err := os.ReadFile(envtest.GoTrue(t, "gotrue", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// load fills an empty database as the real server left one.
func load(dsn string, files ...string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := conn.PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// adopt returns the DSN of a copy of the real server's database, migrated.
func adopt(t testing.TB) string {
	t.Helper()
	files := []string{envtest.GoTrue(t, "gotrue", "schema.sql"), envtest.GoTrue(t, "gotrue", "data.sql"), envtest.GoTrue(t, "gotrue", "shift.sql")}
	return pgtest.NewMigrated(t, "adopted", func(dsn string) error {
		return errors.Join(load(dsn, files...), migrate(dsn))
	})
}

func migrate(dsn string) error {
	st, err := postgres.Open(context.Background(), dsn)
	if err != nil {
		return err
	}
	return errors.Join(st.Migrate(context.Background()), st.Close())
}

// openAdopted opens a copy of the real server's database.
func openAdopted(t testing.TB, dsn string) *store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), dsn)
	return closing(t, st, err)
}

// environment is what the real server was configured with, and what we want
// besides.
func (m *manifest) environment(more map[string]string) map[string]string {
	env := maps.Clone(m.Config.Env)
	env["POSTERN_BCRYPT_COST"] = "4" // of new hashes
	maps.Copy(env, more)
	return env
}

// The sections of verify.mjs that are about features that are here.
const sections = "settings,admin,passwords,hashes,phone,legacy_sessions,v2_sessions,pending,special,oauth,anonymous,custom_providers,mfa,encryption,webauthn_mfa,passkeys"

// notYet are the checks in them that need a feature that is not here yet.
var notYet = map[string]string{}

// TestAdoptedDatabase serves a copy of the real server's database as that was
// configured, and lets the checks that come with the data judge the answers.
func TestAdoptedDatabase(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	for _, c := range []struct {
		name     string
		env      map[string]string
		sections string   // of the checks, "" for none
		passing  []string // differences that this configuration takes away
		quirks   bool     // whether rows are added that the real server stumbles over
	}{
		{name: "as it was", sections: sections},
		{name: "with its other audience", sections: "special", env: map[string]string{"POSTERN_JWT_AUDIENCES": "mobile-app"}, passing: []string{"audiences"}},
		{name: "with odd rows", quirks: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := adopt(t)
			option := "--only=" + c.sections
			if c.quirks {
				option = "--quirks"
				if err := load(dsn, envtest.GoTrue(t, "gotrue", "quirks.sql")); err != nil {
					t.Fatal(err)
				}
			}
			i := serve(t, openAdopted(t, dsn), m.environment(c.env))
			passed, failed := verify(t, i.url, option)
			judge(t, passed, failed, failing(strings.Split(c.sections, ","), c.passing))
		})
	}
}

// failing are the checks of some sections that are expected to fail, each with the
// reason, but for those of the differences in passing.
func failing(sections, passing []string) map[string]string {
	expected := maps.Clone(notYet)
	for _, d := range differences {
		if slices.Contains(passing, d.id) {
			continue
		}
		for _, check := range d.checks {
			expected[check] = "the difference " + d.id
		}
	}
	maps.DeleteFunc(expected, func(check, _ string) bool {
		section, _, _ := strings.Cut(check, ":")
		return !slices.Contains(sections, section)
	})
	return expected
}

// judge compares what failed with what should.
func judge(t *testing.T, passed []string, failed, expected map[string]string) {
	t.Helper()
	for _, check := range sortedKeys(failed) {
		if expected[check] == "" {
			t.Errorf("%s: %s", check, failed[check])
		}
	}
	for _, check := range sortedKeys(expected) {
		if failed[check] != "" {
			continue
		}
		if slices.Contains(passed, check) {
			t.Errorf("%s: passed, and was expected to fail for %s: take it off the list", check, expected[check])
		} else {
			t.Errorf("%s: there is no such check", check)
		}
	}
	t.Logf("%d checks passed, %d failed as expected", len(passed), len(expected))
}

// verify runs verify.mjs and returns the checks as "section: name", those that
// failed with what was wrong.
func verify(t *testing.T, url string, options ...string) (passed []string, failed map[string]string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		envtest.LeaveOut(t, "the checks that come with the data need node: %v", err)
	}
	args := append([]string{envtest.GoTrue(t, "gotrue", "verify.mjs"), url, envtest.GoTrue(t, "gotrue", "manifest.json")}, options...)
	out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("node: %v", err)
	}
	passed, failed, complete := parseChecks(string(out))
	if !complete {
		t.Fatalf("the checks ended early:\n%s", out)
	}
	return passed, failed
}

// parseChecks reads what verify.mjs prints, and reports whether it came to its end.
func parseChecks(out string) (passed []string, failed map[string]string, complete bool) {
	failed = map[string]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if check, ok := strings.CutPrefix(line, "PASS "); ok {
			passed = append(passed, check)
		}
		if check, ok := strings.CutPrefix(line, "FAIL "); ok {
			check, why, _ := strings.Cut(check, " -- ")
			failed[check] = why
		}
	}
	end := fmt.Sprintf("\n%d passed, %d failed\n", len(passed), len(failed))
	return passed, failed, strings.HasSuffix("\n"+out, end)
}

func TestChecksAreRead(t *testing.T) {
	t.Parallel()
	const out = "PASS a: one\nFAIL a: two: x -- expected 1, got 2\nPASS b: three\n2 passed, 1 failed\n"
	passed, failed, complete := parseChecks(out)
	if !slices.Equal(passed, []string{"a: one", "b: three"}) || failed["a: two: x"] != "expected 1, got 2" || !complete {
		t.Errorf("got %q, %q, %v; want two passed, one failed, all of it", passed, failed, complete)
	}
	if _, _, complete := parseChecks("PASS a: one\nTypeError\n"); complete {
		t.Error("after a crash: got complete, want not")
	}
}

// TestLegacySessionsGoOn: a session that the real server opened lives on with
// tokens of version 2, to which the rules of the old ones apply.
func TestLegacySessionsGoOn(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	i := serve(t, openAdopted(t, adopt(t)), m.environment(map[string]string{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL": "0"}))
	legacy := m.legacyToken(t, "fresh")
	first := i.refresh(t, legacy).is(t, "the legacy token", http.StatusOK, "")
	again := i.refresh(t, legacy).is(t, "the legacy token again", http.StatusOK, "")
	second := i.refresh(t, first.text("refresh_token")).is(t, "its successor", http.StatusOK, "")
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"counter of the first", first.headers["sb-auth-refresh-token-counter"], "0"},
		{"the first again", again.text("refresh_token"), first.text("refresh_token")},
		{"counter of the second", second.headers["sb-auth-refresh-token-counter"], "1"},
		{"session", second.headers["sb-auth-session-id"], first.headers["sb-auth-session-id"]},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	i.refresh(t, legacy).is(t, "the legacy token once its successor was used", http.StatusBadRequest, "refresh_token_already_used")
	i.refresh(t, second.text("refresh_token")).is(t, "the newest token after that", http.StatusBadRequest, "refresh_token_not_found")
}

func (m *manifest) legacyToken(t testing.TB, name string) string {
	t.Helper()
	for _, s := range m.LegacySessions.Sessions {
		if s.Name == name {
			return s.RefreshToken
		}
	}
	t.Fatalf("the manifest has no legacy session %q", name)
	return ""
}

// TestAdoptedUsersSignIn: whoever had a password can sign in with it, or is told
// what the real server told.
func TestAdoptedUsersSignIn(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	auth := serve(t, openAdopted(t, adopt(t)), m.environment(map[string]string{"POSTERN_JWT_AUDIENCES": "mobile-app"})).auth
	for _, name := range sortedKeys(m.Users) {
		u := m.Users[name]
		if u.Password == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addresses := []postern.SignInWithPasswordParams{{Email: u.Email}, {Phone: u.Phone}}
			for _, p := range addresses {
				if p.Email == "" && p.Phone == "" {
					continue
				}
				p.Password, p.Audience = u.Password, u.Snapshot.Aud
				session, err := auth.SignInWithPassword(t.Context(), p)
				if want := u.refusal(p, m.DumpedAt); want != "" || err != nil {
					if !errors.Is(err, want) {
						t.Errorf("%s%s: got %v, want %s", p.Email, p.Phone, err, want)
					}
					continue
				}
				if got := session.User; got.ID.String() != u.ID || got.Role != u.Snapshot.Role || got.Aud != u.Snapshot.Aud {
					t.Errorf("%s%s: got user %s of role %s and audience %s, want %s, %s and %s",
						p.Email, p.Phone, got.ID, got.Role, got.Aud, u.ID, u.Snapshot.Role, u.Snapshot.Aud)
				}
			}
		})
	}
}

// refusal is the code with which a user's sign-in is refused, "" when it is not.
func (u adoptedUser) refusal(p postern.SignInWithPasswordParams, now time.Time) postern.Code {
	s := u.Snapshot
	switch {
	case s.DeletedAt != nil:
		return postern.ErrInvalidCredentials
	case s.BannedUntil != nil && s.BannedUntil.After(now):
		return postern.ErrUserBanned
	case p.Email != "" && s.EmailConfirmedAt == nil:
		return postern.ErrEmailNotConfirmed
	case p.Phone != "" && s.PhoneConfirmedAt == nil:
		return postern.ErrPhoneNotConfirmed
	}
	return ""
}
