package mail_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/mail"
)

// A Renderer writes the built-in mails, or those of one's own, in the reader's
// language.
func ExampleRenderer_Render() {
	r, err := mail.NewRenderer(mail.RendererConfig{
		Files: fstest.MapFS{ // or an embed.FS, or os.DirFS("templates")
			"confirmation.de.html": {Data: []byte(`<p>Hallo {{.Data.name}}, <a href="{{.ConfirmationURL}}">weiter</a>.</p>`)},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	m := postern.Mail{
		Type:            postern.MailSignUp,
		To:              "ada@example.com",
		User:            &postern.User{Email: "ada@example.com", UserMetadata: postern.Metadata(`{"name":"Ada"}`)},
		Languages:       []string{"de-AT"},
		ConfirmationURL: "https://app.example.com/auth/v1/verify?token=4f1d",
		Token:           "271828",
	}
	for _, m.Type = range []postern.MailType{postern.MailSignUp, postern.MailMagicLink} {
		out, err := r.Render(context.Background(), m)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n\n%s----\n", out.Subject, out.Text)
	}
	// Output:
	// Bestätigen Sie Ihre E-Mail-Adresse
	//
	// Hallo Ada, weiter <https://app.example.com/auth/v1/verify?token=4f1d>.
	// ----
	// Ihr Anmeldelink
	//
	// Ihr Anmeldelink
	//
	// Mit diesem Link melden Sie sich an. Er funktioniert nur einmal.
	//
	// Geben Sie diesen Code ein:
	//
	//     271828
	//
	// Oder öffnen Sie diese Adresse im Browser:
	// https://app.example.com/auth/v1/verify?token=4f1d
	//
	// Wenn Sie das nicht angefordert haben, beachten Sie diese E-Mail nicht, und geben Sie den Code niemandem weiter.
	// ----
}

// New says everything that is wrong with a configuration at once.
func ExampleNew() {
	_, err := mail.New(mail.Config{From: "Postern <no-reply@example.com>", TLS: "starttls"})
	fmt.Println(err)
	// Output:
	// mail: Host is missing
	// From is no address: "Postern <no-reply@example.com>"
	// TLS has no mode "starttls"
}
