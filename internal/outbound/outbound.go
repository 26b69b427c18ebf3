// Package outbound makes HTTP clients for calls to addresses that somebody else
// had a say in: what can be reached is a matter of policy, and neither a slow, an
// endless nor a redirecting answer does harm (guarantees: F30).
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Policy says what a client may do. The zero value reaches public addresses.
type Policy struct {
	// Timeout is of a whole call. Defaults to 10 seconds.
	Timeout time.Duration
	// Networks may be reached although they are not public.
	Networks []netip.Prefix
	// Hosts, as "host:port", may be reached wherever they are.
	Hosts []string
}

// maxBody is how much of an answer is read.
const maxBody = 1 << 20

// NewClient returns a client that keeps to the policy. It follows no redirect: the
// answer that redirects is the answer.
func NewClient(p Policy) *http.Client {
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	open := &net.Dialer{Timeout: timeout}
	guarded := &net.Dialer{Timeout: timeout, ControlContext: p.control}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if p.NamesHost(address) {
				return open.DialContext(ctx, network, address)
			}
			return guarded.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		TLSHandshakeTimeout:    timeout,
	}
	return &http.Client{
		Timeout:       timeout,
		Transport:     bounded{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// control refuses an address before anything is sent to it. It sees what a name
// was resolved to, so that no name leads past it.
func (p Policy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("outbound: %w", err)
	}
	if kind := p.Refuses(at.Addr()); kind != "" {
		return fmt.Errorf("outbound: %s is a %s address, which is not allowed", at.Addr(), kind)
	}
	return nil
}

// NamesHost reports whether a "host:port" is among Hosts.
func (p Policy) NamesHost(address string) bool {
	return slices.ContainsFunc(p.Hosts, func(h string) bool { return h != "" && strings.EqualFold(h, address) })
}

// NamesNetwork reports whether an address is in one of Networks.
func (p Policy) NamesNetwork(a netip.Addr) bool {
	a = plain(a)
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// plain is an address as networks are compared with: IPv4 where it is that, and
// without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Refuses returns what an address is if it may not be reached, and "" if it may.
func (p Policy) Refuses(a netip.Addr) string {
	if p.NamesNetwork(a) {
		return ""
	}
	return kind(plain(a))
}

// Host returns the host and port of a URL as Policy.Hosts has them, or "".
func Host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// ErrTooLarge says that an answer was longer than is read.
var ErrTooLarge = errors.New("outbound: the answer is too long")

// bounded ends bodies that do not.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := watched(b.RoundTripper, r)
	if err == nil {
		res.Body = &body{ReadCloser: res.Body, left: maxBody}
	}
	return res, err
}

// CloseIdleConnections closes those of the transport, which http.Client asks for.
func (b bounded) CloseIdleConnections() { b.RoundTripper.(*http.Transport).CloseIdleConnections() }

type body struct {
	io.ReadCloser
	left int
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, ErrTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
