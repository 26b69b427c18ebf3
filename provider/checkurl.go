package provider

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-auth/postern/internal/outbound"
)

// CheckURL says in GoTrue's words why a URL may not be an endpoint of a custom
// provider: "URL must use HTTPS" (contract: endpoints.md, Custom OAuth/OIDC
// providers). It resolves the host; Hosts and Networks may be private. A name
// may lead elsewhere later, so that this is for the operator's benefit, and the
// client checks again whenever it connects.
func (m *Maker) CheckURL(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil, u.Opaque != "", u.User != nil:
		return errors.New("Invalid URL format")
	case u.Scheme != "https":
		return errors.New("URL must use HTTPS")
	case u.Hostname() == "":
		return errors.New("URL must have a valid hostname")
	case m.policy.NamesHost(outbound.Host(rawURL)):
		return nil
	}
	addresses, unresolved := m.addresses(ctx, u.Hostname())
	unnamed := func(a netip.Addr) bool { return !m.policy.NamesNetwork(a) }
	switch {
	case len(addresses) > 0 && !slices.ContainsFunc(addresses, unnamed):
		return nil
	case isLocalhost(u.Hostname()):
		return errors.New("URL cannot point to localhost or loopback addresses")
	case unresolved != nil:
		return errors.New("Unable to resolve hostname")
	}
	for _, a := range addresses {
		if kind := m.policy.Refuses(a); kind != "" {
			return errors.New("URL cannot resolve to " + kind + " addresses")
		}
	}
	return nil
}

// addresses are those of a host, which may be written as one.
func (m *Maker) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addresses, err := m.resolve(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = errors.New("the host has no address")
	}
	return addresses, err
}

func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// isLocalhost reports whether a host is the machine's own by its name (RFC 6761
// §6.3) or its address.
func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
