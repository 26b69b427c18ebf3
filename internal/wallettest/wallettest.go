// Package wallettest has wallets that sign in, for tests.
package wallettest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Solana is a wallet of Solana.
type Solana struct{ key ed25519.PrivateKey }

// NewSolana returns the wallet of a seed.
func NewSolana(seed byte) Solana {
	return Solana{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

// Address is the wallet's public key in base 58.
func (w Solana) Address() string {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var text []byte // the lowest digit first
	for _, b := range w.key.Public().(ed25519.PublicKey) {
		carry := int(b)
		for i, digit := range text {
			carry += int(digit) << 8
			text[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			text = append(text, byte(carry%58))
		}
	}
	slices.Reverse(text)
	for i, digit := range text {
		text[i] = alphabet[digit]
	}
	return string(text)
}

// SignIn makes a message for a site, with further fields at its end, and signs it.
func (w Solana) SignIn(domain, uri string, issued time.Time, fields ...string) (message, signature string) {
	message = strings.Join(append([]string{
		domain + " wants you to sign in with your Solana account:", w.Address(), "", "Let me in.", "",
		"URI: " + uri, "Version: 1", fmt.Sprintf("Issued At: %s", issued.UTC().Format(time.RFC3339)),
	}, fields...), "\n")
	return message, base64.StdEncoding.EncodeToString(ed25519.Sign(w.key, []byte(message)))
}
