package refreshtoken_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/refreshtoken"
)

var (
	session = uuid.MustParse("2e986cf9-8105-4a09-a61f-1d3a191acc85")
	key     = bytes.Repeat([]byte{0x5a}, refreshtoken.KeySize)
)

// assemble builds a token of version 2 out of its first bytes, apart from the
// code under test (contract: tokens.md §4).
func assemble(head []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(head)
	return withChecksum(append(bytes.Clone(head), h.Sum(nil)[:16]...))
}

func withChecksum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(append(bytes.Clone(raw), sum[:4]...))
}

func head(version byte, counter ...byte) []byte {
	return append(append([]byte{version}, session[:]...), counter...)
}

func TestIssueWritesTheContractsBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		counter int64
		bytes   []byte
		length  int
	}{
		{0, []byte{0}, 51},
		{127, []byte{0x7f}, 51},
		{128, []byte{0x80, 0x01}, 52},
		{300, []byte{0xac, 0x02}, 52},
		{math.MaxInt64, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 62},
	} {
		got := refreshtoken.Issue(session, c.counter, key)
		if want := assemble(head(0, c.bytes...)); got != want || len(got) != c.length {
			t.Errorf("counter %d: got %s of length %d, want %s of length %d", c.counter, got, len(got), want, c.length)
		}
	}
}

func TestIssuedTokensParse(t *testing.T) {
	t.Parallel()
	for _, counter := range []int64{0, 1, 127, 128, 16383, 16384, math.MaxInt32, math.MaxInt64} {
		got, err := refreshtoken.Parse(refreshtoken.Issue(session, counter, key))
		if err != nil {
			t.Fatalf("counter %d: %v", counter, err)
		}
		if got.Version() != refreshtoken.V2 || got.SessionID() != session || got.Counter() != counter {
			t.Errorf("got version %d, session %s, counter %d; want 2, %s, %d", got.Version(), got.SessionID(), got.Counter(), session, counter)
		}
		if !got.Verify(key) {
			t.Errorf("counter %d does not verify", counter)
		}
	}
}

func TestLegacyTokensParseAndNeverVerify(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"sf65333fczn5", "000000000000", "zzzzzzzzzzzz", "presession12"} {
		got, err := refreshtoken.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got.Version() != refreshtoken.Legacy || got.Verify(key) {
			t.Errorf("%s: got version %d, verified %t; want 1, false", text, got.Version(), got.Verify(key))
		}
	}
}

func TestVerifyWantsTheSessionsOwnKey(t *testing.T) {
	t.Parallel()
	token, err := refreshtoken.Parse(refreshtoken.Issue(session, 3, key))
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(key)
	other[31] ^= 1
	for name, k := range map[string][]byte{"another": other, "none": nil, "a short": key[:31], "a long": append(bytes.Clone(key), 0)} {
		if token.Verify(k) {
			t.Errorf("verified with %s key", name)
		}
	}
	if (refreshtoken.Token{}).Verify(key) {
		t.Error("the zero Token verified")
	}
}

