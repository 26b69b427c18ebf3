package postern_test

import (
	"context"
	"fmt"
	"log"

	"github.com/postern-auth/postern"
)

// Everybody who signs up gets into the address book, and out of it with the account:
// also when the program ended in between.
func ExampleSubscriber() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan struct{})
	addressBook := postern.Subscriber{
		Name:  "address book",
		Types: []postern.EventType{postern.EventUserCreated, postern.EventUserDeleted},
		Deliver: func(_ context.Context, e postern.Event) error {
			var data postern.EventData
			if err := e.Data.Decode(&data); err != nil {
				return err
			}
			switch e.Type {
			case postern.EventUserCreated:
				fmt.Println("add", data.User.Email)
			case postern.EventUserDeleted:
				fmt.Println("remove somebody")
			}
			done <- struct{}{}
			return nil
		},
	}
	auth, _ := openWith(postern.Config{
		Email:       postern.EmailConfig{Autoconfirm: true},
		Subscribers: []postern.Subscriber{addressBook},
	})
	go auth.Run(ctx) // which delivers

	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
	if err != nil {
		log.Fatal(err)
	}
	<-done
	if err := auth.AdminDeleteUser(ctx, res.User.ID, false); err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// add ada@example.com
	// remove somebody
}
