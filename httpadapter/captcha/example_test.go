package captcha_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/httpadapter/captcha"
	"github.com/postern-auth/postern/store/sqlite"
)

// Ask whoever signs up, in, or for a mail to solve a CAPTCHA first.
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
	auth, err := postern.New(st, postern.Config{})
	if err != nil {
		log.Fatal(err)
	}

	// In place of captcha.HCaptcha or captcha.Turnstile.
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"success":%t}`, r.FormValue("response") == "P1_eyJ0")
	}))
	defer service.Close()
	verifier, err := captcha.New(captcha.Config{URL: service.URL, Secret: "0x0000"})
	if err != nil {
		log.Fatal(err)
	}
	handler := httpadapter.New(auth, httpadapter.Options{Captcha: verifier})

	for _, security := range []string{`{}`, `{"captcha_token":"P1_eyJ0"}`} { // as supabase-js sends options.captchaToken
		body := `{"email":"ada@example.com","gotrue_meta_security":` + security + `}`
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/recover", strings.NewReader(body)))
		fmt.Println(w.Code, w.Header().Get("X-Sb-Error-Code"))
	}
	// Output:
	// 400 captcha_failed
	// 200
}
