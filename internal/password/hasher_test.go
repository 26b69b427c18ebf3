package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/postern-auth/postern/internal/password"
)

func newHasher(t *testing.T, p password.Params) *password.Hasher {
	t.Helper()
	h, err := password.New(p, password.Limit{})
	if err != nil {
		t.Fatalf("New(%+v): %v", p, err)
	}
	return h
}

func mustHash(t *testing.T, h *password.Hasher, pw string) string {
	t.Helper()
	hash, err := h.Hash(t.Context(), pw)
	if err != nil {
		t.Fatalf("Hash: %v", err)
	}
	return hash
}

func verify(t *testing.T, h *password.Hasher, hash, pw string) (ok, weaker bool) {
	t.Helper()
	ok, weaker, err := h.Verify(t.Context(), hash, pw)
	if err != nil {
		t.Fatalf("Verify(%q): %v", hash, err)
	}
	return ok, weaker
}

var (
	cheapBcrypt = password.Params{Cost: 4}
	cheapArgon2 = password.Params{Algorithm: password.Argon2id, Memory: 64, Passes: 1}
)

func TestHashIsVerifiedByItsPasswordOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		params password.Params
		prefix string
	}{
		{"bcrypt", cheapBcrypt, "$2a$04$"},
		{"argon2id", cheapArgon2, "$argon2id$v=19$m=64,t=1,p=1$"},
		{"argon2id with lanes", password.Params{Algorithm: password.Argon2id, Memory: 100, Passes: 3, Lanes: 2}, "$argon2id$v=19$m=100,t=3,p=2$"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHasher(t, tt.params)
			hash := mustHash(t, h, "Größe-🔑-1")
			if !strings.HasPrefix(hash, tt.prefix) {
				t.Errorf("got hash %q, want prefix %q", hash, tt.prefix)
			}
			if err := password.Valid(hash); err != nil {
				t.Errorf("Valid of a new hash: got %v, want nil", err)
			}
			if ok, weaker := verify(t, h, hash, "Größe-🔑-1"); !ok || weaker {
				t.Errorf("right password: got ok %v, weaker %v, want true, false", ok, weaker)
			}
			for _, wrong := range []string{"", "größe-🔑-1", "Größe-🔑-1 ", "Größe-🔑-"} {
				if ok, weaker := verify(t, h, hash, wrong); ok || weaker {
					t.Errorf("password %q: got ok %v, weaker %v, want false, false", wrong, ok, weaker)
				}
			}
			if again := mustHash(t, h, "Größe-🔑-1"); again == hash {
				t.Errorf("two hashes of one password are the same: %q", hash)
			}
		})
	}
}

// fbscryptVector is the example that Firebase publishes with its scrypt tool.
const fbscryptVector = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==," +
	"sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==" +
	"$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="

// The hashes of other implementations: crypt_blowfish and libxcrypt, Argon2's
// reference, Firebase, and OpenSSL with Python's scrypt.
func TestVerifyReadsOtherImplementationsHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheapBcrypt)
	for _, tt := range []struct{ name, hash, password string }{
		{"bcrypt 2a", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
		{"bcrypt 2b", "$2b$04$abcdefghijklmnopqrstuuQMmacd.gfWHSNjAg0ansnjUsqPTzkIe", "Größe-🔑"},
		{"bcrypt 2y", "$2y$04$abcdefghijklmnopqrstuuQMmacd.gfWHSNjAg0ansnjUsqPTzkIe", "Größe-🔑"},
		{"bcrypt of 72 bytes", "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", strings.Repeat("x", 72)},
		{"argon2id", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
		{"argon2i", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "password"},
		{"argon2id with data and key id", "$argon2id$v=19$m=256,t=2,p=1,data=AAAA,keyid=BBBB$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
		{"Firebase's example", fbscryptVector, "user1password"},
		{"fbscrypt of other parameters", "$fbscrypt$v=1,n=4,r=2,p=3,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdC1vZi10ZW4=$RJpN8OrOqXdq1b4u+jYyPo4J1fJAuR2vWhIl2cWAkII9+FtwlB9Yj+SdtQ+IXq0vePqL8vFLyEU7gt5Y1jyCDg==", "correct horse"},
		{"fbscrypt without separator", "$fbscrypt$v=1,n=4,r=2,p=3,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec=", "correct horse"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := password.Valid(tt.hash); err != nil {
				t.Errorf("Valid: got %v, want nil", err)
			}
			if ok, _ := verify(t, h, tt.hash, tt.password); !ok {
				t.Errorf("right password: got false, want true")
			}
			if ok, weaker := verify(t, h, tt.hash, "wrong "+tt.password[:2]); ok || weaker {
				t.Errorf("wrong password: got ok %v, weaker %v, want false, false", ok, weaker)
			}
		})
	}
}

func TestFirebaseHashWithoutSignerKeyMatchesNothing(t *testing.T) {
	t.Parallel()
	const hash = "$fbscrypt$v=1,n=4,r=2,p=3$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec="
	if ok, _ := verify(t, newHasher(t, cheapBcrypt), hash, "correct horse"); ok {
		t.Error("got true, want false")
	}
}

func TestPasswordsAreComparedWhole(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheapBcrypt)
	const (
		of72x     = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"
		ofAB      = "$2b$04$abcdefghijklmnopqrstuu0CkeIeZLJOlOL1QPPhfXulLNPdFqJBW"
		ofCorrect = "$fbscrypt$v=1,n=4,r=2,p=3,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec="
	)
	for _, tt := range []struct {
		name, hash, password string
		want                 bool
	}{
		{"72 bytes", of72x, strings.Repeat("x", 72), true},
		{"73 bytes, of which bcrypt reads 72", of72x, strings.Repeat("x", 73), false},
		{"short", ofAB, "ab", true},
		{"repeated after a NUL, as bcrypt repeats it", ofAB, "ab\x00ab", false},
		{"short, scrypt", ofCorrect, "correct horse", true},
		{"padded with NUL, as HMAC pads it", ofCorrect, "correct horse\x00", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ok, _ := verify(t, h, tt.hash, tt.password); ok != tt.want {
				t.Errorf("got %v, want %v", ok, tt.want)
			}
		})
	}
}

