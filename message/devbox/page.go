package devbox

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/http"
)

var page = template.Must(template.ParseFS(files, "inbox.html"))

// view is what the page shows: a list, and one message.
type view struct {
	Version  string
	To       string // that the list is limited to; "" for everybody
	Messages []Message
	Chosen   bool // somebody chose the message; otherwise it is the newest
	Message  *Message
}

func (b *Box) servePage(w http.ResponseWriter, r *http.Request) {
	v := b.view(r.FormValue("to"), r.FormValue("id"))
	var html bytes.Buffer
	if err := page.Execute(&html, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if v.Chosen && v.Message == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = html.WriteTo(w) // it can only fail at the client
}

func (b *Box) view(to, id string) view {
	v := view{Version: b.version(), To: to, Messages: b.Messages(to), Chosen: id != ""}
	if v.Chosen {
		if m, ok := b.find(id); ok {
			v.Message = &m
		}
	} else if len(v.Messages) > 0 {
		v.Message = &v.Messages[0]
	}
	return v
}

// serveVersion is what the page asks every second. A request that waits for the
// next message would keep a server from stopping.
func (b *Box) serveVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, b.version())
}

// version changes whenever the messages do, also from one run of the program to
// the next.
func (b *Box) version() string {
	messages, _ := b.look("")
	if len(messages) == 0 {
		return "0"
	}
	newest := messages[len(messages)-1]
	return fmt.Sprintf("%d.%s.%d", len(messages), newest.ID, newest.At.UnixMicro())
}

// serveClear is for the page's button, which works without JavaScript.
func (b *Box) serveClear(w http.ResponseWriter, _ *http.Request) {
	b.Clear()
	w.Header().Set("Location", ".") // the page, wherever it is mounted
	w.WriteHeader(http.StatusSeeOther)
}
