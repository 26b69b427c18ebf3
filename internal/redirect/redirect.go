// Package redirect decides where a browser may be sent after a sign-in, and
// writes the addresses that it is sent to and that mails lead to.
//
// Whoever chooses the target of a redirect receives the tokens or the code that
// it carries. So a target is read once, decided on as it was read, and written
// anew from what was read: what the browser reads is what was decided on.
package redirect

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// List is what an operator allows: the site and a list of patterns. It is safe
// for concurrent use. Make it with NewList.
type List struct {
	site     target
	local    bool // the site is on this machine
	patterns []*regexp.Regexp
}

// NewList returns the list that allows the site and what a pattern matches. An
// empty site is none: then only the patterns allow anything.
//
// The site must be a target that Check can read; a deep link may be one. Patterns are
// GoTrue's URI_ALLOW_LIST, in its glob dialect: they match a whole URL without
// its fragment, minding case, where
//
//   - is any run, even an empty one, without "." and "/"
//     **       is any run
//     ?        is any one character but "." and "/"
//     [abc]    is one of these characters; [a-z] and [a-z_] work too
//     [!a-z]   is any one other character, even "." and "/"
//     {a,b}    is one of these patterns, which may hold braces themselves
//     \x       is x
//
// URLs are matched as Check returns them, so what is not ASCII is there in
// percent-encoded form: "ä" in a pattern stands for its encoded form, but "?" and
// classes see the three characters of every encoded byte.
//
// The error has a sentence for the site and for each pattern that cannot be
// used, joined by errors.Join.
func NewList(site string, patterns []string) (*List, error) {
	l := &List{}
	var mistakes []error
	if site != "" {
		t, ok := read(site)
		if !ok {
			mistakes = append(mistakes, fmt.Errorf("site URL %q is not an absolute URL that browsers can be redirected to", site))
		}
		l.site, l.local = t, ok && t.isLocal()
	}
	for _, p := range patterns {
		re, err := compile(p)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("redirect pattern %q %w", p, err))
		}
		l.patterns = append(l.patterns, re)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return l, nil
}

// Check returns candidate as it is to be used, and whether it is allowed. Of
// what is not allowed nothing is returned; GoTrue then redirects to the site
// without a word. What Check returns passes Check again, unchanged.
//
// It decides as GoTrue does, the first answer being final:
//
//  1. The site's scheme, host and port are allowed with any path. The port does
//     not matter when the site is on this machine.
//  2. A host that is an IP address is refused unless it is a loopback address.
//  3. The host of an http or https URL must consist of letters, digits and inner
//     dots and hyphens.
//  4. What a pattern matches is allowed, and nothing else.
//
// It is stricter than GoTrue in these points:
//
//   - Loopback addresses are allowed only while the site is on this machine, or
//     by a pattern. GoTrue always allows them; but on a machine of many users, or
//     with an app that listens, whoever has the port is handed the tokens.
//   - Backslashes, control characters, white space and invalid UTF-8 are refused
//     anywhere, user information and hosts outside ASCII (write them in
//     punycode) or with an IPv6 zone always. On all of these parsers disagree, or
//     people do, about what the host is.
//   - A host whose last label is a number is refused, not only one of digits:
//     browsers read 127.1 and 1.0x7f as IP addresses.
//   - URLs without a scheme are refused, web URLs without a host too: browsers
//     read https:x.example and https:/x.example as https://x.example. So are
//     schemes that browsers act on themselves, such as javascript and data.
//   - More than 8 KiB are refused.
//   - A web URL's query is matched as if a "/" stood before it when there is no
//     path. Else https://*.example.com would match https://ai?.example.com,
//     whose host is "ai".
//
// Honest targets come back byte for byte. Changed are the scheme (to lower case),
// characters that no URL may hold, such as quotes or "ä" (percent-encoded), and
// empty ports and fragments (left out).
func (l *List) Check(candidate string) (string, bool) {
	t, ok := read(candidate)
	if !ok || !l.allows(t) {
		return "", false
	}
	return t.String(), true
}

func (l *List) allows(t target) bool {
	switch {
	case l.isSite(t):
		return true
	case t.addr.IsValid():
		return t.addr.IsLoopback() && (l.local || l.matches(t))
	case t.isWeb() && !webHost.MatchString(t.url.Hostname()):
		return false
	}
	return l.matches(t)
}

func (l *List) isSite(t target) bool {
	site := l.site.url
	return site != nil &&
		t.url.Scheme == site.Scheme &&
		strings.EqualFold(t.url.Hostname(), site.Hostname()) &&
		(l.local || t.url.Port() == site.Port())
}

func (l *List) matches(t target) bool {
	text := t.matched()
	for _, p := range l.patterns {
		if p.MatchString(text) {
			return true
		}
	}
	return false
}

var webHost = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

// isLocal reports whether t is on this machine, by GoTrue's measure, which counts
// the unspecified addresses in.
func (t target) isLocal() bool {
	host := strings.ToLower(t.url.Hostname())
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		t.addr.IsLoopback() || t.addr == netip.IPv4Unspecified() || t.addr == netip.IPv6Unspecified()
}
