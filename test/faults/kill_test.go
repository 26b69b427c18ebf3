//go:build unix

package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// Guarantee G31.
func TestKilledServerLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var y tally
		for round := range rounds(5, 200) {
			accounts := writeUntilKilled(t, url, round)
			y.rounds++
			y.faults++
			for _, a := range accounts {
				y.acknowledged += a.acknowledged
			}
			y.lost += checkAccounts(t, url, accounts)
			if t.Failed() {
				y.log(t)
				t.FailNow()
			}
		}
		y.log(t)
		if y.acknowledged == 0 {
			t.Error("nothing was acknowledged before the server was killed: the test tests nothing")
		}
	})
}

// account is what a writer was told about an account that it made.
type account struct {
	email        string
	accessToken  string
	password     string
	newPassword  string // was to replace the other, which nobody acknowledged; "" for none
	signedOut    bool
	signingOut   bool // was asked for, which nobody acknowledged
	acknowledged int
}

// writeUntilKilled lets eight writers write to a server that is killed meanwhile.
func writeUntilKilled(t *testing.T, url string, round int) []*account {
	t.Helper()
	s := start(t, url)
	var killed atomic.Bool
	made := make([][]*account, 8)
	var writers sync.WaitGroup
	for i := range made {
		w := writer{client: newClient(t, s.URL), name: fmt.Sprintf("%d-%d", round, i)}
		writers.Go(func() {
			err := w.write(t.Context())
			if made[i] = w.accounts; !killed.Load() {
				t.Errorf("writer %s before the server was killed: %v", w.name, err)
			}
		})
	}
	time.Sleep(time.Duration(5+rand.IntN(250)) * time.Millisecond)
	killed.Store(true)
	if err := s.Kill(); err != nil {
		t.Error(err)
	}
	writers.Wait()
	var all []*account
	for _, accounts := range made {
		all = append(all, accounts...)
	}
	return all
}

// writer makes accounts and changes them, and notes what it was told.
type writer struct {
	*client
	name     string
	accounts []*account
}

// maxAccounts bounds what a writer does.
const maxAccounts = 10_000

func (w *writer) write(ctx context.Context) error {
	for i := range maxAccounts {
		a := &account{email: fmt.Sprintf("writer-%s-%d@example.com", w.name, i), password: password}
		res, err := w.acknowledged(w.signUp(ctx, a.email))
		if err != nil {
			return err
		}
		a.acknowledged, a.accessToken = 1, res.text("access_token")
		w.accounts = append(w.accounts, a)
		if err := w.change(ctx, a); err != nil {
			return err
		}
	}
	return errors.New("the writer has written enough")
}

// change does to an account one thing or another, or both, or nothing.
func (w *writer) change(ctx context.Context, a *account) error {
	what := rand.IntN(4)
	if what&1 != 0 {
		a.newPassword = "battery staple"
		if _, err := w.acknowledged(w.do(ctx, "PUT", "/user", a.accessToken, map[string]string{"password": a.newPassword})); err != nil {
			return err
		}
		a.password, a.newPassword = a.newPassword, ""
		a.acknowledged++
	}
	if what&2 != 0 {
		a.signingOut = true
		if _, err := w.acknowledged(w.do(ctx, "POST", "/logout", a.accessToken, nil)); err != nil {
			return err
		}
		a.signedOut = true
		a.acknowledged++
	}
	return nil
}

func (w *writer) acknowledged(a *answer, err error) (*answer, error) {
	if err == nil && !a.ok() {
		err = fmt.Errorf("got %s", a)
	}
	return a, err
}

// checkAccounts opens the database that a killed server left, and returns how many
// accounts are not as their writers were told.
func checkAccounts(t *testing.T, url string, accounts []*account) (lost int) {
	t.Helper()
	st, err := openURL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if len(accounts) > 0 { // else the server may not have come as far as to make the tables
		checkConsistency(t, st, url)
	}
	auth := newAuth(t, st)
	for _, a := range accounts {
		session, password := a.checkSession(t, auth), a.checkPassword(t, auth)
		if !session || !password {
			lost++
		}
	}
	return lost
}

func (a *account) checkSession(t *testing.T, auth *postern.Auth) bool {
	t.Helper()
	_, err := auth.Authenticate(t.Context(), a.accessToken)
	switch {
	case a.signedOut && !errors.Is(err, postern.ErrSessionNotFound):
		t.Errorf("%s signed out, and its session: got error %v, want it gone", a.email, err)
	case !a.signingOut && err != nil:
		t.Errorf("%s has a session: got error %v", a.email, err)
	default:
		return true
	}
	return false
}

func (a *account) checkPassword(t *testing.T, auth *postern.Auth) bool {
	t.Helper()
	signIn := func(password string) error {
		_, err := auth.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: a.email, Password: password})
		return err
	}
	err := signIn(a.password)
	if err != nil && a.newPassword != "" {
		err = signIn(a.newPassword)
	}
	if err != nil {
		t.Errorf("%s signs in with its password: got error %v", a.email, err)
	}
	return err == nil
}
