package totp

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"net/url"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// ErrTooLong is the error about a URI that no QR code has room for.
var ErrTooLong = errors.New("the URI is too long for a QR code")

// URI returns the otpauth URI by which an app learns a secret, under the name of
// the issuer and of the account there. It is written as GoTrue does, except that
// "&", "=" and "+" are escaped too: in GoTrue's query they are not, so an issuer
// could bring a secret of its own along.
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)
func URI(secret, issuer, account string) string {
	label := url.URL{Path: issuer + ":" + account}
	return "otpauth://totp/" + reserved.Replace(label.EscapedPath()) +
		"?algorithm=SHA1&digits=6&issuer=" + reserved.Replace(url.PathEscape(issuer)) +
		"&period=30&secret=" + reserved.Replace(url.PathEscape(secret))
}

// reserved escapes what means something in a query and nothing in a path.
var reserved = strings.NewReplacer("&", "%26", "=", "%3D", "+", "%2B")

const (
	quietZone = 4   // modules around the code, as ISO/IEC 18004 wants
	side      = 200 // pixels, unless the page says otherwise
)

// QRCode returns an SVG image of a URI's QR code, black on white, with error
// correction level M. It has neither "#" nor "%", since clients put it into a data
// URL as it is. A URI of more than 2331 bytes gets ErrTooLong.
func QRCode(uri string) (svg string, err error) {
	// In bytes, not qr.Auto, whose error quotes the URI and thus the secret.
	code, err := qr.Encode(uri, qr.M, qr.Unicode)
	if err != nil {
		return "", ErrTooLong
	}
	size := code.Bounds().Dx() + 2*quietZone
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<rect width="%d" height="%d" fill="white"/><path d="%s" fill="black"/></svg>`,
		side, side, size, size, size, size, darkModules(code)), nil
}

// darkModules returns path data with a rectangle for each horizontal run of dark
// modules, moved by the quiet zone.
func darkModules(code image.Image) string {
	var path strings.Builder
	width, height := code.Bounds().Dx(), code.Bounds().Dy()
	for y := range height {
		for x := 0; x < width; x++ {
			start := x
			for x < width && code.At(x, y) == color.Black {
				x++
			}
			if run := x - start; run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quietZone, y+quietZone, run, run)
			}
		}
	}
	return path.String()
}
