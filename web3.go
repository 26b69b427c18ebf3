package postern

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Web3Chain checks what the wallets of a chain sign. Package provider/web3 has
// Ethereum and Solana.
type Web3Chain struct {
	// Name is what requests call the chain: "ethereum", "solana".
	Name string
	// MaxAge is how old a message may be, and how far in the future. Defaults to 10
	// minutes.
	MaxAge time.Duration
	// Verify reads a message and checks its signature. Its errors are answered as
	// they are: an *Error for what cannot be read, an *OAuthError for a signature
	// that is not of the message's address.
	Verify func(message, signature string) (*Web3Message, error)
}

// Web3Message is what somebody signed to sign in (EIP-4361, and its like for
// Solana).
type Web3Message struct {
	Text string // the whole of it

	// Address is the account that signed, as the message writes it.
	Address string
	// OtherForms are other ways to write it, which are the same account's.
	OtherForms []string

	Network   string // the message's chain id, "" when it has none
	Domain    string // of the site that asked for the signature
	URI       string // of the same site
	Statement string
	Nonce     string // "" when it has none
	IssuedAt  time.Time
	NotBefore *time.Time
	ExpiresAt *time.Time
}

// SignInWithWeb3Params is a message that a wallet signed.
type SignInWithWeb3Params struct {
	Chain     string // Web3Chain.Name
	Message   string
	Signature string // as the chain's wallets write it
	Audience  string // of the account; defaults to Config.Audience
}

// providerWeb3 is the provider of wallets' identities.
const providerWeb3 = "web3"

// SignInWithWeb3 signs in with a message that a wallet signed for this service, not
// long ago, and that was not used before. Whoever signs in first with a wallet has a
// new account, without an address. Errors: ErrWeb3ProviderDisabled,
// ErrWeb3UnsupportedChain, ErrValidationFailed for what cannot be read, an
// OAuthError for a message that is not good, ErrSignUpDisabled, ErrUserBanned
// (contract: endpoints.md, grant_type=web3).
func (a *Auth) SignInWithWeb3(ctx context.Context, p SignInWithWeb3Params) (_ *Session, err error) {
	defer a.attempted(ctx, "web3", &err)
	m, chain, err := a.checkWeb3(p)
	if err != nil {
		return nil, err
	}
	who := &vouched{
		provider: providerWeb3, aud: a.audience(p.Audience), method: "web3", emailOptional: true,
		otherSubjects: m.otherSubjects(chain.Name),
	}
	if err := a.readProfile(who, m.profile(chain.Name)); err != nil {
		return nil, err
	}
	return a.admit(ctx, who, func(tx Tx, _ *UserRecord) error {
		return takeOnce(ctx, tx, m.once(chain.Name), m.until(chain.MaxAge), chain.refuse("%s message was used before"))
	})
}

// checkWeb3 returns the message if it is good for signing in here and now, and its
// chain, with MaxAge set. Whether it was used before is not asked.
func (a *Auth) checkWeb3(p SignInWithWeb3Params) (*Web3Message, *Web3Chain, error) {
	chain, err := a.web3Chain(p.Chain)
	if err != nil {
		return nil, nil, err
	}
	m, err := chain.Verify(p.Message, p.Signature)
	if err != nil {
		return nil, nil, err
	}
	if err := a.checkWeb3Site(m, chain); err != nil {
		return nil, nil, err
	}
	if err := m.checkTimes(a.now(), chain); err != nil {
		return nil, nil, err
	}
	return m, chain, nil
}

