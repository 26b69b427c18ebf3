package postern_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
)

// The application's own row is committed with the account, whichever way that comes
// to be, or its error undoes both.
func ExampleHooks() {
	ctx := context.Background()
	type Member struct {
		bun.BaseModel `bun:"table:members"`

		UserID string `bun:",pk"`
		Seat   int64  `bun:",unique"`
	}
	const seats int64 = 1
	auth, st := openWith(postern.Config{
		Email: postern.EmailConfig{Autoconfirm: true},
		Hooks: postern.Hooks{
			BeforeUserCreated: func(_ context.Context, u *postern.User) error {
				if !strings.HasSuffix(u.Email, "@example.com") {
					return &postern.HookError{HTTPCode: 403, Message: "Only for the staff"}
				}
				return nil
			},
			UserCreated: func(ctx context.Context, tx postern.Tx, u *postern.User) error {
				db := store.DB(tx)
				taken, err := db.NewSelect().Model((*Member)(nil)).Count(ctx)
				if err != nil {
					return err
				}
				if taken == seats {
					return &postern.HookError{HTTPCode: 402, Message: "No seats are left"}
				}
				_, err = db.NewInsert().Model(&Member{UserID: u.ID.String(), Seat: taken + 1}).Exec(ctx)
				return err
			},
		},
	})
	if _, err := st.DB().NewCreateTable().Model((*Member)(nil)).Exec(ctx); err != nil {
		log.Fatal(err)
	}

	for _, email := range []string{"ada@example.com", "eve@example.org", "grace@example.com"} {
		_, err := auth.SignUp(ctx, postern.SignUpParams{Email: email, Password: "correct horse"})
		if refusal, ok := errors.AsType[*postern.Error](err); ok {
			fmt.Println(email+":", refusal.Message)
		} else if err == nil {
			fmt.Println(email + ": welcome")
		}
	}
	users, err := auth.AdminListUsers(ctx, postern.AdminListUsersParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("accounts:", users.Total)
	// Output:
	// ada@example.com: welcome
	// eve@example.org: Only for the staff
	// grace@example.com: No seats are left
	// accounts: 1
}
