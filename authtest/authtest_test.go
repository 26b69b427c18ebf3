package authtest_test

import (
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

func TestServiceSendsToItsOutbox(t *testing.T) {
	t.Parallel()
	auth := authtest.New(t, func(c *postern.Config) { c.Email.Autoconfirm = false })
	if _, err := auth.SignUp(t.Context(), postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	if link := auth.LastLink(t, "ada@example.com"); link == "" {
		t.Error("the mail has no link")
	}
	_, err := auth.VerifyOTP(t.Context(), postern.VerifyOTPParams{
		Type: postern.VerifySignUp, Email: "ada@example.com", Token: auth.LastCode(t, "ada@example.com"),
	})
	if err != nil {
		t.Errorf("the code in the outbox: %v", err)
	}
}

func TestSignedInUserAndItsClock(t *testing.T) {
	t.Parallel()
	auth := authtest.New(t)
	session := auth.SignedIn(t, "ada@example.com")
	if _, err := auth.Authenticate(t.Context(), session.AccessToken); err != nil {
		t.Errorf("a signed-in user: %v", err)
	}
	auth.Advance(2 * time.Hour)
	if _, err := auth.Authenticate(t.Context(), session.AccessToken); err == nil {
		t.Error("an access token outlived two hours")
	}
}
