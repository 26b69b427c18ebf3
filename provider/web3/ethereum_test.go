package web3_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"github.com/postern-auth/postern/provider/web3"
)

// ethereumKey is a private key in hexadecimal digits, and its address as EIP-55 has
// it.
type ethereumKey struct{ key, address string }

var testKey = ethereumKey{strings.Repeat("0", 63) + "1", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"}

func (k ethereumKey) lower() string { return strings.ToLower(k.address) }

// sign is "personal_sign" of EIP-191.
func (k ethereumKey) sign(text string) string {
	key, err := hex.DecodeString(k.key)
	if err != nil {
		panic(err) // the keys are below
	}
	h := sha3.NewLegacyKeccak256()
	fmt.Fprintf(h, "\x19Ethereum Signed Message:\n%d%s", len(text), text)
	compact := ecdsa.SignCompact(secp256k1.PrivKeyFromBytes(key), h.Sum(nil), false)
	return "0x" + hex.EncodeToString(append(compact[1:], compact[0]))
}

// The example of web3.js for accounts.sign shows that these tests sign as wallets do.
func TestTestsSignAsEthereumDoes(t *testing.T) {
	t.Parallel()
	k := ethereumKey{key: "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"}
	const want = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
	if got := k.sign("Some data"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// One account is one identity, in whatever way its address is written. The keys and
// addresses are those that development chains hand out.
func TestEthereumAddresses(t *testing.T) {
	t.Parallel()
	for _, k := range []ethereumKey{
		testKey,
		{"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"},
		{"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"},
		{"5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"},
	} {
		shouted := "0x" + strings.ToUpper(k.address[2:])
		for written, others := range map[string][]string{
			k.lower(): {k.address},
			k.address: {k.lower()},
			shouted:   {k.lower(), k.address},
		} {
			w := wallet{web3.Ethereum(0), "siwe", written, "1", k.sign}
			m, err := w.verify(w.message())
			if err != nil {
				t.Errorf("%s: %v", written, err)
				continue
			}
			if m.Address != written || !slices.Equal(m.OtherForms, others) {
				t.Errorf("%s: got %s and %v, want %s and %v", written, m.Address, m.OtherForms, written, others)
			}
		}
	}
}

func TestEthereumRefusesAddresses(t *testing.T) {
	t.Parallel()
	w := wallets()["ethereum"]
	for _, address := range []string{
		"", "0x", w.address[2:], "0X" + w.address[2:], w.address[:41], w.address + "0", w.address + " ", "0x" + strings.Repeat("g", 40), "vitalik.eth",
	} {
		_, err := w.verify(strings.Replace(w.message(), w.address, address, 1))
		wantRefusal(t, err, "siwe: wallet address is not a valid Ethereum address")
	}
	other := "0x" + strings.Repeat("0", 40)
	_, err := w.verify(strings.Replace(w.message(), w.address, other, 1))
	wantMismatch(t, err)
}

func TestEthereumNetworks(t *testing.T) {
	t.Parallel()
	w := wallets()["ethereum"]
	for id, want := range map[string]bool{
		"1": true, "11155111": true, "18446744073709551615": true,
		"0": false, "-1": false, "+1": false, "0x1": false, "1.0": false, "mainnet": false, "18446744073709551616": false,
	} {
		_, err := w.verify(strings.Replace(w.message(), "Chain ID: 1\n", "Chain ID: "+id+"\n", 1))
		if got := err == nil; got != want {
			t.Errorf("%q: got accepted %t (%v), want %t", id, got, err, want)
		}
	}
}

func TestEthereumSignatures(t *testing.T) {
	t.Parallel()
	w := wallets()["ethereum"]
	good := w.sign(w.message())
	rs, v := good[2:130], good[130:]
	if v != "1b" && v != "1c" {
		t.Fatalf("got a signature that ends in %q", v)
	}
	low, other := map[string]string{"1b": "00", "1c": "01"}[v], map[string]string{"1b": "1c", "1c": "1b"}[v]
	for name, signature := range map[string]string{
		"as wallets write it": good,
		"without 0x":          good[2:],
		"in upper case":       "0x" + strings.ToUpper(good[2:]),
		"with v of 0 or 1":    rs + low,
		"with n-s":            rs[:64] + negated(t, rs[64:]) + other,
	} {
		if _, err := w.chain.Verify(w.message(), signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, signature := range map[string]string{
		"the other v":      rs + other,
		"v of 2":           rs + "02",
		"v of 29":          rs + "1d",
		"v of 31":          rs + "1f",
		"v of 255":         rs + "ff",
		"zero":             strings.Repeat("0", 128) + v,
		"r and s too big":  strings.Repeat("f", 128) + v,
		"r and s swapped":  rs[64:] + rs[:64] + v,
		"of somebody else": ethereumKey{key: strings.Repeat("0", 63) + "2"}.sign(w.message()),
		"of another text":  w.sign("hello"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.chain.Verify(w.message(), signature)
			wantMismatch(t, err)
		})
	}
	for _, signature := range []string{
		"", "0x", rs, good[:131], good + "00", "0x0x" + good[4:], "0x" + strings.Repeat("g", 130), " " + good[2:131], good[2:] + "\n", strings.Repeat("0", 1<<20),
	} {
		_, err := w.chain.Verify(w.message(), signature)
		wantRefusal(t, err, "signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string")
	}
}

// negated returns n-s.
func negated(t *testing.T, s string) string {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	var scalar secp256k1.ModNScalar
	scalar.SetByteSlice(raw)
	sum := scalar.Negate().Bytes()
	return hex.EncodeToString(sum[:])
}
