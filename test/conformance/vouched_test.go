package conformance_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/internal/wallettest"
)

func showIDTokenOnce(t *testing.T, w *world) {
	issuer := oidctest.New(t)
	auto := start(t, w.open(t), map[string]string{
		"GOTRUE_EXTERNAL_KEYCLOAK_ENABLED":   "true",
		"GOTRUE_EXTERNAL_KEYCLOAK_CLIENT_ID": issuer.ClientID,
		"GOTRUE_EXTERNAL_KEYCLOAK_URL":       issuer.URL,
	})
	use := func(token string) *answer {
		return auto.call(t, "POST", "/token?grant_type=id_token", fmt.Sprintf(`{"provider":"keycloak","id_token":%q}`, token))
	}
	issuer.SignIn(oidctest.Claims{"sub": "7", "email": "a@example.com", "email_verified": true})
	token := issuer.IDToken("", "")
	use(token).is(t, "an ID token", http.StatusOK, "")
	if again := use(token); again.status != http.StatusBadRequest || again.text("error_description") != "Bad ID token" {
		t.Errorf("the same one again: got %d %s", again.status, again.raw)
	}
	issuer.SignIn(oidctest.Claims{"sub": "7", "email": "a@example.com", "email_verified": true, "azp": "another-client"})
	if got := use(issuer.IDToken("", "")); got.text("error_description") != "Unacceptable audience in id_token: [another-client]" {
		t.Errorf("one that was issued to another client: got %d %s", got.status, got.raw)
	}
}

func showWeb3Once(t *testing.T, w *world) {
	auto := start(t, w.open(t), map[string]string{
		"GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED": "true", "GOTRUE_URI_ALLOW_LIST": "https://app.example.com/**",
	})
	message, signature := wallettest.NewSolana(1).SignIn("app.example.com", "https://app.example.com/", time.Now())
	use := func() *answer {
		return auto.call(t, "POST", "/token?grant_type=web3", fmt.Sprintf(`{"chain":"solana","message":%q,"signature":%q}`, message, signature))
	}
	use().is(t, "what a wallet signed", http.StatusOK, "")
	if again := use(); again.status != http.StatusBadRequest || again.text("error") != "invalid_grant" {
		t.Errorf("the same again: got %d %s", again.status, again.raw)
	}
}
