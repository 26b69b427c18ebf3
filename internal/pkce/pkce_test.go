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
