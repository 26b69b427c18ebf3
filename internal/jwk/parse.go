package jwk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Parse reads private JWKs: a JSON array of them, or an object with such an
// array as its member "keys". Each needs a kid of its own, and exactly one must
// have "sign" among its key_ops: that one signs. The others verify, with or
// without a private part, which is not kept.
//
// Supported are RSA (RS256, RS512) from 2048 bits, EC (ES256, ES512), OKP
// (EdDSA with Ed25519) and oct (HS256) from 32 bytes. A key without alg gets the
// first of its kind. All mistakes are reported together, one sentence each; none
// shows key material.
func Parse(jwks []byte) ([]Key, error) {
	list, err := split(jwks)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(list))
	var errs []error
	for i, text := range list {
		key, err := ParseKey(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("key %d of the list: %w", i+1, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(errs) == 0 {
		errs = append(errs, checkTogether(keys))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return keys, nil
}

// ParseKey reads one JWK by the rules of Parse. The key signs if its key_ops say
// so, and may be without a kid. It undoes Key.MarshalPrivate.
func ParseKey(text []byte) (Key, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return Key{}, fmt.Errorf("not a JSON Web Key: %w", err)
	}
	key, err := d.key()
	if err != nil {
		return Key{}, fmt.Errorf("kid %q: %w", d.KeyID, err)
	}
	return key, nil
}

func split(jwks []byte) ([]json.RawMessage, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	target := any(&set.Keys)
	if bytes.HasPrefix(bytes.TrimSpace(jwks), []byte("{")) {
		target = &set
	}
	if err := json.Unmarshal(jwks, target); err != nil {
		return nil, fmt.Errorf("JSON Web Keys are not a JSON array: %w", err)
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("JSON Web Keys have no key")
	}
	return set.Keys, nil
}

// checkTogether reports what is wrong with keys that are each in order.
func checkTogether(keys []Key) error {
	var errs []error
	var signers []string
	seen := make(map[string]bool, len(keys))
	for i, key := range keys {
		switch {
		case key.ID() == "":
			errs = append(errs, fmt.Errorf("key %d of the list has no kid", i+1))
		case seen[key.ID()]:
			errs = append(errs, fmt.Errorf("kid %q names two keys", key.ID()))
		}
		seen[key.ID()] = true
		if key.CanSign() {
			signers = append(signers, key.ID())
		}
	}
	if len(signers) != 1 {
		errs = append(errs, fmt.Errorf("exactly one key must have \"sign\" among its key_ops, these have it: %q", signers))
	}
	return errors.Join(errs...)
}
