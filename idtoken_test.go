package postern_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// idToken is what verifying finds in a token, which here is its JSON.
func idToken(edit func(*postern.IDToken)) string {
	token := &postern.IDToken{
		Issuer: "https://accounts.google.com", Audience: []string{"web-client"},
		ExpiresAt: time.Now().Add(time.Hour).Unix(), Profile: authtest.Person(ada),
	}
	if edit != nil {
		edit(token)
	}
	text, err := json.Marshal(token)
	if err != nil {
		panic(err)
	}
	return string(text) + ".signature"
}

func readIDToken(text string, token *postern.IDToken) error {
	return json.Unmarshal([]byte(strings.TrimSuffix(text, ".signature")), token)
}

// withGoogle switches on a provider whose ID tokens are read and believed.
func withGoogle(c *postern.Config) {
	c.Providers = append(c.Providers, postern.Provider{
		Name: "google", ClientIDs: []string{"web-client", "ios-client"},
		IsIssuer: func(iss string) bool { return iss == "https://accounts.google.com" },
		VerifyIDToken: func(_ context.Context, r postern.IDTokenRequest) (*postern.IDToken, error) {
			var token postern.IDToken
			if err := readIDToken(r.Token, &token); err != nil {
				return nil, errors.New("the signature is not good")
			}
			return &token, nil
		},
	}, postern.Provider{
		Name: "https://login.example.com", AnyAudience: true, VerifyIDToken: func(_ context.Context, r postern.IDTokenRequest) (*postern.IDToken, error) {
			var token postern.IDToken
			return &token, readIDToken(r.Token, &token)
		},
	})
}

func TestSignInWithIDToken(t *testing.T) {
	withProvider(t, withGoogle, func(t *testing.T, o outside) {
		for name, p := range map[string]postern.SignInWithIDTokenParams{
			"by name":           {Provider: "Google", Token: idToken(nil)},
			"by issuer":         {Issuer: "https://accounts.google.com", ClientID: "web-client", Token: idToken(func(i *postern.IDToken) { i.Audience = []string{"x", "ios-client"} })},
			"from Android":      {Provider: "google", Token: idToken(func(i *postern.IDToken) { i.AuthorizedParty = "ios-client" })},
			"with a nonce":      {Provider: "google", Nonce: "raw", Token: idToken(func(i *postern.IDToken) { i.Nonce = hashed("raw") })},
			"an issuer's alone": {Issuer: "https://login.example.com", ClientID: "theirs", Token: idToken(func(i *postern.IDToken) { i.Audience = []string{"theirs"} })},
		} {
			session, err := o.SignInWithIDToken(t.Context(), p)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if session.User.Email != ada {
				t.Errorf("%s: got user %+v", name, session.User)
			}
		}
		if n := o.users(t); n != 1 {
			t.Errorf("got %d users, want one person's tokens to lead to one", n)
		}
	})
}

func hashed(nonce string) string {
	sum := sha256.Sum256([]byte(nonce))
	return hex.EncodeToString(sum[:])
}

