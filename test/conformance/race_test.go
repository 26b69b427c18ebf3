package conformance_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// onBoth runs a test with an instance of its own on each of the databases.
func onBoth(t *testing.T, settings map[string]string, test func(t *testing.T, i *instance)) {
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, db.open(t), settings))
		})
	}
}

// atOnce makes n requests at the same moment and returns their answers. None may
// be a 5xx.
func atOnce(t *testing.T, n int, request func(k int) *answer) []*answer {
	t.Helper()
	answers := make([]*answer, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() {
			<-begin
			answers[k] = request(k)
		})
	}
	close(begin)
	all.Wait()
	for _, a := range answers {
		if a.status == 0 || a.status >= http.StatusInternalServerError {
			t.Errorf("at once: got %d %s, want no failure of the server", a.status, short(a.body))
		}
	}
	return answers
}

// count is how many answers are of a status.
func count(answers []*answer, status int) (n int) {
	for _, a := range answers {
		if a.status == status {
			n++
		}
	}
	return n
}

// TestOneAddressIsOneAccount: of many sign-ups with an address at once one makes
// the account.
func TestOneAddressIsOneAccount(t *testing.T) {
	t.Parallel()
	const many = 20
	for name, c := range map[string]struct {
		settings    map[string]string
		created     int // answers with 200
		refusedWith int // the others
	}{
		"with confirmation":    {map[string]string{"GOTRUE_MAILER_AUTOCONFIRM": "false"}, many, http.StatusOK},
		"with spaced mails":    {map[string]string{"GOTRUE_MAILER_AUTOCONFIRM": "false", "GOTRUE_SMTP_MAX_FREQUENCY": "60s"}, 1, http.StatusTooManyRequests},
		"without confirmation": {nil, 1, http.StatusUnprocessableEntity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, c.settings, func(t *testing.T, i *instance) {
				answers := atOnce(t, many, func(k int) *answer {
					spelling := []string{"one@example.com", "One@Example.COM"}[k%2]
					return i.call(t, "POST", "/signup", fmt.Sprintf(`{"email":%q,"password":"password-%d"}`, spelling, k))
				})
				if ok, others := count(answers, http.StatusOK), count(answers, c.refusedWith); ok != c.created || ok != many && ok+others != many {
					t.Errorf("got %d accepted and %d of status %d, want %d accepted", ok, others, c.refusedWith, c.created)
				}
				i.hasOneUser(t, "one@example.com")
			})
		})
	}
}

// hasOneUser fails unless exactly one user has the address, with one identity.
func (i *instance) hasOneUser(t *testing.T, email string) {
	t.Helper()
	users, _ := i.admin(t, "GET", "/admin/users?per_page=1000&filter="+email, "").member("users").([]any)
	if len(users) != 1 {
		t.Fatalf("%s: got %d users, want 1", email, len(users))
	}
	user := &answer{body: users[0]}
	identities, _ := i.admin(t, "GET", "/admin/users/"+user.text("id"), "").member("identities").([]any)
	if len(identities) != 1 {
		t.Errorf("%s: got %d identities, want 1: %s", email, len(identities), short(identities))
	}
}

// TestOneRefreshTokenHasOneSuccessor: of many refreshes with a token at once all
// succeed, with the same successor.
func TestOneRefreshTokenHasOneSuccessor(t *testing.T) {
	t.Parallel()
	onBoth(t, nil, func(t *testing.T, i *instance) {
		token := i.signUp(t, "refresh@example.com").text("refresh_token")
		for round := range 3 {
			answers := atOnce(t, 50, func(int) *answer { return i.refresh(t, token) })
			if n := count(answers, http.StatusOK); n != len(answers) {
				t.Fatalf("round %d: got %d of %d refreshed, want all", round, n, len(answers))
			}
			next, rotations := answers[0].text("refresh_token"), 0
			for _, a := range answers {
				if got := a.text("refresh_token"); got != next || got == token {
					t.Fatalf("round %d: got successors %q and %q of %q, want one", round, next, got, token)
				}
				if a.headers["sb-auth-refresh-token-reuse"] == "false" {
					rotations++
				}
			}
			if rotations != 1 {
				t.Errorf("round %d: got %d answers that say they made the successor, want 1", round, rotations)
			}
			token = next
		}
	})
}

// TestNoSessionOutlivesItsPassword: whoever signs in with a password while it is
// changed is either refused or signed out by the change.
func TestNoSessionOutlivesItsPassword(t *testing.T) {
	t.Parallel()
	onBoth(t, nil, func(t *testing.T, i *instance) {
		own, value := bearer(i.signUp(t, "change@example.com").text("access_token"))
		old := "Secret-pw-123"
		for round := range 5 {
			change := fmt.Sprintf("Changed-%d", round)
			answers := atOnce(t, 12, func(k int) *answer {
				if k == 4 {
					return i.call(t, "PUT", "/user", fmt.Sprintf(`{"password":%q}`, change), own, value).is(t, "the change", http.StatusOK, "")
				}
				return i.signIn(t, fmt.Sprintf(`{"email":"change@example.com","password":%q}`, old))
			})
			for k, a := range answers {
				token := a.text("access_token")
				if token == "" {
					continue
				}
				name, bearerValue := bearer(token)
				i.call(t, "GET", "/user", "", name, bearerValue).
					is(t, fmt.Sprintf("round %d: the session of sign-in %d", round, k), http.StatusForbidden, "session_not_found")
			}
			i.signIn(t, fmt.Sprintf(`{"email":"change@example.com","password":%q}`, old)).
				is(t, "the old password", http.StatusBadRequest, "invalid_credentials")
			old = change
		}
	})
}

// TestOneAddressGoesToOneUser: of many users who are given an address at once, and
// of those who are made with it, one gets it.
func TestOneAddressGoesToOneUser(t *testing.T) {
	t.Parallel()
	onBoth(t, nil, func(t *testing.T, i *instance) {
		const many = 16
		var paths [many]string
		for k := range paths {
			id := uuid.New()
			if _, err := i.auth.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{ID: id, Email: fmt.Sprintf("user-%d@example.com", k)}); err != nil {
				t.Fatal(err)
			}
			paths[k] = "/admin/users/" + id.String()
		}
		answers := atOnce(t, many, func(k int) *answer {
			if k%4 == 0 {
				return i.admin(t, "POST", "/admin/users", `{"email":"wanted@example.com"}`)
			}
			return i.admin(t, "PUT", paths[k], `{"email":"wanted@example.com"}`)
		})
		for _, a := range answers {
			if a.status != http.StatusOK {
				a.is(t, "the address of another", http.StatusUnprocessableEntity, "email_exists")
			}
		}
		if n := count(answers, http.StatusOK); n != 1 {
			t.Errorf("got %d users with the address, want 1", n)
		}
		i.hasOneUser(t, "wanted@example.com")
	})
}
