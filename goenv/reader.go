package goenv

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// reader turns variables into values. It remembers which names it was asked
// for, since those are the known ones, and every mistake that it found.
//
// Its methods take the names of one variable, separated by spaces; the first
// that is set counts.
type reader struct {
	env      map[string]string // without the empty ones
	known    []string
	notYet   []string // that are set
	idle     []string // that are set, and have no effect
	mistakes []error

	timeout  time.Duration  // of calls to other services; several sections need it
	networks []netip.Prefix // that such calls may go to although they are not public; likewise
}

func newReader(environ []string) *reader {
	r := &reader{env: map[string]string{}}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			r.env[name] = value
		}
	}
	return r
}

func (r *reader) mistake(format string, args ...any) {
	r.mistakes = append(r.mistakes, fmt.Errorf(format, args...))
}

// wrong adds what another package says about a variable, a mistake for each of
// its sentences.
func (r *reader) wrong(name string, err error) {
	if err == nil {
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			r.wrong(name, err)
		}
		return
	}
	r.mistake("%s: %w", name, err)
}

// find returns the name that is set and its value, or the first name and "".
func (r *reader) find(names string) (name, value string) {
	all := strings.Fields(names)
	r.known = append(r.known, all...)
	for _, name := range all {
		if value := r.env[name]; value != "" {
			return name, value
		}
	}
	return all[0], ""
}

func (r *reader) text(names, fallback string) string {
	_, value := r.find(names)
	return cmp.Or(value, fallback)
}

// secret is text that no message may show.
func (r *reader) secret(names string) (name string, value postern.Secret) {
	name, text := r.find(names)
	return name, postern.Secret(text)
}

// read is every other getter: a value that parse understands, or the mistake
// that it is not what was expected.
func read[T any](r *reader, names string, fallback T, expected string, parse func(string) (T, error)) T {
	name, text := r.find(names)
	if text == "" {
		return fallback
	}
	value, err := parse(text)
	if err != nil {
		r.mistake("%s is %q; it must be %s", name, text, expected)
		return fallback
	}
	return value
}

var errUnexpected = errors.New("unexpected value")

func (r *reader) flag(names string, fallback bool) bool {
	return read(r, names, fallback, "true or false", strconv.ParseBool)
}

// number reads what GoTrue does: decimal, or with the prefix of another base.
func (r *reader) number(names string, fallback, least, most int) int {
	expected := fmt.Sprintf("a whole number from %d to %d", least, most)
	if most == math.MaxInt32 {
		expected = fmt.Sprintf("a whole number of at least %d", least)
	}
	return read(r, names, fallback, expected, func(text string) (int, error) {
		n, err := strconv.ParseInt(text, 0, 32)
		if err == nil && (int(n) < least || int(n) > most) {
			err = errUnexpected
		}
		return int(n), err
	})
}

// seconds is a duration that GoTrue writes as a bare number.
func (r *reader) seconds(names string, fallback int) time.Duration {
	return time.Duration(r.number(names, fallback, 0, math.MaxInt32)) * time.Second
}

func (r *reader) duration(names string, fallback, least time.Duration) time.Duration {
	expected := "a duration such as 10s or 1h30m"
	if least > 0 {
		expected += fmt.Sprintf(" of at least %v", least)
	}
	return read(r, names, fallback, expected, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err == nil && d < least {
			err = errUnexpected
		}
		return d, err
	})
}

