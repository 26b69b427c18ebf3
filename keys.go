package postern

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/envelope"
	"github.com/postern-auth/postern/internal/jwk"
)

// JWK is the public half of a signing key as the JWKS document shows it
// (RFC 7517 §4).
type JWK = jwk.Public

// JWKS is the document under /.well-known/jwks.json (RFC 7517 §5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWKS returns the public keys that verify this service's access tokens: none
// when a secret signs. Retired keys stay until their last token has expired.
func (a *Auth) JWKS(ctx context.Context) (JWKS, error) {
	set, err := a.keySet(ctx)
	if err != nil {
		return JWKS{}, err
	}
	return JWKS{Keys: set.Public()}, nil
}

// RotateSigningKey makes a new signing key in place of the one that Postern
// generated. The old one verifies until the tokens that it signed have expired;
// other processes on the same database follow within a minute. Keys that come
// from the configuration are changed with SetKeys.
func (a *Auth) RotateSigningKey(ctx context.Context) error {
	if a.keys.configured.Load() != nil {
		return invalid("The signing keys come from the configuration: rotate them there")
	}
	err := a.store.InTx(ctx, func(tx Tx) error {
		records, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		if current := currentKey(records, KeyForSigning); current != nil {
			if err := tx.RetireKey(ctx, current.KID, a.now()); err != nil {
				return err
			}
		}
		record, err := a.generateKey()
		if err != nil {
			return err
		}
		return tx.AddKey(ctx, record)
	})
	if err != nil {
		return internal("rotating the signing key failed", err)
	}
	a.keys.loaded.Store(nil)
	return nil
}

// SetKeys replaces the configured secret and keys while the service runs. To
// rotate without refusing anybody, keep the old key in the list without "sign"
// until its tokens have expired. Errors are those of New; then nothing changes.
func (a *Auth) SetKeys(c JWTConfig) error {
	set, err := c.keySet(a.cfg.maxToken())
	if err != nil {
		return fmt.Errorf("postern: %w", err)
	}
	if set == nil || a.keys.configured.Load() == nil {
		return errors.New("postern: SetKeys replaces configured keys by others; RotateSigningKey is for the generated one")
	}
	a.keys.configured.Store(set)
	return nil
}

// MintToken signs an access token that belongs to no user and no session: for a
// role in Config.AdminRoles an operator's key, and for one such as "anon" what
// clients that have not signed in show a gateway. It is good until ttl, at least
// a second, is over, or until the key that signed it no longer verifies: after
// RotateSigningKey or SetKeys it has to be minted again. It cannot be revoked.
//
// Errors: ErrValidationFailed without a role or with too short a ttl.
func (a *Auth) MintToken(ctx context.Context, role string, ttl time.Duration) (string, error) {
	if role == "" || ttl < time.Second {
		return "", invalid("A token needs a role, and has to live for a second at least")
	}
	keys, err := a.keySet(ctx)
	if err != nil {
		return "", err
	}
	now := a.cfg.Now()
	token, err := keys.Sign(mintedClaims{
		Role: role,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: a.cfg.JWT.Issuer, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
	})
	return token, internal("error generating jwt token", err)
}

// mintedClaims has nothing of a user, not even empty.
type mintedClaims struct {
	jwt.RegisteredClaims
	Role string `json:"role"`
}

// keyring holds the keys in use: those of the configuration or, without any,
// what was last read of the database.
type keyring struct {
	configured atomic.Pointer[jwk.Set]
	loaded     atomic.Pointer[loadedKeys]
	codes      atomic.Pointer[[]byte] // what keys the hashes of codes
	verified   verified
}

type loadedKeys struct {
	set  *jwk.Set
	kids string // of the keys in it, and which of them signs
	at   time.Time
}

// How long keys are used before the database is asked again. Another process
// may have rotated them: it knows a token of a new key by the unknown kid, and
// then asks at most once in keyRetry.
const (
	keyRefresh = time.Minute
	keyRetry   = time.Second
)

func newKeyring(c Config) (*keyring, error) {
	set, err := c.JWT.keySet(c.maxToken())
	if err != nil {
		return nil, err
	}
	k := &keyring{}
	k.configured.Store(set)
	return k, nil
}

