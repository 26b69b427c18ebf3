package web3

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"github.com/postern-auth/postern"
)

// Ethereum returns the chain of messages after EIP-4361 that are signed as EIP-191
// has it ("personal_sign"). They can be used until maxAge after they were issued, 10
// minutes if that is zero.
//
// Addresses are in lower case, as auth-js writes them; the form of EIP-55 is among a
// message's OtherForms. Signatures are 65 bytes in hexadecimal digits, with or
// without "0x".
//
// Of every signature there is another form that is as good (s and n-s). Both are
// accepted, so a signature is no mark of a message that was used before: its text is.
func Ethereum(maxAge time.Duration) postern.Web3Chain {
	s := scheme{
		format: format{
			name:       "siwe",
			chain:      "Ethereum",
			notAddress: "wallet address is not a valid Ethereum address",
			address:    setEthereumAddress,
			network:    isEthereumNetwork,
		},
		decode: decodeEthereumSignature,
		signed: isSignedByEthereum,
	}
	return postern.Web3Chain{Name: "ethereum", MaxAge: maxAge, Verify: s.verify}
}

// setEthereumAddress keeps an address as it is written, as GoTrue does, and names
// its other spellings: it is one account in all of them.
func setEthereumAddress(m *postern.Web3Message, written string) bool {
	if !isEthereumAddress.MatchString(written) {
		return false
	}
	m.Address = written
	lower := strings.ToLower(written)
	for _, form := range []string{lower, checksummed(lower)} {
		if form != written {
			m.OtherForms = append(m.OtherForms, form)
		}
	}
	return true
}

var isEthereumAddress = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)

// checksummed writes an address in lower case as EIP-55 has it: letters are in upper
// case where the digit in the same place of the address's hash is 8 or more.
func checksummed(address string) string {
	digits := []byte(address[2:])
	sum := hex.EncodeToString(keccak256(digits))
	for i, c := range digits {
		if c >= 'a' && sum[i] >= '8' {
			digits[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

// isEthereumNetwork is true of chain ids of EIP-155.
func isEthereumNetwork(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n > 0
}

func decodeEthereumSignature(signature string) ([]byte, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(signature, "0x"))
	if err != nil || len(raw) != 65 {
		return nil, invalid("signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string")
	}
	return raw, nil
}

// isSignedByEthereum finds whose key made the signature, which is r, s, and v: 0 or
// 1, with 27 added by most wallets. The library has v first, and always with the 27.
func isSignedByEthereum(m *postern.Web3Message, signature []byte) bool {
	v := signature[64]
	if v < 27 {
		v += 27
	}
	if v != 27 && v != 28 {
		return false
	}
	key, _, err := ecdsa.RecoverCompact(append([]byte{v}, signature[:64]...), personalHash(m.Text))
	if err != nil {
		return false
	}
	point := key.SerializeUncompressed()[1:]
	return strings.EqualFold(m.Address, "0x"+hex.EncodeToString(keccak256(point)[12:]))
}

// personalHash is what EIP-191 signs of a text, in its version 0x45.
func personalHash(text string) []byte {
	return keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text))
}

// keccak256 is the hash from before it became SHA-3 with another padding.
func keccak256(data []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(data)
	return h.Sum(nil)
}
