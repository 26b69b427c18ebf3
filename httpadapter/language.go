package httpadapter

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLanguages      = 16
	maxAcceptLanguage = 1024 // in bytes; what comes behind does not count
)

// language is a language range (RFC 4647 §2.1) and how much it is wanted.
type language struct {
	tag     string
	quality float64
}

// languages are those that a client would like to read, the best first (RFC 9110
// §12.5.4). "*" is none of them, and what is malformed is passed over.
func languages(r *http.Request) []string {
	header := strings.Join(r.Header.Values("Accept-Language"), ",")
	var wanted []language
	for element := range strings.SplitSeq(header[:min(len(header), maxAcceptLanguage)], ",") {
		if l, ok := parseLanguage(element); ok && len(wanted) < maxLanguages {
			wanted = append(wanted, l)
		}
	}
	slices.SortStableFunc(wanted, func(a, b language) int { return cmp.Compare(b.quality, a.quality) })
	var tags []string
	for _, l := range wanted {
		tags = append(tags, l.tag)
	}
	return tags
}

// languageTag is a basic language range without the wildcard (RFC 4647 §2.1).
var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)

// parseLanguage reads an element of the list, and takes it only when it is wanted
// at all.
func parseLanguage(element string) (language, bool) {
	tag, weight, weighted := strings.Cut(element, ";")
	l := language{tag: strings.TrimSpace(tag), quality: 1}
	if !languageTag.MatchString(l.tag) {
		return l, false
	}
	if weighted {
		l.quality = parseQuality(weight)
	}
	return l, l.quality > 0
}

// qualityValue is the weight of RFC 9110 §12.4.2, whose name is "q" or "Q".
var qualityValue = regexp.MustCompile(`^[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*$`)

// parseQuality returns 0 for what is no weight.
func parseQuality(weight string) float64 {
	match := qualityValue.FindStringSubmatch(weight)
	if match == nil {
		return 0
	}
	q, _ := strconv.ParseFloat(match[1], 64) // the pattern lets numbers through
	return q
}
