package jwk

import (
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenLength is the longest token, in bytes, that Verify looks at by default.
const MaxTokenLength = 16 << 10

// Verify checks a token's form, key, algorithm, signature, and exp and nbf if it
// has them, against the time that now gives; iat, iss and aud are the caller's
// to judge, and so is a token without exp. It fills claims, which must be a
// pointer or a jwt.MapClaims and fresh; after an error they are worth nothing.
//
// The errors are those of golang-jwt, in text and for errors.Is:
// jwt.ErrTokenMalformed, ErrTokenUnverifiable, ErrTokenSignatureInvalid,
// ErrTokenInvalidClaims with ErrTokenExpired or ErrTokenNotValidYet.
func (s *Set) Verify(token string, claims jwt.Claims, now func() time.Time) error {
	if err := checkForm(token, s.maxLength); err != nil {
		return err
	}
	if _, err := s.parser.ParseWithClaims(token, claims, s.keyFor); err != nil {
		return err
	}
	return CheckTimes(claims, now)
}

// CheckTimes checks exp and nbf of a token whose signature was found good, as Verify
// does.
func CheckTimes(claims jwt.Claims, now func() time.Time) error {
	if err := jwt.NewValidator(jwt.WithTimeFunc(now)).Validate(claims); err != nil {
		return fmt.Errorf("%w: %w", jwt.ErrTokenInvalidClaims, err)
	}
	return nil
}

// newParser leaves the claims to Verify, whose clock comes with each call.
func newParser(algorithms []string) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods(algorithms),
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(),
	)
}

// checkForm refuses line breaks because encoding/base64 skips them: a token
// would have as many spellings as one likes.
func checkForm(token string, maxLength int) error {
	if len(token) > maxLength {
		return fmt.Errorf("%w: token is longer than %d bytes", jwt.ErrTokenMalformed, maxLength)
	}
	if strings.ContainsAny(token, "\r\n") {
		return fmt.Errorf("%w: token contains a line break", jwt.ErrTokenMalformed)
	}
	return nil
}

// keyFor is the parser's way to the key. A key never serves an algorithm other
// than its own, so a public key is no HMAC secret and "none" has no key at all.
func (s *Set) keyFor(token *jwt.Token) (any, error) {
	if err := checkHeader(token.Header); err != nil {
		return nil, err
	}
	key, ok := s.find(token.Header)
	if !ok || key.Algorithm() != token.Method.Alg() {
		return nil, fmt.Errorf("unrecognized JWT kid %v for algorithm %v", token.Header["kid"], token.Header["alg"])
	}
	return key.material.verifying, nil
}

// find looks a kid up among the keys, then compares it with the secret's. The
// secret also stands for tokens without kid: those that it signed before it had
// one. A kid that nobody knows finds nothing, be the algorithm HS256 or not.
func (s *Set) find(header map[string]any) (Key, bool) {
	value, present := header["kid"]
	kid, text := value.(string)
	if present && !text {
		return Key{}, false
	}
	if key, ok := s.byID[kid]; ok {
		return key, true
	}
	return s.secret, !s.secret.IsZero() && (kid == "" || kid == s.secret.ID())
}

// checkHeader refuses the header parameters that bring a key along or name an
// address of one (RFC 7515 §4.1.2 to §4.1.6), and crit (§4.1.11): there is no
// extension that we understand.
func checkHeader(header map[string]any) error {
	for _, name := range [...]string{"jku", "jwk", "x5u", "x5c", "crit"} {
		if _, ok := header[name]; ok {
			return fmt.Errorf("header parameter %q is not accepted", name)
		}
	}
	return nil
}
