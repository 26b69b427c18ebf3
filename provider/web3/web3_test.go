package web3_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider/web3"
)

// wallet is a chain and somebody who signs on it.
type wallet struct {
	chain   postern.Web3Chain
	format  string // what errors begin with
	address string
	network string
	sign    func(text string) string
}

func wallets() map[string]wallet {
	return map[string]wallet{
		"ethereum": {web3.Ethereum(0), "siwe", testKey.lower(), "1", testKey.sign},
		"solana":   {web3.Solana(0), "siws", encodeBase58(solanaKey().Public), "solana:mainnet", solanaKey().sign},
	}
}

// message is what w signs in with. It has every field, in EIP-4361's order.
func (w wallet) message() string {
	return strings.Join([]string{
		"app.example.com wants you to sign in with your " + w.chainTitle() + " account:",
		w.address,
		"",
		"I accept the terms: ✓",
		"",
		"URI: https://app.example.com/welcome?a=b",
		"Version: 1",
		"Chain ID: " + w.network,
		"Nonce: 32891756",
		"Issued At: 2026-01-02T15:04:05.678Z",
		"Expiration Time: 2026-01-02T17:10:00+02:00",
		"Not Before: 2026-01-02T15:00:00Z",
		"Request ID: some-request",
		"Resources:",
		"- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
		"- https://example.com/my-web2-claim.json",
	}, "\n")
}

func (w wallet) chainTitle() string { return strings.ToUpper(w.chain.Name[:1]) + w.chain.Name[1:] }

// verify signs a text and verifies it.
func (w wallet) verify(text string) (*postern.Web3Message, error) {
	return w.chain.Verify(text, w.sign(text))
}

// forEach runs a test with each chain's wallet.
func forEach(t *testing.T, test func(t *testing.T, w wallet)) {
	t.Helper()
	for name, w := range wallets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

func TestVerifyReadsEveryField(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, w wallet) {
		got, err := w.verify(w.message())
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []struct{ name, got, want string }{
			{"Text", got.Text, w.message()},
			{"Address", got.Address, w.address},
			{"Network", got.Network, w.network},
			{"Domain", got.Domain, "app.example.com"},
			{"URI", got.URI, "https://app.example.com/welcome?a=b"},
			{"Statement", got.Statement, "I accept the terms: ✓"},
			{"Nonce", got.Nonce, "32891756"},
			{"IssuedAt", got.IssuedAt.UTC().Format(time.RFC3339Nano), "2026-01-02T15:04:05.678Z"},
			{"ExpiresAt", got.ExpiresAt.UTC().Format(time.RFC3339Nano), "2026-01-02T15:10:00Z"},
			{"NotBefore", got.NotBefore.UTC().Format(time.RFC3339Nano), "2026-01-02T15:00:00Z"},
		} {
			if field.got != field.want {
				t.Errorf("%s: got %q, want %q", field.name, field.got, field.want)
			}
		}
	})
}

// The messages that auth-js and the wallets themselves write, with as little as
// each of them leaves in.
func TestVerifyTakesWhatClientsWrite(t *testing.T) {
	t.Parallel()
	const end = "\nIssued At: 2026-01-02T15:04:05.678Z"
	for _, c := range []struct{ name, chain, rest string }{
		{"auth-js for Ethereum", "ethereum", "\n\n\nURI: https://app.example.com/\nVersion: 1\nChain ID: 137" + end},
		{"auth-js for Ethereum, with a statement", "ethereum", "\n\nHello\n\nURI: https://app.example.com/\nVersion: 1\nChain ID: 1" + end},
		{"auth-js for Solana", "solana", "\n\nVersion: 1\nURI: https://app.example.com/" + end},
		{"auth-js for Solana, with resources", "solana", "\n\nHello\n\nVersion: 1\nURI: https://app.example.com/" + end + "\nResources\n- https://example.com/a"},
		{"wallet standard", "solana", "\n\nURI: https://app.example.com/\nVersion: 1\nChain ID: devnet\nNonce: a1b2c3d4" + end},
		{"wallet standard, with a statement", "solana", "\n\nHello\n\nURI: https://app.example.com/\nVersion: 1" + end + "\nResources:\n- urn:example:a"},
		{"a port", "solana", "\n\nURI: http://localhost:3000/\nVersion: 1" + end},
		{"a deep link", "solana", "\n\nURI: com.example.app://welcome/\nVersion: 1" + end},
		{"an empty line at the end", "solana", "\n\nURI: https://app.example.com/\nVersion: 1" + end + "\n"},
		{"spaces at the end", "solana", "\n\nURI: https://app.example.com/ \nVersion: 1 " + end + " "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := wallets()[c.chain]
			text := "app.example.com wants you to sign in with your " + w.chainTitle() + " account:\n" + w.address + c.rest
			m, err := w.verify(text)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Contains(text, "Hello"); (m.Statement == "Hello") != want {
				t.Errorf("statement: got %q of %q", m.Statement, text)
			}
		})
	}
}