// keySet returns the configured keys, nil if there are none.
func (c JWTConfig) keySet(maxToken int) (*jwk.Set, error) {
	if c.Secret == "" && c.Keys == "" {
		return nil, nil
	}
	set := jwk.SetConfig{Algorithms: c.ValidMethods, MaxLength: maxToken}
	var keysErr, secretErr error
	if c.Keys != "" {
		set.Keys, keysErr = jwk.Parse([]byte(c.Keys))
	}
	if c.Secret != "" {
		set.Secret, secretErr = jwk.Secret(c.KeyID, []byte(c.Secret))
	}
	if err := errors.Join(keysErr, secretErr); err != nil {
		return nil, err
	}
	return jwk.NewSet(set)
}

// maxToken is the longest access token that is looked at: what a token may be at
// most, and the metadata that it may carry besides (checkLength).
func (c Config) maxToken() int { return jwk.MaxTokenLength + encodedLength(2*c.MaxMetadata) }

func encodedLength(n int) int { return base64.RawURLEncoding.EncodedLen(n) }

// checkLength refuses a token that is long for another reason than its user's
// metadata, which may be larger than all that a token needs otherwise.
func checkLength(token string, c *Claims) error {
	if len(token) > jwk.MaxTokenLength+encodedLength(len(c.UserMetadata)+len(c.AppMetadata)) {
		return badJWT(unverified + jwt.ErrTokenMalformed.Error() + ": token is too long")
	}
	return nil
}

// keySet returns the keys in use.
func (a *Auth) keySet(ctx context.Context) (*jwk.Set, error) {
	if set := a.keys.configured.Load(); set != nil {
		return set, nil
	}
	if k := a.keys.loaded.Load(); k != nil && a.cfg.Now().Sub(k.at).Abs() < keyRefresh {
		return k.set, nil
	}
	return a.loadKeys(ctx)
}

// verify checks a token against the keys in use, and once more against the
// database's when it names a key that this process does not know yet.
func (a *Auth) verify(ctx context.Context, token string) (*Claims, error) {
	set, err := a.keySet(ctx)
	if err != nil {
		return nil, err
	}
	c, err := a.verifyWith(set, token)
	k := a.keys.loaded.Load()
	if !errors.Is(err, jwt.ErrTokenUnverifiable) || k == nil || a.cfg.Now().Sub(k.at).Abs() < keyRetry {
		return c, err
	}
	if set, err = a.loadKeys(ctx); err != nil {
		return nil, err
	}
	return a.verifyWith(set, token)
}

func (a *Auth) verifyWith(set *jwk.Set, token string) (*Claims, error) {
	c := a.keys.verified.find(set, token)
	if c != nil {
		if err := jwk.CheckTimes(c, a.clock.now); err != nil {
			return nil, err
		}
		return c, nil
	}
	c = &Claims{}
	if err := set.Verify(token, c, a.clock.now); err != nil {
		return nil, err
	}
	a.keys.verified.add(set, token, c)
	return c, nil
}

// loadKeys reads the signing keys that Postern made.
func (a *Auth) loadKeys(ctx context.Context) (*jwk.Set, error) {
	records, err := a.keysFor(ctx, KeyForSigning, a.generateKey)
	if err != nil {
		return nil, internal("reading the signing keys failed", err)
	}
	set, kids, err := a.setOf(records)
	if err != nil {
		return nil, internal("reading the signing keys failed", err)
	}
	if before := a.keys.loaded.Load(); before != nil && before.kids == kids {
		set = before.set // by which tokens are known already
	}
	if !a.joined { // what a transaction sees may yet be undone
		a.keys.loaded.Store(&loadedKeys{set: set, kids: kids, at: a.cfg.Now()})
	}
	return set, nil
}

// keysFor returns the keys of the database, and makes the first one for a purpose
// if there is none. Several processes may try that at once; the database lets one
// of them win.
func (a *Auth) keysFor(ctx context.Context, purpose string, generate func() (KeyRecord, error)) ([]KeyRecord, error) {
	records, err := a.store.Keys(ctx)
	if err != nil || currentKey(records, purpose) != nil {
		return records, err
	}
	record, err := generate()
	if err != nil {
		return nil, err
	}
	err = a.store.InTx(ctx, func(tx Tx) error { return tx.AddKey(ctx, record) })
	if err != nil && !errors.Is(err, ErrRowTaken) {
		return nil, err
	}
	return a.store.Keys(ctx)
}