func TestAKeyOfAnotherLengthVouchesForNothing(t *testing.T) {
	t.Parallel()
	token, err := refreshtoken.Parse(refreshtoken.Issue(session, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	if token.Verify(nil) {
		t.Error("a token issued without key verified without key")
	}
}

func TestAlteredTokensDoNotVerify(t *testing.T) {
	t.Parallel()
	good, err := base64.RawURLEncoding.DecodeString(refreshtoken.Issue(session, 5, key))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(good) - 4 {
		altered := bytes.Clone(good)
		altered[i] ^= 0x01
		if _, err := refreshtoken.Parse(base64.RawURLEncoding.EncodeToString(altered)); !errors.Is(err, refreshtoken.ErrMalformed) {
			t.Errorf("byte %d, checksum left: got %v, want %v", i, err, refreshtoken.ErrMalformed)
		}
		token, err := refreshtoken.Parse(withChecksum(altered[:len(altered)-4]))
		if err == nil && token.Verify(key) {
			t.Errorf("byte %d, checksum corrected: verified", i)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := refreshtoken.Issue(session, 0, key)
	for _, c := range []struct{ name, text string }{
		{"nothing", ""},
		{"a short legacy token", "abcdefghijk"},
		{"a long legacy token", "abcdefghijklm"},
		{"upper case", "Abcdefghijkl"},
		{"a legacy token with a line break", "abcdefghijkl\n"},
		{"bytes beyond ASCII", "abcdefghijk\xff"},
		{"NUL", "abcdefghijk\x00"},
		{"a legacy token within spaces", " abcdefghij "},
		{"one character less", good[:len(good)-1]},
		{"one character more", good + "A"},
		{"padding", good + "="},
		{"a line break at the end", good + "\n"},
		{"a line break inside", good[:20] + "\r\n" + good[20:]},
		{"the standard alphabet", strings.Repeat("+", 51)},
		{"loose bits at the end", good[:len(good)-1] + next(good[len(good)-1])},
		{"another version byte", assemble(head(1, 0))},
		{"no counter", assemble(head(0))},
		{"an endless counter", assemble(head(0, 0x80))},
		{"zero in two bytes", assemble(head(0, 0x80, 0x00))},
		{"one in two bytes", assemble(head(0, 0x81, 0x00))},
		{"bytes after the counter", assemble(head(0, 0x01, 0x01))},
		{"a counter beyond int64", assemble(head(0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01))},
		{"a counter beyond uint64", assemble(head(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))},
		{"a megabyte", strings.Repeat("A", 1<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := refreshtoken.Parse(c.text); !errors.Is(err, refreshtoken.ErrMalformed) {
				t.Errorf("Parse(%.80q) = %+v, %v; want %v", c.text, got, err, refreshtoken.ErrMalformed)
			}
		})
	}
}

// next is the following character of the base64url alphabet. The last one of a
// token of 38 bytes carries two bits that must be zero.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

func TestKeysSurviveTheirRow(t *testing.T) {
	t.Parallel()
	made, err := refreshtoken.NewKey(bytes.NewReader(key))
	if err != nil {
		t.Fatal(err)
	}
	text := refreshtoken.EncodeKey(made)
	if want := "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo"; text != want {
		t.Errorf("EncodeKey = %s, want %s", text, want)
	}
	if got, err := refreshtoken.DecodeKey(text); err != nil || !bytes.Equal(got, key) {
		t.Errorf("DecodeKey = %x, %v; want %x", got, err, key)
	}
}

func TestDecodeKeyRefusesOtherTexts(t *testing.T) {
	t.Parallel()
	good := refreshtoken.EncodeKey(key)
	for _, text := range []string{"", good[:42], good + "A", good + "=", good + "\n", good[:42] + "p", `{"key_id":"k"}`} {
		got, err := refreshtoken.DecodeKey(text)
		if err == nil {
			t.Errorf("DecodeKey(%q) = %x, want an error", text, got)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func TestNewKeyReportsAFailingSource(t *testing.T) {
	t.Parallel()
	if _, err := refreshtoken.NewKey(bytes.NewReader(key[:31])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("31 bytes: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := refreshtoken.NewKey(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("failing source: got %v, want %v", err, io.ErrClosedPipe)
	}
}

// FuzzParse holds: whatever is accepted is the one spelling of its parts. Each
// input is tried as it comes and with its checksum corrected, so that the fuzzer
// gets past that.
func FuzzParse(f *testing.F) {
	for _, counter := range []int64{0, 127, 128, 300, math.MaxInt64} {
		f.Add(refreshtoken.Issue(session, counter, key))
	}
	f.Add("sf65333fczn5")
	f.Add(assemble(head(0, 0x80, 0x00)))
	f.Fuzz(func(t *testing.T, text string) {
		checkSpelling(t, text)
		if raw, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(raw) > 4 {
			checkSpelling(t, withChecksum(raw[:len(raw)-4]))
		}
	})
}

func checkSpelling(t *testing.T, text string) {
	t.Helper()
	token, err := refreshtoken.Parse(text)
	if err != nil {
		if !errors.Is(err, refreshtoken.ErrMalformed) {
			t.Errorf("Parse(%q): error %v, want %v", text, err, refreshtoken.ErrMalformed)
		}
		return
	}
	if token.Version() == refreshtoken.Legacy {
		if len(text) != 12 {
			t.Errorf("%q passed as a legacy token", text)
		}
		return
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("accepted %q, which is not base64url: %v", text, err)
	}
	id := token.SessionID()
	start := binary.AppendUvarint(append([]byte{0}, id[:]...), uint64(token.Counter()))
	again := withChecksum(append(start, raw[len(start):len(raw)-4]...))
	if again != text {
		t.Errorf("%q accepted, but its parts are written %q", text, again)
	}
	issued := refreshtoken.Issue(id, token.Counter(), key)
	if token.Verify(key) != (issued == text) {
		t.Errorf("%q: Verify = %t, but Issue writes %q", text, token.Verify(key), issued)
	}
}
