package refreshtoken

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length of a session's key in bytes.
const KeySize = 32

// NewKey draws a key for a new session from rand.
func NewKey(rand io.Reader) ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("draw a refresh token key: %w", err)
	}
	return key, nil
}

// EncodeKey is the form in which a session's row keeps its key: base64url
// without padding.
func EncodeKey(key []byte) string {
	return base64.RawURLEncoding.EncodeToString(key)
}

// DecodeKey undoes EncodeKey. It fails when s is not KeySize bytes in that form;
// the error does not repeat s.
func DecodeKey(s string) ([]byte, error) {
	key, err := decode(s)
	if err != nil || len(key) != KeySize {
		return nil, errors.New("refresh token key is not base64url of 32 bytes")
	}
	return key, nil
}
