// Package recipient finds out whether a mail to an address could arrive, so that
// none is sent where it could not (contract: config.md §2.5). It has what
// postern.EmailConfig.Validate asks:
//
//	validator, err := recipient.New(recipient.Config{Extended: true})
//	…
//	Email: postern.EmailConfig{Validate: validator.Validate}
//
// Extended looks at the address and into the DNS: it refuses names that exist for
// documentation and tests, common misspellings of Gmail's, Gmail accounts that are
// too short to be any, domains that do not exist, and those whose mail is taken by a
// server that is not wanted. A service of one's own can be asked besides.
//
// Only a clear "no" refuses. What cannot be found out, since a name server or the
// service does not answer, is left to the mail server.
package recipient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern/internal/outbound"
)

// Config says what is found out. The zero value finds nothing wrong with anything.
type Config struct {
	// Extended looks at addresses and asks the DNS about their domains.
	Extended bool
	// BlockedMX are names of mail servers. Where one of them takes a domain's mail,
	// its addresses are refused, with Extended.
	BlockedMX []string
	// Resolver answers for the DNS. Defaults to net.DefaultResolver.
	Resolver Resolver

	// ServiceURL is asked about every address that is not refused by itself. It gets
	// {"email":"…"} and answers with {"valid":false} for one to refuse. It may be in
	// a private network. Defaults to none.
	ServiceURL string
	// ServiceHeaders go with it: a key, perhaps.
	ServiceHeaders map[string][]string

	// Timeout is of all that is asked about one address. Defaults to 3 seconds.
	Timeout time.Duration
}

// Resolver is the part of a *net.Resolver that is needed.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// Validator finds out about addresses. It is safe for concurrent use.
type Validator struct {
	cfg    Config
	client *http.Client
}

// New returns a Validator and connects to nothing. The error shows no header.
func New(cfg Config) (*Validator, error) {
	if cfg.Timeout < 0 {
		return nil, errors.New("recipient: Timeout cannot be negative")
	}
	if u, err := url.Parse(cfg.ServiceURL); cfg.ServiceURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return nil, errors.New("recipient: ServiceURL must be an absolute http or https URL")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 3 * time.Second
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	blocked := make([]string, len(cfg.BlockedMX))
	for i, name := range cfg.BlockedMX {
		blocked[i] = hostName(name)
	}
	cfg.BlockedMX = blocked
	client := outbound.NewClient(outbound.Policy{Timeout: cfg.Timeout, Hosts: []string{outbound.Host(cfg.ServiceURL)}})
	return &Validator{cfg: cfg, client: client}, nil
}

// hostName is a name as it compares: a dot at the end says only that there is no
// more of it.
func hostName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Validate returns why a mail to an address could not arrive, and nil where it
// might. What has to be asked is asked at once.
func (v *Validator) Validate(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	var questions []func() error
	if v.cfg.Extended {
		host, err := look(address)
		if err != nil {
			return err
		}
		questions = append(questions, func() error { return v.askDNS(ctx, host) })
	}
	if v.cfg.ServiceURL != "" {
		questions = append(questions, func() error { return v.askService(ctx, address) })
	}
	answers := make(chan error, len(questions))
	for _, ask := range questions {
		go func() { answers <- ask() }()
	}
	for range questions {
		if err := <-answers; err != nil {
			return err
		}
	}
	return nil
}

// Addresses, hosts and their ends that are nobody's, for all that people type them.
var (
	nobodys = []string{"test@gmail.com", "example@gmail.com", "someone@gmail.com", "test@email.com"}
	hosts   = []string{
		"test", "example", "invalid", "local", "localhost", "test.com", "example.com", "example.net", "example.org",
		"gamil.com", "gamial.com", "gmaill.com", "gmailll.com", "gmial.com", "gmai.com", "gmal.com", "gmil.com", "gmaul.com",
		"gnail.com", "gmail.co", "gmail.con", "gmail.cm", "gmail.om", "gmail.cim", "gmail.comm", "gmailcom.com",
	}
	suffixes = []string{".test", ".example", ".invalid", ".local", ".localhost"}
)

// shortestGmail is how long the part before the "@" is there at least.
const shortestGmail = 6

// look returns an address's host, or what is wrong with it at first sight.
func look(address string) (host string, err error) {
	parsed, err := netmail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" {
		return "", errors.New("recipient: it is no address")
	}
	at := strings.LastIndexByte(address, '@')
	name, host := strings.ToLower(address[:at]), hostName(address[at+1:])
	switch {
	case slices.Contains(nobodys, name+"@"+host):
		return "", errors.New("recipient: it is nobody's address")
	case slices.Contains(hosts, host), slices.ContainsFunc(suffixes, func(end string) bool { return strings.HasSuffix(host, end) }):
		return "", errors.New("recipient: its host is reserved, or misspelt")
	case host == "gmail.com" && len(name) < shortestGmail:
		return "", errors.New("recipient: it is too short for an address of Gmail")
	}
	return host, nil
}

// askDNS refuses a host that takes no mail: one with no mail server and no address of
// its own (RFC 5321 §5.1), or with a server that is not wanted.
func (v *Validator) askDNS(ctx context.Context, host string) error {
	servers, err := v.cfg.Resolver.LookupMX(ctx, host+".") // no search in domains of this machine's
	if !notFound(err) {
		for _, server := range servers {
			if slices.Contains(v.cfg.BlockedMX, hostName(server.Host)) {
				return errors.New("recipient: its mail server is blocked")
			}
		}
		return nil
	}
	if _, err := v.cfg.Resolver.LookupHost(ctx, host+"."); notFound(err) {
		return errors.New("recipient: its host does not exist")
	}
	return nil
}

func notFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// askService refuses what the service calls invalid.
func (v *Validator) askService(ctx context.Context, address string) error {
	body, err := json.Marshal(map[string]string{"email": address})
	if err != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.cfg.ServiceURL, bytes.NewReader(body))
	if err != nil {
		return nil
	}
	for name, values := range v.cfg.ServiceHeaders {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := v.client.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	var answer struct {
		Valid *bool `json:"valid"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	if res.StatusCode == http.StatusOK && err == nil && answer.Valid != nil && !*answer.Valid {
		return errors.New("recipient: the service calls it invalid")
	}
	return nil
}
