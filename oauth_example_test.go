package postern_test

import (
	"context"
	"fmt"
	"log"
	"net/url"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// openWithProvider makes a service that people sign in to with a provider in
// memory, for the examples. approve is what somebody does there.
func openWithProvider() (auth *postern.Auth, approve func(location, email string) url.Values) {
	github := authtest.NewProvider("github")
	auth, _ = openWith(postern.Config{
		SiteURL:     "https://app.example.com",
		ExternalURL: "https://app.example.com/auth/v1",
		Providers:   []postern.Provider{github.Provider()},
		OAuth:       postern.OAuthConfig{ManualLinking: true},

		AnonymousUsers: true,
	})
	return auth, func(location, email string) url.Values {
		return github.Approve(location, authtest.Person(email))
	}
}

// The browser is sent to the provider, and comes back with what Callback wants.
// package httpadapter does all of this at /authorize and /callback.
func ExampleAuth_AuthorizeURL() {
	ctx := context.Background()
	auth, approve := openWithProvider()

	location, err := auth.AuthorizeURL(ctx, postern.AuthorizeParams{Provider: "github"})
	if err != nil {
		log.Fatal(err)
	}
	back := approve(location, "ada@example.com") // the browser, and somebody in front of it
	res, err := auth.Callback(ctx, postern.CallbackParams{Params: back})
	if err != nil {
		log.Fatal(err)
	}
	u := res.Session.User
	fmt.Println(u.Email, "signs in with", u.Identities[0].Provider)
	// Output: ada@example.com signs in with github
}

// Somebody who came without an account gets one that stays.
func ExampleAuth_LinkIdentityURL() {
	ctx := context.Background()
	auth, approve := openWithProvider()
	session, err := auth.SignInAnonymously(ctx, postern.SignInAnonymouslyParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("anonymous:", session.User.IsAnonymous)

	caller, err := auth.Authenticate(ctx, session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	location, err := auth.LinkIdentityURL(ctx, caller, postern.AuthorizeParams{Provider: "github"})
	if err != nil {
		log.Fatal(err)
	}
	res, err := auth.Callback(ctx, postern.CallbackParams{Params: approve(location, "ada@example.com")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same user:", res.Session.User.ID == session.User.ID)
	fmt.Println("anonymous:", res.Session.User.IsAnonymous, res.Session.User.Email)
	// Output:
	// anonymous: true
	// the same user: true
	// anonymous: false ada@example.com
}

// A user who has two ways of signing in can do without one.
func ExampleAuth_UnlinkIdentity() {
	ctx := context.Background()
	auth, approve := openWithProvider()
	user, err := auth.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: "ada@example.com", EmailConfirm: true})
	if err != nil {
		log.Fatal(err)
	}
	location, _ := auth.AuthorizeURL(ctx, postern.AuthorizeParams{Provider: "github"})
	if _, err := auth.Callback(ctx, postern.CallbackParams{Params: approve(location, "ada@example.com")}); err != nil {
		log.Fatal(err)
	}

	caller, err := auth.Caller(ctx, user.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, identity := range caller.User.Identities {
		fmt.Println("has", identity.Provider)
	}
	if err := auth.UnlinkIdentity(ctx, caller, caller.User.Identities[1].IdentityID, ""); err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.UnlinkIdentity(ctx, caller, caller.User.Identities[0].IdentityID, ""))
	// Output:
	// has email
	// has github
	// postern: single_identity_not_deletable: User must have at least 1 identity after unlinking
}
