package redirect

import (
	"maps"
	"net/url"
	"strings"
)

// The builders of Location headers write what GoTrue writes, to the byte. A target
// is what Check returned or the site that NewList took; one that does not parse
// comes back as it is. Parameters stand in the order of their names. Every
// fragment has the empty parameter sb, by which GoTrue's clients know it.

// Tokens returns target with params, form-encoded, as its fragment: where a
// sign-in of the implicit flow ends. A fragment that the target already has stays
// where it is, in front of a second "#".
func Tokens(target string, params url.Values) string {
	return target + "#" + withMark(params).Encode()
}

// Query returns target with params added to its query, in place of those of the
// same names: where a sign-in of the PKCE flow ends, and how errors are told when
// a server will read them. The rest of the query stays, but is encoded and sorted
// anew. The slashes of a target that has nothing else are lost (com.example.app://
// becomes com.example.app:?code=…).
func Query(target string, params url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	addQuery(u, params)
	return u.String()
}

// Fragment returns target with params in place of its fragment: how the implicit
// flow tells of errors, and of the first half of an e-mail change. Other than in
// Tokens, the form-encoded params are encoded once more, so that a comma is
// %252C; blanks are "+" all the same. The query stays as it is. Slashes are lost
// as in Query.
func Fragment(target string, params url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	setFragment(u, params)
	return u.String()
}

// QueryAndFragment returns target with params both as Query and as Fragment write
// them: how the PKCE flow, and all that comes back from a provider, tells of
// errors.
func QueryAndFragment(target string, params url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	addQuery(u, params)
	setFragment(u, params)
	return u.String()
}

func addQuery(u *url.URL, params url.Values) {
	query := u.Query()
	maps.Copy(query, params)
	u.RawQuery = query.Encode()
}

// setFragment relies on URL.String to do the second encoding.
func setFragment(u *url.URL, params url.Values) {
	u.Fragment, u.RawFragment = withMark(params).Encode(), ""
}

func withMark(params url.Values) url.Values {
	marked := url.Values{"sb": {""}}
	maps.Copy(marked, params)
	return marked
}

// MailLink returns the link of a mail: path as base resolves it (RFC 3986 §5, so
// that "/verify" replaces all of the base's path), with the token's hash, its type
// and the target that the one who follows it is sent to.
//
// As in GoTrue, redirectTo stands there as it is while a reader of the query gets
// it back like that, and query-escaped otherwise. GoTrue escapes it only for the
// sake of "&", "=" and "#", and loses what "%", "+" and ";" stood for.
//
// What base and path are was checked where they were configured. When either does
// not parse, one is put behind the other.
func MailLink(base, path, hash, kind, redirectTo string) string {
	if strings.ContainsAny(redirectTo, "&=#%+;") {
		redirectTo = url.QueryEscape(redirectTo)
	}
	query := "token=" + url.QueryEscape(hash) + "&type=" + url.QueryEscape(kind) + "&redirect_to=" + redirectTo
	b, baseErr := url.Parse(base)
	p, pathErr := url.Parse(path)
	if baseErr != nil || pathErr != nil {
		return base + path + "?" + query
	}
	link := b.ResolveReference(p)
	link.RawQuery = query
	return link.String()
}