func (a *Auth) generateKey() (KeyRecord, error) {
	key, err := jwk.GenerateES256(rand.Reader)
	if err != nil {
		return KeyRecord{}, err
	}
	private, err := key.MarshalPrivate()
	if err != nil {
		return KeyRecord{}, err
	}
	return KeyRecord{KID: key.ID(), Purpose: KeyForSigning, Secret: Secret(private), CreatedAt: a.now()}, nil
}

func currentKey(records []KeyRecord, purpose string) *KeyRecord {
	for i, r := range records {
		if r.Purpose == purpose && r.RetiredAt == nil {
			return &records[i]
		}
	}
	return nil
}

// setOf also returns what tells one set from another.
func (a *Auth) setOf(records []KeyRecord) (set *jwk.Set, kids string, err error) {
	var keys []jwk.Key
	for _, r := range records {
		if r.Purpose != KeyForSigning || a.keyIsOver(r) {
			continue
		}
		key, err := jwk.ParseKey([]byte(r.Secret))
		if err != nil {
			return nil, "", fmt.Errorf("key %s: %w", r.KID, err)
		}
		if kids += r.KID + " "; r.RetiredAt != nil {
			key = key.VerifyOnly()
			kids += "retired "
		}
		keys = append(keys, key)
	}
	set, err = jwk.NewSet(jwk.SetConfig{Keys: keys, MaxLength: a.cfg.maxToken()})
	return set, kids, err
}

// keyLife is how long a retired key still verifies. Other processes may have
// signed with it until they looked at the database again.
func (a *Auth) keyLife() time.Duration { return a.cfg.JWT.TTL + 2*keyRefresh }

func (a *Auth) keyIsOver(r KeyRecord) bool {
	return r.RetiredAt != nil && a.now().After(r.RetiredAt.Add(a.keyLife()))
}

func (a *Auth) dropOldKeys(ctx context.Context) error {
	return a.store.DropKeys(ctx, a.now().Add(-a.keyLife()))
}

// check reports keys that cannot encrypt.
func (c EncryptionConfig) check() error {
	keys, err := c.decoded()
	if _, ok := keys[c.KeyID]; err == nil && c.Encrypt && !ok {
		return fmt.Errorf("Encryption.Keys has no key %q to encrypt with", c.KeyID)
	}
	return err
}

func (c EncryptionConfig) decoded() (map[string][]byte, error) {
	keys := make(map[string][]byte, len(c.Keys))
	var mistakes []error
	for id, text := range c.Keys {
		key, err := base64.RawURLEncoding.DecodeString(string(text))
		if err != nil || len(key) != envelope.KeySize {
			mistakes = append(mistakes, fmt.Errorf("Encryption.Keys: key %q is not %d bytes in base64url without padding", id, envelope.KeySize))
		}
		keys[id] = key
	}
	return keys, errors.Join(mistakes...)
}

// open returns the text of a column that may be encrypted; object is the id of
// the row that it belongs to.
func (c EncryptionConfig) open(object uuid.UUID, value Secret) (Secret, error) {
	if !envelope.IsSealed(string(value)) {
		return value, nil
	}
	keys, err := c.decoded()
	if err != nil {
		return "", err
	}
	text, err := envelope.Open(keys, object.String(), string(value))
	return Secret(text), err
}

// seal encrypts a column's text, if there is any and encryption is switched on.
func (c EncryptionConfig) seal(object uuid.UUID, text string) (Secret, error) {
	if !c.Encrypt || text == "" {
		return Secret(text), nil
	}
	keys, err := c.decoded()
	if err != nil {
		return "", err
	}
	sealed, err := envelope.Seal(c.KeyID, keys[c.KeyID], object.String(), text, rand.Reader)
	return Secret(sealed), err
}

// stale reports whether a column should be written again: encrypted, or under
// today's key.
func (c EncryptionConfig) stale(value Secret) bool {
	return c.Encrypt && envelope.NeedsSealing(c.KeyID, string(value))
}
