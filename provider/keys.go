package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet are the keys of an issuer's ID tokens. They are fetched again when they
// are old, so that a key that was withdrawn does not live for ever, and when a
// token names one that is not among them (OpenID Connect Core §10.1.1).
type keySet struct {
	uri  string
	list *cached[[]jose.JSONWebKey]
	now  func() time.Time

	mu    sync.Mutex
	vain  int       // how often an unknown key was asked for in vain
	since time.Time // of the first of these times
}

// Anybody can make a token that names an unknown key, for which the issuer would be
// asked each time. So it is asked in vain only so often in a while.
const (
	maxVain  = 10
	vainTime = 10 * time.Second
)

// algorithms may sign ID tokens: those with a public key (guarantees: B14).
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512,
	jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

func newKeySet(uri string, c Config) *keySet {
	fetch := func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetchKeys(ctx, c.HTTPClient, uri) }
	return &keySet{uri: uri, now: c.Now, list: &cached[[]jose.JSONWebKey]{fetch: fetch, ttl: c.DiscoveryTTL, now: c.Now}}
}

// fetchKeys reads a JWK set (RFC 7517 §5). Keys of kinds that are not understood
// are passed over.
func fetchKeys(ctx context.Context, client *http.Client, uri string) ([]jose.JSONWebKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := getJSON(client, r, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && key.Valid() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the issuer has no key that is understood")
	}
	return keys, nil
}

// VerifySignature returns what a token in compact form says, if one of the keys
// has signed it. It is oidc.KeySet's.
func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	token, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, err
	}
	keys, err := k.list.get(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := verifyWith(keys, token)
	if !errors.Is(err, errUnknownKey) || !k.mayAsk() {
		return payload, err
	}
	if keys, err = k.list.renew(ctx); err != nil {
		return nil, err
	}
	payload, err = verifyWith(keys, token)
	if err != nil {
		k.askedInVain()
	}
	return payload, err
}

func (k *keySet) mayAsk() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.now().Before(k.since.Add(vainTime)) {
		k.vain = 0
	}
	return k.vain < maxVain
}

func (k *keySet) askedInVain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.vain == 0 {
		k.since = k.now()
	}
	k.vain++
}

var (
	errUnknownKey   = errors.New("the ID token is signed with a key that the issuer does not have")
	errBadSignature = errors.New("the ID token's signature is wrong")
)

// verifyWith tries the key that a token names, or all if it names none.
func verifyWith(keys []jose.JSONWebKey, token *jose.JSONWebSignature) ([]byte, error) {
	header, err := token.Signatures[0].Header, errUnknownKey
	for _, key := range keys {
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		payload, failed := token.Verify(key)
		if failed == nil {
			return payload, nil
		}
		if header.KeyID != "" {
			err = errBadSignature
		}
	}
	return nil, err
}
