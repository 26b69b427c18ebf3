package httpadapter

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/postern-auth/postern"
)

// clients say who sends a request.
type clients struct {
	proxies []netip.Prefix
	header  string   // of the proxies, before X-Forwarded-For; "" for none
	hosts   []string // by which the API may be found

	logger *slog.Logger
	warned sync.Once // of a proxy that nobody told of
}

// info is what flows record of a request.
func (c *clients) info(r *http.Request, id string) postern.RequestInfo {
	ip := c.address(r)
	if isHidden(ip, r) {
		c.warned.Do(func() {
			c.logger.WarnContext(r.Context(), "requests come through a proxy that is not trusted: all its clients count as one (TrustedProxies)", "proxy", ip)
		})
	}
	return postern.RequestInfo{
		ID: id, IP: ip, UserAgent: userAgent(r), Languages: languages(r), ExternalURL: externalURL(r, c.hosts),
	}
}

// isHidden reports whether a client seems to be a proxy of the operator's own that
// nobody told of.
func isHidden(client netip.Addr, r *http.Request) bool {
	return (client.IsLoopback() || client.IsPrivate()) && r.Header.Get("X-Forwarded-For") != ""
}

// address goes from the peer towards the client, for as long as it has reason to
// believe what it is told. The zero Addr stands for a peer without an address, such
// as that of a Unix socket.
func (c *clients) address(r *http.Request) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	if !isTrusted(client, c.proxies) {
		return client
	}
	if told, _, _ := strings.Cut(r.Header.Get(c.header), ","); c.header != "" {
		if a := parseAddress(told); a.IsValid() {
			return a
		}
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if strings.TrimSpace(hop) == "" { // RFC 9110 §5.6.1.2
			continue
		}
		before := parseAddress(hop)
		if !before.IsValid() {
			return client
		}
		if client = before; !isTrusted(client, c.proxies) {
			return client
		}
	}
	return client
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseAddress reads an address with or without a port, and returns the zero
// Addr for anything else. One machine has one spelling: IPv4 is not mapped into
// IPv6, and a zone, which means something only to its own host, is dropped.
func parseAddress(s string) netip.Addr {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		withPort, _ := netip.ParseAddrPort(s)
		a = withPort.Addr()
	}
	return a.Unmap().WithZone("")
}

// userAgent returns what a client calls itself, fit to be stored.
func userAgent(r *http.Request) string {
	const longest = 1024
	name := r.UserAgent()
	return strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), longest)], ""), "\x00", "")
}

// externalURL is by which of several hosts a client has found the API, "" if by none
// of them (contract: endpoints.md §0.2). Whoever sends the request may choose, but
// among the operator's own.
func externalURL(r *http.Request, hosts []string) string {
	host := cmp.Or(r.Header.Get("X-Forwarded-Host"), r.URL.Hostname())
	switch {
	case !slices.Contains(hosts, host):
		return ""
	case host == "localhost" && r.Header.Get("X-Forwarded-Proto") == "http":
		return "http://" + host
	}
	return "https://" + host
}
