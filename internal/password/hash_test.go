package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/password"
)

const (
	salt16 = "c2FsdHNhbHRzYWx0c2FsdA"
	key32  = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	blow53 = "abcdefghijklmnopqrstuuQMmacd.gfWHSNjAg0ansnjUsqPTzkIe"
	fbTail = "$c2FsdC1vZi10ZW4=$XNSwWQmrKMQSEuZw5C0bZ2zJKwOj1gT/OfGysUJOUec="
)

func TestValidAcceptsHashesUpToTheLimits(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		"$2a$04$" + blow53,
		"$2b$10$" + blow53,
		"$2y$16$" + blow53,
		"$argon2id$v=19$m=1048576,t=20,p=16$" + salt16 + "$" + key32,
		"$argon2i$v=19$m=8,t=1,p=1$" + salt16 + "$" + key32,
		"$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA,data=AAAA$" + salt16 + "$" + key32,
		"$argon2id$v=19$m=19456,t=2,p=1,data=AAAA$c2FsdHNhbHQ$" + key32,
		"$fbscrypt$v=1,n=20,r=8,p=1" + fbTail,
		"$fbscrypt$v=1,n=1,r=1,p=1" + fbTail,
		fbscryptVector,
	} {
		if err := password.Valid(hash); err != nil {
			t.Errorf("%s: got %v, want nil", hash, err)
		}
	}
}