func (a *Auth) web3Chain(name string) (*Web3Chain, error) {
	i := slices.IndexFunc(a.cfg.Web3, func(c Web3Chain) bool { return name != "" && c.Name == name })
	switch {
	case i >= 0:
		chain := a.cfg.Web3[i]
		chain.MaxAge = either(chain.MaxAge, 10*time.Minute)
		return &chain, nil
	case len(a.cfg.Web3) == 0:
		return nil, fail(KindUnprocessable, ErrWeb3ProviderDisabled, "Web3 provider is disabled")
	case name == "ethereum":
		return nil, fail(KindUnprocessable, ErrWeb3ProviderDisabled, "Ethereum Web3 provider is disabled")
	case name == "solana":
		return nil, fail(KindUnprocessable, ErrWeb3ProviderDisabled, "Solana Web3 provider is disabled")
	}
	return nil, fail(KindInvalid, ErrWeb3UnsupportedChain, "Unsupported chain")
}

// checkWeb3Site refuses what was signed for another site. The domain is what wallets
// compare with the site that asks, so it must be that of the URI, which is compared
// with what the operator allows.
func (a *Auth) checkWeb3Site(m *Web3Message, c *Web3Chain) error {
	u, err := url.Parse(m.URI)
	if err == nil && u.Scheme == "http" && !strings.EqualFold(u.Hostname(), "localhost") {
		return c.refuse("Signed %s message is using URI which does not use HTTPS")
	}
	allowed, ok := a.redirects.Check(m.URI)
	if !ok {
		return c.refuse("Signed %s message is using URI which is not allowed on this server, message was signed for another app")
	}
	u, err = url.Parse(allowed)
	if err != nil || !strings.EqualFold(u.Host, m.Domain) {
		return c.refuse("Signed %s message is using a Domain that does not match the one in URI which is not allowed on this server")
	}
	return nil
}

func (m *Web3Message) checkTimes(now time.Time, c *Web3Chain) error {
	switch {
	case m.NotBefore != nil && now.Before(*m.NotBefore):
		return c.refuse("Signed %s message becomes valid in the future")
	case m.ExpiresAt != nil && !now.Before(*m.ExpiresAt):
		return c.refuse("Signed %s message is expired")
	case !now.Before(m.IssuedAt.Add(c.MaxAge)):
		return c.refuse("%s message was issued too long ago")
	case m.IssuedAt.After(now.Add(c.MaxAge)):
		return c.refuse("%s message was issued too far in the future")
	}
	return nil
}

// refuse puts the chain's name, as people write it, into a text.
func (c *Web3Chain) refuse(format string) error {
	name := strings.ToUpper(c.Name[:1]) + c.Name[1:]
	return &OAuthError{Name: "invalid_grant", Description: fmt.Sprintf(format, name)}
}

// profile is what the message says of who signed it. There is no e-mail address.
func (m *Web3Message) profile(chain string) *Profile {
	return &Profile{Claims: ProfileClaims{
		Subject: web3Subject(chain, m.Address),
		CustomClaims: map[string]any{
			"address":   m.Address,
			"chain":     chain,
			"network":   m.Network,
			"domain":    m.Domain,
			"statement": m.Statement,
		},
	}}
}

// otherSubjects are those under which the identity may be known as well.
func (m *Web3Message) otherSubjects(chain string) []string {
	var subjects []string
	for _, address := range m.OtherForms {
		subjects = append(subjects, web3Subject(chain, address))
	}
	return subjects
}

// web3Subject is contract: user.md §2.
func web3Subject(chain, address string) string { return "web3:" + chain + ":" + address }

// once names what can be used once: the address's nonce, or the message itself when
// it has none. Its signature would not do, since anybody can make another out of one
// of Ethereum.
func (m *Web3Message) once(chain string) string {
	return web3Subject(chain, strings.ToLower(m.Address)) + " " + either(m.Nonce, m.Text)
}

// until is when the message is too old or has expired, so that its use need not be
// remembered. It is in whole microseconds, as the database keeps it, and not too early.
func (m *Web3Message) until(maxAge time.Duration) time.Time {
	end := m.IssuedAt.Add(maxAge)
	if m.ExpiresAt != nil && m.ExpiresAt.Before(end) {
		end = *m.ExpiresAt
	}
	return end.UTC().Truncate(time.Microsecond).Add(time.Microsecond)
}
