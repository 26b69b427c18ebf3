package outbound

import "net/netip"

// kind is what an address is that is not public, and "" for one that is.
func kind(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "loopback"
	case a.IsUnspecified():
		return "unspecified"
	case a.IsPrivate():
		return "private network"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	case !a.IsValid():
		return "unspecified"
	}
	for _, e := range embedding {
		if e.network.Contains(a) {
			bytes := a.As16()
			return kind(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	for _, s := range special {
		if s.network.Contains(a) {
			return s.kind
		}
	}
	return ""
}

// special are networks that no public host is in, besides those that netip knows
// (RFC 6890, RFC 8215), and an address at which one cloud tells its machines' secrets.
var special = []struct {
	network netip.Prefix
	kind    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("100.64.0.0/10"), "private network"},
	{netip.MustParsePrefix("168.63.129.16/32"), "private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "private network"},
	{netip.MustParsePrefix("240.0.0.0/4"), "private network"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "private network"},
	{netip.MustParsePrefix("100::/64"), "private network"},
	{netip.MustParsePrefix("2001::/32"), "private network"}, // Teredo, which hides the address that it has in it
	{netip.MustParsePrefix("fec0::/10"), "private network"},
}

// embedding are networks whose addresses have another one in them, and where it
// begins: of RFC 4291 §2.5.5.1, RFC 6052 and RFC 3056.
var embedding = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}
