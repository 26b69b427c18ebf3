package fill_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun/dialect"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/test/bench/internal/fill"
)

// Users 1 to withBoth: the last has a phone number and a session.
const withBoth = 10

func TestRowsAreThoseThatTheServerWrites(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, signedUp *store.Store) {
		filled := openFilled(t, isSQLite(signedUp), withBoth)
		id := fill.ID(withBoth)
		ours, err := filled.FindUser(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := filled.UserSessions(t.Context(), id)
		if err != nil || len(sessions) != 1 {
			t.Fatalf("got %d sessions and error %v, want 1", len(sessions), err)
		}
		theirs := signUp(t, signedUp, ours, sessions[0])
		for table, query := range ofUser {
			got, want := rows(t, filled, query, id.String()), rows(t, signedUp, query, theirs.String())
			if len(got) == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got\n%q\nwant\n%q", table, got, want)
			}
		}
	})
}

// signUp makes the account of a user that was filled in as its owner would.
func signUp(t *testing.T, st *store.Store, u *postern.UserRecord, from postern.SessionRecord) uuid.UUID {
	t.Helper()
	s := authtest.On(t, st, func(c *postern.Config) {
		c.Now = func() time.Time { return u.CreatedAt }
		c.Phone.Enabled, c.Phone.Autoconfirm = true, true
		c.Password.BcryptCost = bcrypt.DefaultCost
	})
	ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{UserAgent: from.UserAgent, IP: from.IP})
	res, err := s.SignUp(ctx, postern.SignUpParams{Email: u.Email, Password: fill.Password, Data: fill.Profile(withBoth)})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := s.Authenticate(ctx, res.Session.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateUser(ctx, caller, postern.UpdateUserParams{Phone: "+" + u.Phone}); err != nil {
		t.Fatal(err)
	}
	return res.User.ID
}

// ofUser are all rows of a user in each table that is filled.
var ofUser = map[string]string{
	"users":      "SELECT * FROM auth.users WHERE id = ?",
	"identities": "SELECT * FROM auth.identities WHERE user_id = ? ORDER BY provider",
	"sessions":   "SELECT * FROM auth.sessions WHERE user_id = ?",
	"methods":    "SELECT m.* FROM auth.mfa_amr_claims m JOIN auth.sessions s ON s.id = m.session_id WHERE s.user_id = ?",
}

// rows returns rows by column, in which what is random has given way to what it is.
func rows(t *testing.T, st *store.Store, query, user string) (all []map[string]string) {
	t.Helper()
	if isSQLite(st) {
		query = strings.ReplaceAll(query, "auth.", "auth_")
	}
	found, err := st.DB().QueryContext(t.Context(), query, user)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := found.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, name := range columns {
			row[name] = shape(values[i], user)
		}
		all = append(all, row)
	}
	return all
}

var (
	randomID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-([1-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	randomHash = regexp.MustCompile(`(\$2a\$[0-9]{2}\$)[./A-Za-z0-9]{53}`)
	randomKey  = regexp.MustCompile(`^string [-_A-Za-z0-9]{43}$`)
)

func shape(value any, user string) string {
	if text, ok := value.([]byte); ok {
		value = string(text)
	}
	text := strings.ReplaceAll(fmt.Sprintf("%T %[1]v", value), user, "the user")
	text = randomID.ReplaceAllString(text, "an id of version $1")
	text = randomHash.ReplaceAllString(text, "a hash of ${1}")
	return randomKey.ReplaceAllString(text, "a key")
}

func TestDatabaseGrowsToTheNumberThatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, sqlite := range []bool{true, false} {
		t.Run(fmt.Sprintf("sqlite=%v", sqlite), func(t *testing.T) {
			t.Parallel()
			url := newURL(t, sqlite)
			for _, n := range []int{20, 50, 30} { // the last asks for no more than there is
				if err := fill.Fill(t.Context(), url, n); err != nil {
					t.Fatal(err)
				}
			}
			st := open(t, url)
			for table, want := range map[string]int{"users": 50, "identities": 55, "sessions": 10, "mfa_amr_claims": 10} {
				if got := count(t, st, table); got != want {
					t.Errorf("%s has %d rows, want %d", table, got, want)
				}
			}
			if u, err := st.FindUserByPhone(t.Context(), fill.Phone(50), "authenticated"); err != nil || u.Email != fill.Email(50) {
				t.Errorf("the last phone number: got user %+v and error %v, want the last user", u, err)
			}
		})
	}
}

func TestUsersCanSignInWithTheirPassword(t *testing.T) {
	t.Parallel()
	s := authtest.On(t, openFilled(t, true, 3))
	session, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: fill.Email(3), Password: fill.Password})
	if err != nil || session.User.ID != fill.ID(3) {
		t.Errorf("got error %v, want a session of user 3", err)
	}
}

func TestUsersDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	const users = 50_000
	for n := 1; n <= users; n++ {
		seen[fill.ID(n).String()], seen[fill.Email(n)] = true, true
		if v := fill.ID(n).Version(); v != 4 {
			t.Fatalf("the id of user %d is of version %d, want 4", n, v)
		}
	}
	if len(seen) != 2*users {
		t.Errorf("%d users have %d ids and addresses, want %d", users, len(seen), 2*users)
	}
}

func isSQLite(st *store.Store) bool { return st.DB().Dialect().Name() == dialect.SQLite }

func newURL(t *testing.T, sqlite bool) string {
	t.Helper()
	if sqlite {
		return "sqlite:" + filepath.Join(t.TempDir(), "auth.db")
	}
	return pgtest.New(t)
}

func openFilled(t *testing.T, sqlite bool, n int) *store.Store {
	t.Helper()
	url := newURL(t, sqlite)
	if err := fill.Fill(t.Context(), url, n); err != nil {
		t.Fatal(err)
	}
	return open(t, url)
}

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	var st *store.Store
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		st, err = sqlite.Open(t.Context(), path)
	} else {
		st, err = postgres.Open(t.Context(), url)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func count(t *testing.T, st *store.Store, table string) (n int) {
	t.Helper()
	prefix := "auth."
	if isSQLite(st) {
		prefix = "auth_"
	}
	if err := st.DB().NewRaw("SELECT count(*) FROM "+prefix+table).Scan(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	return n
}