func TestVerifyTakesDomains(t *testing.T) {
	t.Parallel()
	w := wallets()["ethereum"]
	for domain, want := range map[string]bool{
		"localhost":            true,
		"localhost:3000":       true,
		"App.Example.COM":      true,
		"xn--mnchen-3ya.de":    true,
		"127.0.0.1:80":         true,
		"[::1]:3000":           true,
		"":                     false,
		"a..example":           false,
		"-a.example":           false,
		"a.example:":           false,
		"a.example:123456":     false,
		"a.example/b":          false,
		"ada@a.example":        false,
		"https://a.example":    false,
		"a.example\u2024evil":  false,
		"münchen.de":           false,
		" a.example":           false,
		"a.example evil.test,": false,
		"a.example\x00":        false,
	} {
		_, err := w.verify(strings.Replace(w.message(), "app.example.com", domain, 1))
		if got := err == nil; got != want {
			t.Errorf("%q: got accepted %t (%v), want %t", domain, got, err, want)
		}
		if err != nil {
			wantRefusal(t, err, "siwe: domain in first line of message is not valid")
		}
	}
}

// TestVerifyRefusesMessages has the texts of contract: endpoints.md, POST
// /token?grant_type=web3.
func TestVerifyRefusesMessages(t *testing.T) {
	t.Parallel()
	edit := func(replacements ...string) func(string) string { return strings.NewReplacer(replacements...).Replace }
	for _, c := range []struct {
		name string
		edit func(message string) string
		want string // without the format's name
	}{
		{"too few lines", func(s string) string { return strings.Join(strings.Split(s, "\n")[:5], "\n") }, "message needs at least 6 lines"},
		{"another first line", edit("wants you", "wants us"), `message first line does not end in " wants you to sign in with your %CHAIN% account:"`},
		{"another chain's", edit("with your ", "with your old "), `message first line does not end in " wants you to sign in with your %CHAIN% account:"`},
		{"CRLF", edit("\n", "\r\n"), `message first line does not end in " wants you to sign in with your %CHAIN% account:"`},
		{"no domain", edit("app.example.com wants", " wants"), "domain in first line of message is not valid"},
		{"text in the third line", edit("\n\nI accept", "\nhere\nI accept"), "third line must be empty"},
		{"URI is a path", edit("URI: https://app.example.com", "URI: "), "URI is not valid"},
		{"URI without a host", edit("https://app.example.com/welcome", "https:/welcome"), "URI is not valid"},
		{"URI with a control character", edit("/welcome", "/wel\tcome"), "encountered unparsable line at index 5"},
		{"URI with a broken escape", edit("//app", "//%zz"), "URI is not valid"},
		{"no URI", edit("URI: https://app.example.com/welcome?a=b\n", ""), "URI is not specified"},
		{"issued at no time", edit("Issued At: 2026", "Issued At: then"), "Issued At is not a valid ISO8601 timestamp"},
		{"issued on a day", edit("T15:04:05.678Z", ""), "Issued At is not a valid ISO8601 timestamp"},
		{"not issued", edit("Issued At: 2026-01-02T15:04:05.678Z\n", ""), "Issued At is not specified"},
		{"expires at no time", edit("17:10:00+02:00", "25:10:00Z"), "Expiration Time is not a valid ISO8601 timestamp"},
		{"not before no time", edit("Not Before: 2026-01", "Not Before: 2026-13"), "Not Before is not a valid ISO8601 timestamp"},
		{"expired when issued", edit("17:10:00", "17:04:00"), "Issued At is after Expiration Time"},
		{"expired when valid", edit("Not Before: 2026", "Not Before: 2027"), "Not Before is after Expiration Time"},
		{"unknown chain", edit("Chain ID: ", "Chain ID: -"), "Chain ID is not valid"},
		{"empty chain", func(s string) string { return replaceLine(s, 7, "Chain ID:") }, "Chain ID is not valid"},
		{"version 2", edit("Version: 1", `Version: "2"`), `Version value is not supported, expected 1 got ""2""`},
		{"no version", edit("Version: 1\n", ""), `Version value is not supported, expected 1 got ""`},
		{"no field", edit("Request ID: some-request", "hello"), "encountered unparsable line at index 12"},
		{"unknown field", edit("Request ID", "Approve"), "encountered unparsable line at index 12"},
		{"a field in other letters", edit("Request ID", "REQUEST ID"), "encountered unparsable line at index 12"},
		{"a field twice", edit("Request ID: some-request", "Nonce: 12345678"), "encountered unparsable line at index 12"},
		{"a field after the resources", func(s string) string { return s + "\nNonce: 1" }, "encountered unparsable line at index 16"},
		{"resources twice", func(s string) string { return s + "\nResources:" }, "encountered unparsable line at index 16"},
		{"resources on one line", edit("Resources:", "Resources: a"), "encountered unparsable line at index 13"},
		{"a resource outside the list", edit("Resources:\n", ""), "encountered unparsable line at index 13"},
		{"a second line of statement", edit("✓", "✓\nand more"), "encountered unparsable line at index 3"},
		{"NUL in the statement", edit("accept", "acc\x00ept"), "encountered unparsable line at index 3"},
		{"no UTF-8 in the statement", edit("✓", "\xe2\x9c"), "encountered unparsable line at index 3"},
		{"CR in a field", edit("Nonce: 32891756", "Nonce: 32891756\r"), "encountered unparsable line at index 8"},
		{"no UTF-8 in a field", edit("some-request", "\xff"), "encountered unparsable line at index 12"},
		{"a resource that is no URI", edit("ipfs://", "/"), "Resource at position 0 has invalid URI"},
		{"a second resource that is no URI", edit("https://example.com/my", "my"), "Resource at position 1 has invalid URI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, w := range wallets() {
				_, err := w.verify(c.edit(w.message()))
				wantRefusal(t, err, w.format+": "+strings.ReplaceAll(c.want, "%CHAIN%", w.chainTitle()))
			}
		})
	}
}

