package address_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/address"
)

// Contract: user.md §4.2.
func TestPhoneIsStrippedAndChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, number, want string
		ok                 bool
	}{
		{"plus", "+4915123456789", "4915123456789", true},
		{"no plus", "4915123456789", "4915123456789", true},
		{"spaces anywhere", "+49 151 2345 6789 ", "4915123456789", true},
		{"leading spaces without plus", "  49 151", "49151", true},
		{"plus and space", "+ 49 151", "49151", true},
		{"two digits", "+12", "12", true},
		{"fifteen digits", "+123456789012345", "123456789012345", true},

		{"empty", "", "", false},
		{"plus only", "+", "", false},
		{"spaces only", "   ", "", false},
		{"one digit", "1", "", false},
		{"sixteen digits", "+1234567890123456", "", false},
		{"leading zero", "0151234567", "", false},
		{"international prefix", "004915123456", "", false},
		{"two plusses", "++4915123456", "", false},
		{"space before the plus", " +4915123456", "", false},
		{"plus inside", "49+15123456", "", false},
		{"dashes", "49-151-23456", "", false},
		{"parentheses", "+1 (555) 0100", "", false},
		{"extension", "15550100x1", "", false},
		{"list", "15550100,15550101", "", false},
		{"tab", "1555\t0100", "", false},
		{"line break", "15550100\n", "", false},
		{"no-break space", "1555\u00a00100", "", false},
		{"NUL", "15550100\x00", "", false},
		{"invalid UTF-8", "15550100\xff", "", false},
		{"full-width digits", "\uff11\uff15\uff15", "", false},
		{"Arabic-Indic digits", "\u0661\u0665\u0665", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := address.Phone(tt.number)
			if got != tt.want || (err == nil) != tt.ok || (!tt.ok && !errors.Is(err, address.ErrPhoneSyntax)) {
				t.Errorf("Phone(%q): got %q, %v, want %q, accepted: %v", tt.number, got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestLookupPhoneJudgesNoFormat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, number, want string
		ok                 bool
	}{
		{"plus and spaces", "+49 151 2345", "491512345", true},
		{"leading zero", "0151 2345", "01512345", true},
		{"dashes are kept", "49-151", "49-151", true},
		{"empty", "", "", false},
		{"plus only", "+", "", false},
		{"spaces only", "  ", "", false},
		{"NUL", "49\x00151", "", false},
		{"invalid UTF-8", "49\xff151", "", false},
		{"too long", strings.Repeat("1", 256), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := address.LookupPhone(tt.number)
			if got != tt.want || ok != tt.ok {
				t.Errorf("LookupPhone(%q): got %q, %v, want %q, %v", tt.number, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// phonePattern says in another way what Phone accepts.
var phonePattern = regexp.MustCompile(`^\+? *[1-9]( *[0-9]){1,14} *$`)

func FuzzPhone(f *testing.F) {
	for _, seed := range []string{"", "+", "+49 151 2345", " 49", " +49", "++49", "049", "12", "1234567890123456", "\uff11\uff12", "12\x00", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		got, err := address.Phone(input)
		if want := phonePattern.MatchString(input); (err == nil) != want {
			t.Fatalf("Phone(%q): got %v, want accepted: %v", input, err, want)
		}
		if err != nil {
			requireError(t, got, err)
			return
		}
		requireStored(t, got, 15)
		if again, err := address.Phone(got); again != got || err != nil {
			t.Errorf("Phone(%q): got %q, %v, want it unchanged", got, again, err)
		}
		if found, ok := address.LookupPhone(input); found != got || !ok {
			t.Errorf("LookupPhone(%q): got %q, %v, want %q, true", input, found, ok, got)
		}
	})
}
