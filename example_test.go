package postern_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
)

// open makes a service on a database in memory, for the examples.
func open() (*postern.Auth, *bun.DB, func(bun.Tx) postern.Store) {
	auth, st := openWith(postern.Config{Email: postern.EmailConfig{Autoconfirm: true}})
	return auth, st.DB(), func(tx bun.Tx) postern.Store { return st.Join(tx) }
}

func openWith(cfg postern.Config) (*postern.Auth, *store.Store) {
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	auth, err := postern.New(st, cfg)
	if err != nil {
		log.Fatal(err)
	}
	return auth, st
}

func Example() {
	ctx := context.Background()
	auth, _, _ := open()

	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "Ada@Example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	caller, err := auth.Authenticate(ctx, res.Session.AccessToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed up:", caller.User.Email)

	_, err = auth.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: "ada@example.com", Password: "wrong"})
	fmt.Println("wrong password:", errors.Is(err, postern.ErrInvalidCredentials))
	// Output:
	// signed up: ada@example.com
	// wrong password: true
}

// The account and the application's own row are committed together or not at all.
func ExampleAuth_In() {
	ctx := context.Background()
	auth, db, join := open()
	if _, err := db.ExecContext(ctx, `CREATE TABLE profiles (
		user_id TEXT PRIMARY KEY REFERENCES auth_users (id) ON DELETE CASCADE,
		nickname TEXT NOT NULL UNIQUE
	)`); err != nil {
		log.Fatal(err)
	}

	register := func(email, nickname string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		res, err := auth.In(join(tx)).SignUp(ctx, postern.SignUpParams{Email: email, Password: "correct horse"})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO profiles VALUES (?, ?)", res.User.ID.String(), nickname); err != nil {
			return err
		}
		return tx.Commit()
	}
	fmt.Println("ada:", register("ada@example.com", "countess"))
	fmt.Println("eve has her nickname:", register("eve@example.com", "countess") != nil)

	users, err := auth.AdminListUsers(ctx, postern.AdminListUsersParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("accounts:", users.Total)
	// Output:
	// ada: <nil>
	// eve has her nickname: true
	// accounts: 1
}

// Users of another system keep their passwords.
func ExampleAuth_AdminCreateUser() {
	ctx := context.Background()
	auth, _, _ := open()

	_, err := auth.AdminCreateUser(ctx, postern.AdminCreateUserParams{
		Email:        "grace@example.com",
		EmailConfirm: true,
		PasswordHash: "$2a$04$QoYBFzNvZzPuJAlqxJR1pe5HLUAFgXrkcsbHifYjbXAMiByOj15oq",
		AppMetadata:  map[string]any{"imported_from": "the old site"},
	})
	if err != nil {
		log.Fatal(err)
	}
	session, err := auth.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: "grace@example.com", Password: "nanosecond"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.User.Email, "signed in with the password of the old site")
	// Output: grace@example.com signed in with the password of the old site
}

// A refresh token is good once; its answer brings the next one.
func ExampleAuth_RefreshToken() {
	ctx := context.Background()
	auth, _, _ := open()
	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}

	next, err := auth.RefreshToken(ctx, res.Session.RefreshToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a new token:", next.RefreshToken != res.Session.RefreshToken)

	// A client that lost the answer asks again and gets the same one.
	again, err := auth.RefreshToken(ctx, res.Session.RefreshToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same once more:", again.RefreshToken == next.RefreshToken)
	// Output:
	// a new token: true
	// the same once more: true
}