func TestIDTokensThatAreNotGood(t *testing.T) {
	withProvider(t, withGoogle, func(t *testing.T, o outside) {
		const bad = "invalid request"
		for name, c := range map[string]struct {
			params            postern.SignInWithIDTokenParams
			oauth, desription string
			code              postern.Code
		}{
			"no token":         {postern.SignInWithIDTokenParams{Provider: "google"}, bad, "id_token required", ""},
			"nobody named":     {postern.SignInWithIDTokenParams{Token: "x"}, bad, "provider or client_id and issuer required", ""},
			"half named":       {postern.SignInWithIDTokenParams{Token: "x", Issuer: "https://accounts.google.com"}, bad, "provider or client_id and issuer required", ""},
			"forged":           {postern.SignInWithIDTokenParams{Provider: "google", Token: "forged"}, bad, "Bad ID token", ""},
			"endless":          {postern.SignInWithIDTokenParams{Provider: "google", Token: strings.Repeat("x", 20<<10)}, bad, "Bad ID token", ""},
			"no subject":       {postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(func(i *postern.IDToken) { i.Profile.Claims.Subject = "" })}, bad, "Missing sub claim in id_token", ""},
			"another audience": {postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(func(i *postern.IDToken) { i.Audience = []string{"a", "b"} })}, bad, "Unacceptable audience in id_token: [a b]", ""},
			"no audience":      {postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(func(i *postern.IDToken) { i.Audience = nil })}, bad, "Unacceptable audience in id_token: []", ""},
			"the client's say": {postern.SignInWithIDTokenParams{Issuer: "https://accounts.google.com", ClientID: "mine", Token: idToken(func(i *postern.IDToken) { i.Audience = []string{"mine"} })}, bad, "Unacceptable audience in id_token: [mine]", ""},
			"another party":    {postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(func(i *postern.IDToken) { i.AuthorizedParty = "evil" })}, bad, "Unacceptable audience in id_token: [evil]", ""},
			"nonce missing":    {postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(func(i *postern.IDToken) { i.Nonce = hashed("raw") })}, bad, "Passed nonce and nonce in id_token should either both exist or not.", ""},
			"nonce unasked":    {postern.SignInWithIDTokenParams{Provider: "google", Nonce: "raw", Token: idToken(nil)}, bad, "Passed nonce and nonce in id_token should either both exist or not.", ""},
			"another nonce":    {postern.SignInWithIDTokenParams{Provider: "google", Nonce: "raw", Token: idToken(func(i *postern.IDToken) { i.Nonce = hashed("other") })}, "invalid nonce", "Nonces mismatch", ""},
			"nonce not hashed": {postern.SignInWithIDTokenParams{Provider: "google", Nonce: "raw", Token: idToken(func(i *postern.IDToken) { i.Nonce = "raw" })}, "invalid nonce", "Nonces mismatch", ""},
			"switched off":     {postern.SignInWithIDTokenParams{Provider: "facebook", Token: "x"}, "", "", postern.ErrProviderDisabled},
			"none of those":    {postern.SignInWithIDTokenParams{Provider: "github", Token: "x"}, "", "", postern.ErrValidationFailed},
			"unknown issuer":   {postern.SignInWithIDTokenParams{Issuer: "https://evil.example", ClientID: "x", Token: "x"}, "", "", postern.ErrValidationFailed},
			"custom":           {postern.SignInWithIDTokenParams{Provider: "custom:acme", Token: "x"}, "", "", postern.ErrValidationFailed},
		} {
			_, err := o.SignInWithIDToken(t.Context(), c.params)
			if c.code != "" {
				wantError(t, err, postern.KindInvalid, c.code)
				continue
			}
			var refused *postern.OAuthError
			if !errors.As(err, &refused) || refused.Name != c.oauth || refused.Description != c.desription {
				t.Errorf("%s: got %v, want %s: %s", name, err, c.oauth, c.desription)
			}
		}
		if n := o.users(t); n != 0 {
			t.Errorf("got %d users, want none", n)
		}
	})
}

func TestOneOfManyUsesOfAnIDTokenWins(t *testing.T) {
	withProvider(t, withGoogle, func(t *testing.T, o outside) {
		token := idToken(nil)
		useAtOnce(t, postern.ErrBadJWT, func(int) error {
			_, err := o.SignInWithIDToken(t.Context(), postern.SignInWithIDTokenParams{Provider: "google", Token: token})
			var refused *postern.OAuthError
			if errors.As(err, &refused) && refused.Description == "Bad ID token" {
				return postern.ErrBadJWT
			}
			return err
		})
	})
}

func TestIDTokenIsLinked(t *testing.T) {
	withProvider(t, withGoogle, func(t *testing.T, o outside) {
		session := o.SignedIn(t, "ada@home.example.com")
		link := postern.SignInWithIDTokenParams{Provider: "google", Token: idToken(nil), Link: o.caller(t, session)}
		got, err := o.SignInWithIDToken(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if got.User.ID != session.User.ID || len(got.User.Identities) != 2 {
			t.Errorf("got user %+v, want the caller with a second identity", got.User)
		}
		link.Token = idToken(func(i *postern.IDToken) { i.ExpiresAt++ })
		_, err = o.SignInWithIDToken(t.Context(), link)
		wantError(t, err, postern.KindUnprocessable, postern.ErrIdentityAlreadyExists)
		off := o.with(t, func(c *postern.Config) { withGoogle(c) })
		_, err = off.SignInWithIDToken(t.Context(), link)
		wantError(t, err, postern.KindNotFound, postern.ErrManualLinkingDisabled)
	})
}
