package redirect

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// target is a redirect target as it was read.
type target struct {
	url  *url.URL
	addr netip.Addr // the host, when that is an IP address
	bare bool       // nothing but a query follows the slashes, as in com.example.app://
}

// maxLength is what servers commonly take as one line of a request.
const maxLength = 8 << 10

// read reads a target, and refuses what parsers may understand differently.
func read(candidate string) (target, bool) {
	if !utf8.ValidString(candidate) || strings.ContainsFunc(candidate, isTreacherous) {
		return target{}, false
	}
	text := encodeURL(candidate)
	u, err := url.Parse(text)
	if err != nil || len(text) > maxLength || u.User != nil || isBrowsers(u.Scheme) {
		return target{}, false
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	t := target{url: u, bare: isBare(u, candidate)}
	t.addr, _ = netip.ParseAddr(u.Hostname())
	return t, t.hostIsClear()
}

func isTreacherous(r rune) bool {
	return r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r)
}

// isBrowsers is true of the schemes by which a browser shows or runs what is in
// the URL or on the machine, and of none at all.
func isBrowsers(scheme string) bool {
	switch scheme {
	case "", "about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source":
		return true
	}
	return false
}

// isBare asks the candidate too, since url.URL does not tell "app://" from "app:".
func isBare(u *url.URL, candidate string) bool {
	return u.Host == "" && u.Path == "" && strings.HasPrefix(candidate[len(u.Scheme):], "://")
}

// hostIsClear reports whether everybody who reads the host reads the same one.
// Of a percent sign in the host, url.Parse leaves that of an IPv6 zone.
func (t target) hostIsClear() bool {
	host := t.url.Hostname()
	switch {
	case host == "":
		return !t.isWeb()
	case strings.ContainsFunc(host, func(r rune) bool { return r == '%' || r >= utf8.RuneSelf }):
		return false
	case t.addr.IsValid():
		return true
	}
	return !strings.Contains(host, ":") && !endsInNumber.MatchString(host)
}

// endsInNumber is what makes a host an IPv4 address to browsers, in whatever
// number of parts and whatever base (WHATWG URL, "ends in a number checker").
var endsInNumber = regexp.MustCompile(`(?i)(^|\.)([0-9]+|0x[0-9a-f]*)\.?$`)

// isWeb is true of http and https, and of the other schemes whose URLs browsers
// read by the same rules (WHATWG URL, "special scheme").
func (t target) isWeb() bool {
	switch t.url.Scheme {
	case "http", "https", "ws", "wss", "ftp":
		return true
	}
	return false
}

// String is the target in the form that is handed on. Apps register their bare
// scheme with its slashes, which url.URL leaves out.
func (t target) String() string {
	if t.bare {
		return t.url.Scheme + "://" + strings.TrimPrefix(t.url.String(), t.url.Scheme+":")
	}
	return t.url.String()
}

// matched is what patterns see of the target.
func (t target) matched() string {
	u := *t.url
	u.Fragment, u.RawFragment = "", ""
	if t.isWeb() && u.Path == "" && (u.RawQuery != "" || u.ForceQuery) {
		u.Path = "/"
	}
	return target{url: &u, bare: t.bare}.String()
}

// encodeURL encodes what url.URL would, but nothing else: it decodes a whole path
// or fragment first when there is one such character in it, %2F and all.
func encodeURL(s string) string {
	head, fragment, _ := strings.Cut(s, "#")
	return encode(head) + "#" + strings.ReplaceAll(encode(fragment), "#", "%23")
}

// encode percent-encodes the characters that no URL has a place for (RFC 3986 §2).
func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || strings.IndexByte("\"<>^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
