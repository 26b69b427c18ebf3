package devbox

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
)

//go:embed inbox.html inbox.css inbox.js
var files embed.FS

// Handler serves the messages, to be mounted below a path of one's choice with
// http.StripPrefix:
//
//	GET    /                  the page; ?to= and ?id= choose what it shows
//	GET    /messages          all as JSON, the newest first; ?to= as for Messages
//	GET    /messages/{id}     one as JSON
//	GET    /messages/{id}/html  a mail's HTML part
//	DELETE /messages          Clear
//	GET    /raw/messages      [{"subject", "text"}], the oldest first; ?to= as
//	                          above; text is a header, an empty line and the
//	                          part that a reader sees, with CRLF
//
// So that no foreign web page gets at them, it answers only under the names in
// Config.Hosts, localhost and loopback addresses, sends no CORS headers, and takes
// changes from no other origin. That keeps browsers out, and nobody who reaches
// the port with another program.
func (b *Box) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.servePage)
	mux.HandleFunc("GET /messages", b.serveMessages)
	mux.HandleFunc("DELETE /messages", b.serveDelete)
	mux.HandleFunc("GET /messages/{id}", b.serveMessage)
	mux.HandleFunc("GET /messages/{id}/html", b.serveHTML)
	mux.HandleFunc("GET /raw/messages", b.serveRaw)
	// What the page needs.
	mux.HandleFunc("POST /clear", b.serveClear)
	mux.HandleFunc("GET /version", b.serveVersion)
	mux.HandleFunc("GET /inbox.css", serveFile)
	mux.HandleFunc("GET /inbox.js", serveFile)
	return b.guard(mux)
}

func (b *Box) serveMessages(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, b.Messages(r.FormValue("to")))
}

func (b *Box) serveMessage(w http.ResponseWriter, r *http.Request) {
	m, ok := b.find(r.PathValue("id"))
	if !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": "there is no such message"})
		return
	}
	answer(w, http.StatusOK, m)
}

func (b *Box) serveDelete(w http.ResponseWriter, _ *http.Request) {
	b.Clear()
	w.WriteHeader(http.StatusNoContent)
}

// rawMessage is one as a program that reads a mailbox would show it.
type rawMessage struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

func (b *Box) serveRaw(w http.ResponseWriter, r *http.Request) {
	raw := []rawMessage{}
	for _, m := range slices.Backward(b.Messages(r.FormValue("to"))) {
		raw = append(raw, rawMessage{m.Subject, m.raw()})
	}
	answer(w, http.StatusOK, raw)
}

func (m Message) raw() string {
	part, body := "plain", m.Text
	if m.HTML != "" {
		part, body = "html", m.HTML
	}
	return fmt.Sprintf("To: %s\r\nSubject: %s\r\nContent-Type: text/%s; charset=utf-8\r\n\r\n%s", m.To, m.Subject, part, body)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // it can only fail at the client
}

// serveHTML serves what somebody's template and data made, which is not to be
// trusted with the mailbox around it: no script runs in it, and it has no origin.
// Pictures may come from anywhere, as they do in a mail.
func (b *Box) serveHTML(w http.ResponseWriter, r *http.Request) {
	m, ok := b.find(r.PathValue("id"))
	if !ok || m.HTML == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "+
		"style-src 'unsafe-inline'; img-src data: https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	io.WriteString(w, `<!doctype html><base target="_blank">`+m.HTML) // links open beside the mailbox
}

func serveFile(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, r.URL.Path)
}
