package devbox

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard keeps web pages of other origins out. The name that a request is for says
// whether a foreign page has given its own name this machine's address (DNS
// rebinding), and the Origin and Fetch Metadata headers whether it makes a browser
// send changes here.
func (b *Box) guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
			"frame-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if !b.isOwnHost(r.Host) {
			http.Error(w, fmt.Sprintf("The mailbox answers under localhost, loopback addresses and the names in Config.Hosts, not under %q.", r.Host),
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (b *Box) isOwnHost(host string) bool {
	name := strings.ToLower((&url.URL{Host: host}).Hostname()) // without the port and brackets
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if slices.ContainsFunc(b.cfg.Hosts, func(own string) bool { return strings.EqualFold(own, name) }) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}
