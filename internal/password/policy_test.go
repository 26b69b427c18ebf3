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
		leaked   bool
		reasons  []string
		message  string
	}{
		{"default, long enough", password.Policy{}, "123456", false, nil, ""},
		{"default, too short", password.Policy{}, "12345", false, []string{"length"}, "Password should be at least 6 characters."},
		{"default, empty", password.Policy{}, "", false, []string{"length"}, "Password should be at least 6 characters."},
		{"the floor holds", password.Policy{MinLength: 1}, "12345", false, []string{"length"}, "Password should be at least 6 characters."},
		{"negative is the floor", password.Policy{MinLength: -1}, "12345", false, []string{"length"}, "Password should be at least 6 characters."},
		{"bytes count", password.Policy{MinLength: 8}, "ßßßß", false, nil, ""},
		{"longer", password.Policy{MinLength: 10}, "123456789", false, []string{"length"}, "Password should be at least 10 characters."},
		{"one of each", password.Policy{RequiredCharacters: sets}, "aB3aaa", false, nil, ""},
		{"one set missing", password.Policy{RequiredCharacters: sets}, "aaaaa3", false, []string{"characters"}, lacking},
		{"all sets missing", password.Policy{RequiredCharacters: sets}, "------", false, []string{"characters"}, lacking},
		{"both", password.Policy{MinLength: 8, RequiredCharacters: sets}, "aB", false, []string{"length", "characters"}, "Password should be at least 8 characters. " + lacking},
		{"members outside ASCII", password.Policy{RequiredCharacters: []string{"äöü"}}, "größer", false, nil, ""},
		{"not by a byte of a member", password.Policy{RequiredCharacters: []string{"ä"}}, "größte", false, []string{"characters"}, "Password should contain at least one character of each: ä."},
		{"leaked", password.Policy{}, "password", true, []string{"pwned"}, "Password is known to be weak and easy to guess, please choose a different one."},
		{"all three", password.Policy{RequiredCharacters: []string{"#"}}, "12345", true, []string{"length", "characters", "pwned"}, "Password should be at least 6 characters. " +
			"Password should contain at least one character of each: #. Password is known to be weak and easy to guess, please choose a different one."},
		{"empty set", password.Policy{RequiredCharacters: []string{""}}, "123456", false, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reasons, message := tt.policy.Weakness(tt.password, tt.leaked)
			if !slices.Equal(reasons, tt.reasons) || message != tt.message {
				t.Errorf("got %q, %q, want %q, %q", reasons, message, tt.reasons, tt.message)
			}
		})
	}
}

func TestWeaknessDoesNotQuoteThePassword(t *testing.T) {
	t.Parallel()
	_, message := password.Policy{MinLength: 20, RequiredCharacters: []string{"#"}}.Weakness("Canary7", true)
	if strings.Contains(message, "Canary7") {
		t.Errorf("got %q, which holds the password", message)
	}
}
