package main

import (
	"slices"
	"testing"

	"github.com/uptrace/bun/dialect"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/bench/internal/fill"
	"github.com/postern-auth/postern/test/internal/journal"
)

// Where tries at a password are counted, a sign-in has two more, of buckets.
func TestHotRequestsNeedAsFewStatementsAsPossible(t *testing.T) {
	t.Parallel()
	journal.Each(t, func(t *testing.T, st *store.Store, j *journal.Journal) {
		a, err := postern.New(st, postern.Config{
			Email:  postern.EmailConfig{Autoconfirm: true},
			JWT:    postern.JWTConfig{Secret: ownSecret},
			Limits: postern.LimitConfig{Off: true}, // as in what is measured
		})
		if err != nil {
			t.Fatal(err)
		}
		checkStatements(t, a, j, st.DB().Dialect().Name() == dialect.SQLite)
	})
}

func checkStatements(t *testing.T, a *postern.Auth, j *journal.Journal, sqlite bool) {
	res, err := a.SignUp(t.Context(), postern.SignUpParams{Email: "ada@example.com", Password: fill.Password})
	if err != nil {
		t.Fatal(err)
	}
	s := res.Session
	authenticate := func() error {
		_, err := a.Authenticate(t.Context(), s.AccessToken)
		return err
	}
	refresh := func() (err error) {
		s, err = a.RefreshToken(t.Context(), s.RefreshToken)
		return err
	}
	list := func() error {
		_, err := a.AdminListUsers(t.Context(), postern.AdminListUsersParams{})
		return err
	}
	signIn := func() error {
		_, err := a.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: "ada@example.com", Password: fill.Password})
		return err
	}
	// PostgreSQL runs functions, SQLite what is in them; its writers share transactions.
	refreshed, signedIn := []string{"SELECT"}, []string{"SELECT", "SELECT"}
	if sqlite {
		refreshed = []string{"SELECT", "BEGIN", "UPDATE"}
		signedIn = []string{"SELECT", "BEGIN", "SAVEPOINT", "UPDATE", "INSERT", "INSERT", "INSERT", "SELECT", "RELEASE"}
	}
	for _, c := range []struct {
		name string
		run  func() error
		want []string
	}{
		{"Authenticate, which is all that GET /user needs", authenticate, []string{"SELECT"}},
		{"RefreshToken", refresh, refreshed},
		{"SignInWithPassword", signIn, signedIn},
		{"AdminListUsers, with its count", list, []string{"SELECT"}},
	} {
		got := j.During(func() {
			if err := c.run(); err != nil {
				t.Fatal(err)
			}
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s sent the statements %v, want %v", c.name, got, c.want)
		}
	}
}
