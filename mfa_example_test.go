package postern_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/totp"
)

// An authenticator app is enrolled, and used for the first time.
func ExampleAuth_EnrollFactor() {
	ctx := context.Background()
	auth, _ := openWith(postern.Config{Email: postern.EmailConfig{Autoconfirm: true}, SiteURL: "https://app.example.com"})
	signedUp, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := auth.Authenticate(ctx, signedUp.Session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}

	factor, err := auth.EnrollFactor(ctx, caller, postern.EnrollFactorParams{FactorType: postern.FactorTOTP})
	if err != nil {
		log.Fatal(err)
	}
	challenge, err := auth.ChallengeFactor(ctx, caller, factor.ID, postern.ChallengeFactorParams{})
	if err != nil {
		log.Fatal(err)
	}
	code, _ := totp.Code(factor.TOTP.Secret, totp.Step(time.Now())) // what the app shows
	raised, err := auth.VerifyFactor(ctx, caller, factor.ID, postern.VerifyFactorParams{ChallengeID: challenge.ID, Code: code})
	if err != nil {
		log.Fatal(err)
	}

	if caller, err = auth.Authenticate(ctx, raised.AccessToken); err != nil {
		log.Fatal(err)
	}
	fmt.Println("before: aal1, after:", caller.AAL())
	// Output: before: aal1, after: aal2
}
