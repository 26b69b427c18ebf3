package postern_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/wallettest"
	"github.com/postern-auth/postern/provider/web3"
)

func wallets(c *postern.Config) {
	c.Web3 = []postern.Web3Chain{web3.Solana(0)}
	c.RedirectURLs = []string{"http://localhost:3000/**", "http://plain.example/**"}
}

// wallet signs messages of Solana.
type wallet struct{ wallettest.Solana }

func newWallet(seed byte) wallet { return wallet{wallettest.NewSolana(seed)} }

func (w wallet) sign(domain, uri string, issued time.Time, fields ...string) postern.SignInWithWeb3Params {
	message, signature := w.SignIn(domain, uri, issued, fields...)
	return postern.SignInWithWeb3Params{Chain: "solana", Message: message, Signature: signature}
}

func TestSignInWithWeb3(t *testing.T) {
	withProvider(t, wallets, func(t *testing.T, o outside) {
		w := newWallet('a')
		first := must(o.SignInWithWeb3(t.Context(), w.sign("app.example.com", "https://app.example.com/in", o.Now(), "Nonce: one")))
		u := first.User
		if u.Email != "" || u.IsAnonymous || len(u.Identities) != 1 || u.Identities[0].Provider != "web3" ||
			u.Identities[0].ID != "web3:solana:"+w.Address() {
			t.Errorf("got user %+v, want one with the wallet's identity", u)
		}
		if got := methods(must(o.VerifyToken(t.Context(), first.AccessToken))); len(got) != 1 || got[0] != "web3" {
			t.Errorf("got AMR %v, want web3", got)
		}
		again := must(o.SignInWithWeb3(t.Context(), w.sign("app.example.com", "https://app.example.com/in", o.Now(), "Nonce: two")))
		other := must(o.SignInWithWeb3(t.Context(), newWallet('b').sign("localhost:3000", "http://localhost:3000/", o.Now())))
		if again.User.ID != u.ID || other.User.ID == u.ID {
			t.Errorf("got users %s, %s and %s, want one to a wallet", u.ID, again.User.ID, other.User.ID)
		}
	})
}

func TestWeb3MessagesThatAreRefused(t *testing.T) {
	withProvider(t, wallets, func(t *testing.T, o outside) {
		w, now := newWallet('a'), o.Now()
		const site, uri = "app.example.com", "https://app.example.com/"
		forged := w.sign(site, uri, now)
		forged.Signature = newWallet('b').sign(site, uri, now).Signature
		for want, p := range map[string]postern.SignInWithWeb3Params{
			"Signature does not match address in message":                                                                    forged,
			"Signed Solana message is using URI which does not use HTTPS":                                                    w.sign("plain.example", "http://plain.example/", now),
			"Signed Solana message is using URI which is not allowed on this server, message was signed for another app":     w.sign("evil.example", "https://evil.example/", now),
			"Signed Solana message is using a Domain that does not match the one in URI which is not allowed on this server": w.sign("evil.example", uri, now),
			"Signed Solana message becomes valid in the future":                                                              w.sign(site, uri, now, "Not Before: "+now.Add(time.Minute).UTC().Format(time.RFC3339)),
			"Signed Solana message is expired":                                                                               w.sign(site, uri, now.Add(-2*time.Minute), "Expiration Time: "+now.Add(-time.Minute).UTC().Format(time.RFC3339)),
			"Solana message was issued too long ago":                                                                         w.sign(site, uri, now.Add(-11*time.Minute)),
			"Solana message was issued too far in the future":                                                                w.sign(site, uri, now.Add(11*time.Minute)),
		} {
			_, err := o.SignInWithWeb3(t.Context(), p)
			var refused *postern.OAuthError
			if !errors.As(err, &refused) || refused.Name != "invalid_grant" || refused.Description != want {
				t.Errorf("got %v, want invalid_grant: %s", err, want)
			}
		}
		for _, c := range []struct {
			params postern.SignInWithWeb3Params
			kind   postern.Kind
			code   postern.Code
		}{
			{postern.SignInWithWeb3Params{Chain: "solana", Message: "short"}, postern.KindInvalid, postern.ErrValidationFailed},
			{postern.SignInWithWeb3Params{Chain: "ethereum"}, postern.KindUnprocessable, postern.ErrWeb3ProviderDisabled},
			{postern.SignInWithWeb3Params{Chain: "bitcoin"}, postern.KindInvalid, postern.ErrWeb3UnsupportedChain},
		} {
			_, err := o.SignInWithWeb3(t.Context(), c.params)
			wantError(t, err, c.kind, c.code)
		}
		_, err := o.with(t, nop).SignInWithWeb3(t.Context(), forged)
		wantError(t, err, postern.KindUnprocessable, postern.ErrWeb3ProviderDisabled)
		if n := o.users(t); n != 0 {
			t.Errorf("got %d users, want none", n)
		}
	})
}

func TestOneOfManyUsesOfAWeb3MessageWins(t *testing.T) {
	withProvider(t, wallets, func(t *testing.T, o outside) {
		for name, fields := range map[string][]string{"with a nonce": {"Nonce: one"}, "without": nil} {
			p := newWallet(name[5]).sign("app.example.com", "https://app.example.com/", o.Now(), fields...)
			useAtOnce(t, postern.ErrConflict, func(int) error {
				_, err := o.SignInWithWeb3(t.Context(), p)
				var refused *postern.OAuthError
				if errors.As(err, &refused) && refused.Description == "Solana message was used before" {
					return postern.ErrConflict
				}
				return err
			})
		}
	})
}
