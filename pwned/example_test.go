package pwned_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/pwned"
	"github.com/postern-auth/postern/store/sqlite"
)

// Refuse the most common passwords without asking anybody, and what Have I Been
// Pwned knows besides.
func Example() {
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}

	// In place of https://api.pwnedpasswords.com/range/, which is the default.
	mirror := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer mirror.Close()
	checker, err := pwned.New(pwned.Config{URL: mirror.URL + "/"})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := postern.New(st, postern.Config{
		Password: postern.PasswordConfig{Leaked: pwned.Any(pwned.Common, checker.Leaked)},
	})
	if err != nil {
		log.Fatal(err)
	}

	_, err = auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "Password1"})
	if weak, ok := errors.AsType[*postern.Error](err); ok {
		fmt.Println(weak.Code, weak.Reasons)
		fmt.Println(weak.Message)
	}
	// Output:
	// weak_password [pwned]
	// Password is known to be weak and easy to guess, please choose a different one.
}
