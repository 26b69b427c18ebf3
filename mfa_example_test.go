package postern_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/totp"
)

// signedUp makes a service with one user, who is signed in, for the examples.
func signedUp() (*postern.Auth, *postern.Caller) {
	ctx := context.Background()
	auth, _ := openWith(postern.Config{Email: postern.EmailConfig{Autoconfirm: true}, SiteURL: "https://app.example.com"})
	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := auth.Authenticate(ctx, res.Session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	return auth, caller
}

// raiseByApp enrols an authenticator app, and uses it for the first time.
func raiseByApp(auth *postern.Auth, caller *postern.Caller) *postern.Caller {
	ctx := context.Background()
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
	return caller
}

// An authenticator app is enrolled, and used for the first time.
func ExampleAuth_EnrollFactor() {
	ctx := context.Background()
	auth, caller := signedUp()

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

// Recovery codes are for whoever has lost the app.
func ExampleAuth_GenerateRecoveryCodes() {
	ctx := context.Background()
	auth, caller := signedUp()
	caller = raiseByApp(auth, caller)
	codes, err := auth.GenerateRecoveryCodes(ctx, caller, "on paper")
	if err != nil {
		log.Fatal(err)
	}

	session, err := auth.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	if caller, err = auth.Authenticate(ctx, session.AccessToken); err != nil {
		log.Fatal(err)
	}
	raised, err := auth.VerifyRecoveryCode(ctx, caller, codes.Codes[0])
	if err != nil {
		log.Fatal(err)
	}
	if caller, err = auth.Authenticate(ctx, raised.AccessToken); err != nil {
		log.Fatal(err)
	}
	status, err := auth.RecoveryCodesStatus(ctx, caller)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(caller.AAL(), "and", status.Remaining, "codes left")
	// Output: aal2 and 9 codes left
}
