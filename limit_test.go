package postern_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

func limited(c *postern.Config) { c.Limits.Off = false }

// from is the context of a request that comes from an address.
func from(t *testing.T, address string) context.Context {
	t.Helper()
	return postern.WithRequestInfo(t.Context(), postern.RequestInfo{IP: netip.MustParseAddr(address)})
}

// wantTooMany fails the test unless an error says when to come again.
func wantTooMany(t *testing.T, what string, err error, code postern.Code, wait time.Duration) {
	t.Helper()
	var e *postern.Error
	if !errors.As(err, &e) || e.Kind != postern.KindTooMany || e.Code != code {
		t.Errorf("%s: got error %v, want %s", what, err, code)
	} else if e.RetryAfter <= 0 || e.RetryAfter > wait {
		t.Errorf("%s: got %v to wait, want %v at most", what, e.RetryAfter, wait)
	}
}

func TestRequestsOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	for name, inMemory := range map[string]bool{"shared": false, "in memory": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(c *postern.Config) { limited(c); c.Limits.InMemory = inMemory }, func(t *testing.T, s service) {
				requests := func(address string, limit postern.RequestLimit, want int) {
					t.Helper()
					for i := range want {
						if err := s.LimitRequest(from(t, address), limit); err != nil {
							t.Fatalf("request %d of %s: %v", i+1, address, err)
						}
					}
					wantTooMany(t, address, s.LimitRequest(from(t, address), limit), postern.ErrOverRequestRateLimit, 3*time.Minute)
				}
				requests("192.0.2.1", postern.LimitVerify, 30)
				requests("192.0.2.2", postern.LimitVerify, 30)
				requests("192.0.2.1", postern.LimitToken, 30)
				requests("192.0.2.1", postern.LimitAnonymous, 30)
				requests("2001:db8::1", postern.LimitVerify, 30)
				wantTooMany(t, "a neighbour in the network", s.LimitRequest(from(t, "2001:db8::ffff"), postern.LimitVerify), postern.ErrOverRequestRateLimit, time.Minute)
				requests("2001:db8:0:1::1", postern.LimitVerify, 30)
				s.Advance(50 * time.Second) // 30 in 5 minutes are one in 10 seconds
				requests("192.0.2.1", postern.LimitVerify, 5)
				if err := s.LimitRequest(t.Context(), postern.LimitVerify); err != nil {
					t.Errorf("without an address: %v", err)
				}
			})
		})
	}
}