func TestVerifyRefusesLengths(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, w wallet) {
		_, err := w.verify(w.message()[:63])
		wantRefusal(t, err, "message is too short")
		_, err = w.verify(w.message()[:64])
		wantRefusal(t, err, w.format+": message needs at least 6 lines")

		longest := strings.Replace(w.message(), "accept", strings.Repeat("a", 20480-len(w.message())+len("accept")), 1)
		if _, err := w.verify(longest); err != nil {
			t.Errorf("%d bytes: got %v", len(longest), err)
		}
		_, err = w.verify(longest + " ")
		wantRefusal(t, err, "message must not exceed 20KB")
		_, err = w.verify(strings.Repeat("\n", 20480))
		wantRefusal(t, err, w.format+`: message first line does not end in " wants you to sign in with your `+w.chainTitle()+` account:"`)
	})
}

// Whoever gets a signature can use it for nothing else.
func TestVerifyRefusesWhatWasNotSigned(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, w wallet) {
		signature := w.sign(w.message())
		for old, changed := range map[string]string{
			"32891756":                  "32891757",
			"app.example.com wants":     "www.example.com wants",
			"I accept":                  "I refuse",
			"\nRequest ID: some-":       "\nRequest ID: any-",
			"my-web2-claim.json":        "my-web2-claim.jso",
			"2026-01-02T15:04:05.678Z":  "2026-01-02T15:04:06.678Z",
			"\nNot Before: 2026-01-02T": "\nNot Before: 2026-01-01T",
		} {
			_, err := w.chain.Verify(strings.Replace(w.message(), old, changed, 1), signature)
			wantMismatch(t, err)
		}
	})
}

