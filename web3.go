package postern

import "time"

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
