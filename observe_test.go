package postern_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

// tally counts what is observed, as "what name outcome".
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) observe(_ context.Context, o postern.Observation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[strings.Join([]string{string(o.What), o.Name, o.Outcome}, " ")]++
}

func (c *tally) want(t *testing.T, what string, n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[what] != n {
		t.Errorf("%q: got %d, want %d of %v", what, c.counts[what], n, c.counts)
	}
}

// observed configures a service whose observations are counted.
func observed(edit func(*postern.Config)) (*tally, func(*postern.Config)) {
	c := &tally{counts: map[string]int{}}
	return c, func(cfg *postern.Config) {
		cfg.Observe = c.observe
		edit(cfg)
	}
}

func TestSignInsAreObserved(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		c, edit := observed(func(cfg *postern.Config) { cfg.AnonymousUsers = true })
		s = s.with(t, edit)
		session := s.signUp(t)
		s.signIn(t, goodPassword)
		_, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: newPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		s.refresh(t, session.RefreshToken)
		if _, err := s.RefreshToken(t.Context(), "nonsense"); err == nil {
			t.Error("nonsense refreshes a session")
		}
		if _, err := s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}); err != nil {
			t.Fatal(err)
		}
		_, err = s.VerifyOTP(t.Context(), postern.VerifyOTPParams{Type: postern.VerifyMagicLink, Email: ada, Token: "123456"})
		wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)

		for what, n := range map[string]int{
			"sign_in sign_up ok": 1, "sign_in password ok": 1, "sign_in password invalid_credentials": 1,
			"sign_in refresh_token ok": 1, "sign_in refresh_token validation_failed": 1,
			"sign_in anonymous ok": 1, "sign_in otp otp_expired": 1,
			"hashing  ok": 3, // to make one, and to compare two
		} {
			c.want(t, what, n)
		}
	})
}

// What a provider calls its refusals is for it to choose.
func TestRefusalsOfOthersHaveOneNameForThoseWhoCount(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		c, edit := observed(func(cfg *postern.Config) {
			cfg.Providers = []postern.Provider{{Name: "acme", VerifyIDToken: func(context.Context, postern.IDTokenRequest) (*postern.IDToken, error) {
				return nil, &postern.OAuthError{Name: "something of theirs"}
			}}}
		})
		s = s.with(t, edit)
		if _, err := s.SignInWithIDToken(t.Context(), postern.SignInWithIDTokenParams{Provider: "acme", Token: "x"}); err == nil {
			t.Error("a refused token signs in")
		}
		c.want(t, "sign_in id_token oauth_error", 1)
	})
}

func TestMessagesAreObserved(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var broken error
		c, edit := observed(func(cfg *postern.Config) {
			cfg.Phone.Enabled, cfg.Phone.MaxFrequency, cfg.Email.MaxFrequency = true, -1, -1
			outbox := cfg.SMS
			cfg.SMS = texter(func(ctx context.Context, m postern.SMS) (string, error) {
				if broken != nil {
					return "", broken
				}
				return outbox.SendSMS(ctx, m)
			})
		})
		s = s.with(t, edit)
		ask := func(p postern.SignInWithOTPParams) error {
			_, err := s.SignInWithOTP(t.Context(), p)
			return err
		}
		if err := errors.Join(ask(postern.SignInWithOTPParams{Email: ada}), ask(postern.SignInWithOTPParams{Phone: "15550100011"})); err != nil {
			t.Fatal(err)
		}
		broken = errors.New("no credit")
		if ask(postern.SignInWithOTPParams{Phone: "15550100011"}) == nil {
			t.Error("a message that cannot be sent was sent")
		}
		c.want(t, "message email ok", 1)
		c.want(t, "message sms ok", 1)
		c.want(t, "message sms failed", 1)
	})
}

// texter is an SMSSender.
type texter func(context.Context, postern.SMS) (string, error)

func (f texter) SendSMS(ctx context.Context, m postern.SMS) (string, error) { return f(ctx, m) }

func TestReadyIsWhetherTheDatabaseAnswers(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("got error %v, want readiness", err)
		}
		if err := s.st.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, s.Ready(t.Context()), postern.KindUnavailable, postern.ErrUnexpectedFailure)
	})
}

func TestADatabaseWithoutASchemaIsNotReady(t *testing.T) {
	t.Parallel()
	lite, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pg, err := postgres.Open(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []interface {
		postern.Store
		Close() error
	}{lite, pg} {
		t.Cleanup(func() { st.Close() })
		a, err := postern.New(st, postern.Config{})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, a.Ready(t.Context()), postern.KindUnavailable, postern.ErrUnexpectedFailure)
	}
}

func TestLogRequestIDAddsTheIDOnce(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	h := postern.LogRequestID(postern.LogRequestID(slog.NewTextHandler(&text, nil)))
	ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{ID: "req-1"})
	slog.New(h).With("a", 1).InfoContext(ctx, "with")
	slog.New(h).Info("without")
	slog.New(h).WithGroup("g").InfoContext(ctx, "in a group")
	var got []string
	for line := range strings.Lines(text.String()) {
		_, fields, _ := strings.Cut(strings.TrimSpace(line), "msg=")
		got = append(got, fields)
	}
	if want := []string{"with a=1 request_id=req-1", "without", `"in a group" g.request_id=req-1`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
