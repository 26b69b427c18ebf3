package password

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// firebaseHash is a hash of Firebase Authentication's variant of scrypt, in the
// form that GoTrue gave it:
//
//	$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash
//
// scrypt's output is not the hash: it is the AES-256 key under which the
// project's signer key (sk) was encrypted in counter mode, and the hash is the
// outcome. ss is appended to each account's salt. Both may be missing, but without
// a signer key no password matches.
type firebaseHash struct {
	n, r, p   int // scrypt's N is 2ⁿ
	salt      []byte
	separator []byte
	signer    []byte
	encrypted []byte
}

func parseFirebase(text string) (stored, error) {
	part := strings.Split(text, "$")
	if !strings.HasPrefix(part[2], "v=1,") {
		return nil, unsupported("of fbscrypt only version 1 is accepted")
	}
	set, ok := settings(part[2], []string{"v", "n", "r", "p"}, []string{"ss", "sk"})
	if !ok || len(part) != 5 {
		return nil, unsupported("fbscrypt looks like $fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash")
	}
	f := firebaseHash{n: number(set["n"]), r: number(set["r"]), p: number(set["p"])}
	var errs [4]error
	f.salt, errs[0] = decode(base64.StdEncoding, "fbscrypt salt", part[3], 1)
	f.separator, errs[1] = decode(base64.StdEncoding, "fbscrypt salt separator (ss)", set["ss"], 0)
	f.signer, errs[2] = decode(base64.StdEncoding, "fbscrypt signer key (sk)", set["sk"], 0)
	f.encrypted, errs[3] = decode(base64.StdEncoding, "fbscrypt hash", part[4], minKeyLength)
	if err := cmp.Or(f.check(), cmp.Or(errs[:]...)); err != nil {
		return nil, unsupported("%v", err)
	}
	return f, nil
}

// check caps what scrypt fills over all lanes, 128·r·p·2ⁿ bytes, at 1 GiB: its
// memory and, since lanes run one after the other, its time.
func (f firebaseHash) check() error {
	err := cmp.Or(
		within("fbscrypt n", f.n, 1, 23),
		within("fbscrypt r", f.r, 1, 64),
		within("fbscrypt p", f.p, 1, 16),
	)
	if err == nil && int64(128*f.r*f.p)<<f.n > 1<<30 {
		err = errors.New("fbscrypt n, r and p must not ask for more than 1 GiB")
	}
	return err
}

func (f firebaseHash) matches(password string) bool {
	salt := append(f.salt[:len(f.salt):len(f.salt)], f.separator...)
	key, err := scrypt.Key([]byte(password), salt, 1<<f.n, f.r, f.p, 32)
	if err != nil {
		return false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false
	}
	encrypted := make([]byte, len(f.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(encrypted, f.signer)
	return subtle.ConstantTimeCompare(encrypted, f.encrypted) == 1
}

func (f firebaseHash) work() int { return 0 }
