package address_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/address"
)

// Contract: user.md §4.1.
func TestEmailIsLowerCasedAndChecked(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	long255 := strings.Repeat("a", 255-len("@example.com")) + "@example.com"
	for _, tt := range []struct {
		name, address, want string
		err                 error
	}{
		{"plain", "ada@example.com", "ada@example.com", nil},
		{"upper case, local part too", "Ada.Lovelace@EXAMPLE.Com", "ada.lovelace@example.com", nil},
		{"every character of a local part", "aZ09.!#$%&'*+/=?^_`{|}~-@example.com", "az09.!#$%&'*+/=?^_`{|}~-@example.com", nil},
		{"single label", "a@localhost", "a@localhost", nil},
		{"dots in a row in the local part", ".a..b.@example.com", ".a..b.@example.com", nil},
		{"inner hyphens", "a@b--c.d-e", "a@b--c.d-e", nil},
		{"punycode", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example", nil},
		{"label of 63", "a@" + label63 + ".example", "a@" + label63 + ".example", nil},
		{"255 bytes", long255, long255, nil},

		{"empty", "", "", address.ErrEmailMissing},
		{"256 bytes", "a" + long255, "", address.ErrEmailTooLong},
		{"256 bytes without any syntax", strings.Repeat(" ", 256), "", address.ErrEmailTooLong},

		{"blank", " ", "", address.ErrEmailSyntax},
		{"leading blank", " ada@example.com", "", address.ErrEmailSyntax},
		{"trailing blank", "ada@example.com ", "", address.ErrEmailSyntax},
		{"blank inside", "ada @example.com", "", address.ErrEmailSyntax},
		{"no at", "example.com", "", address.ErrEmailSyntax},
		{"no local part", "@example.com", "", address.ErrEmailSyntax},
		{"no host", "ada@", "", address.ErrEmailSyntax},
		{"two ats", "ada@evil.example@example.com", "", address.ErrEmailSyntax},
		{"list by comma", "ada@example.com,eve@example.com", "", address.ErrEmailSyntax},
		{"list by semicolon", "ada@example.com;eve@example.com", "", address.ErrEmailSyntax},
		{"list in the local part", "eve,ada@example.com", "", address.ErrEmailSyntax},
		{"display name", "Ada <ada@example.com>", "", address.ErrEmailSyntax},
		{"comment", "ada(comment)@example.com", "", address.ErrEmailSyntax},
		{"quoted local part", `"ada"@example.com`, "", address.ErrEmailSyntax},
		{"route", "eve%evil.example@[127.0.0.1]", "", address.ErrEmailSyntax},
		{"IP literal", "ada@[127.0.0.1]", "", address.ErrEmailSyntax},
		{"CR LF header", "ada@example.com\r\nBcc: eve@example.com", "", address.ErrEmailSyntax},
		{"trailing line feed", "ada@example.com\n", "", address.ErrEmailSyntax},
		{"NUL", "ada@example.com\x00", "", address.ErrEmailSyntax},
		{"invalid UTF-8", "ada@example\xff.com", "", address.ErrEmailSyntax},
		{"label of 64", "a@a" + label63, "", address.ErrEmailSyntax},
		{"empty label", "a@b..c", "", address.ErrEmailSyntax},
		{"trailing dot", "a@example.com.", "", address.ErrEmailSyntax},
		{"leading hyphen", "a@-b.c", "", address.ErrEmailSyntax},
		{"trailing hyphen", "a@b-.c", "", address.ErrEmailSyntax},
		{"underscore in the host", "a@b_c.d", "", address.ErrEmailSyntax},

		{"Kelvin sign, which folds to k", "mi\u212ae@example.com", "", address.ErrEmailSyntax},
		{"dotted capital I, which folds to i", "m\u0130ke@example.com", "", address.ErrEmailSyntax},
		{"long s", "\u017fue@example.com", "", address.ErrEmailSyntax},
		{"full-width letter", "\uff41da@example.com", "", address.ErrEmailSyntax},
		{"full-width at", "ada\uff20example.com", "", address.ErrEmailSyntax},
		{"Cyrillic letter", "\u0430da@example.com", "", address.ErrEmailSyntax},
		{"ideographic full stop", "ada@example\u3002com", "", address.ErrEmailSyntax},
		{"zero-width space", "ada\u200b@example.com", "", address.ErrEmailSyntax},
		{"right-to-left override", "ada\u202e@example.com", "", address.ErrEmailSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := address.Email(tt.address)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Email(%q): got %q, %v, want %q, %v", tt.address, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestRefusalsAreInGoTruesWords(t *testing.T) {
	t.Parallel()
	for err, want := range map[address.Error]string{
		address.ErrEmailMissing: "An email address is required",
		address.ErrEmailTooLong: "An email address is too long",
		address.ErrEmailSyntax:  "Unable to validate email address: invalid format",
		address.ErrPhoneSyntax:  "Invalid phone number format (E.164 required)",
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLookupEmailJudgesNoFormat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, address, want string
		ok                  bool
	}{
		{"upper case", "Ada@EXAMPLE.com", "ada@example.com", true},
		{"no address at all", "Ada", "ada", true},
		{"blanks are kept", " ada@example.com", " ada@example.com", true},
		{"outside ASCII, from a provider", "MÜLLER@example.com", "müller@example.com", true},
		{"Kelvin sign is not k", "MI\u212aE@example.com", "mi\u212ae@example.com", true},
		{"dotted capital I is not i", "M\u0130KE@example.com", "m\u0130ke@example.com", true},
		{"empty", "", "", false},
		{"NUL", "ada\x00@example.com", "", false},
		{"invalid UTF-8", "ada\xff@example.com", "", false},
		{"too long", strings.Repeat("a", 256), "", false},
		{"too long in lower case", strings.Repeat("\u023a", 127), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := address.LookupEmail(tt.address)
			if got != tt.want || ok != tt.ok {
				t.Errorf("LookupEmail(%q): got %q, %v, want %q, %v", tt.address, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// emailPattern says in another way what Email accepts.
var emailPattern = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" +
	`[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{
		"", "Ada@Example.COM", "a@localhost", "a@b@c", "a@b,c@d", "a@b\r\nBcc: c", "mi\u212ae@x", "m\u0130ke@x", "\xff@x", "a@-b", "a@b-c.d", "a\x00@b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		got, err := address.Email(input)
		if want := len(input) <= 255 && emailPattern.MatchString(input); (err == nil) != want {
			t.Fatalf("Email(%q): got %v, want accepted: %v", input, err, want)
		}
		if err != nil {
			requireError(t, got, err)
			return
		}
		requireStored(t, got, 255)
		if !strings.EqualFold(got, input) || got != strings.ToLower(got) {
			t.Errorf("Email(%q): got %q, want it in lower case", input, got)
		}
		if again, err := address.Email(got); again != got || err != nil {
			t.Errorf("Email(%q): got %q, %v, want it unchanged", got, again, err)
		}
		if found, ok := address.LookupEmail(input); found != got || !ok {
			t.Errorf("LookupEmail(%q): got %q, %v, want %q, true", input, found, ok, got)
		}
	})
}

func requireError(t *testing.T, got string, err error) {
	t.Helper()
	var refusal address.Error
	if got != "" || !errors.As(err, &refusal) {
		t.Errorf("got %q, %T, want \"\" and an address.Error", got, err)
	}
}

// requireStored checks what holds for every stored address.
func requireStored(t *testing.T, got string, maxLength int) {
	t.Helper()
	if got == "" || len(got) > maxLength {
		t.Errorf("got %d bytes, want 1 to %d", len(got), maxLength)
	}
	if strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) {
		t.Errorf("got %q, want printable ASCII without blanks", got)
	}
}
