package httpadapter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/store/sqlite"
)

// A service serves the API under a prefix and protects a route of its own with
// the tokens that it issues.
func Example() {
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		panic(err)
	}
	auth, err := postern.New(st, postern.Config{Email: postern.EmailConfig{Autoconfirm: true}})
	if err != nil {
		panic(err)
	}
	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "notes of %s", postern.UserFromContext(r.Context()).Email)
	})

	mux := http.NewServeMux()
	mux.Handle("/auth/v1/", http.StripPrefix("/auth/v1", httpadapter.New(auth, httpadapter.Options{})))
	mux.Handle("/notes", httpadapter.RequireUser(auth)(notes))
	server := httptest.NewServer(mux)
	defer server.Close()

	signUp, err := http.Post(server.URL+"/auth/v1/signup", "application/json",
		strings.NewReader(`{"email":"ann@example.com","password":"correct horse"}`))
	if err != nil {
		panic(err)
	}
	defer signUp.Body.Close()
	var session postern.Session
	if err := json.NewDecoder(signUp.Body).Decode(&session); err != nil {
		panic(err)
	}
	for _, authorization := range []string{"", "Bearer " + session.AccessToken} {
		r, _ := http.NewRequest(http.MethodGet, server.URL+"/notes", nil)
		r.Header.Set("Authorization", authorization)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%d %s\n", res.StatusCode, body)
	}
	// Output:
	// 401 {"code":401,"error_code":"no_authorization","msg":"This endpoint requires a valid Bearer token"}
	// 200 notes of ann@example.com
}
