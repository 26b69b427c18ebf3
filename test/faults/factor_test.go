//go:build unix

package faults_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/totp"
)

// app is a user's authenticator app, and the session that it was enrolled in.
type app struct {
	token, path, secret string
}

// newApp signs somebody up who has an app, and does not use it yet.
func newApp(t *testing.T, c *client, email string) app {
	t.Helper()
	a, err := c.signUp(t.Context(), email)
	must(t, a, err)
	token := a.text("access_token")
	a, err = c.do(t.Context(), "POST", "/factors", token, map[string]string{"factor_type": "totp"})
	must(t, a, err)
	return app{token, "/factors/" + a.text("id"), a.text("totp", "secret")}
}

func (p app) challenge(t *testing.T, c *client) string {
	t.Helper()
	a, err := c.do(t.Context(), "POST", p.path+"/challenge", p.token, nil)
	must(t, a, err)
	return a.text("id")
}

func (p app) code(t *testing.T) string {
	t.Helper()
	code, err := totp.Code(p.secret, totp.Step(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Guarantee A1 for second factors: neither a challenge nor a code is good twice.
func TestOneOfManyCodesOfAnAppInThreeProcessesWins(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var clients []*client
		for range 3 {
			clients = append(clients, newClient(t, start(t, url).URL))
		}
		for i := range rounds(2, 20) {
			p := newApp(t, clients[0], fmt.Sprintf("app-%d@example.com", i))
			challenges := []string{p.challenge(t, clients[0]), p.challenge(t, clients[1])}
			code := p.code(t)
			oneOfMany(t, func(use int) bool {
				body := map[string]string{"challenge_id": challenges[use%2], "code": code}
				a, err := clients[use%3].do(t.Context(), "POST", p.path+"/verify", p.token, body)
				if err != nil {
					t.Error(err)
				}
				return err == nil && a.ok()
			})
		}
	})
}
