package devbox_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/devbox"
)

func Example() {
	ctx := context.Background()
	box := devbox.New(devbox.Config{})
	mux := http.NewServeMux()
	mux.Handle("/_inbox/", http.StripPrefix("/_inbox", box.Handler()))

	// What an Auth does whose Config has the box as its Mailer:
	err := box.SendMail(ctx, postern.Mail{
		Type: postern.MailMagicLink, To: "ada@example.com", Token: "481516",
		ConfirmationURL: "http://localhost:9999/verify?token=…&type=magiclink",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	m, err := box.Wait(ctx, "ada@example.com", 1)
	fmt.Println(m.Subject, m.Code, err)
	// Output: Your sign-in link 481516 <nil>
}
