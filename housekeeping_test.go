package postern_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

const day = 24 * time.Hour

func (s service) tidy(t *testing.T) {
	t.Helper()
	if err := postern.Tidy(s.Auth, t.Context()); err != nil {
		t.Fatalf("housekeeping: %v", err)
	}
}

// TestHousekeepingRemovesWhatHasExpired: what is left behind of every kind is there
// until its time, and then goes.
func TestHousekeepingRemovesWhatHasExpired(t *testing.T) {
	limits := func(c *postern.Config) {
		everything(c)
		c.Session = postern.SessionConfig{Timebox: 20 * day, InactivityTimeout: 9 * day}
		c.AnonymousMaxAge = 30 * day
	}
	for name, c := range map[string]struct {
		make  func(t *testing.T, s service)
		rows  string // what is made, to be counted
		stays time.Duration
		goes  time.Duration
	}{
		"flows": {func(t *testing.T, s service) {
			must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{
				Email: ada, Challenge: postern.Challenge{CodeChallenge: strings.Repeat("v", 43), CodeChallengeMethod: "plain"},
			}))
		}, "flow_state", day, day + 6*time.Minute},
		"counters": {func(t *testing.T, s service) {
			_, err := s.VerifyOTP(t.Context(), postern.VerifyOTPParams{Type: postern.VerifyMagicLink, Email: ada, Token: "000000"})
			wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
		}, "postern_counters WHERE key LIKE 'guesses%'", day - time.Minute, day + time.Minute},
		"challenges": {func(t *testing.T, s service) {
			s.withApp(t, s.SignedIn(t, ada))
		}, "mfa_challenges", day - time.Minute, day + time.Minute},
		"ceremonies": {func(t *testing.T, s service) {
			must(s.BeginPasskeySignIn(t.Context()))
		}, "webauthn_challenges", 4 * time.Minute, 6 * time.Minute},
		"unverified factors": {func(t *testing.T, s service) {
			s.enroll(t, s.SignedIn(t, ada), "app")
		}, "mfa_factors", day - time.Minute, day + time.Minute},
		"one-time tokens": {func(t *testing.T, s service) {
			must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada}))
		}, "one_time_tokens", 2*day - time.Minute, 2*day + time.Minute},
		"sessions that nobody uses": {func(t *testing.T, s service) {
			s.SignedIn(t, ada)
		}, "sessions", 10*day - time.Minute, 10*day + time.Minute},
		"sessions that are too old": {func(t *testing.T, s service) {
			s.SignedIn(t, ada)
			s.exec(t, "UPDATE auth.sessions SET refreshed_at = '2999-01-01T00:00:00.000000Z'")
		}, "sessions", 21*day - time.Minute, 21*day + time.Minute},
		"anonymous users": {func(t *testing.T, s service) {
			must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
		}, "users", 30*day - time.Minute, 30*day + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, limits, func(t *testing.T, s service) {
				s = s.with(t, func(c *postern.Config) { limits(c); confirming(c) })
				c.make(t, s)
				query := "SELECT count(*) FROM auth." + c.rows
				s.Advance(c.stays)
				s.tidy(t)
				if n := s.count(t, query); n != 1 {
					t.Fatalf("after %v: got %d, want 1", c.stays, n)
				}
				s.Advance(time.Hour) // all is due again
				s.Advance(c.goes - c.stays)
				s.tidy(t)
				if n := s.count(t, query); n != 0 {
					t.Errorf("after %v: got %d, want none", c.goes+time.Hour, n)
				}
			})
		})
	}
}

func TestHousekeepingKeepsWhatIsNeeded(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		raised, _ := s.withApp(t, session)
		must(s.GenerateRecoveryCodes(t.Context(), s.caller(t, raised), ""))
		gone := must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: "gone@example.com"}))
		if err := s.AdminDeleteUser(t.Context(), gone.ID, true); err != nil {
			t.Fatal(err)
		}
		s.makeLegacy(t, s.again(t), "parent-token", "active-token")
		before := s.rowsOf(t)
		s.Advance(400 * day)
		s.tidy(t)
		for table, n := range s.rowsOf(t) {
			if n != before[table] {
				t.Errorf("%s: got %d rows, want %d as before", table, n, before[table])
			}
		}
	})
}

