package outbound_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/outbound"
)

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1":                 "loopback",
		"127.255.255.254":           "loopback",
		"::1":                       "loopback",
		"::ffff:127.0.0.1":          "loopback",
		"::127.0.0.1":               "loopback",
		"64:ff9b::127.0.0.1":        "loopback",
		"2002:7f00:1::":             "loopback",
		"0.0.0.0":                   "unspecified",
		"0.1.2.3":                   "unspecified",
		"::":                        "unspecified",
		"::ffff:0.0.0.0":            "unspecified",
		"10.0.0.1":                  "private network",
		"172.16.0.1":                "private network",
		"192.168.255.255":           "private network",
		"::ffff:192.168.0.1":        "private network",
		"64:ff9b::10.1.2.3":         "private network",
		"64:ff9b:1::8.8.8.8":        "private network",
		"2002:c0a8:1::1":            "private network",
		"2001:0:1:2:3:4:5:6":        "private network",
		"100.64.0.1":                "private network",
		"168.63.129.16":             "private network",
		"192.0.0.192":               "private network",
		"198.18.0.1":                "private network",
		"255.255.255.255":           "private network",
		"fd00:ec2::254":             "private network",
		"fec0::1":                   "private network",
		"100::1":                    "private network",
		"169.254.169.254":           "link-local",
		"::ffff:169.254.169.254":    "link-local",
		"64:ff9b::169.254.169.254":  "link-local",
		"2002:a9fe:a9fe::":          "link-local",
		"fe80::1":                   "link-local",
		"fe80::1%eth0":              "link-local",
		"224.0.0.1":                 "multicast",
		"ff02::1":                   "multicast",
		"8.8.8.8":                   "",
		"::ffff:8.8.8.8":            "",
		"64:ff9b::8.8.8.8":          "",
		"2002:808:808::":            "",
		"2606:4700:4700::1111":      "",
		"2606:4700:4700::1111%eth0": "",
		"172.32.0.1":                "",
		"100.128.0.1":               "",
	} {
		if got := (outbound.Policy{}).Refuses(netip.MustParseAddr(address)); got != want {
			t.Errorf("Refuses(%s) = %q, want %q", address, got, want)
		}
	}
	if got := (outbound.Policy{}).Refuses(netip.Addr{}); got == "" {
		t.Error("Refuses lets the zero address pass")
	}
}

func TestNamedNetworksAreReached(t *testing.T) {
	t.Parallel()
	p := outbound.Policy{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}}
	for address, want := range map[string]string{
		"10.1.2.3":        "",
		"::ffff:10.1.2.3": "",
		"fd12::1%eth0":    "",
		"10.2.0.1":        "private network",
		"127.0.0.1":       "loopback",
	} {
		if got := p.Refuses(netip.MustParseAddr(address)); got != want {
			t.Errorf("Refuses(%s) = %q, want %q", address, got, want)
		}
	}
}

func FuzzRefuses(f *testing.F) {
	for _, address := range []string{"127.0.0.1", "::1", "10.1.2.3", "8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1"} {
		a := netip.MustParseAddr(address)
		f.Add(a.AsSlice())
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		a, ok := netip.AddrFromSlice(bytes)
		if !ok {
			return
		}
		got := outbound.Policy{}.Refuses(a)
		if got == "" && (!a.IsGlobalUnicast() || a.IsPrivate()) {
			t.Errorf("Refuses(%s) lets an address pass that is not public", a)
		}
		if !a.Is4() {
			return
		}
		four := a.As4()
		mapped, translated := netip.AddrFrom16(a.As16()), netip.MustParseAddr("64:ff9b::").As16()
		copy(translated[12:], four[:])
		for _, form := range []netip.Addr{mapped, netip.AddrFrom16(translated)} {
			if other := (outbound.Policy{}).Refuses(form); other != got {
				t.Errorf("Refuses(%s) = %q and Refuses(%s) = %q, want the same", a, got, form, other)
			}
		}
	})
}

// serve answers with h, and returns the URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func get(t *testing.T, p outbound.Policy, url string) (status int, body string, err error) {
	t.Helper()
	client := outbound.NewClient(p)
	t.Cleanup(client.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func TestLoopbackIsReachedOnlyIfThePolicyNamesIt(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	port := server[strings.LastIndex(server, ":"):]
	for name, test := range map[string]struct {
		policy outbound.Policy
		url    string
		want   string // "" for refused
	}{
		"no policy":             {url: server},
		"by name":               {url: "http://localhost" + port},
		"mapped into IPv6":      {url: "http://[::ffff:127.0.0.1]" + port},
		"unspecified":           {url: "http://0.0.0.0" + port},
		"another host is named": {policy: outbound.Policy{Hosts: []string{"127.0.0.1:1", ""}}, url: server},
		"the host is named":     {policy: outbound.Policy{Hosts: []string{outbound.Host(server)}}, url: server, want: "here"},
		"in another case":       {policy: outbound.Policy{Hosts: []string{"LOCALHOST" + port}}, url: "http://localhost" + port, want: "here"},
		"the network is named":  {policy: outbound.Policy{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, url: server, want: "here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, body, err := get(t, test.policy, test.url)
			switch {
			case test.want == "" && (err == nil || !strings.Contains(err.Error(), "not allowed")):
				t.Errorf("got %q and error %v, want that it is not allowed", body, err)
			case test.want != "" && (err != nil || body != test.want):
				t.Errorf("got %q and error %v, want %q", body, err, test.want)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	followed := false
	target := serve(t, func(http.ResponseWriter, *http.Request) { followed = true })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
	status, _, err := get(t, outbound.Policy{Hosts: []string{outbound.Host(server), outbound.Host(target)}}, server)
	if err != nil || status != http.StatusFound || followed {
		t.Errorf("got status %d, error %v, followed %t; want 302, none, false", status, err, followed)
	}
}

func TestEndlessBodiesEnd(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		piece := []byte(strings.Repeat("x", 32<<10))
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	_, body, err := get(t, outbound.Policy{Hosts: []string{outbound.Host(server)}}, server)
	if !errors.Is(err, outbound.ErrTooLarge) || len(body) != 1<<20 {
		t.Errorf("got %d bytes and error %v, want %d and %v", len(body), err, 1<<20, outbound.ErrTooLarge)
	}
}

func TestABodyOfExactlyTheLimitIsReadWhole(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	_, body, err := get(t, outbound.Policy{Hosts: []string{outbound.Host(server)}}, server)
	if err != nil || len(body) != 1<<20 {
		t.Errorf("got %d bytes and error %v, want %d and none", len(body), err, 1<<20)
	}
}

func TestSlowAnswersEnd(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a body that trickles": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, ".")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, handler)
			_, _, err := get(t, outbound.Policy{Hosts: []string{outbound.Host(server)}, Timeout: 100 * time.Millisecond}, server)
			var late *url.Error
			if !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &late) && late.Timeout()) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"https://id.example.com":           "id.example.com:443",
		"https://id.example.com:8443/path": "id.example.com:8443",
		"http://id.example.com/path":       "id.example.com:80",
		"http://[::1]/":                    "[::1]:80",
		"id.example.com":                   "",
		"":                                 "",
		"https://[":                        "",
	} {
		if got := outbound.Host(rawURL); got != want {
			t.Errorf("Host(%q) = %q, want %q", rawURL, got, want)
		}
	}
}
