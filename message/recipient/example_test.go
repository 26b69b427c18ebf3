package recipient_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/recipient"
	"github.com/postern-auth/postern/store/sqlite"
)

// noDNS knows no host. Leave Config.Resolver out to ask the DNS.
type noDNS struct{}

func (noDNS) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

func (noDNS) LookupHost(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

// Mail only to where mails can arrive.
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
	validator, err := recipient.New(recipient.Config{Extended: true, Resolver: noDNS{}})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := postern.New(st, postern.Config{Email: postern.EmailConfig{Validate: validator.Validate}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = auth.SignUp(ctx, postern.SignUpParams{Email: "ada@no-such-host.dev", Password: "correct horse"})
	fmt.Println(err)
	// Output:
	// postern: email_address_invalid: Email address "ada@no-such-host.dev" is invalid: recipient: its host does not exist
}
