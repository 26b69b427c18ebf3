// Package envelope opens and seals column values that are encrypted at rest.
//
// A sealed value is a JSON object with the ciphertext, its nonce, the algorithm
// and the id of the key. The algorithm is AES-256-GCM under a key derived from
// the configured one for one object: HKDF-SHA-256 (RFC 5869) without salt, with
// the object's id as info. A sealed value that is copied into another row
// therefore does not open there, and an object whose id changes can no longer
// be read.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// KeySize is the length of a configured key in bytes.
const KeySize = 32

const (
	algorithm = "aes-gcm-hkdf"
	nonceSize = 12
)

// What can be wrong with a sealed value. No error repeats a ciphertext or a key.
var (
	// ErrMalformed is a value that starts like an envelope and is none, or
	// one of an algorithm other than ours.
	ErrMalformed = errors.New("malformed envelope")
	// ErrUnknownKey is an envelope under a key that is not configured.
	ErrUnknownKey = errors.New("envelope is sealed with a key that is not configured")
	// ErrNotAuthentic is an envelope that was altered, that belongs to another
	// object, or whose key's id now names another key.
	ErrNotAuthentic = errors.New("envelope does not open for this object with its key")
)

// sealed is the JSON form. Its byte strings are standard base64 with padding.
type sealed struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"alg"`
	Data      []byte `json:"data"`
	Nonce     []byte `json:"nonce"`
}

// IsSealed reports whether value is an envelope by the sign that Open goes by:
// it starts with a brace. No hash, base32 secret or base64 key does.
func IsSealed(value string) bool {
	return strings.HasPrefix(value, "{")
}

// NeedsSealing reports whether value is not sealed under the key named keyID:
// it stands in clear, under another key or cannot be read. The empty value,
// which columns use for "none", is never sealed.
func NeedsSealing(keyID, value string) bool {
	if !IsSealed(value) {
		return value != ""
	}
	env, err := read(value)
	return err != nil || env.KeyID != keyID
}

// Open returns what value hides. A value that is no envelope comes back as it
// is. keys are the configured keys by id, objectID is the id, as text, of the
// object that the value belongs to.
//
// Errors: ErrMalformed, ErrUnknownKey, ErrNotAuthentic, or that a key is not
// KeySize bytes long.
func Open(keys map[string][]byte, objectID, value string) (string, error) {
	if !IsSealed(value) {
		return value, nil
	}
	env, err := read(value)
	if err != nil {
		return "", err
	}
	key, ok := keys[env.KeyID]
	if !ok {
		return "", fmt.Errorf("%w: %q", ErrUnknownKey, env.KeyID)
	}
	aead, err := cipherFor(key, objectID)
	if err != nil {
		return "", err
	}
	plaintext, err := aead.Open(nil, env.Nonce, env.Data, nil)
	if err != nil {
		return "", ErrNotAuthentic
	}
	return string(plaintext), nil
}

// Seal returns plaintext in an envelope that opens for objectID with the key
// named keyID. The nonce is drawn from rand. It fails when keyID is empty or not
// UTF-8 (JSON could not keep it), when key is not KeySize bytes long, and when
// rand does.
func Seal(keyID string, key []byte, objectID, plaintext string, rand io.Reader) (string, error) {
	if keyID == "" || !utf8.ValidString(keyID) {
		return "", errors.New("encryption key has no usable id")
	}
	aead, err := cipherFor(key, objectID)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return "", fmt.Errorf("draw a nonce: %w", err)
	}
	data := aead.Seal(nil, nonce, []byte(plaintext), nil)
	text, err := json.Marshal(sealed{KeyID: keyID, Algorithm: algorithm, Data: data, Nonce: nonce})
	return string(text), err
}

// read checks the nonce's length too: GCM panics on a wrong one.
func read(value string) (sealed, error) {
	var env sealed
	if err := json.Unmarshal([]byte(value), &env); err != nil {
		return sealed{}, fmt.Errorf("%w: not the expected JSON", ErrMalformed)
	}
	if env.Algorithm != algorithm {
		return sealed{}, fmt.Errorf("%w: algorithm %q", ErrMalformed, env.Algorithm)
	}
	if len(env.Nonce) != nonceSize {
		return sealed{}, fmt.Errorf("%w: nonce of %d bytes", ErrMalformed, len(env.Nonce))
	}
	return env, nil
}

// cipherFor derives the object's own cipher from a configured key.
func cipherFor(key []byte, objectID string) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("encryption key has %d bytes, not %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, objectID, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive an encryption key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("derive an encryption key: %w", err)
	}
	return cipher.NewGCM(block)
}
