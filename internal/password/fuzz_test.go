package password

import (
	"errors"
	"testing"
)

// FuzzVerify: whatever stands where a hash should, nothing panics, its cost is
// within the limits, and Verify and Valid agree whether it can be read.
func FuzzVerify(f *testing.F) {
	for _, hash := range []string{
		"", "$", "$2", "$2b$04$abcdefghijklmnopqrstuu0CkeIeZLJOlOL1QPPhfXulLNPdFqJBW",
		"$2b$31$abcdefghijklmnopqrstuu0CkeIeZLJOlOL1QPPhfXulLNPdFqJBW",
		"$argon2id", "$argon2i$v=19$m=8,t=1,p=1,data=AAAA,keyid=AAAA$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$fbscrypt$", "$fbscrypt$v=1,n=4,r=2,p=3,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec=",
		"$fbscrypt$v=1,n=63,r=1073741824,p=1073741824$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec=",
	} {
		f.Add(hash, "ab")
	}
	h, err := New(Params{Cost: 4}, Limit{})
	if err != nil {
		f.Fatalf("New: %v", err)
	}
	f.Fuzz(func(t *testing.T, hash, password string) {
		s, err := parse(hash)
		if err != nil && !errors.Is(err, ErrUnsupported) {
			t.Fatalf("parse: got %v, want ErrUnsupported", err)
		}
		if err == nil && !cheap(t, s) {
			return
		}
		ok, weaker, verr := h.Verify(t.Context(), hash, password)
		switch {
		case hash == "" && verr != nil, hash != "" && (verr == nil) != (err == nil):
			t.Errorf("Verify: got error %v, parse %v", verr, err)
		case ok && (err != nil || hash == ""):
			t.Error("Verify: matched what is no hash")
		case weaker && !ok:
			t.Error("Verify: weaker without a match")
		}
	})
}

// cheap fails the test when s exceeds the limits, and reports whether it costs
// so little that many of it can be computed.
func cheap(t *testing.T, s stored) bool {
	switch s := s.(type) {
	case bcryptHash:
		if s.cost < 4 || s.cost > 16 {
			t.Errorf("bcrypt cost %d", s.cost)
		}
		return s.cost == 4
	case argon2Hash:
		if s.memory < 8*s.lanes || s.memory > 1<<20 || s.passes < 1 || s.passes > 20 || s.lanes < 1 || s.lanes > 16 || len(s.key) < 12 {
			t.Errorf("argon2 %+v", s)
		}
		return s.memory*s.passes <= 1<<10
	case firebaseHash:
		// In floating point, which does not overflow.
		bytes := 128 * float64(s.r) * float64(s.p)
		for range s.n {
			bytes *= 2
		}
		if s.n < 1 || s.r < 1 || s.p < 1 || bytes > 1<<30 || len(s.encrypted) < 12 {
			t.Errorf("fbscrypt %+v", s)
		}
		return bytes <= 1<<20
	}
	t.Errorf("unknown kind of hash %T", s)
	return false
}