func TestLimitsAreSharedByAllOnADatabase(t *testing.T) {
	each(t, limited, func(t *testing.T, s service) {
		services := []service{s, s.with(t, limited), s.with(t, limited)}
		var passed atomic.Int32
		var wg sync.WaitGroup
		for i := range 90 {
			wg.Go(func() {
				if services[i%3].LimitRequest(from(t, "192.0.2.1"), postern.LimitOTP) == nil {
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		if n := passed.Load(); n < 30 || n > 32 { // some come back meanwhile
			t.Errorf("got %d requests through, want 30", n)
		}
	})
}

func TestTriesAtAPasswordAreLimitedFromAllAddresses(t *testing.T) {
	t.Parallel()
	for _, email := range []string{ada, "nobody@example.com"} {
		t.Run(email, func(t *testing.T) {
			each(t, limited, func(t *testing.T, s service) {
				s.signUp(t)
				try := func(i int, email, password string) error {
					_, err := s.SignInWithPassword(from(t, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()),
						postern.SignInWithPasswordParams{Email: email, Password: password})
					return err
				}
				for i := range 20 {
					wantError(t, try(i, email, "wrong"), postern.KindInvalid, postern.ErrInvalidCredentials)
				}
				wantTooMany(t, "one try more", try(99, email, goodPassword), postern.ErrOverRequestRateLimit, 30*time.Second)
				wantTooMany(t, "in other letters", try(99, strings.ToUpper(email), goodPassword), postern.ErrOverRequestRateLimit, 30*time.Second)
				wantError(t, try(99, "bob@example.com", "wrong"), postern.KindInvalid, postern.ErrInvalidCredentials)
				s.Advance(30 * time.Second)
				wantError(t, try(99, email, "wrong"), postern.KindInvalid, postern.ErrInvalidCredentials)
			})
		})
	}
}

func TestOwnerIsNotLockedOutByAStranger(t *testing.T) {
	each(t, limited, func(t *testing.T, s service) {
		s.signUp(t)
		signIn := func(address, password string) error {
			_, err := s.SignInWithPassword(from(t, address), postern.SignInWithPasswordParams{Email: ada, Password: password})
			return err
		}
		if err := signIn("192.0.2.1", goodPassword); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			_ = signIn("198.51.100.1", "wrong")
		}
		wantTooMany(t, "the stranger", signIn("198.51.100.1", goodPassword), postern.ErrOverRequestRateLimit, 30*time.Second)
		if err := signIn("192.0.2.1", goodPassword); err != nil {
			t.Errorf("from where a session is: %v", err)
		}
		if err := signIn("198.51.100.2", goodPassword); err != nil {
			t.Errorf("after the right password: %v", err)
		}
		for range 50 {
			_ = signIn("192.0.2.1", "wrong")
		}
		wantTooMany(t, "whoever is where a session is", signIn("192.0.2.1", goodPassword), postern.ErrOverRequestRateLimit, 30*time.Second)
	})
}

func TestRightPasswordsAreNotLimited(t *testing.T) {
	each(t, limited, func(t *testing.T, s service) {
		s.signUp(t)
		for range 30 {
			s.signIn(t, goodPassword)
		}
	})
}

func TestMailsHaveAQuota(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		quota  postern.Quota
		edit   func(*postern.Config)
		passed int
	}{
		"by the hour":               {postern.Quota{N: 3, Per: time.Hour}, confirming, 3},
		"refilled":                  {postern.Quota{N: 3, Per: time.Hour, Refill: true}, confirming, 3},
		"none":                      {postern.Quota{N: -1}, confirming, 0},
		"none, with autoconfirm":    {postern.Quota{N: -1}, func(*postern.Config) {}, 0},
		"uncounted in autoconfirms": {postern.Quota{N: 1, Per: time.Hour}, func(*postern.Config) {}, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(c *postern.Config) { limited(c); test.edit(c); c.Limits.Mails = test.quota }, func(t *testing.T, s service) {
				s.SignedIn(t, ada)
				ask := func(email string) error {
					return s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: email})
				}
				for i, email := range []string{ada, "a@example.com", "b@example.com", "c@example.com", "d@example.com"} {
					err := ask(email)
					if i < test.passed && err != nil {
						t.Errorf("mail %d: %v", i+1, err)
					}
					if i >= test.passed && !isCode(err, postern.ErrOverEmailSendRateLimit) {
						t.Errorf("mail %d: got error %v, want the quota's", i+1, err)
					}
				}
				if test.passed == 3 {
					wantTooMany(t, "one more", ask("e@example.com"), postern.ErrOverEmailSendRateLimit, time.Hour)
					s.Advance(time.Hour)
					if err := ask("e@example.com"); err != nil {
						t.Errorf("an hour later: %v", err)
					}
				}
			})
		})
	}
}

func TestQuotaCountsAChangeOfAddressOnce(t *testing.T) {
	each(t, func(c *postern.Config) {
		limited(c)
		confirming(c)
		c.Limits.Mails = postern.Quota{N: 1, Per: time.Hour}
	}, func(t *testing.T, s service) {
		c := s.caller(t, s.SignedIn(t, ada))
		if _, err := s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Email: "new@example.com"}); err != nil {
			t.Fatal(err)
		}
		if s.LastCode(t, ada) == "" || s.LastCode(t, "new@example.com") == "" {
			t.Error("one of the addresses got no mail")
		}
		_, err := s.Invite(t.Context(), postern.InviteParams{Email: "bob@example.com"})
		wantTooMany(t, "an invitation", err, postern.ErrOverEmailSendRateLimit, time.Hour)
		if got := s.count(t, `SELECT count(*) FROM auth.users`); got != 1 {
			t.Errorf("got %d users, want none that was invited in vain", got)
		}
	})
}

func TestMessagesHaveAQuota(t *testing.T) {
	edit := func(c *postern.Config) {
		limited(c)
		c.Phone.Enabled, c.Phone.TestCodes = true, map[string]string{"15550100010": "123456"}
		c.Limits.SMS = postern.Quota{N: 1, Per: time.Hour}
	}
	each(t, edit, func(t *testing.T, s service) {
		ask := func(phone string) error {
			_, err := s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone})
			return err
		}
		for _, phone := range []string{"15550100010", "15550100011"} {
			if err := ask(phone); err != nil {
				t.Errorf("%s: %v", phone, err)
			}
		}
		wantTooMany(t, "one more", ask("15550100012"), postern.ErrOverSMSSendRateLimit, time.Hour)
	})
}

func TestLimitsThatSayNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, limits := range []postern.LimitConfig{
		{OTP: postern.Rate{Burst: 3}},
		{Token: postern.Rate{N: 3}},
		{Password: postern.Rate{N: 1, Per: time.Second, Burst: -1}},
		{Mails: postern.Quota{Per: time.Hour}},
		{SMS: postern.Quota{N: 3}},
	} {
		if _, err := postern.New(noStore{}, postern.Config{Limits: limits}); err == nil || !strings.Contains(err.Error(), "Limits.") {
			t.Errorf("%+v: got error %v, want one that names it", limits, err)
		}
	}
}
