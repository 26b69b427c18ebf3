package httpadapter

import "net/http"

// redirectTo is where a request wants browsers to be sent in the end: the first
// of its wishes that the configuration allows, or the site (contract: endpoints.md
// §0.2). first are wishes that come before those that every route knows.
func (s *server) redirectTo(r *http.Request, first ...string) string {
	_ = r.ParseForm() // as much of it as can be read
	return s.auth.Redirect(append(first, r.Header.Get("redirect_to"), r.Form.Get("redirect_to"), r.Referer())...)
}
