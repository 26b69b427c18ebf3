package web3

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-auth/postern"
)

// format is the form of a chain's messages:
//
//	app.example.com wants you to sign in with your Ethereum account:
//	0x7e5f4552091a69125d5dfcb7b8c2659029395bdf
//
//	I accept the terms.
//
//	URI: https://app.example.com/welcome
//	Version: 1
//	Issued At: 2026-01-02T15:04:05Z
//
// The statement and the empty line after it may be missing. Fields may come in any
// order, since wallets differ in that; the resources come last.
type format struct {
	name       string // of the format, before its errors
	chain      string // as the first line has it
	notAddress string // what is said of a bad second line

	// address sets a message's Address and OtherForms, and reports whether written
	// is an address at all.
	address func(m *postern.Web3Message, written string) bool
	// network reports whether a chain id is one.
	network func(id string) bool
}

// parse reads a message. Lines are counted from 0 in its errors, as GoTrue does.
func (f format) parse(text string) (*postern.Web3Message, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 6 {
		return nil, f.refuse("message needs at least 6 lines")
	}
	m := &postern.Web3Message{Text: text}
	if err := f.parseHead(m, lines); err != nil {
		return nil, err
	}
	fields := 3
	if lines[3] != "" && lines[4] == "" {
		m.Statement = lines[3]
		fields = 5
	}
	if !isText(m.Statement) {
		return nil, f.unparsable(3)
	}
	p := &parser{format: f, message: m, seen: map[string]bool{}}
	for i, line := range lines[fields:] {
		if err := p.line(fields+i, line); err != nil {
			return nil, err
		}
	}
	return m, p.check()
}

// parseHead reads the three lines that every message begins with.
func (f format) parseHead(m *postern.Web3Message, lines []string) error {
	ending := " wants you to sign in with your " + f.chain + " account:"
	domain, ok := strings.CutSuffix(lines[0], ending)
	switch {
	case !ok:
		return f.refuse(`message first line does not end in "` + ending + `"`)
	case !isDomain.MatchString(domain):
		return f.refuse("domain in first line of message is not valid")
	case !f.address(m, lines[1]):
		return f.refuse(f.notAddress)
	case lines[2] != "":
		return f.refuse("third line must be empty")
	}
	m.Domain = domain
	return nil
}

// isDomain matches a name or an IP address, and a port (RFC 3986 §3.2 without user
// information). Other names than those of hosts are none that a site can have.
var isDomain = regexp.MustCompile(`^(?i:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)

// isText refuses what wallets may show otherwise than it is, or as nothing.
func isText(line string) bool {
	return utf8.ValidString(line) && !strings.ContainsFunc(line, unicode.IsControl)
}

func (f format) refuse(why string) error { return invalid(f.name + ": " + why) }

func (f format) unparsable(index int) error {
	return f.refuse(fmt.Sprintf("encountered unparsable line at index %d", index))
}

// parser reads a message's fields.
type parser struct {
	format
	message   *postern.Web3Message
	seen      map[string]bool
	resources int
}

// line reads one line. What is no field of the format is refused, and so is a field
// that comes twice: a wallet that does not recognise a message does not warn that it
// names another site, and may read the other of two values.
func (p *parser) line(index int, line string) error {
	name, value, found := strings.Cut(line, ":")
	switch resource, listed := strings.CutPrefix(line, "- "); {
	case !isText(line):
		return p.unparsable(index)
	case strings.TrimSpace(line) == "":
		return nil
	case p.seen[resourcesField] && listed:
		return p.resource(resource)
	case line == resourcesField:
		found = true // auth-js leaves out the colon in messages for Solana
	}
	if !found || p.seen[name] || p.seen[resourcesField] {
		return p.unparsable(index)
	}
	p.seen[name] = true
	return p.field(index, name, strings.TrimSpace(value))
}

const resourcesField = "Resources"

func (p *parser) field(index int, name, value string) (err error) {
	m := p.message
	switch name {
	case "URI":
		m.URI = value
		return p.checkURI(value)
	case "Version":
		return p.checkVersion(value)
	case "Chain ID":
		m.Network = value
		return p.checkNetwork(value)
	case "Nonce":
		m.Nonce = value
	case "Issued At":
		m.IssuedAt, err = p.time(name, value)
	case "Expiration Time":
		m.ExpiresAt, err = p.optionalTime(name, value)
	case "Not Before":
		m.NotBefore, err = p.optionalTime(name, value)
	case "Request ID":
	case resourcesField:
		if value != "" {
			return p.unparsable(index)
		}
	default:
		return p.unparsable(index)
	}
	return err
}

func (p *parser) checkURI(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return p.refuse("URI is not valid")
	}
	return nil
}

func (p *parser) checkVersion(value string) error {
	if value != "1" {
		return p.refuse(`Version value is not supported, expected 1 got "` + value + `"`)
	}
	return nil
}

func (p *parser) checkNetwork(value string) error {
	if !p.network(value) {
		return p.refuse("Chain ID is not valid")
	}
	return nil
}

// time reads a date-time of RFC 3339.
func (p *parser) time(name, value string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, p.refuse(name + " is not a valid ISO8601 timestamp")
	}
	return t, nil
}

func (p *parser) optionalTime(name, value string) (*time.Time, error) {
	t, err := p.time(name, value)
	return &t, err
}

// resource checks an entry of the list of resources. Nothing is done with them.
func (p *parser) resource(uri string) error {
	if u, err := url.Parse(uri); err != nil || u.Scheme == "" {
		return p.refuse(fmt.Sprintf("Resource at position %d has invalid URI", p.resources))
	}
	p.resources++
	return nil
}

// check looks at the message as a whole.
func (p *parser) check() error {
	m := p.message
	switch {
	case !p.seen["Version"]:
		return p.checkVersion("")
	case !p.seen["URI"]:
		return p.refuse("URI is not specified")
	case !p.seen["Issued At"]:
		return p.refuse("Issued At is not specified")
	case m.ExpiresAt != nil && m.IssuedAt.After(*m.ExpiresAt):
		return p.refuse("Issued At is after Expiration Time")
	case m.ExpiresAt != nil && m.NotBefore != nil && m.NotBefore.After(*m.ExpiresAt):
		return p.refuse("Not Before is after Expiration Time")
	}
	return nil
}
