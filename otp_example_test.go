package postern_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/url"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/devbox"
)

// openWithMailbox makes a service on a database in memory, whose mails go to a
// mailbox, for the examples.
func openWithMailbox() (*postern.Auth, *devbox.Box) {
	box := devbox.New(devbox.Config{})
	auth, _ := openWith(postern.Config{
		SiteURL:     "https://app.example.com",
		ExternalURL: "https://app.example.com/auth/v1",
		Mailer:      box,
	})
	return auth, box
}

// A code goes to the address, and whoever has it is signed in.
func ExampleAuth_SignInWithOTP() {
	ctx := context.Background()
	auth, box := openWithMailbox()

	if _, err := auth.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: "ada@example.com"}); err != nil {
		log.Fatal(err)
	}
	m, _ := box.Last("ada@example.com")
	v, err := auth.VerifyOTP(ctx, postern.VerifyOTPParams{Type: postern.VerifyEmail, Email: "ada@example.com", Token: m.Code})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(m.Code), "digits sign in", v.Session.User.Email)
	// Output: 6 digits sign in ada@example.com
}

// A recovery link signs in, and then a new password can be set.
func ExampleAuth_ResetPasswordForEmail() {
	ctx := context.Background()
	auth, box := openWithMailbox()
	user, err := auth.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: "ada@example.com", EmailConfirm: true})
	if err != nil {
		log.Fatal(err)
	}

	if err := auth.ResetPasswordForEmail(ctx, postern.ResetPasswordParams{Email: user.Email}); err != nil {
		log.Fatal(err)
	}
	m, _ := box.Last(user.Email)
	v, err := auth.VerifyOTP(ctx, postern.VerifyOTPParams{Type: postern.VerifyRecovery, TokenHash: m.TokenHash})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := auth.Authenticate(ctx, v.Session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	password := "correct horse"
	if _, err := auth.UpdateUser(ctx, caller, postern.UpdateUserParams{Password: &password}); err != nil {
		log.Fatal(err)
	}
	_, err = auth.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: user.Email, Password: password})
	fmt.Println("error:", err)
	// Output: error: <nil>
}

// The operator gets a link to send by means of its own.
func ExampleAuth_GenerateLink() {
	auth, _ := openWithMailbox()

	link, err := auth.GenerateLink(context.Background(), postern.GenerateLinkParams{Type: postern.LinkInvite, Email: "ada@example.com"})
	if err != nil {
		log.Fatal(err)
	}
	at, err := url.Parse(link.ActionLink)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(at.Host+at.Path, at.Query().Get("type"))
	// Output: app.example.com/auth/v1/verify invite
}

// With PKCE a link is of use only to the client that asked for it: it leads to an
// auth code, which that client's verifier turns into a session.
func ExampleAuth_ExchangeCodeForSession() {
	ctx := context.Background()
	auth, box := openWithMailbox()
	verifier := rand.Text() + rand.Text() // that the client keeps

	_, err := auth.SignUp(ctx, postern.SignUpParams{
		Email: "ada@example.com", Password: "correct horse",
		Challenge: postern.Challenge{CodeChallenge: verifier, CodeChallengeMethod: "plain"}, // "s256" in earnest
	})
	if err != nil {
		log.Fatal(err)
	}
	m, _ := box.Last("ada@example.com")
	location, _, err := auth.VerifyLink(ctx, postern.VerifyLinkParams{Type: postern.VerifySignUp, Token: m.TokenHash})
	if err != nil {
		log.Fatal(err)
	}
	at, err := url.Parse(location)
	if err != nil {
		log.Fatal(err)
	}
	session, err := auth.ExchangeCodeForSession(ctx, at.Query().Get("code"), verifier)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.User.Email)
	// Output: ada@example.com
}
