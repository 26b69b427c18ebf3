package postern_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun/dialect"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

const (
	ada          = "ada@example.com"
	goodPassword = "correct horse"
	newPassword  = "battery staple"
)

// service is an Auth for one test on one database.
type service struct {
	*authtest.Service
	st *store.Store
}

// each runs a test on both databases, on a service that edit configures.
func each(t *testing.T, edit func(*postern.Config), test func(t *testing.T, s service)) {
	t.Helper()
	t.Parallel()
	if edit == nil {
		edit = func(*postern.Config) {}
	}
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		test(t, service{authtest.On(t, st, edit), st})
	})
}

// with returns the same database under another configuration, with its own clock.
func (s service) with(t *testing.T, edit func(*postern.Config)) service {
	t.Helper()
	return service{authtest.On(t, s.st, edit), s.st}
}

func confirming(c *postern.Config) { c.Email.Autoconfirm = false }

func phones(c *postern.Config) { c.Phone.Enabled, c.Phone.Autoconfirm = true, true }

// signUp makes the account ada and returns its session.
func (s service) signUp(t *testing.T) *postern.Session {
	t.Helper()
	res, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
	if err != nil {
		t.Fatalf("SignUp: %v", err)
	}
	return res.Session
}

func (s service) signIn(t *testing.T, password string) *postern.PasswordSession {
	t.Helper()
	session, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: password})
	if err != nil {
		t.Fatalf("SignInWithPassword: %v", err)
	}
	return session
}

func (s service) caller(t *testing.T, session *postern.Session) *postern.Caller {
	t.Helper()
	c, err := s.Authenticate(t.Context(), session.AccessToken)
	if err != nil {
		t.Fatalf("Authenticate: %v", err)
	}
	return c
}

func (s service) refresh(t *testing.T, token string) *postern.Session {
	t.Helper()
	session, err := s.RefreshToken(t.Context(), token)
	if err != nil {
		t.Fatalf("RefreshToken: %v", err)
	}
	return session
}

// dialect names the tables as the database does.
func (s service) dialect(query string) string {
	if s.st.DB().Dialect().Name() == dialect.SQLite {
		return strings.ReplaceAll(query, "auth.", "auth_")
	}
	return query
}

// exec runs SQL of the test's own. table names are written with "auth.", which
// is "auth_" on SQLite.
func (s service) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := s.st.DB().ExecContext(t.Context(), s.dialect(query), args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (s service) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	if err := s.st.DB().QueryRowContext(t.Context(), s.dialect(query), args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// wantError fails unless err is an *Error of the kind and code.
func wantError(t *testing.T, err error, kind postern.Kind, code postern.Code) {
	t.Helper()
	var e *postern.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want one with code %s", err, code)
	}
	if e.Kind != kind || e.Code != code {
		t.Fatalf("got error %v of kind %d, want code %s of kind %d", err, e.Kind, code, kind)
	}
}

func methods(c *postern.Claims) []string {
	var names []string
	for _, m := range c.AMR {
		names = append(names, m.Method)
	}
	slices.Sort(names)
	return names
}

func isCode(err error, code postern.Code) bool { return errors.Is(err, code) }

// says reports whether metadata has a member with a text.
func says(t *testing.T, m postern.Metadata, name, text string) bool {
	t.Helper()
	var members map[string]any
	if err := m.Decode(&members); err != nil {
		t.Fatal(err)
	}
	return members[name] == text
}