func TestValidRefusesWithASentence(t *testing.T) {
	t.Parallel()
	argon2 := func(params, salt, key string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + key }
	for _, tt := range []struct{ name, hash, want string }{
		{"nothing", "", "neither bcrypt, argon2 nor Firebase scrypt"},
		{"plain text", "secret", "neither bcrypt, argon2 nor Firebase scrypt"},
		{"md5crypt", "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "neither bcrypt, argon2 nor Firebase scrypt"},
		{"encrypted envelope", `{"key_id":"k","alg":"aes-gcm-hkdf"}`, "neither bcrypt, argon2 nor Firebase scrypt"},
		{"line break", "$2b$10$" + blow53 + "\n", "characters that no hash has"},
		{"NUL", "$2b$10$" + blow53[:52] + "\x00", "characters that no hash has"},
		{"invalid UTF-8", "$2b$10$" + blow53[:52] + "\xff", "characters that no hash has"},
		{"too long", argon2("m=64,t=1,p=1", salt16, strings.Repeat("A", 255)), "longer than 255 bytes"},

		{"bcrypt truncated", "$2b$10$abcdefghijkl", "53 characters"},
		{"bcrypt short of one", "$2b$10$" + blow53[1:], "53 characters"},
		{"bcrypt with a tail", "$2b$10$" + blow53 + "x", "53 characters"},
		{"bcrypt of another alphabet", "$2b$10$" + blow53[:20] + "+" + blow53[21:], "53 characters"},
		{"bcrypt without minor version", "$2$10$" + blow53 + ".", "53 characters"},
		{"bcrypt 2x", "$2x$10$" + blow53, "$2a$, $2b$ and $2y$"},
		{"bcrypt cost below", "$2b$03$" + blow53, "between 4 and 16"},
		{"bcrypt cost above", "$2b$17$" + blow53, "between 4 and 16"},
		{"bcrypt cost of days", "$2b$31$" + blow53, "between 4 and 16"},
		{"bcrypt cost signed", "$2b$+9$" + blow53, "between 4 and 16"},

		{"argon2d", "$argon2d$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32, "only argon2i and argon2id"},
		{"argon2 version 16", "$argon2id$v=16$m=64,t=1,p=1$" + salt16 + "$" + key32, "only version 19"},
		{"argon2 without version", "$argon2id$m=64,t=1,p=1$" + salt16 + "$" + key32, "only version 19"},
		{"argon2 alone", "$argon2id", "only version 19"},
		{"argon2 without key", "$argon2id$v=19$m=64,t=1,p=1$" + salt16, "parameters, salt and key"},
		{"argon2 with more parts", argon2("m=64,t=1,p=1", salt16, key32) + "$x", "parameters, salt and key"},
		{"argon2 parameters out of order", argon2("t=1,m=64,p=1", salt16, key32), "m=19456,t=2,p=1"},
		{"argon2 parameter missing", argon2("m=64,t=1", salt16, key32), "m=19456,t=2,p=1"},
		{"argon2 parameter unknown", argon2("m=64,t=1,p=1,x=1", salt16, key32), "m=19456,t=2,p=1"},
		{"argon2 parameter twice", argon2("m=64,t=1,p=1,data=a,data=b", salt16, key32), "m=19456,t=2,p=1"},
		{"argon2 memory above", argon2("m=1048577,t=1,p=1", salt16, key32), "between 8 and 1048576"},
		{"argon2 memory out of range", argon2("m=99999999999999999999,t=1,p=1", salt16, key32), "between 8 and 1048576"},
		{"argon2 memory below what its lanes need", argon2("m=31,t=1,p=4", salt16, key32), "between 32 and 1048576"},
		{"argon2 memory no number", argon2("m=0x40,t=1,p=1", salt16, key32), "between 8 and 1048576"},
		{"argon2 no passes", argon2("m=64,t=0,p=1", salt16, key32), "between 1 and 20"},
		{"argon2 passes above", argon2("m=64,t=21,p=1", salt16, key32), "between 1 and 20"},
		{"argon2 no lanes", argon2("m=64,t=1,p=0", salt16, key32), "between 1 and 16"},
		{"argon2 lanes above", argon2("m=1024,t=1,p=17", salt16, key32), "between 1 and 16"},
		{"argon2 lanes that wrap to one", argon2("m=4096,t=1,p=257", salt16, key32), "between 1 and 16"},
		{"argon2 short salt", argon2("m=64,t=1,p=1", "c2FsdA", key32), "at least 8 bytes"},
		{"argon2 empty key", argon2("m=64,t=1,p=1", salt16, ""), "at least 12 bytes"},
		{"argon2 padded", argon2("m=64,t=1,p=1", salt16+"==", key32), "in base64"},

		{"fbscrypt version 2", strings.Replace(fbscryptVector, "v=1", "v=2", 1), "only version 1"},
		{"fbscrypt without hash", "$fbscrypt$v=1,n=14,r=8,p=1$c2FsdA==", "looks like"},
		{"fbscrypt parameter missing", "$fbscrypt$v=1,n=14,r=8" + fbTail, "looks like"},
		{"fbscrypt n zero", "$fbscrypt$v=1,n=0,r=8,p=1" + fbTail, "between 1 and 23"},
		{"fbscrypt n above", "$fbscrypt$v=1,n=24,r=1,p=1" + fbTail, "between 1 and 23"},
		{"fbscrypt r zero", "$fbscrypt$v=1,n=14,r=0,p=1" + fbTail, "between 1 and 64"},
		{"fbscrypt p above", "$fbscrypt$v=1,n=14,r=8,p=17" + fbTail, "between 1 and 16"},
		{"fbscrypt over 1 GiB", "$fbscrypt$v=1,n=20,r=9,p=1" + fbTail, "1 GiB"},
		{"fbscrypt over 1 GiB by lanes", "$fbscrypt$v=1,n=20,r=8,p=2" + fbTail, "1 GiB"},
		{"fbscrypt empty hash", "$fbscrypt$v=1,n=14,r=8,p=1$c2FsdC1vZi10ZW4=$", "at least 12 bytes"},
		{"fbscrypt no salt", "$fbscrypt$v=1,n=14,r=8,p=1$$" + strings.Split(fbTail, "$")[2], "at least 1 bytes"},
		{"fbscrypt signer key not base64", "$fbscrypt$v=1,n=14,r=8,p=1,sk=*" + fbTail, "in base64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := password.Valid(tt.hash)
			if !errors.Is(err, password.ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want ErrUnsupported saying %q", tt.hash, err, tt.want)
			}
		})
	}
}

func TestRefusalsQuoteNothingOfTheHash(t *testing.T) {
	t.Parallel()
	const canary = "Canary7"
	for _, hash := range []string{
		canary, "$2b$10$" + canary, "$argon2id$v=19$m=1,t=1,p=1$" + canary + "$" + canary,
		"$argon2id$v=19$" + canary + "$" + salt16 + "$" + canary + "*", "$fbscrypt$v=1,n=1,r=1,p=1,sk=" + canary + "$" + canary + "$" + canary,
	} {
		if err := password.Valid(hash); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v, want an error without %q", err, canary)
		}
	}
}
