package httpadapter

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/postern-auth/postern"
)

// authorize serves GET /authorize: it sends the browser to a provider.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) error {
	p := s.authorizeParams(r)
	if !p.Challenge.Used() && isNavigation(r) && !s.byAnotherName(r) {
		p.Browser = s.markBrowser(w, r)
	}
	location, err := s.auth.AuthorizeURL(r.Context(), p)
	if err != nil {
		return err
	}
	http.Redirect(w, r, location, http.StatusFound)
	return nil
}

func (s *server) authorizeParams(r *http.Request) postern.AuthorizeParams {
	q := r.URL.Query()
	return postern.AuthorizeParams{
		Provider: q.Get("provider"), Scopes: q.Get("scopes"), RedirectTo: s.redirectTo(r), InviteToken: q.Get("invite_token"),
		Challenge: challenge(q.Get("code_challenge"), q.Get("code_challenge_method")), Params: q,
	}
}

// linkIdentity serves GET /user/identities/authorize: it sends the browser to a
// provider whose identity the user wants to have, or says where that is.
func (s *server) linkIdentity(w http.ResponseWriter, r *http.Request) error {
	location, err := s.auth.LinkIdentityURL(r.Context(), postern.CallerFromContext(r.Context()), s.authorizeParams(r))
	if err != nil {
		return err
	}
	if r.URL.Query().Get("skip_http_redirect") == "true" {
		return respond(w, http.StatusOK, struct {
			URL string `json:"url"`
		}{location})
	}
	http.Redirect(w, r, location, http.StatusFound)
	return nil
}

// unlinkIdentity serves DELETE /user/identities/{identity_id}.
func (s *server) unlinkIdentity(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "identity_id")
	if err != nil {
		return err
	}
	if err := s.auth.UnlinkIdentity(r.Context(), postern.CallerFromContext(r.Context()), id, audienceOf(r)); err != nil {
		return err
	}
	return respond(w, http.StatusOK, struct{}{})
}

// callback serves /callback, where browsers come back from a provider: with a
// query or, where the provider makes them, with a form.
func (s *server) callback(w http.ResponseWriter, r *http.Request) error {
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		_ = r.ParseForm() // as much of it as can be read
		params = r.Form
	}
	res, err := s.auth.Callback(r.Context(), postern.CallbackParams{Params: params, Browser: s.browserMark(r)})
	status := http.StatusFound
	if res.Unknown {
		status = http.StatusSeeOther
	}
	if err == nil {
		w.Header().Set("Cache-Control", "no-store") // of a location that signs in
	}
	if res.Session != nil {
		setSessionHeaders(w.Header(), res.Session)
	}
	http.Redirect(w, r, res.Location, status)
	return nil
}

// isNavigation reports whether a browser goes to a page, rather than a program
// that asks for one (Fetch Metadata §2).
func isNavigation(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Mode") == "navigate" }

// byAnotherName reports whether a machine is called otherwise than the API's URL
// calls it, as localhost and 127.0.0.1 are one: the browser will come back to that
// name, where it has no cookie of the other's.
func (s *server) byAnotherName(r *http.Request) bool {
	here, err := url.Parse(s.auth.ExternalURL())
	asked := (&url.URL{Host: r.Host}).Hostname()
	return err == nil && isLoopback(here.Hostname()) && isLoopback(asked) && !strings.EqualFold(asked, here.Hostname())
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// The cookie that knows a browser again. The prefix keeps other hosts of the same
// site from setting it (RFC 6265bis §4.1.3); it asks for https.
const (
	browserCookie       = "postern-browser"
	secureBrowserCookie = "__Host-" + browserCookie
)

func (s *server) cookieName() string {
	if s.secure() {
		return secureBrowserCookie
	}
	return browserCookie
}

func (s *server) secure() bool { return strings.HasPrefix(s.auth.ExternalURL(), "https:") }

// browserMark returns what marks the browser, "" if it was not marked.
func (s *server) browserMark(r *http.Request) postern.Secret {
	c, err := r.Cookie(s.cookieName())
	if err != nil || len(c.Value) != len(rand.Text()) {
		return ""
	}
	return postern.Secret(c.Value)
}

// markBrowser sees to it that the browser can be known again when it comes back
// from a provider. It keeps its mark for all sign-ins that begin in it, of which
// several may be under way.
func (s *server) markBrowser(w http.ResponseWriter, r *http.Request) postern.Secret {
	mark := s.browserMark(r)
	if mark == "" {
		mark = postern.Secret(rand.Text())
	}
	c := &http.Cookie{
		Name: s.cookieName(), Value: string(mark), Path: "/", HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode,
	}
	if s.secure() {
		c.SameSite = http.SameSiteNoneMode // Apple makes the browser post a form from its own site
	}
	http.SetCookie(w, c)
	return mark
}