// FuzzEthereum and FuzzSolana: whatever is accepted is of the signer, is text, and
// says what the rules of sign-in need; whatever is not is refused as GoTrue does. An
// empty signature stands for the right one.
func FuzzEthereum(f *testing.F) { wallets()["ethereum"].fuzz(f) }
func FuzzSolana(f *testing.F)   { wallets()["solana"].fuzz(f) }

func (w wallet) fuzz(f *testing.F) {
	f.Add(w.message(), "")
	f.Add(w.message(), w.sign(w.message()))
	f.Add(strings.ReplaceAll(w.message(), "\n", "\r\n"), "")
	f.Add(w.message(), "0x")
	f.Add(strings.ReplaceAll(w.message(), "Resources:", "Resources"), "")
	for line := range strings.Count(w.message(), "\n") {
		f.Add(replaceLine(w.message(), line, ""), "")
		f.Add(replaceLine(w.message(), line, "Nonce: \x00\xff"), strings.Repeat("1", 86+line%2*44))
	}
	f.Fuzz(func(t *testing.T, text, signature string) {
		if signature == "" {
			signature = w.sign(text)
		}
		m, err := w.chain.Verify(text, signature)
		if err != nil {
			wantKnown(t, err)
			return
		}
		if m.Text != text || m.Address != w.address || m.Domain == "" || m.URI == "" {
			t.Errorf("got %+v of %q", m, text)
		}
		for _, part := range []string{m.Network, m.Domain, m.URI, m.Statement, m.Nonce} {
			if !strings.Contains(text, part) || !utf8.ValidString(part) || strings.ContainsAny(part, "\x00\r\n") {
				t.Errorf("got %q of %q", part, text)
			}
		}
	})
}

func wantKnown(t *testing.T, err error) {
	t.Helper()
	refused, ok := errors.AsType[*postern.Error](err)
	if ok && (refused.Kind != postern.KindInvalid || refused.Code != postern.ErrValidationFailed) {
		t.Errorf("got %v", err)
	}
	if !ok {
		wantMismatch(t, err)
	}
}

func wantRefusal(t *testing.T, err error, want string) {
	t.Helper()
	got, ok := errors.AsType[*postern.Error](err)
	if !ok || got.Kind != postern.KindInvalid || got.Code != postern.ErrValidationFailed || got.Message != want {
		t.Errorf("got %v, want validation_failed %q", err, want)
	}
}

func wantMismatch(t *testing.T, err error) {
	t.Helper()
	got, ok := errors.AsType[*postern.OAuthError](err)
	if want := (postern.OAuthError{Name: "invalid_grant", Description: "Signature does not match address in message"}); !ok || *got != want {
		t.Errorf("got %v, want %v", err, &want)
	}
}

func replaceLine(text string, index int, line string) string {
	lines := strings.Split(text, "\n")
	lines[index] = line
	return strings.Join(lines, "\n")
}

// encodeBase58 does with large numbers what the package does with bytes.
func encodeBase58(data []byte) string {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n, base, digit := new(big.Int).SetBytes(data), big.NewInt(58), new(big.Int)
	var text []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		text = append(text, digits[digit.Int64()])
	}
	for _, b := range data {
		if b != 0 {
			break
		}
		text = append(text, digits[0])
	}
	slices.Reverse(text)
	return string(text)
}
