package password_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/password"
)

// Contract: user.md §5.
func TestWeaknessSaysGoTruesReasonsAndWords(t *testing.T) {
	t.Parallel()
	sets := []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"}
	lacking := "Password should contain at least one character of each: " +
		"abcdefghijklmnopqrstuvwxyz, ABCDEFGHIJKLMNOPQRSTUVWXYZ, 0123456789."
	for _, tt := range []struct {
		name     string
		policy   password.Policy
		password string
		reasons  []string
		message  string
	}{
		{"default, long enough", password.Policy{}, "123456", nil, ""},
		{"default, too short", password.Policy{}, "12345", []string{"length"}, "Password should be at least 6 characters."},
		{"default, empty", password.Policy{}, "", []string{"length"}, "Password should be at least 6 characters."},
		{"the floor holds", password.Policy{MinLength: 1}, "12345", []string{"length"}, "Password should be at least 6 characters."},
		{"negative is the floor", password.Policy{MinLength: -1}, "12345", []string{"length"}, "Password should be at least 6 characters."},
		{"bytes count", password.Policy{MinLength: 8}, "ßßßß", nil, ""},
		{"longer", password.Policy{MinLength: 10}, "123456789", []string{"length"}, "Password should be at least 10 characters."},
		{"one of each", password.Policy{RequiredCharacters: sets}, "aB3aaa", nil, ""},
		{"one set missing", password.Policy{RequiredCharacters: sets}, "aaaaa3", []string{"characters"}, lacking},
		{"all sets missing", password.Policy{RequiredCharacters: sets}, "------", []string{"characters"}, lacking},
		{"both", password.Policy{MinLength: 8, RequiredCharacters: sets}, "aB", []string{"length", "characters"}, "Password should be at least 8 characters. " + lacking},
		{"members outside ASCII", password.Policy{RequiredCharacters: []string{"äöü"}}, "größer", nil, ""},
		{"not by a byte of a member", password.Policy{RequiredCharacters: []string{"ä"}}, "größte", []string{"characters"}, "Password should contain at least one character of each: ä."},
		{"empty set", password.Policy{RequiredCharacters: []string{""}}, "123456", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reasons, message := tt.policy.Weakness(tt.password)
			if !slices.Equal(reasons, tt.reasons) || message != tt.message {
				t.Errorf("got %q, %q, want %q, %q", reasons, message, tt.reasons, tt.message)
			}
		})
	}
}

func TestWeaknessDoesNotQuoteThePassword(t *testing.T) {
	t.Parallel()
	_, message := password.Policy{MinLength: 20, RequiredCharacters: []string{"#"}}.Weakness("Canary7")
	if strings.Contains(message, "Canary7") {
		t.Errorf("got %q, which holds the password", message)
	}
}
