package postern_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/netip"

	"github.com/postern-auth/postern"
)

// Who has signed in lately, and from where.
func ExampleAuth_AdminAuditLog() {
	ctx := context.Background()
	auth, _, _ := open()

	// httpadapter does this for the requests that it serves.
	request := postern.WithRequestInfo(ctx, postern.RequestInfo{IP: netip.MustParseAddr("192.0.2.7")})
	if _, err := auth.SignUp(request, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"}); err != nil {
		log.Fatal(err)
	}

	page, err := auth.AdminAuditLog(ctx, postern.AuditQuery{Search: "action:login"})
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range page.Entries {
		var what struct {
			Action string `json:"action"`
			Who    string `json:"actor_username"`
		}
		if err := json.Unmarshal(entry.Payload, &what); err != nil {
			log.Fatal(err)
		}
		fmt.Println(what.Who, what.Action, entry.IPAddress)
	}
	// Output: ada@example.com login 192.0.2.7
}
