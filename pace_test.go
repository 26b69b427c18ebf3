package postern_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/dbtest"
)

// slowly takes a while for every message.
type slowly struct{}

const while = 700 * time.Millisecond

func (slowly) SendMail(context.Context, postern.Mail) error { time.Sleep(while); return nil }
func (slowly) SendSMS(context.Context, postern.SMS) (string, error) {
	time.Sleep(while)
	return "", nil
}

// The times are those of a bubble, in which nothing but waiting takes any.
func TestRequestsThatSendNothingTakeAsLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := authtest.On(t, dbtest.SQLite(t), func(c *postern.Config) {
			c.Mailer, c.SMS, c.Phone.Enabled, c.HideAccounts = slowly{}, slowly{}, true, true
			c.Email.Autoconfirm, c.Email.MaxFrequency, c.Phone.MaxFrequency = false, -1, -1
		})
		const known, waiting, unknown, phone = "ann@example.com", "waiting@example.com", "nobody@example.com", "15550100001"
		for _, p := range []postern.AdminCreateUserParams{
			{Email: known, EmailConfirm: true}, {Email: waiting}, {Phone: phone, PhoneConfirm: true},
		} {
			must(s.AdminCreateUser(t.Context(), p))
		}
		ctx := t.Context()
		for name, ask := range map[string]func(to string) error{
			"recovery": func(to string) error {
				return s.ResetPasswordForEmail(ctx, postern.ResetPasswordParams{Email: to})
			},
			"code": func(to string) error {
				_, err := s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: to, NoSignUp: true})
				return err
			},
		} {
			for _, to := range []string{known, unknown} {
				checkTakes(t, name+" for "+to, func() error { return ask(to) })
			}
		}
		for _, to := range []string{waiting, known, unknown} { // of whom only the first waits for a confirmation
			checkTakes(t, "resend for "+to, func() error {
				_, err := s.Resend(ctx, postern.ResendParams{Type: postern.VerifySignUp, Email: to})
				return err
			})
		}
		for _, to := range []string{"new@example.com", known} { // of which the second is taken
			checkTakes(t, "sign-up for "+to, func() error {
				_, err := s.SignUp(ctx, postern.SignUpParams{Email: to, Password: goodPassword})
				return err
			})
		}
		for _, to := range []string{phone, "15550100002"} {
			checkTakes(t, "code for "+to, func() error {
				_, err := s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Phone: to, NoSignUp: true})
				return err
			})
		}
	})
}

func checkTakes(t *testing.T, what string, do func() error) {
	t.Helper()
	began := time.Now()
	if err := do(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if took := time.Since(began); took != while {
		t.Errorf("%s takes %v, want %v", what, took, while)
	}
}

// A transaction of the application's is not held open for the sake of this.
func TestNothingWaitsInAJoinedTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := dbtest.SQLite(t)
		s := authtest.On(t, st, func(c *postern.Config) { c.Mailer, c.Email.Autoconfirm = slowly{}, false })
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		if err := s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada}); err != nil {
			t.Fatal(err)
		}
		tx := must(st.DB().BeginTx(t.Context(), nil))
		defer tx.Rollback()
		began := time.Now()
		if err := s.In(st.Join(tx)).ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: "nobody@example.com"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waits %v in a transaction, want that it does not", took)
		}
	})
}
