package jwk_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/jwk"
)

const secretText = "a secret that is long enough: 0123456789"

func TestSecretNeedsThirtyTwoBytes(t *testing.T) {
	t.Parallel()
	if _, err := jwk.Secret("", bytes.Repeat([]byte("x"), 31)); err == nil || err.Error() != "secret has 31 bytes, at least 32 are needed" {
		t.Errorf("31 bytes: %v", err)
	}
	key, err := jwk.Secret("k1", bytes.Repeat([]byte("x"), 32))
	if err != nil {
		t.Fatalf("32 bytes: %v", err)
	}
	if key.ID() != "k1" || key.Algorithm() != "HS256" || !key.CanSign() || !key.Symmetric() {
		t.Errorf("got kid %q, alg %q, signs %t, symmetric %t", key.ID(), key.Algorithm(), key.CanSign(), key.Symmetric())
	}
}

func TestSecretIsCopied(t *testing.T) {
	t.Parallel()
	secret := []byte(secretText)
	key, err := jwk.Secret("", secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	token, err := mustSet(t, jwk.SetConfig{Secret: mustSecret(t, "", secretText)}).Sign(jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	if err := mustSet(t, jwk.SetConfig{Secret: key}).Verify(token, jwt.MapClaims{}, at(vectorTime)); err != nil {
		t.Errorf("after the caller's bytes changed: %v", err)
	}
}

func TestGeneratedKeysSignUnderIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	first, second := generate(t), generate(t)
	if first.ID() == second.ID() {
		t.Errorf("two keys with kid %q", first.ID())
	}
	if _, err := uuid.Parse(first.ID()); err != nil {
		t.Errorf("kid %q: %v", first.ID(), err)
	}
	if first.Algorithm() != "ES256" || !first.CanSign() || first.Symmetric() {
		t.Errorf("got alg %q, signs %t, symmetric %t", first.Algorithm(), first.CanSign(), first.Symmetric())
	}
	token, err := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{first}}).Sign(jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	both := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{second, first.VerifyOnly()}})
	if err := both.Verify(token, jwt.MapClaims{}, at(vectorTime)); err != nil {
		t.Errorf("after rotation: %v", err)
	}
}

func generate(t *testing.T) jwk.Key {
	t.Helper()
	key, err := jwk.GenerateES256(rand.Reader)
	if err != nil {
		t.Fatalf("GenerateES256: %v", err)
	}
	return key
}

func TestGenerateReportsAFailingSource(t *testing.T) {
	t.Parallel()
	if _, err := jwk.GenerateES256(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
}

func TestMarshalledKeysReadBack(t *testing.T) {
	t.Parallel()
	keys := []jwk.Key{generate(t), mustSecret(t, "", secretText), mustSecret(t, "s", secretText)}
	for _, v := range vectors(t) {
		keys = append(keys, mustParse(t, v.JWK))
	}
	for _, key := range keys {
		for _, original := range []jwk.Key{key, key.VerifyOnly()} {
			text := marshal(t, original)
			again := mustParse(t, text)
			if got := marshal(t, again); !bytes.Equal(got, text) {
				t.Errorf("%s: read back and written: %s, want %s", key.Algorithm(), got, text)
			}
			if again.ID() != original.ID() || again.Algorithm() != original.Algorithm() || again.CanSign() != original.CanSign() {
				t.Errorf("%s: got kid %q, alg %q, signs %t", key.Algorithm(), again.ID(), again.Algorithm(), again.CanSign())
			}
		}
	}
}

func marshal(t *testing.T, key jwk.Key) []byte {
	t.Helper()
	text, err := key.MarshalPrivate()
	if err != nil {
		t.Fatalf("MarshalPrivate: %v", err)
	}
	return text
}

func TestVerifyOnlyDropsThePrivatePart(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		key := mustParse(t, v.JWK).VerifyOnly()
		if key.CanSign() {
			t.Errorf("%s still signs", v.Algorithm)
		}
		var members map[string]any
		if err := json.Unmarshal(marshal(t, key), &members); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"d", "p", "q"} {
			if _, ok := members[name]; ok {
				t.Errorf("%s still has member %q", v.Algorithm, name)
			}
		}
	}
}

func TestPublicShowsEachKindOfKey(t *testing.T) {
	t.Parallel()
	for algorithm, want := range map[string]string{
		"RS256": "alg e key_ops kid kty n use",
		"RS512": "alg e key_ops kid kty n use",
		"ES256": "alg crv key_ops kid kty use x y",
		"ES512": "alg crv key_ops kid kty use x y",
		"EdDSA": "alg crv key_ops kid kty use x",
	} {
		shown, ok := vectorKey(t, algorithm).Public()
		if !ok {
			t.Errorf("%s is not shown", algorithm)
		}
		if got := memberNames(t, shown); got != want {
			t.Errorf("%s has members %q, want %q", algorithm, got, want)
		}
		if shown.Use != "sig" || shown.Algorithm != algorithm || fmt.Sprint(shown.Operations) != "[verify]" {
			t.Errorf("%s: got use %q, alg %q, key_ops %q", algorithm, shown.Use, shown.Algorithm, shown.Operations)
		}
	}
	if shown, ok := vectorKey(t, "HS256").Public(); ok {
		t.Errorf("the symmetric key is shown: %+v", shown)
	}
}

func TestKeysDoNotPrintTheirSecrets(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		var members map[string]any
		if err := json.Unmarshal(v.JWK, &members); err != nil {
			t.Fatal(err)
		}
		key := mustParse(t, v.JWK)
		set := mustSet(t, jwk.SetConfig{Keys: []jwk.Key{key}})
		text := fmt.Sprintf("%v %+v %#v %+v %#v %+v", key, key, key, struct{ k jwk.Key }{key}, *set, set)
		for _, name := range []string{"d", "k", "p", "q"} {
			if secret, ok := members[name].(string); ok && strings.Contains(text, secret) {
				t.Errorf("%s prints member %q: %s", v.Algorithm, name, text)
			}
		}
	}
	if text := fmt.Sprintf("%v", mustSecret(t, "", secretText)); strings.Contains(text, fmt.Sprint([]byte(secretText[:4]))[1:12]) {
		t.Errorf("secret bytes printed: %s", text)
	}
}

func TestTheZeroKeyIsNone(t *testing.T) {
	t.Parallel()
	var none jwk.Key
	if !none.IsZero() || none.CanSign() || none.ID() != "" || none.Algorithm() != "" {
		t.Errorf("got zero %t, signs %t, kid %q, alg %q", none.IsZero(), none.CanSign(), none.ID(), none.Algorithm())
	}
	if _, ok := none.VerifyOnly().Public(); ok {
		t.Error("the zero Key is shown")
	}
	if text, err := none.MarshalPrivate(); err == nil {
		t.Errorf("the zero Key is marshalled as %s", text)
	}
}
