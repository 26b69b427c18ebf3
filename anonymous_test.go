package postern_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

func TestAnonymousUserBecomesPermanent(t *testing.T) {
	for name, become := range map[string]func(t *testing.T, s service, box *postbox, c *postern.Caller) *postern.Session{
		"by an address": func(t *testing.T, s service, box *postbox, c *postern.Caller) *postern.Session {
			must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Email: ada}))
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, TokenHash: string(box.mail(t, ada).TokenHash)})
		},
		"by an address with a password": func(t *testing.T, s service, box *postbox, c *postern.Caller) *postern.Session {
			password := goodPassword
			must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Email: ada, Password: &password}))
			s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: ada, Token: string(box.mail(t, ada).Token)})
			return &s.signIn(t, goodPassword).Session
		},
		"by a number": func(t *testing.T, s service, box *postbox, c *postern.Caller) *postern.Session {
			must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Phone: phone}))
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyPhoneChange, Phone: phone, Token: string(box.text(t).Code)})
		},
		"by an operator": func(t *testing.T, s service, _ *postbox, c *postern.Caller) *postern.Session {
			password := goodPassword
			must(s.AdminUpdateUser(t.Context(), c.User.ID, postern.AdminUpdateUserParams{Email: ada, EmailConfirm: true, Password: &password}))
			return &s.signIn(t, goodPassword).Session
		},
	} {
		t.Run(name, func(t *testing.T) {
			mailing(t, anonymous, func(t *testing.T, s service, box *postbox) {
				begin := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
				session := become(t, s, box, s.caller(t, begin))
				if session.User.ID != begin.User.ID || session.User.IsAnonymous {
					t.Errorf("got user %+v, want the same one, permanent", session.User)
				}
				if claims := must(s.VerifyToken(t.Context(), session.AccessToken)); claims.IsAnonymous {
					t.Error("the new access token is still of an anonymous user")
				}
			})
		})
	}
}

func TestAnonymousUsersAreCleanedUp(t *testing.T) {
	each(t, func(c *postern.Config) { c.AnonymousUsers, c.AnonymousMaxAge = true, time.Hour }, func(t *testing.T, s service) {
		old := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{})).User
		permanent := s.SignedIn(t, ada).User
		s.Advance(time.Hour + time.Second)
		young := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{})).User

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		for tries := 0; ; tries++ {
			_, err := s.AdminUser(t.Context(), old.ID)
			if errors.Is(err, postern.ErrUserNotFound) {
				break
			}
			if err != nil || tries == 100_000 {
				t.Fatalf("the old one is still there (%v)", err)
			}
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want that it was stopped", err)
		}
		for _, u := range []*postern.User{permanent, young} {
			must(s.AdminUser(t.Context(), u.ID))
		}
	})
}
