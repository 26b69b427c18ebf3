package web3_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider/web3"
)

func Example() {
	cfg := postern.Config{
		SiteURL: "https://app.example.com",
		Web3:    []postern.Web3Chain{web3.Ethereum(0), web3.Solana(5 * time.Minute)},
	}
	for _, chain := range cfg.Web3 {
		fmt.Println(chain.Name)
	}
	// Output:
	// ethereum
	// solana
}

func ExampleEthereum() {
	const message = `app.example.com wants you to sign in with your Ethereum account:
0x7e5f4552091a69125d5dfcb7b8c2659029395bdf

I accept the terms.

URI: https://app.example.com/
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2026-01-02T15:04:05Z`
	signature := testKey.sign(message) // which is for a wallet to do

	m, err := web3.Ethereum(0).Verify(message, signature)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Address, "says:", m.Statement)
	// Output: 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf says: I accept the terms.
}

func ExampleSolana() {
	const message = `app.example.com wants you to sign in with your Solana account:
FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z

Version: 1
URI: https://app.example.com/
Issued At: 2026-01-02T15:04:05Z`
	signature := solanaKey().sign("something else")

	_, err := web3.Solana(0).Verify(message, signature)
	if refused, ok := errors.AsType[*postern.OAuthError](err); ok {
		fmt.Println(refused.Description)
	}
	// Output: Signature does not match address in message
}