func TestHashRefusesWhatCannotBeComparedWhole(t *testing.T) {
	t.Parallel()
	for _, params := range []password.Params{cheapBcrypt, cheapArgon2} {
		h := newHasher(t, params)
		for _, tt := range []struct {
			password string
			want     error
		}{
			{strings.Repeat("x", password.MaxLength), nil},
			{strings.Repeat("x", password.MaxLength+1), password.ErrTooLong},
			{strings.Repeat("ß", 37), password.ErrTooLong},
			{"half\x00other half", password.ErrNUL},
		} {
			hash, err := h.Hash(t.Context(), tt.password)
			if !errors.Is(err, tt.want) || (err != nil && hash != "") {
				t.Errorf("%s, %d bytes: got %q, %v, want error %v", params.Algorithm, len(tt.password), hash, err, tt.want)
			}
		}
	}
}

func TestLongPasswordOfImportedArgon2HashIsAccepted(t *testing.T) {
	t.Parallel()
	// By libargon2 of 80 times "x".
	const hash = "$argon2id$v=19$m=64,t=1,p=2$c2l4dGVlbi1ieXRlLXNsdA$+sb1jtveJcI2EMJxEyCSRZOl9qxscNM/D3WIhQe25ko"
	if ok, _ := verify(t, newHasher(t, cheapBcrypt), hash, strings.Repeat("x", 80)); !ok {
		t.Error("got false, want true")
	}
}

func TestVerifyWithoutAHashNeverMatches(t *testing.T) {
	t.Parallel()
	for _, params := range []password.Params{cheapBcrypt, cheapArgon2} {
		h := newHasher(t, params)
		for _, pw := range []string{"", "secret", strings.Repeat("x", 100), "\x00"} {
			if ok, weaker := verify(t, h, "", pw); ok || weaker {
				t.Errorf("%s, password %q: got ok %v, weaker %v, want false, false", params.Algorithm, pw, ok, weaker)
			}
		}
	}
}

func TestVerifyOfAnUnreadableHashSaysSo(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheapBcrypt)
	ok, weaker, err := h.Verify(t.Context(), "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "secret")
	if ok || weaker || !errors.Is(err, password.ErrUnsupported) {
		t.Errorf("got %v, %v, %v, want false, false, ErrUnsupported", ok, weaker, err)
	}
}

func TestVerifyTellsWeakerHashesApart(t *testing.T) {
	t.Parallel()
	four, five := newHasher(t, password.Params{Cost: 4}), newHasher(t, password.Params{Cost: 5})
	if ok, weaker := verify(t, five, mustHash(t, four, "secret"), "secret"); !ok || !weaker {
		t.Errorf("cost 4 where 5 is configured: got ok %v, weaker %v, want true, true", ok, weaker)
	}
	if ok, weaker := verify(t, four, mustHash(t, five, "secret"), "secret"); !ok || weaker {
		t.Errorf("cost 5 where 4 is configured: got ok %v, weaker %v, want true, false", ok, weaker)
	}
}

func TestHasherGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheapBcrypt)
	hash := mustHash(t, h, "secret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "secret"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: got %v, want %v", err, context.Canceled)
	}
	if ok, _, err := h.Verify(ctx, hash, "secret"); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: got %v, %v, want false, %v", ok, err, context.Canceled)
	}
}

func TestHasherServesManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheapBcrypt)
	hash := mustHash(t, h, "secret")
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			pw := []string{"secret", "wrong"}[i%2]
			ok, _, err := h.Verify(t.Context(), hash, pw)
			if err != nil || ok != (pw == "secret") {
				t.Errorf("password %q: got %v, %v", pw, ok, err)
			}
		})
	}
	group.Wait()
}