// rowsOf counts the rows of tables in which something stays.
func (s service) rowsOf(t *testing.T) map[string]int {
	t.Helper()
	rows := map[string]int{}
	for _, table := range []string{"users", "identities", "sessions", "mfa_factors", "postern_recovery_codes", "refresh_tokens", "audit_log_entries", "postern_keys"} {
		rows[table] = s.count(t, "SELECT count(*) FROM auth."+table)
	}
	return rows
}

// broken is a store that cannot do some of the housekeeping, and counts what is done.
type broken struct {
	postern.Store
	mu    sync.Mutex
	calls map[string]int
}

func (b *broken) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls == nil {
		b.calls = map[string]int{}
	}
	b.calls[what]++
	return b.calls[what]
}

var errBroken = errors.New("out of order")

func (b *broken) DropFlows(context.Context, time.Time, int) (bool, error) {
	b.count("flows")
	return false, errBroken
}

func (b *broken) DropCounters(_ context.Context, _ time.Time, limit int) (bool, error) {
	return b.count(fmt.Sprintf("counters by %d", limit)) < 3, nil
}

func (b *broken) DropSessions(context.Context, postern.SessionsOver, int) (bool, error) {
	b.count("sessions")
	return false, nil
}

func TestHousekeepingGoesOnAfterAnErrorAndIsDoneOnceForAllProcesses(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		b := &broken{Store: s.st}
		one, other := authtest.On(t, b), authtest.On(t, b)
		round := func(of *authtest.Service) error { return postern.Tidy(of.Auth, t.Context()) }
		if err := round(one); !errors.Is(err, errBroken) || strings.Count(err.Error(), "out of order") != 1 {
			t.Errorf("got error %v, want that of one task", err)
		}
		wantCalls := func(want map[string]int) {
			t.Helper()
			if got, want := fmt.Sprint(b.calls), fmt.Sprint(want); got != want {
				t.Errorf("got calls %v, want %v", got, want)
			}
		}
		wantCalls(map[string]int{"flows": 1, "counters by 500": 3, "sessions": 1})
		if err := round(other); err != nil {
			t.Errorf("another process: got error %v, want it to have nothing to do", err)
		}
		wantCalls(map[string]int{"flows": 1, "counters by 500": 3, "sessions": 1})
		one.Advance(10 * time.Minute)
		if err := round(one); !errors.Is(err, errBroken) {
			t.Errorf("later: got error %v, want that of the one task again", err)
		}
		wantCalls(map[string]int{"flows": 2, "counters by 500": 4, "sessions": 1})
		one.Advance(time.Hour)
		_ = round(one)
		wantCalls(map[string]int{"flows": 3, "counters by 500": 5, "sessions": 2})
	})
}

func TestHousekeepingAtOnceIsDoneOnce(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		b := &broken{Store: s.st}
		var wg sync.WaitGroup
		for range 8 {
			process := authtest.On(t, b)
			wg.Go(func() { _ = postern.Tidy(process.Auth, t.Context()) })
		}
		wg.Wait()
		if b.calls["flows"] != 1 || b.calls["sessions"] != 1 {
			t.Errorf("got calls %v, want one of each", b.calls)
		}
	})
}

func TestSpentLegacyTokensAreForgottenAfterAMonth(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.makeLegacy(t, session, "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc")
		stamp := s.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		s.exec(t, "UPDATE auth.refresh_tokens SET updated_at = '"+stamp+"'")
		tokens := func() int { return s.count(t, "SELECT count(*) FROM auth.refresh_tokens") }
		s.Advance(29 * day)
		s.tidy(t)
		if n := tokens(); n != 3 {
			t.Fatalf("after 29 days: got %d tokens, want 3", n)
		}
		s.Advance(2 * day)
		s.tidy(t)
		if n := tokens(); n != 2 {
			t.Fatalf("after 31 days: got %d tokens, want the active one and its parent", n)
		}
		if _, err := s.RefreshToken(t.Context(), "aaaaaaaaaaaa"); !isCode(err, postern.ErrRefreshTokenNotFound) {
			t.Errorf("the oldest: got error %v, want it to be unknown", err)
		}
		if again := s.refresh(t, "bbbbbbbbbbbb"); again.RefreshToken != "cccccccccccc" || again.ID == uuid.Nil {
			t.Errorf("the parent: got token %q, want the active one", again.RefreshToken)
		}
	})
}
