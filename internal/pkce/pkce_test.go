package pkce_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/pkce"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("aB3-._~", 7)
	for _, c := range []struct {
		name, challenge, method string
		want                    error
	}{
		{"no PKCE", "", "", nil},
		{"S256", good, "S256", nil},
		{"plain", good, "Plain", nil},
		{"shortest", strings.Repeat("a", 43), "s256", nil},
		{"longest", strings.Repeat("a", 128), "s256", nil},
		{"challenge alone", good, "", pkce.ErrHalf},
		{"method alone", "", "s256", pkce.ErrHalf},
		{"too short", strings.Repeat("a", 42), "s256", pkce.ErrLength},
		{"too long", strings.Repeat("a", 129), "s256", pkce.ErrLength},
		{"other characters", strings.Repeat("ä", 30), "s256", pkce.ErrCharset},
		{"a line break at the end", good + "\n", "s256", pkce.ErrCharset},
		{"unknown method", good, "s512", pkce.ErrMethod},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := pkce.Check(c.challenge, c.method); !errors.Is(got, c.want) {
				t.Errorf("Check(%q, %q) = %v, want %v", c.challenge, c.method, got, c.want)
			}
		})
	}
}

// The example of RFC 7636, appendix B.
func TestVerify(t *testing.T) {
	t.Parallel()
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	for _, c := range []struct {
		name, challenge, method, verifier string
		want                              bool
	}{
		{"S256", challenge, "s256", verifier, true},
		{"S256 in capitals", challenge, "S256", verifier, true},
		{"another verifier", challenge, "s256", verifier + "x", false},
		{"the challenge itself", challenge, "s256", challenge, false},
		{"plain", verifier, "plain", verifier, true},
		{"plain against S256", challenge, "plain", verifier, false},
		{"no challenge", "", "plain", "", false},
	} {
		if got := pkce.Verify(c.challenge, c.method, c.verifier); got != c.want {
			t.Errorf("%s: Verify = %v, want %v", c.name, got, c.want)
		}
	}
}
