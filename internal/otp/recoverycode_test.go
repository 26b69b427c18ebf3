package otp_test

import (
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postern-auth/postern/internal/otp"
)

func TestRecoveryCodesAreLongAndLegible(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{16}$`)
	seen := map[string]bool{}
	for range 1000 {
		code, err := otp.GenerateRecoveryCode(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(code) || seen[code] || otp.NormalRecoveryCode(code) != code {
			t.Fatalf("got %q, want another one of 16 letters and digits that are told apart", code)
		}
		seen[code] = true
	}
	broken := errors.New("no randomness")
	if code, err := otp.GenerateRecoveryCode(iotest.ErrReader(broken)); code != "" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v, want %v", code, err, broken)
	}
}

func TestRecoveryCodesAreReadHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	const code = "k4m9x7qp2ab8h01z"
	for _, written := range []string{code, strings.ToUpper(code), "K4M9-X7QP-2AB8-H01Z", " k4m9 x7qp\t2ab8 h01z\r\n", "k4m9x7qp2ab8hOlz", "k4m9x7qp2ab8hoIz"} {
		if got := otp.NormalRecoveryCode(written); got != code {
			t.Errorf("%q: got %q, want %q", written, got, code)
		}
	}
	for _, other := range []string{"", "k4m9x7qp2ab8h01", "k4m9_x7qp_2ab8_h01z", "ｋ4m9x7qp2ab8h01z", "k4m9x7qp2ab8h01z\x00"} {
		if got := otp.NormalRecoveryCode(other); got == code {
			t.Errorf("%q: got the code, want another text", other)
		}
	}
}
