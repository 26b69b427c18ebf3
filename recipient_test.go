package postern_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// Nobody gets mails at this host.
const nowhere = "@nowhere.example.com"

// validating finds the addresses at nowhere wrong.
func validating(c *postern.Config) {
	confirming(c)
	c.Email.Validate = func(_ context.Context, address string) error {
		if strings.HasSuffix(address, nowhere) {
			return errors.New("no such host")
		}
		return nil
	}
}

// wantInvalid fails unless err says that an address is invalid, and no more.
func wantInvalid(t *testing.T, what string, err error, address string) {
	t.Helper()
	e, ok := errors.AsType[*postern.Error](err)
	if !ok || e.Kind != postern.KindInvalid || e.Code != postern.ErrEmailAddressInvalid {
		t.Errorf("%s: got %v, want email_address_invalid", what, err)
		return
	}
	if want := fmt.Sprintf("Email address %q is invalid", address); e.Message != want {
		t.Errorf("%s: got %q, want %q", what, e.Message, want)
	}
}

// Every way to get a mail refuses an address that gets none (contract: endpoints.md
// §0.5), alike whether or not somebody has it, and leaves nothing behind.
func TestInvalidAddressesAreMailedNothing(t *testing.T) {
	each(t, validating, func(t *testing.T, s service) {
		const known, unknown = "known" + nowhere, "unknown" + nowhere
		if _, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: known, EmailConfirm: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: "pending" + nowhere}); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{known, unknown, "pending" + nowhere} {
			_, err := s.SignUp(t.Context(), postern.SignUpParams{Email: to, Password: goodPassword})
			wantInvalid(t, "SignUp", err, to)
			_, err = s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: to})
			wantInvalid(t, "SignInWithOTP", err, to)
			_, err = s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: to, NoSignUp: true})
			wantInvalid(t, "SignInWithOTP without sign-up", err, to)
			wantInvalid(t, "ResetPasswordForEmail", s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: to}), to)
			_, err = s.Resend(t.Context(), postern.ResendParams{Type: postern.VerifySignUp, Email: to})
			wantInvalid(t, "Resend", err, to)
			_, err = s.Invite(t.Context(), postern.InviteParams{Email: to})
			wantInvalid(t, "Invite", err, to)
		}
		session := s.SignedIn(t, "eve@example.com")
		caller := s.caller(t, session)
		_, err := s.UpdateUser(t.Context(), caller, postern.UpdateUserParams{Email: unknown})
		wantInvalid(t, "UpdateUser", err, unknown)
		if _, err := s.AdminUpdateUser(t.Context(), session.User.ID, postern.AdminUpdateUserParams{Email: "eve" + nowhere}); err != nil {
			t.Fatal(err)
		}
		_, err = s.Reauthenticate(t.Context(), s.caller(t, session))
		wantInvalid(t, "Reauthenticate", err, "eve"+nowhere)

		if users, tokens := s.count(t, `SELECT count(*) FROM auth.users`), s.count(t, `SELECT count(*) FROM auth.one_time_tokens`); users != 3 || tokens != 0 {
			t.Errorf("got %d accounts and %d tokens, want 3 and none", users, tokens)
		}
		if sent := s.Outbox.Messages(""); len(sent) > 0 {
			t.Errorf("got %d messages, want none", len(sent))
		}
	})
}

// What needs no mail is nobody's question: operators' work, links, autoconfirm.
func TestAddressesThatAreNotMailedAreNotAskedAbout(t *testing.T) {
	each(t, validating, func(t *testing.T, s service) {
		if _, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: "a" + nowhere}); err != nil {
			t.Errorf("AdminCreateUser: %v", err)
		}
		_, err := s.GenerateLink(t.Context(), postern.GenerateLinkParams{Type: postern.LinkMagicLink, Email: "b" + nowhere})
		if err != nil {
			t.Errorf("GenerateLink: %v", err)
		}
		auto := s.with(t, func(c *postern.Config) {
			validating(c)
			c.Email.Autoconfirm = true
		})
		if _, err := auto.SignUp(t.Context(), postern.SignUpParams{Email: "c" + nowhere, Password: goodPassword}); err != nil {
			t.Errorf("SignUp with autoconfirm: %v", err)
		}
	})
}

func TestAddressesOfProvidersAreAskedAboutOnce(t *testing.T) {
	withProvider(t, validating, func(t *testing.T, o outside) {
		const address = "ada" + nowhere
		_, err := o.visit(t, unverified(address))
		wantInvalid(t, "an unverified address", err, address)
		if n := o.users(t); n != 0 {
			t.Errorf("got %d accounts, want none", n)
		}
		session := o.mustVisit(t, authtest.Person(address)) // no mail is needed
		if session.User.Email != address {
			t.Errorf("got the address %q, want %q", session.User.Email, address)
		}
		o.mustVisit(t, unverified(address)) // it has been proven
	})
}

// Validate may take its time: on SQLite, where there is one writer, it could not
// write while a transaction is held.
func TestValidateIsAskedInNoTransaction(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var asked atomic.Int64
		v := s.with(t, func(c *postern.Config) {
			confirming(c)
			c.Email.MaxFrequency = -1
			c.Email.Validate = func(ctx context.Context, _ string) error {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				_, err := s.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: fmt.Sprintf("user%d@example.com", asked.Add(1))})
				return err
			}
		})
		steps := []func() error{
			func() error {
				_, err := v.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
				return err
			},
			func() error { return v.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada}) },
			func() error {
				return v.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: "bob@example.com"})
			},
			func() error {
				_, err := v.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada})
				return err
			},
			func() error {
				_, err := v.Invite(t.Context(), postern.InviteParams{Email: "eve@example.com"})
				return err
			},
		}
		for i, step := range steps {
			if err := step(); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
		if n := asked.Load(); n != int64(len(steps)) {
			t.Errorf("asked %d times, want once for each of %d steps", n, len(steps))
		}
	})
}
