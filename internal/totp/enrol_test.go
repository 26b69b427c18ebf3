package totp_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"github.com/postern-auth/postern/internal/totp"
)

func TestURI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, issuer, account, want string }{
		{"a name", "My App", "user-1@example.com", "otpauth://totp/My%20App:user-1@example.com?algorithm=SHA1&digits=6&issuer=My%20App&period=30&secret=ABC"},
		{"a host with its port", "127.0.0.1:3000", "user@example.com", "otpauth://totp/127.0.0.1:3000:user@example.com?algorithm=SHA1&digits=6&issuer=127.0.0.1:3000&period=30&secret=ABC"},
		{"a URL", "https://example.com/a", "user@example.com", "otpauth://totp/https://example.com/a:user@example.com?algorithm=SHA1&digits=6&issuer=https:%2F%2Fexample.com%2Fa&period=30&secret=ABC"},
		{"a plus sign", "A+B", "user+tag@example.com", "otpauth://totp/A%2BB:user%2Btag@example.com?algorithm=SHA1&digits=6&issuer=A%2BB&period=30&secret=ABC"},
		{"other letters", "Bücher", "jörg@例え.jp", "otpauth://totp/B%C3%BCcher:j%C3%B6rg@%E4%BE%8B%E3%81%88.jp?algorithm=SHA1&digits=6&issuer=B%C3%BCcher&period=30&secret=ABC"},
		{"another parameter", "A&secret=X", "b?secret=Y&c=d", "otpauth://totp/A%26secret%3DX:b%3Fsecret%3DY%26c%3Dd?algorithm=SHA1&digits=6&issuer=A%26secret%3DX&period=30&secret=ABC"},
		{"a fragment and escapes", "A#%26", "b#%3F", "otpauth://totp/A%23%2526:b%23%253F?algorithm=SHA1&digits=6&issuer=A%23%2526&period=30&secret=ABC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := totp.URI("ABC", c.issuer, c.account); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// FuzzURI: whoever names issuer and account, an app reads them as they are, and no
// parameter besides.
func FuzzURI(f *testing.F) {
	f.Add("ABC", "My App", "user@example.com")
	f.Add("A=", "127.0.0.1:3000", "")
	f.Add("A&secret=B", "A&secret=X;secret=Y", "b?secret=Z#+%26")
	f.Add("\x00", "../\\", "//\xff\r\n\"'<>`$,;")
	f.Fuzz(checkURI)
}

var uriForm = regexp.MustCompile(`^otpauth://totp/[!-~]*$`)

// checkURI checks that what is read from a URI is what it was made of, and nothing
// else.
func checkURI(t *testing.T, secret, issuer, account string) {
	t.Helper()
	uri := totp.URI(secret, issuer, account)
	got, err := url.Parse(uri)
	if err != nil || !uriForm.MatchString(uri) {
		t.Fatalf("got %q, %v", uri, err)
	}
	if want := "/" + issuer + ":" + account; got.Host != "totp" || got.Path != want || got.Fragment != "" {
		t.Errorf("got host %q, path %q, fragment %q; want path %q", got.Host, got.Path, got.Fragment, want)
	}
	query, err := url.ParseQuery(got.RawQuery)
	want := url.Values{"algorithm": {"SHA1"}, "digits": {"6"}, "issuer": {issuer}, "period": {"30"}, "secret": {secret}}
	if err != nil || !maps.EqualFunc(query, want, slices.Equal[[]string]) {
		t.Errorf("got %v, %v; want %v", query, err, want)
	}
}

// What is drawn is the matrix of the encoder, surrounded by four light modules.
func TestQRCode(t *testing.T) {
	t.Parallel()
	for name, uri := range map[string]string{
		"nothing":    "",
		"usual":      totp.URI(secret, "My App", "user@example.com"),
		"long names": totp.URI(secret, strings.Repeat("Bücher ", 20), strings.Repeat("a", 255)),
		"the most":   strings.Repeat("a", 2331),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svg, err := totp.QRCode(uri)
			if err != nil {
				t.Fatal(err)
			}
			want, err := qr.Encode(uri, qr.M, qr.Unicode)
			if err != nil {
				t.Fatal(err)
			}
			modules := want.Bounds().Dx()
			got := drawn(t, svg, modules+8)
			for y := range got {
				for x := range got[y] {
					inside := x >= 4 && y >= 4 && x < modules+4 && y < modules+4
					dark := inside && want.At(x-4, y-4) == color.Black
					if got[y][x] != dark {
						t.Fatalf("module %d, %d: got dark %t, want %t", x, y, got[y][x], dark)
					}
				}
			}
		})
	}
}

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// drawn returns the modules that an SVG image of that size shows as dark.
func drawn(t *testing.T, svg string, size int) [][]bool {
	t.Helper()
	var image struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		Width   int      `xml:"width,attr"`
		Height  int      `xml:"height,attr"`
		ViewBox string   `xml:"viewBox,attr"`
		Edges   string   `xml:"shape-rendering,attr"`
		Rect    struct {
			Width  int    `xml:"width,attr"`
			Height int    `xml:"height,attr"`
			Fill   string `xml:"fill,attr"`
		} `xml:"rect"`
		Path []struct {
			D    string `xml:"d,attr"`
			Fill string `xml:"fill,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(svg), &image); err != nil {
		t.Fatalf("%v: %s", err, svg)
	}
	if image.Width != 200 || image.Height != 200 || image.Edges != "crispEdges" || image.ViewBox != fmt.Sprintf("0 0 %d %d", size, size) {
		t.Errorf("got %d × %d, view %q, edges %q; want 200 × 200 for %d modules", image.Width, image.Height, image.ViewBox, image.Edges, size)
	}
	if image.Rect.Width != size || image.Rect.Height != size || image.Rect.Fill != "white" {
		t.Errorf("got background %+v, want %d white modules", image.Rect, size)
	}
	if len(image.Path) != 1 || image.Path[0].Fill != "black" || run.ReplaceAllString(image.Path[0].D, "") != "" {
		t.Fatalf("got paths %+v, want one of horizontal runs in black", image.Path)
	}
	modules := make([][]bool, size)
	for y := range modules {
		modules[y] = make([]bool, size)
	}
	for _, match := range run.FindAllString(image.Path[0].D, -1) {
		var x, y, right, left int
		if _, err := fmt.Sscanf(match, "M%d %dh%dv1h-%dz", &x, &y, &right, &left); err != nil || right != left {
			t.Fatalf("got run %q, %v", match, err)
		}
		for i := range right {
			modules[y][x+i] = true
		}
	}
	return modules
}

// The client puts "data:image/svg+xml;utf-8," before it and nothing else.
func TestQRCodeNeedsNoEscapesInADataURL(t *testing.T) {
	t.Parallel()
	svg, err := totp.QRCode(totp.URI(secret, "100% #1", "user@example.com"))
	if err != nil || strings.ContainsAny(svg, "#%\r\n") {
		t.Errorf("got %q, %v", svg, err)
	}
}

func TestQRCodeHasNoRoomForMore(t *testing.T) {
	t.Parallel()
	for _, length := range []int{2332, 100_000} {
		if svg, err := totp.QRCode(strings.Repeat("a", length)); svg != "" || !errors.Is(err, totp.ErrTooLong) {
			t.Errorf("%d bytes: got %q, %v; want %v", length, svg, err, totp.ErrTooLong)
		}
	}
}
