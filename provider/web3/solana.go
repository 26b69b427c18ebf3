package web3

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// Solana returns the chain of messages of Sign-In With Solana. They can be used until
// maxAge after they were issued, 10 minutes if that is zero.
//
// Signatures are of Ed25519, over the message or over the envelope for messages that
// are no transaction, in which Ledger's devices sign it. They are written in base64 or
// base64url, with or without padding.
func Solana(maxAge time.Duration) postern.Web3Chain {
	s := scheme{
		format: format{
			name:       "siws",
			chain:      "Solana",
			notAddress: "wallet address is not in base58 format",
			address:    setSolanaAddress,
			network:    isSolanaNetwork,
		},
		decode: decodeSolanaSignature,
		signed: isSignedBySolana,
	}
	return postern.Web3Chain{Name: "solana", MaxAge: maxAge, Verify: s.verify}
}

// setSolanaAddress needs no other forms: each key has one in base58.
func setSolanaAddress(m *postern.Web3Message, written string) bool {
	m.Address = written
	return publicKey(written) != nil
}

// publicKey returns the key that an address is, nil if it is none.
func publicKey(address string) ed25519.PublicKey {
	const longest = 44 // of what base58 makes of 32 bytes
	if len(address) > longest {
		return nil
	}
	key, ok := decodeBase58(address)
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil
	}
	return key
}

// isSolanaNetwork takes the names with and without their prefix, as wallets do.
func isSolanaNetwork(id string) bool {
	switch strings.TrimPrefix(id, "solana:") {
	case "mainnet", "devnet", "testnet", "localnet":
		return true
	}
	return false
}

func decodeSolanaSignature(signature string) ([]byte, error) {
	const padding = "=="
	wrongSize := invalid("signature must be 64 bytes encoded as base64 with or without padding")
	length := base64.RawStdEncoding.EncodedLen(ed25519.SignatureSize)
	if len(signature) != length && len(signature) != length+len(padding) {
		return nil, wrongSize
	}
	digits := fromBase64URL.Replace(strings.TrimSuffix(signature, padding))
	raw, err := base64.RawStdEncoding.DecodeString(digits)
	switch {
	case err != nil:
		return nil, invalid("signature does not contain valid base64 characters")
	case len(raw) != ed25519.SignatureSize:
		return nil, wrongSize
	}
	return raw, nil
}

// fromBase64URL replaces the two digits that differ (RFC 4648 §5).
var fromBase64URL = strings.NewReplacer("-", "+", "_", "/")

func isSignedBySolana(m *postern.Web3Message, signature []byte) bool {
	key := publicKey(m.Address)
	if ed25519.Verify(key, []byte(m.Text), signature) {
		return true
	}
	for _, envelope := range envelopes(m.Text, key) {
		if ed25519.Verify(key, envelope, signature) {
			return true
		}
	}
	return false
}

// envelopes returns what a device may have signed in place of a text: version 0 of
// Solana's off-chain messages. Of its header there are two forms, that of the
// specification, with an application (none) and the signers, and that of Solana's SDK,
// without them. The wallet also chose a format, and does not tell which.
func envelopes(text string, signer ed25519.PublicKey) [][]byte {
	var (
		start       = []byte("\xffsolana offchain\x00") // with the version
		application [32]byte
		signers     = append([]byte{1}, signer...)
		body        = append(binary.LittleEndian.AppendUint16(nil, uint16(len(text))), text...) // maxLength fits
		all         [][]byte
	)
	for format := range byte(3) { // ASCII, UTF-8, and UTF-8 that is longer than a packet
		all = append(all,
			slices.Concat(start, application[:], []byte{format}, signers, body),
			slices.Concat(start, []byte{format}, body))
	}
	return all
}
