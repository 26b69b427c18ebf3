package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store/sqlite"
	"github.com/postern-auth/postern/webhook"
)

// An endpoint checks that a question comes from the service, and answers it.
func Example() {
	secrets, err := webhook.ParseSecrets("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		log.Fatal(err)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || secrets.Verify(r.Header, body, time.Now()) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var question struct {
			User struct{ Email string }
		}
		if json.Unmarshal(body, &question) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(question.User.Email, "@example.com") {
			fmt.Fprint(w, `{"error":{"http_code":403,"message":"Only for the staff"}}`)
			return
		}
		fmt.Fprint(w, `{}`)
	}))
	defer endpoint.Close()

	hook, err := webhook.New(webhook.Endpoint{URL: endpoint.URL, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	auth, err := postern.New(st, postern.Config{Hooks: postern.Hooks{BeforeUserCreated: hook.BeforeUserCreated}})
	if err != nil {
		log.Fatal(err)
	}
	for _, email := range []string{"ada@example.com", "eve@example.org"} {
		_, err := auth.SignUp(ctx, postern.SignUpParams{Email: email, Password: "correct horse"})
		fmt.Println(email+":", err)
	}
	// Output:
	// ada@example.com: <nil>
	// eve@example.org: postern: Only for the staff
}
