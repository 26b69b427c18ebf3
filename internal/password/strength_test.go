package password

import (
	"testing"
)

// Strengths are compared without computing a hash, so that the table can hold
// real costs.
func TestWeakerHashesAreReplacedAndStrongerOnesAreNot(t *testing.T) {
	t.Parallel()
	const (
		blow    = "abcdefghijklmnopqrstuuQMmacd.gfWHSNjAg0ansnjUsqPTzkIe"
		saltKey = "$c2FsdHNhbHRzYWx0c2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
		fbTail  = "$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec="
	)
	bcrypt := func(cost int) Params { return Params{Cost: cost} }
	argon2id := func(memory, passes int) Params {
		return Params{Algorithm: Argon2id, Memory: memory, Passes: passes}
	}
	for _, tt := range []struct {
		name       string
		stored     string
		configured Params
		want       bool
	}{
		{"bcrypt lower", "$2a$09$" + blow, bcrypt(10), true},
		{"bcrypt same", "$2y$10$" + blow, bcrypt(10), false},
		{"bcrypt higher", "$2b$12$" + blow, bcrypt(10), false},
		{"bcrypt lowest", "$2b$04$" + blow, bcrypt(10), true},

		{"argon2id same", "$argon2id$v=19$m=19456,t=2,p=1" + saltKey, argon2id(0, 0), false},
		{"argon2id stronger", "$argon2id$v=19$m=65536,t=3,p=4" + saltKey, argon2id(0, 0), false},
		{"argon2id of fewer passes but more memory", "$argon2id$v=19$m=47104,t=1,p=1" + saltKey, argon2id(0, 0), false},
		{"argon2id of less memory", "$argon2id$v=19$m=4096,t=3,p=1" + saltKey, argon2id(0, 0), true},
		{"argon2id where more is configured", "$argon2id$v=19$m=19456,t=2,p=1" + saltKey, argon2id(65536, 3), true},

		{"argon2id at its usual settings, bcrypt configured", "$argon2id$v=19$m=19456,t=2,p=1" + saltKey, bcrypt(10), false},
		{"argon2id at OWASP's lowest, bcrypt configured", "$argon2id$v=19$m=7168,t=5,p=1" + saltKey, bcrypt(10), false},
		{"argon2i strong, bcrypt configured", "$argon2i$v=19$m=65536,t=3,p=4" + saltKey, bcrypt(10), false},
		{"argon2i trivial, bcrypt configured", "$argon2i$v=19$m=64,t=1,p=1" + saltKey, bcrypt(10), true},
		{"argon2id usual, strong bcrypt configured", "$argon2id$v=19$m=19456,t=2,p=1" + saltKey, bcrypt(13), true},

		{"bcrypt 10, argon2id configured", "$2a$10$" + blow, argon2id(0, 0), true},
		{"bcrypt 12, argon2id configured", "$2a$12$" + blow, argon2id(0, 0), false},
		{"bcrypt 12, strong argon2id configured", "$2a$12$" + blow, argon2id(65536, 3), true},

		{"fbscrypt, bcrypt configured", "$fbscrypt$v=1,n=14,r=8,p=1" + fbTail, bcrypt(4), true},
		{"fbscrypt, argon2id configured", "$fbscrypt$v=1,n=20,r=8,p=1" + fbTail, argon2id(8, 1), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := parse(tt.stored)
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			h, err := New(tt.configured, Limit{})
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			if got := h.weaker(s); got != tt.want {
				t.Errorf("weaker: got %v, want %v (work %d against %d)", got, tt.want, s.work(), h.unknown.work())
			}
		})
	}
}

func TestAnUnknownAccountIsVerifiedLikeAKnownOne(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{{}, {Cost: 4}, {Algorithm: Argon2id}, {Algorithm: Argon2id, Memory: 128, Passes: 3, Lanes: 2}} {
		p = p.withDefaults()
		switch unknown := p.unknown().(type) {
		case bcryptHash:
			parsed, err := parse(string(unknown.text))
			if err != nil || parsed.(bcryptHash).cost != p.Cost {
				t.Errorf("%+v: got %q, %v, want a readable hash of cost %d", p, unknown.text, err, p.Cost)
			}
		case argon2Hash:
			if fresh := newArgon2(p.argon2Cost(), "secret"); unknown.argon2Cost != fresh.argon2Cost || unknown.variant != fresh.variant ||
				len(unknown.salt) != len(fresh.salt) || len(unknown.key) != len(fresh.key) {
				t.Errorf("%+v: got %+v, want the shape of %+v", p, unknown, fresh)
			}
		}
	}
}
