package postern_test

import (
	"context"
	"fmt"
	"log"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/webauthntest"
	"github.com/postern-auth/postern/webauthn"
)

// A passkey is registered, and signs in. The browser stands between the options and
// the response: navigator.credentials.create and get.
func ExampleAuth_SignInWithPasskey() {
	ctx := context.Background()
	ceremonies, err := webauthn.New(webauthn.Config{RPID: "example.com", Origins: []string{"https://app.example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	auth, _ := openWith(postern.Config{
		Email:    postern.EmailConfig{Autoconfirm: true},
		WebAuthn: ceremonies,
		Passkeys: postern.PasskeyConfig{Enabled: true},
	})
	signedUp, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := auth.Authenticate(ctx, signedUp.Session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	browser := webauthntest.New("https://app.example.com")

	create, err := auth.BeginPasskeyRegistration(ctx, caller)
	if err != nil {
		log.Fatal(err)
	}
	made, _ := browser.Create(create.Options)
	passkey, err := auth.RegisterPasskey(ctx, caller, postern.PasskeyResponse{ChallengeID: create.ChallengeID, Credential: made})
	if err != nil {
		log.Fatal(err)
	}

	get, err := auth.BeginPasskeySignIn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	used, _ := browser.Get(get.Options)
	session, err := auth.SignInWithPasskey(ctx, postern.PasskeyResponse{ChallengeID: get.ChallengeID, Credential: used})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.User.Email, "signs in with", passkey.FriendlyName)
	// Output: ada@example.com signs in with Google Password Manager
}
