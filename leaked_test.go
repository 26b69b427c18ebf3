package postern_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/logtest"
)

const (
	leakedPassword = "hunter22"
	leakedText     = "Password is known to be weak and easy to guess, please choose a different one."
)

// leaks knows one password.
func leaks(c *postern.Config) {
	c.Password.Leaked = func(_ context.Context, password string) (bool, error) { return password == leakedPassword, nil }
}

// unreachable can tell of no password.
func unreachable(c *postern.Config) {
	c.Password.Leaked = func(context.Context, string) (bool, error) { return false, errors.New("no route to the service") }
}

// setPasswords sets a password in all the ways whose strength counts (contract:
// user.md §5), and returns what each comes to.
func setPasswords(t *testing.T, s service, password string) map[string]error {
	t.Helper()
	user, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: "eve@example.com", Password: ptr(goodPassword), EmailConfirm: true})
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: "eve@example.com", Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	caller := s.caller(t, &session.Session)
	_, signUp := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: password})
	_, link := s.GenerateLink(t.Context(), postern.GenerateLinkParams{Type: postern.LinkSignUp, Email: "bob@example.com", Password: password})
	_, update := s.UpdateUser(t.Context(), caller, postern.UpdateUserParams{Password: &password})
	_, admin := s.AdminUpdateUser(t.Context(), user.ID, postern.AdminUpdateUserParams{Password: &password})
	return map[string]error{"SignUp": signUp, "GenerateLink": link, "UpdateUser": update, "AdminUpdateUser": admin}
}

func TestLeakedPasswordsCannotBeSet(t *testing.T) {
	each(t, leaks, func(t *testing.T, s service) {
		for name, err := range setPasswords(t, s, leakedPassword) {
			wantError(t, err, postern.KindUnprocessable, postern.ErrWeakPassword)
			if e, _ := errors.AsType[*postern.Error](err); e.Message != leakedText || !slices.Equal(e.Reasons, []string{"pwned"}) {
				t.Errorf("%s: got %q and reasons %q, want %q and pwned", name, e.Message, e.Reasons, leakedText)
			}
		}
		if n := s.count(t, `SELECT count(*) FROM auth.users`); n != 1 {
			t.Errorf("got %d accounts, want the operator's alone", n)
		}
		if _, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, Password: ptr(leakedPassword)}); err != nil {
			t.Errorf("an operator may make an account with any password: got %v", err)
		}
	})
}

func TestLeakedPasswordOpensTheDoorAndIsCalledWeak(t *testing.T) {
	each(t, leaks, func(t *testing.T, s service) {
		_, err := s.with(t, func(*postern.Config) {}).SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: leakedPassword})
		if err != nil {
			t.Fatal(err)
		}
		weak := s.signIn(t, leakedPassword).WeakPassword
		if weak == nil || weak.Message != leakedText || !slices.Equal(weak.Reasons, []string{"pwned"}) {
			t.Errorf("got %+v, want the reason pwned", weak)
		}
		var asked atomic.Bool
		wrong := s.with(t, func(c *postern.Config) {
			c.Password.Leaked = func(context.Context, string) (bool, error) { asked.Store(true); return false, nil }
		})
		_, err = wrong.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: newPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		if asked.Load() {
			t.Error("a password that is nobody's was asked about")
		}
	})
}

func TestUnreachableLeakCheckLetsPasswordsPassAndIsLogged(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var logs logtest.Buffer
		s = s.with(t, func(c *postern.Config) {
			unreachable(c)
			c.Logger = slog.New(slog.NewTextHandler(&logs, nil))
		})
		for name, err := range setPasswords(t, s, leakedPassword) {
			if err != nil {
				t.Errorf("%s: got %v, want none", name, err)
			}
		}
		text := logs.String()
		if !strings.Contains(text, "no route to the service") || strings.Contains(text, leakedPassword) {
			t.Errorf("the log has %q, want the failure without the password", text)
		}
	})
}

func TestUnreachableLeakCheckFailsClosedWhereItShould(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		s = s.with(t, func(c *postern.Config) {
			unreachable(c)
			c.Password.LeakedFailClosed = true
		})
		_, err := s.SignUp(t.Context(), postern.SignUpParams{Email: "bob@example.com", Password: newPassword})
		wantError(t, err, postern.KindInternal, postern.ErrUnexpectedFailure)
		if e, _ := errors.AsType[*postern.Error](err); e.Message != "Unable to perform password strength check with HaveIBeenPwned.org." {
			t.Errorf("got %q, want GoTrue's words", e.Message)
		}
		if n := s.count(t, `SELECT count(*) FROM auth.users`); n != 1 {
			t.Errorf("got %d accounts, want none more", n)
		}
		if weak := s.signIn(t, goodPassword).WeakPassword; weak != nil {
			t.Errorf("sign-in: got the weakness %+v, want none that is known", weak)
		}
		stricter := s.with(t, func(c *postern.Config) {
			unreachable(c)
			c.Password.LeakedFailClosed, c.Password.MinLength = true, 20
		})
		if weak := stricter.signIn(t, goodPassword).WeakPassword; weak == nil || !slices.Equal(weak.Reasons, []string{"length"}) {
			t.Errorf("sign-in: got the weakness %+v, want what is known without the service", weak)
		}
	})
}

// Whether an address has an account decides nothing about what is asked (guarantees:
// D19), and a transaction is never held meanwhile: on SQLite, where there is one
// writer, the question itself writes.
func TestLeakCheckIsAskedAlikeAndInNoTransaction(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		var asked atomic.Int64
		checking := s.with(t, func(c *postern.Config) {
			confirming(c)
			c.Password.Leaked = func(ctx context.Context, _ string) (bool, error) {
				asked.Add(1)
				_, err := s.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: fmt.Sprintf("user%d@example.com", asked.Load())})
				return false, err
			}
		})
		for _, email := range []string{ada, "bob@example.com", "bob@example.com"} {
			before := asked.Load()
			_, _ = checking.SignUp(t.Context(), postern.SignUpParams{Email: email, Password: newPassword})
			if n := asked.Load() - before; n != 1 {
				t.Errorf("%s: asked %d times, want once", email, n)
			}
		}
	})
}
