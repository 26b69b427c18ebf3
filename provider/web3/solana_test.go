package web3_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/postern-auth/postern/provider/web3"
)

type solanaKeyPair struct {
	Private ed25519.PrivateKey
	Public  ed25519.PublicKey
}

// solanaKey is the first of RFC 8032 §7.1.
func solanaKey() solanaKeyPair {
	return newSolanaKey("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
}

func newSolanaKey(seed string) solanaKeyPair {
	raw, err := hex.DecodeString(seed)
	if err != nil {
		panic(err) // the seeds are in this file
	}
	key := ed25519.NewKeyFromSeed(raw)
	return solanaKeyPair{key, key.Public().(ed25519.PublicKey)}
}

// sign writes signatures as auth-js does.
func (k solanaKeyPair) sign(text string) string {
	return base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.Private, []byte(text)))
}

func TestSolanaSignatures(t *testing.T) {
	t.Parallel()
	w := wallets()["solana"]
	raw := ed25519.Sign(solanaKey().Private, []byte(w.message()))
	for name, encoding := range map[string]*base64.Encoding{
		"base64": base64.StdEncoding, "base64 without padding": base64.RawStdEncoding,
		"base64url": base64.URLEncoding, "base64url without padding": base64.RawURLEncoding,
	} {
		if _, err := w.chain.Verify(w.message(), encoding.EncodeToString(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := base64.RawStdEncoding.EncodeToString(raw)
	const wrongSize = "signature must be 64 bytes encoded as base64 with or without padding"
	const wrongDigits = "signature does not contain valid base64 characters"
	for _, c := range []struct{ signature, want string }{
		{"", wrongSize},
		{good[:85], wrongSize},
		{good + "=", wrongSize},
		{good + "===", wrongSize},
		{good[:84] + "==", wrongSize},
		{good + "AA", wrongSize},
		{good[:82] + "\n\n\n\n", wrongSize},
		{strings.Repeat("A", 1<<20), wrongSize},
		{good[:85] + "!", wrongDigits},
		{"\x00" + good[1:], wrongDigits},
		{"ä" + good[2:], wrongDigits},
		{good[:40] + "=" + good[41:], wrongDigits},
	} {
		_, err := w.chain.Verify(w.message(), c.signature)
		wantRefusal(t, err, c.want)
	}
	stranger := newSolanaKey(strings.Repeat("42", 32))
	for _, signature := range []string{
		stranger.sign(w.message()), w.sign("hello"), strings.Repeat("A", 86), strings.Repeat("_", 86),
	} {
		_, err := w.chain.Verify(w.message(), signature)
		wantMismatch(t, err)
	}
}

func TestSolanaTakesOffChainMessages(t *testing.T) {
	t.Parallel()
	w, key := wallets()["solana"], solanaKey()
	head := func(parts ...[]byte) []byte {
		return append([]byte("\xffsolana offchain\x00"), bytes.Join(parts, nil)...)
	}
	size := binary.LittleEndian.AppendUint16(nil, uint16(len(w.message())))
	application, stranger := make([]byte, 32), newSolanaKey(strings.Repeat("42", 32)).Public
	for _, c := range []struct {
		name string
		head []byte
		want bool
	}{
		{"SDK, ASCII", head([]byte{0}, size), true},
		{"SDK, UTF-8", head([]byte{1}, size), true},
		{"SDK, long", head([]byte{2}, size), true},
		{"specification, ASCII", head(application, []byte{0, 1}, key.Public, size), true},
		{"specification, UTF-8", head(application, []byte{1, 1}, key.Public, size), true},
		{"specification, long", head(application, []byte{2, 1}, key.Public, size), true},
		{"unknown format", head([]byte{3}, size), false},
		{"somebody else's", head(application, []byte{0, 1}, stranger, size), false},
		{"two signers", head(application, []byte{0, 2}, key.Public, stranger, size), false},
		{"another application", head(bytes.Repeat([]byte{1}, 32), []byte{0, 1}, key.Public, size), false},
		{"another size", head([]byte{0, 0, 0}), false},
		{"a transaction", make([]byte, 20), false},
	} {
		signature := key.sign(string(c.head) + w.message())
		_, err := w.chain.Verify(w.message(), signature)
		if c.want && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.want {
			wantMismatch(t, err)
		}
	}
}

func TestSolanaAddresses(t *testing.T) {
	t.Parallel()
	const want = "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
	w := wallets()["solana"]
	if w.address != want {
		t.Errorf("the key of RFC 8032 in base58: got %s, want %s", w.address, want)
	}
	m, err := w.verify(w.message())
	if err != nil {
		t.Fatal(err)
	}
	if m.Address != want || len(m.OtherForms) > 0 {
		t.Errorf("got %s and %v, want %s alone", m.Address, m.OtherForms, want)
	}
	for _, bytes := range [][]byte{
		make([]byte, 32), bytes.Repeat([]byte{0xff}, 32), append(make([]byte, 20), []byte("twelve bytes")...),
	} {
		_, err := w.verify(strings.Replace(w.message(), w.address, encodeBase58(bytes), 1))
		wantMismatch(t, err)
	}
}

func TestSolanaRefusesAddresses(t *testing.T) {
	t.Parallel()
	w := wallets()["solana"]
	for name, address := range map[string]string{
		"none":             "",
		"31 bytes":         encodeBase58(bytes.Repeat([]byte{0xff}, 31)),
		"33 bytes":         encodeBase58(bytes.Repeat([]byte{0xff}, 33)),
		"33 bytes of zero": strings.Repeat("1", 33),
		"zeros before":     "1" + w.address,
		"over 32 bytes":    strings.Repeat("z", 44),
		"no digit":         "0" + w.address[1:],
		"I for 1":          "I" + w.address[1:],
		"O for o":          w.address[:43] + "O",
		"a space":          w.address + " ",
		"outside ASCII":    "ä" + w.address[2:],
		"very long":        strings.Repeat("z", 20000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.verify(strings.Replace(w.message(), w.address, address, 1))
			wantRefusal(t, err, "siws: wallet address is not in base58 format")
		})
	}
}

func TestSolanaNetworks(t *testing.T) {
	t.Parallel()
	w := wallets()["solana"]
	for id, want := range map[string]bool{
		"solana:mainnet": true, "solana:devnet": true, "solana:testnet": true, "solana:localnet": true, "mainnet": true,
		"solana:": false, "solana:mainnet-beta": false, "Mainnet": false, "1": false, "solana:solana:devnet": false,
	} {
		_, err := w.verify(strings.Replace(w.message(), "solana:mainnet", id, 1))
		if got := err == nil; got != want {
			t.Errorf("%q: got accepted %t (%v), want %t", id, got, err, want)
		}
	}
}

func TestChainsAreNamed(t *testing.T) {
	t.Parallel()
	if got := web3.Ethereum(0).Name; got != "ethereum" {
		t.Errorf("got %q, want ethereum", got)
	}
	if got := web3.Solana(0).Name; got != "solana" {
		t.Errorf("got %q, want solana", got)
	}
}