// offAtZero turns what GoTrue writes as 0 into what Config does: negative.
func offAtZero(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (r *reader) choice(names, fallback string, among ...string) string {
	return read(r, names, fallback, oneOf(among), func(text string) (string, error) {
		return text, allowed(among, text)
	})
}

func (r *reader) list(names string, fallback ...string) []string {
	_, text := r.find(names)
	if list := split(text); len(list) > 0 {
		return list
	}
	return fallback
}

func (r *reader) choices(names string, among ...string) []string {
	return read(r, names, nil, "a list, separated by commas, of "+strings.Join(among, ", "), func(text string) ([]string, error) {
		list := split(text)
		return list, allowed(among, list...)
	})
}

func split(text string) []string {
	var list []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

func allowed(among []string, given ...string) error {
	for _, text := range given {
		if !slices.Contains(among, text) {
			return errUnexpected
		}
	}
	return nil
}

func oneOf(among []string) string {
	last := len(among) - 1
	if last == 0 {
		return strconv.Quote(among[0])
	}
	return strings.Join(among[:last], ", ") + " or " + among[last]
}

const anyWebURL = "an absolute http or https URL"

// webURL reads the address of a server, "" for none. One that names a user is no
// such address, and may have a password in it.
func (r *reader) webURL(names string) string {
	name, text := r.find(names)
	switch {
	case text == "" || isWebURL(text):
		return text
	case strings.Contains(text, "@"):
		r.mistake("%s must be %s without a user; what it is now may be secret and is not shown", name, anyWebURL)
	default:
		r.mistake("%s is %q; it must be %s", name, text, anyWebURL)
	}
	return ""
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// absoluteURL understands deep links as well.
func absoluteURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err == nil && !u.IsAbs() {
		err = errUnexpected
	}
	return text, err
}

// prefixes reads a list of networks; a bare address is a network of one.
func (r *reader) prefixes(names string) []netip.Prefix {
	const expected = "a list of addresses or CIDR prefixes such as 10.0.0.0/8, separated by commas"
	return read(r, names, nil, expected, func(text string) ([]netip.Prefix, error) {
		var list []netip.Prefix
		for _, entry := range split(text) {
			prefix, err := parsePrefix(entry)
			if err != nil {
				return nil, err
			}
			list = append(list, prefix)
		}
		return list, nil
	})
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	return netip.ParsePrefix(text)
}

// secrets reads a map of keys by id. Its mistakes count entries, since what is
// misplaced in one may be the key.
func (r *reader) secrets(names string, check func(postern.Secret) error) (name string, byID map[string]postern.Secret) {
	name, text := r.find(names)
	byID = map[string]postern.Secret{}
	for i, entry := range split(text) {
		id, key, ok := strings.Cut(entry, ":")
		if !ok || id == "" || key == "" {
			r.mistake("%s: entry %d must be an id and a key, as in id:key", name, i+1)
			continue
		}
		byID[id] = postern.Secret(key)
		r.wrong(fmt.Sprintf("%s: entry %d", name, i+1), check(byID[id]))
	}
	return name, byID
}

// missing returns which of the names that later would take are not set. It reads
// none of them.
func (r *reader) missing(names string) []string {
	return slices.DeleteFunc(expandAll(names), func(name string) bool { return r.env[name] != "" })
}

// later takes note of variables that belong to features that are not there yet.
// names are written as a shell would take them: A_{B,C}_D is A_B_D and A_C_D.
func (r *reader) later(names string) {
	for _, name := range expandAll(names) {
		if _, value := r.find(name); value != "" {
			r.notYet = append(r.notYet, name)
		}
	}
}

// know takes note of variables that another one makes of no use.
func (r *reader) know(names string) { r.known = append(r.known, expandAll(names)...) }

// withoutEffect takes note of variables for which there is nothing to switch.
func (r *reader) withoutEffect(names string) {
	for _, name := range expandAll(names) {
		if _, value := r.find(name); value != "" {
			r.idle = append(r.idle, name)
		}
	}
}

// unknown returns the variables that nobody asked for.
func (r *reader) unknown() []Unknown {
	var unknown []Unknown
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		ours := strings.HasPrefix(name, "GOTRUE_") || strings.HasPrefix(name, "POSTERN_")
		if ours && !slices.Contains(r.known, name) {
			unknown = append(unknown, Unknown{Name: name, Nearest: nearest(name, r.known)})
		}
	}
	return unknown
}
