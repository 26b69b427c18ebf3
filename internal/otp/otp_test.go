package otp_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postern-auth/postern/internal/otp"
)

var key = bytes.Repeat([]byte{7}, 32)

// random returns a stream that is the same in every run.
func random(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func TestCodesHaveTheLengthThatWasAskedFor(t *testing.T) {
	t.Parallel()
	for digits, want := range map[int]int{-1: 6, 0: 6, 5: 6, 6: 6, 7: 7, 8: 8, 9: 9, 10: 10, 11: 6, 1000: 6} {
		r := random(1)
		for range 200 {
			code, err := otp.Generate(r, digits)
			if err != nil || len(code) != want || strings.Trim(code, "0123456789") != "" {
				t.Fatalf("%d digits: got %q, %v; want %d digits", digits, code, err, want)
			}
		}
	}
}

// Each position takes each digit equally often: chi-squared with 9 degrees of
// freedom is above 33.7 once in ten thousand times.
func TestCodesAreUniform(t *testing.T) {
	t.Parallel()
	const draws = 20_000
	for _, digits := range []int{6, 8, 10} {
		counts := make([][10]float64, digits)
		r := random(2)
		for range draws {
			code, err := otp.Generate(r, digits)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range []byte(code) {
				counts[i][c-'0']++
			}
		}
		for i, count := range counts {
			chi := 0.0
			for _, n := range count {
				chi += (n - draws/10) * (n - draws/10) / (draws / 10)
			}
			if chi > 33.7 {
				t.Errorf("%d digits, position %d: got counts %v", digits, i, count)
			}
		}
	}
}

func TestGenerateFailsWithItsSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if code, err := otp.Generate(iotest.ErrReader(broken), 6); code != "" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v; want %v", code, err, broken)
	}
}

// The hashes were computed with sha224sum.
func TestHashIsGoTrues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, code, want string }{
		{"user@example.com", "123456", "b507a4ef007e1379d644aa6fe395cf98f1054ac96b63a052dca9a26a"},
		{"15550100010", "000000", "2335c2b3382522fdef47e677640553f3617ab296ddb691ab04f8754f"},
	} {
		if got := otp.Hash(c.address, c.code); got != c.want {
			t.Errorf("%s, %s: got %s, want %s", c.address, c.code, got, c.want)
		}
	}
}

// The hash was computed with Python's hmac.
func TestKeyedHashStaysTheSame(t *testing.T) {
	t.Parallel()
	const want = "50d185009160d6321b3246bcae4c58e9c080218ff9d1b6a36c712e72"
	if got := otp.KeyedHash(key, "recovery", "user@example.com", "123456"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeyedHashDependsOnEverything(t *testing.T) {
	t.Parallel()
	seen := map[string]string{otp.Hash("user@example.com", "123456"): "GoTrue's"}
	for name, hash := range map[string]string{
		"itself":          otp.KeyedHash(key, "recovery", "user@example.com", "123456"),
		"another key":     otp.KeyedHash(append([]byte{8}, key[1:]...), "recovery", "user@example.com", "123456"),
		"another purpose": otp.KeyedHash(key, "magiclink", "user@example.com", "123456"),
		"another address": otp.KeyedHash(key, "recovery", "other@example.com", "123456"),
		"another code":    otp.KeyedHash(key, "recovery", "user@example.com", "123457"),
	} {
		if other, ok := seen[hash]; ok {
			t.Errorf("%s: got the same hash as %s", name, other)
		}
		seen[hash] = name
	}
}

// Wherever a text is cut into three parts, the hash is another one.
func TestPartsOfKeyedHashesDoNotRunIntoEachOther(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"recoveryuser@example.com123456", "aaaaaaaaaaaa", strings.Repeat("\x00", 20), "\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x01"} {
		seen := map[string][2]int{}
		for i := range len(text) + 1 {
			for j := i; j <= len(text); j++ {
				hash := otp.KeyedHash(key, text[:i], text[i:j], text[j:])
				if other, ok := seen[hash]; ok {
					t.Fatalf("%q cut at %v and at %v: got one hash", text, other, [2]int{i, j})
				}
				seen[hash] = [2]int{i, j}
			}
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	a, b := otp.Hash("a", "1"), otp.Hash("a", "2")
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{a, a, true}, {a, b, false}, {a, "", false}, {"", a, false}, {"", "", false}, {a, a[:55], false}, {a, strings.ToUpper(a), false}, {a, otp.WithPKCE(a), false},
	} {
		if got := otp.Equal(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %t, want %t", c.a, c.b, got, c.want)
		}
	}
}

func TestPKCEMarksAHash(t *testing.T) {
	t.Parallel()
	hash := otp.Hash("a", "1")
	marked := otp.WithPKCE(hash)
	if marked != "pkce_"+hash || !otp.IsPKCE(marked) || otp.IsPKCE(hash) {
		t.Errorf("got %q of %q", marked, hash)
	}
	if otp.TrimPKCE(marked) != hash || otp.TrimPKCE(hash) != hash {
		t.Errorf("got %q and %q, want %q", otp.TrimPKCE(marked), otp.TrimPKCE(hash), hash)
	}
}

var hashForm = regexp.MustCompile(`^[0-9a-f]{56}$`)

// FuzzKeyedHash: the hash has GoTrue's form, is that of its three parts framed by
// their lengths, and is another one when bytes move from part to part.
func FuzzKeyedHash(f *testing.F) {
	f.Add("recovery", "user@example.com", "123456")
	f.Add("", "", "")
	f.Add("\x00\x00\x00\x00\x00\x00\x00\x00", "\x01", "a")
	f.Fuzz(func(t *testing.T, purpose, address, code string) {
		got := otp.KeyedHash(key, purpose, address, code)
		if !hashForm.MatchString(got) || otp.IsPKCE(got) {
			t.Errorf("got %q", got)
		}
		mac := hmac.New(sha256.New, key)
		for _, part := range []string{purpose, address, code} {
			n := len(part)
			mac.Write([]byte{0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			mac.Write([]byte(part))
		}
		if want := hex.EncodeToString(mac.Sum(nil))[:56]; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if address != "" && (got == otp.KeyedHash(key, purpose+address[:1], address[1:], code) || got == otp.KeyedHash(key, purpose, address[1:], address[:1]+code)) {
			t.Errorf("%q, %q, %q: got the hash of other parts", purpose, address, code)
		}
	})
}
