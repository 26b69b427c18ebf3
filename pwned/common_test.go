package pwned_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern/pwned"
)

func isCommon(t *testing.T, password string) bool {
	t.Helper()
	yes, err := pwned.Common(t.Context(), password)
	if err != nil {
		t.Fatalf("Common(%q): %v", password, err)
	}
	return yes
}

func TestCommonPasswords(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{
		"123456": true, "password": true, "Password": true, "PASSWORD1": true, "iloveyou": true, "Michael": true, "qwertyuiop": true,
		"": false, "12345": false, "passw": false, "password\n": false, "\n": false, "password\npassword": false,
		"correct horse": false, "correct horse battery staple": false, "pässword": false, "zzzzzzzzzzzzzzzzzz": false, "!!!!!!0": false,
	} {
		if got := isCommon(t, password); got != want {
			t.Errorf("Common(%q): got %v, want %v", password, got, want)
		}
	}
}

// The list is what the search takes it for.
func TestCommonListIsInOrder(t *testing.T) {
	t.Parallel()
	list, ended := strings.CutSuffix(pwned.CommonLines(), "\n")
	lines := strings.Split(list, "\n")
	if len(lines) != 10_000 || !ended || !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Fatalf("got %d lines, want 10000 in order, each once", len(lines))
	}
	longest := 0
	for _, line := range lines {
		longest = max(longest, len(line))
		if line != strings.ToLower(line) || len(line) < 6 {
			t.Errorf("%q is not in lower case, or too short", line)
		}
		if !isCommon(t, line) {
			t.Errorf("%q is not found", line)
		}
	}
	if longest != pwned.LongestCommon {
		t.Errorf("the longest line has %d bytes, want %d", longest, pwned.LongestCommon)
	}
}

func TestCommonAllocatesNothing(t *testing.T) { // alone: allocations of other tests would count
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = pwned.Common(ctx, "Correct Horse") }); n > 0 {
		t.Errorf("got %v allocations for a call, want none", n)
	}
}

func FuzzCommon(f *testing.F) {
	for _, seed := range []string{"", "password", "PASSWORD", "zzz", "\n", "0.0.000"} {
		f.Add(seed)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(pwned.CommonLines()) {
		lines[strings.TrimSuffix(line, "\n")] = true
	}
	f.Fuzz(func(t *testing.T, password string) {
		lower := []byte(password)
		for i, c := range lower {
			if 'A' <= c && c <= 'Z' {
				lower[i] = c + 32
			}
		}
		if got, want := isCommon(t, password), lines[string(lower)]; got != want {
			t.Errorf("Common(%q): got %v, want %v", password, got, want)
		}
	})
}
