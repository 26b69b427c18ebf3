package jwk

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// SetConfig is what a Set is made of.
type SetConfig struct {
	// Keys are found by their kid, which each must have for itself. Exactly
	// one of them must sign, as with what Parse returns. Without Keys, Secret
	// signs.
	Keys []Key

	// Secret verifies HS256 tokens that name its kid or none at all. The zero
	// Key is no secret. A kid that Keys has too means the key there.
	Secret Key

	// Algorithms are the accepted values of a token's alg. Defaults to the
	// algorithms of Keys, or to Secret's when there are no Keys: with
	// asymmetric Keys, HS256 tokens are accepted only when it is listed here.
	Algorithms []string

	// MaxLength is the longest token, in bytes, that Verify looks at. Defaults
	// to MaxTokenLength.
	MaxLength int
}

// Set signs and verifies tokens. It does not change and may be used by several
// goroutines; rotation makes a new one.
type Set struct {
	signing Key
	header  string // of every token that Sign makes, encoded
	byID    map[string]Key
	secret  Key
	parser  *jwt.Parser
	public  []Public

	maxLength int
}

// NewSet makes a set, or says what is wrong with c, one sentence each.
func NewSet(c SetConfig) (*Set, error) {
	signing, err := c.signingKey()
	if err != nil {
		return nil, err
	}
	algorithms := c.algorithms()
	if !slices.Contains(algorithms, signing.Algorithm()) {
		return nil, fmt.Errorf("kid %q signs with %s, which is not among the accepted algorithms %q", signing.ID(), signing.Algorithm(), algorithms)
	}
	header, err := encodeHeader(signing)
	if err != nil {
		return nil, err
	}
	s := &Set{
		signing: signing,
		header:  header,
		byID:    make(map[string]Key, len(c.Keys)),
		secret:  c.Secret,
		parser:  newParser(algorithms),
		public:  make([]Public, 0, len(c.Keys)),

		maxLength: cmp.Or(c.MaxLength, MaxTokenLength),
	}
	for _, key := range c.Keys {
		s.add(key)
	}
	return s, nil
}

func (s *Set) add(key Key) {
	s.byID[key.ID()] = key
	if shown, ok := key.Public(); ok {
		s.public = append(s.public, shown)
	}
}

// SigningKey returns the key that Sign uses.
func (s *Set) SigningKey() Key { return s.signing }

// Public returns the keys of the JWKS document in the order they were given,
// none but not nil when all are symmetric.
func (s *Set) Public() []Public { return slices.Clone(s.public) }

// Sign returns claims as a token: compact JWS (RFC 7515 §7.1) with alg, typ
// "JWT", and kid if the signing key has one. It fails when claims cannot be
// marshalled.
func (s *Set) Sign(claims jwt.Claims) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("marshal claims: %w", err)
	}
	text := s.header + "." + encode(payload)
	signature, err := s.signing.method.Sign(text, s.signing.material.signing)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + encode(signature), nil
}

func (c SetConfig) signingKey() (Key, error) {
	var errs []error
	if !c.Secret.IsZero() && !c.Secret.Symmetric() {
		errs = append(errs, fmt.Errorf("kid %q is no secret: its algorithm is %s", c.Secret.ID(), c.Secret.Algorithm()))
	}
	signing := c.Secret
	if len(c.Keys) > 0 {
		errs = append(errs, checkTogether(c.Keys))
		signing = c.Keys[max(0, slices.IndexFunc(c.Keys, Key.CanSign))]
	} else if !signing.CanSign() {
		errs = append(errs, errors.New("there is neither a key nor a secret to sign with"))
	}
	return signing, errors.Join(errs...)
}

func (c SetConfig) algorithms() []string {
	if len(c.Algorithms) > 0 {
		return slices.Clone(c.Algorithms)
	}
	if len(c.Keys) == 0 {
		return []string{c.Secret.Algorithm()}
	}
	names := make([]string, len(c.Keys))
	for i, key := range c.Keys {
		names[i] = key.Algorithm()
	}
	return names
}

func encodeHeader(key Key) (string, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid,omitempty"`
		Type      string `json:"typ"`
	}{key.Algorithm(), key.ID(), "JWT"})
	return encode(header), err
}
