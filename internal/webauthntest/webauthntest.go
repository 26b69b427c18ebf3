// Package webauthntest is an authenticator in memory, with the browser in front of
// it, for tests: it answers the options of a WebAuthn ceremony as a platform's own
// would (WebAuthn Level 3 §6).
package webauthntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"
)

// The flags of authenticator data (§6.1).
const (
	UserPresent    = 1 << 0
	UserVerified   = 1 << 2
	BackupEligible = 1 << 3
	BackedUp       = 1 << 4
	attested       = 1 << 6
)

// Authenticator has the credentials that were made with it. Its fields say what it
// tells of itself, and may be changed between ceremonies.
type Authenticator struct {
	Origin string // of the page
	AAGUID uuid.UUID
	Flags  byte

	// Counter is what it counts on from.
	Counter uint32

	// ID is that of the credentials that are made, each another one if it is nil.
	ID []byte

	Credentials []*Credential
}

// Credential is a key pair that an authenticator has.
type Credential struct {
	ID     []byte
	Handle []byte // of its user
	RPID   string
	Key    *ecdsa.PrivateKey
}

// New returns an authenticator that verifies its user and keeps a copy of what it has.
func New(origin string) *Authenticator {
	return &Authenticator{Origin: origin, AAGUID: uuid.MustParse("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"), Flags: UserPresent | UserVerified | BackupEligible | BackedUp}
}

// ErrExcluded says that the authenticator has a credential of the user already.
var ErrExcluded = errors.New("webauthntest: there is a credential already")

// ErrNone says that the authenticator has none of the credentials that are asked for.
var ErrNone = errors.New("webauthntest: there is no such credential")

// NewKey returns a key as credentials have one.
func NewKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // there is no randomness
	}
	return key
}

type descriptor struct {
	ID string `json:"id"`
}

// Create answers the options of navigator.credentials.create.
func (a *Authenticator) Create(options []byte) ([]byte, error) {
	var o struct {
		RP struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		Challenge string       `json:"challenge"`
		Exclude   []descriptor `json:"excludeCredentials"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(a.Credentials, func(c *Credential) bool { return listed(o.Exclude, c) }) {
		return nil, ErrExcluded
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	c := &Credential{ID: a.ID, Handle: handle, RPID: o.RP.ID, Key: NewKey()}
	if c.ID == nil {
		c.ID = []byte(rand.Text())
	}
	a.Credentials = append(a.Credentials, c)
	cose, err := coseKey(&c.Key.PublicKey)
	if err != nil {
		return nil, err
	}
	data := a.data(o.RP.ID, a.Flags|attested)
	data = append(data, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(c.ID)))
	data = append(append(data, c.ID...), cose...)
	return c.answer(map[string]any{
		"clientDataJSON":    a.clientData("webauthn.create", o.Challenge),
		"attestationObject": encode(attestation(data)),
		"transports":        []string{"internal", "hybrid"},
	})
}

// Get answers the options of navigator.credentials.get with the newest credential
// that will do.
func (a *Authenticator) Get(options []byte) ([]byte, error) {
	var o struct {
		RPID      string       `json:"rpId"`
		Challenge string       `json:"challenge"`
		Allow     []descriptor `json:"allowCredentials"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	for _, c := range slices.Backward(a.Credentials) {
		if c.RPID == o.RPID && (len(o.Allow) == 0 || listed(o.Allow, c)) {
			return a.assert(c, o.Challenge)
		}
	}
	return nil, ErrNone
}

func (a *Authenticator) assert(c *Credential, challenge string) ([]byte, error) {
	a.Counter++
	data := a.data(c.RPID, a.Flags)
	client := a.clientData("webauthn.get", challenge)
	text, err := base64.RawURLEncoding.DecodeString(client)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	digest := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, c.Key, digest[:])
	if err != nil {
		return nil, err
	}
	return c.answer(map[string]any{
		"clientDataJSON": client, "authenticatorData": encode(data), "signature": encode(signature), "userHandle": encode(c.Handle),
	})
}

func listed(list []descriptor, c *Credential) bool {
	return slices.Contains(list, descriptor{encode(c.ID)})
}

// answer is what the browser makes of an authenticator's answer (§5.1).
func (c *Credential) answer(response map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": encode(c.ID), "rawId": encode(c.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}

// clientData is what the browser knows of a ceremony (§5.8.1).
func (a *Authenticator) clientData(ceremony, challenge string) string {
	text, _ := json.Marshal(map[string]any{"type": ceremony, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	return encode(text)
}

// data is the beginning of authenticator data (§6.1).
func (a *Authenticator) data(rpID string, flags byte) []byte {
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter)
}

// coseKey is a public key as RFC 9053 §7.1 writes it, in CBOR.
func coseKey(key *ecdsa.PublicKey) ([]byte, error) {
	point, err := key.Bytes() // 4, x and y
	if err != nil {
		return nil, err
	}
	cose := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	cose = append(cose, point[1:33]...)
	cose = append(cose, 0x22, 0x58, 0x20)
	return append(cose, point[33:]...), nil
}

// attestation is an attestation object without an attestation (§6.5.4), in CBOR.
func attestation(data []byte) []byte {
	object := []byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59")
	return append(binary.BigEndian.AppendUint16(object, uint16(len(data))), data...)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
