package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postern-auth/postern/internal/envelope"
)

const (
	object = "96537441-7018-494d-803a-caa4f5696804"
	totp   = "JBSWY3DPEHPK3PXP"
)

var keys = map[string][]byte{
	"new": bytes.Repeat([]byte{7}, envelope.KeySize),
	"old": bytes.Repeat([]byte{8}, envelope.KeySize),
}

// zeros makes what Seal writes predictable.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func seal(t testing.TB, keyID, plaintext string) string {
	t.Helper()
	value, err := envelope.Seal(keyID, keys[keyID], object, plaintext, zeros{})
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return value
}

// alter returns value with a member of its JSON replaced.
func alter(t testing.TB, value, name string, change any) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(value), &members); err != nil {
		t.Fatal(err)
	}
	members[name] = change
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The ciphertext was computed with another implementation of HKDF and AES-GCM.
func TestSealWritesTheContractsEnvelope(t *testing.T) {
	t.Parallel()
	const want = `{"key_id":"new","alg":"aes-gcm-hkdf","data":"jOH2Y4CM3hRU+id6ssYZ5jCdJAoUuK1Ur1JL3eyf9hc=","nonce":"AAAAAAAAAAAAAAAA"}`
	if got := seal(t, "new", totp); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSealedValuesOpen(t *testing.T) {
	t.Parallel()
	for _, plaintext := range []string{"", totp, "{", `{"key_id":"new"}`, "\x00\xff", strings.Repeat("x", 100000)} {
		for _, keyID := range []string{"new", "old"} {
			value := seal(t, keyID, plaintext)
			if !envelope.IsSealed(value) {
				t.Errorf("not sealed: %.100s", value)
			}
			if got, err := envelope.Open(keys, object, value); err != nil || got != plaintext {
				t.Errorf("key %s: got %.100q, %v; want %.100q", keyID, got, err, plaintext)
			}
		}
	}
}

func TestValuesInClearComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", totp, "$2a$10$abc", " {", `[{"key_id":"new"}]`} {
		if got, err := envelope.Open(nil, object, value); err != nil || got != value {
			t.Errorf("got %q, %v; want %q", got, err, value)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := seal(t, "new", totp)
	for _, c := range []struct {
		name, object, value string
		want                error
	}{
		{"another object", "96537441-7018-494d-803a-caa4f5696805", good, envelope.ErrNotAuthentic},
		{"the object's id in upper case", strings.ToUpper(object), good, envelope.ErrNotAuthentic},
		{"another key of ours", object, alter(t, good, "key_id", "old"), envelope.ErrNotAuthentic},
		{"another nonce", object, alter(t, good, "nonce", "AAAAAAAAAAAAAAAB"), envelope.ErrNotAuthentic},
		{"other data", object, alter(t, good, "data", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), envelope.ErrNotAuthentic},
		{"data shorter than its tag", object, alter(t, good, "data", "AAAA"), envelope.ErrNotAuthentic},
		{"no data", object, alter(t, good, "data", nil), envelope.ErrNotAuthentic},
		{"a key that is not configured", object, alter(t, good, "key_id", "lost"), envelope.ErrUnknownKey},
		{"no key id", object, alter(t, good, "key_id", ""), envelope.ErrUnknownKey},
		{"another algorithm", object, alter(t, good, "alg", "aes-gcm"), envelope.ErrMalformed},
		{"no algorithm", object, alter(t, good, "alg", nil), envelope.ErrMalformed},
		{"a short nonce", object, alter(t, good, "nonce", "AAAA"), envelope.ErrMalformed},
		{"a long nonce", object, alter(t, good, "nonce", "AAAAAAAAAAAAAAAAAAAA"), envelope.ErrMalformed},
		{"no nonce", object, alter(t, good, "nonce", nil), envelope.ErrMalformed},
		{"data that is no base64", object, alter(t, good, "data", "*"), envelope.ErrMalformed},
		{"data that is no text", object, alter(t, good, "data", 1), envelope.ErrMalformed},
		{"bytes behind", object, good + "x", envelope.ErrMalformed},
		{"half of it", object, good[:40], envelope.ErrMalformed},
		{"a brace", object, "{", envelope.ErrMalformed},
		{"an empty object", object, "{}", envelope.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := envelope.Open(keys, c.object, c.value)
			if !errors.Is(err, c.want) || got != "" {
				t.Errorf("got %q, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestKeysMustHaveTheirLength(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 16, 31, 33, 64} {
		short := make([]byte, size)
		if got, err := envelope.Seal("new", short, object, totp, zeros{}); err == nil {
			t.Errorf("sealed with %d bytes: %s", size, got)
		}
		if got, err := envelope.Open(map[string][]byte{"new": short}, object, seal(t, "new", totp)); err == nil {
			t.Errorf("opened with %d bytes: %s", size, got)
		}
	}
}

func TestSealRefusesAKeyIDThatJSONCannotKeep(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "k\xff"} {
		if got, err := envelope.Seal(id, keys["new"], object, totp, zeros{}); err == nil {
			t.Errorf("sealed under %q: %s", id, got)
		}
	}
}

func TestSealReportsAFailingSource(t *testing.T) {
	t.Parallel()
	if got, err := envelope.Seal("new", keys["new"], object, totp, iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %q, %v; want %v", got, err, io.ErrClosedPipe)
	}
	if got, err := envelope.Seal("new", keys["new"], object, totp, strings.NewReader("11 bytes...")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short source: got %q, %v; want %v", got, err, io.ErrUnexpectedEOF)
	}
}

func TestNeedsSealing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"nothing", "", false},
		{"in clear", totp, true},
		{"under the key", seal(t, "new", totp), false},
		{"under an older key", seal(t, "old", totp), true},
		{"unreadable", "{", true},
	} {
		if got := envelope.NeedsSealing("new", c.value); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

// FuzzOpen holds: a value without a brace comes back unchanged, and an envelope
// that opens hides what was sealed here.
func FuzzOpen(f *testing.F) {
	good := seal(f, "new", totp)
	for _, value := range []string{
		good, seal(f, "old", ""), alter(f, good, "nonce", "AAAA"), alter(f, good, "key_id", "lost"),
		"", totp, "{}", "{", `{"key_id":"new","alg":"aes-gcm-hkdf"}`,
	} {
		f.Add(object, value)
	}
	f.Fuzz(func(t *testing.T, objectID, value string) {
		got, err := envelope.Open(keys, objectID, value)
		switch {
		case !envelope.IsSealed(value):
			if err != nil || got != value {
				t.Errorf("in clear: got %q, %v; want %q", got, err, value)
			}
		case err == nil && (objectID != object || (got != totp && got != "")):
			t.Errorf("opened %q for %q: %q", value, objectID, got)
		}
	})
}

// FuzzSeal holds: what is sealed opens, for its object only.
func FuzzSeal(f *testing.F) {
	f.Add("key-1", object, totp)
	f.Add("<&>", "", "")
	f.Fuzz(func(t *testing.T, keyID, objectID, plaintext string) {
		value, err := envelope.Seal(keyID, keys["new"], objectID, plaintext, zeros{})
		if err != nil {
			return
		}
		ring := map[string][]byte{keyID: keys["new"]}
		if got, err := envelope.Open(ring, objectID, value); err != nil || got != plaintext {
			t.Errorf("got %q, %v; want %q", got, err, plaintext)
		}
		if got, err := envelope.Open(ring, objectID+"x", value); !errors.Is(err, envelope.ErrNotAuthentic) {
			t.Errorf("another object: got %q, %v; want %v", got, err, envelope.ErrNotAuthentic)
		}
		if envelope.NeedsSealing(keyID, value) {
			t.Errorf("sealed under %q, but needs sealing: %s", keyID, value)
		}
	})
}
