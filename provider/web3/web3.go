// Package web3 checks messages that wallets sign, so that people can sign in with
// an account of Ethereum or Solana:
//
//	postern.Config{Web3: []postern.Web3Chain{web3.Ethereum(0), web3.Solana(0)}}
//
// The messages are those of EIP-4361, Sign-In with Ethereum, and of Sign-In With
// Solana, which is the same with another first line. A message says which site asks
// for the signature, when, and for which account; the signature says that the
// account's holder agrees. This package checks what can be told from the two alone.
// Whether the site is this one, and the message of now and new, is for
// postern.Auth to say.
//
// No chain is asked anything. So only accounts that are a key pair can sign in:
// contracts that act as a wallet (ERC-1271) cannot.
package web3

import "github.com/postern-auth/postern"

// scheme is how the wallets of a chain write messages and sign them.
type scheme struct {
	format format
	decode func(signature string) ([]byte, error)
	signed func(m *postern.Web3Message, signature []byte) bool
}

// verify is a postern.Web3Chain's Verify.
func (s scheme) verify(message, signature string) (*postern.Web3Message, error) {
	if err := checkLength(message); err != nil {
		return nil, err
	}
	raw, err := s.decode(signature)
	if err != nil {
		return nil, err
	}
	m, err := s.format.parse(message)
	if err != nil {
		return nil, err
	}
	if !s.signed(m, raw) {
		return nil, &postern.OAuthError{Name: "invalid_grant", Description: "Signature does not match address in message"}
	}
	return m, nil
}

// The lengths that a message can have, in bytes.
const (
	minLength = 64
	maxLength = 20 << 10
)

func checkLength(message string) error {
	switch {
	case len(message) < minLength:
		return invalid("message is too short")
	case len(message) > maxLength:
		return invalid("message must not exceed 20KB")
	}
	return nil
}

func invalid(text string) error {
	return &postern.Error{Kind: postern.KindInvalid, Code: postern.ErrValidationFailed, Message: text}
}
