package httpadapter

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/postern-auth/postern"
)

// ConfirmPage is what Options.ConfirmPage is executed with. A page that does its
// work has, where Button is not "",
//
//	<form method="post" action="{{.Action}}">
//	{{range $name, $value := .Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
//	<button>{{.Button}}</button>
//	</form>
//
// and its style in <style nonce="{{.Nonce}}">. The page's Content-Security-Policy
// lets nothing else in: no scripts, no images but inline SVG, no fonts, no style
// attributes.
type ConfirmPage struct {
	Language string // of the texts, as a BCP 47 tag
	Title    string // what the link is for, or that it does not work
	Text     string // a sentence or two
	Button   string // the button's text; "" on a page that only says what is wrong

	Action string            // the URL that the form is posted to, relative to the page's
	Fields map[string]string // the form's hidden fields, values by name
	Nonce  string            // of the page's style element
}

//go:embed confirm.html
var confirmHTML string

var defaultConfirmPage = template.Must(template.New("confirm.html").Parse(confirmHTML))

// confirm serves GET /confirm, where the links of mails lead when programs that
// follow links are not to use them up (guarantees: A6): it only shows a button.
func (s *server) confirm(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p := postern.VerifyLinkParams{
		Type: postern.VerifyType(q.Get("type")), Token: q.Get("token"), RedirectTo: s.redirectTo(r),
	}
	if p.Type == "" || p.Token == "" {
		return s.showPage(w, http.StatusBadRequest, brokenLinkPage(r))
	}
	return s.showPage(w, http.StatusOK, confirmPage(r, p))
}

// confirmed serves POST /confirm, the button, which does what GET /verify does.
func (s *server) confirmed(w http.ResponseWriter, r *http.Request) error {
	if !isOfThisOrigin(r) {
		return s.showPage(w, http.StatusForbidden, brokenLinkPage(r))
	}
	_ = r.ParseForm() // as much of it as can be read
	p := postern.VerifyLinkParams{
		Type: postern.VerifyType(r.PostForm.Get("type")), Token: r.PostForm.Get("token"), RedirectTo: r.PostForm.Get("redirect_to"),
	}
	if p.Type == "" || p.Token == "" {
		return s.showPage(w, http.StatusBadRequest, brokenLinkPage(r))
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	return s.followLink(w, r, p)
}

// isOfThisOrigin reports whether a form was on a page of ours, as far as the
// browser says (Fetch Metadata, Fetch §3.1). Browsers that say only the origin
// say "null" for our page, which asks them to send no referrer.
func isOfThisOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

func confirmPage(r *http.Request, p postern.VerifyLinkParams) ConfirmPage {
	language, words := wordingFor(r)
	return ConfirmPage{
		Language: language, Title: words.title(p.Type), Text: words.once, Button: words.button,

		// Relative, since nobody told the handler where it is mounted, and
		// without the query, which holds the token.
		Action: "confirm",
		Fields: map[string]string{"type": string(p.Type), "token": p.Token, "redirect_to": p.RedirectTo},
	}
}

func brokenLinkPage(r *http.Request) ConfirmPage {
	language, words := wordingFor(r)
	return ConfirmPage{Language: language, Title: words.broken, Text: words.again}
}

// showPage writes a page that nobody keeps, frames or learns the address of.
//
// Its policy has no form-action: Chromium holds the redirects after a form to it
// as well, and where the app sends its users on to is not known here. Nothing but
// the template can put a form into the page.
func (s *server) showPage(w http.ResponseWriter, status int, page ConfirmPage) error {
	page.Nonce = rand.Text()
	var body bytes.Buffer
	if err := s.confirmPage.Execute(&body, page); err != nil {
		return fmt.Errorf("executing the confirmation page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+page.Nonce+"'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
	return nil
}
