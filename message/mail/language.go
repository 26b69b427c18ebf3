package mail

import "strings"

// canonicalTag returns a BCP 47 tag in the form in which texts are kept, lower
// case with hyphens, or "" for what is none, as the "*" of Accept-Language.
func canonicalTag(tag string) string {
	tag = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(tag)), "_", "-")
	isForeign := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if len(tag) > 35 || strings.ContainsFunc(tag, isForeign) || strings.Contains("-"+tag+"-", "--") {
		return ""
	}
	return tag
}

// lookup returns a canonical tag and what to try in its stead, ever less
// specific (RFC 4647 §3.4): "zh-hant-tw", "zh-hant", "zh".
func lookup(tag string) []string {
	var tags []string
	for tag != "" {
		tags = append(tags, tag)
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
		if i := strings.LastIndexByte(tag, '-'); i >= 0 && i == len(tag)-2 {
			tag = tag[:i] // a single character only introduces what was cut off
		}
	}
	return tags
}
