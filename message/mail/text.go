package mail

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// plainText makes a text part of an HTML part: paragraphs, list items and links
// with their addresses, for those who read no HTML, and for filters that mistrust
// mails without a text.
func plainText(page string) string {
	w := &textWriter{}
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return w.String()
		case html.TextToken:
			w.text(z.Token().Data)
		case html.StartTagToken, html.SelfClosingTagToken:
			w.open(z.Token())
		case html.EndTagToken:
			w.close(z.Token().DataAtom)
		}
	}
}

// textWriter collects the text. Blanks and breaks are owed until the next word,
// so that those at an end never come.
type textWriter struct {
	out    strings.Builder
	blank  bool // before the next word
	breaks int  // line ends before the next word

	hidden atom.Atom // the element that is left out, up to its end
	link   string    // where the link that is open leads
	linked int       // where its text begins in out
}

func (w *textWriter) String() string { return w.out.String() }

func (w *textWriter) text(s string) {
	if w.hidden != 0 {
		return
	}
	for i, word := range strings.Fields(s) {
		w.blank = w.blank || i > 0 || startsBlank(s)
		w.word(word)
	}
	w.blank = w.blank || endsBlank(s)
}

func startsBlank(s string) bool { return strings.TrimLeft(s, " \t\r\n\f") != s }
func endsBlank(s string) bool   { return strings.TrimRight(s, " \t\r\n\f") != s }

func (w *textWriter) word(word string) {
	switch {
	case w.out.Len() == 0:
	case w.breaks > 0:
		w.out.WriteString(strings.Repeat("\n", w.breaks))
	case w.blank:
		w.out.WriteByte(' ')
	}
	w.out.WriteString(word)
	w.blank, w.breaks = false, 0
}

func (w *textWriter) open(t html.Token) {
	if w.hidden != 0 {
		return
	}
	switch t.DataAtom {
	case atom.Title, atom.Style, atom.Script, atom.Template:
		w.hidden = t.DataAtom
	case atom.Br:
		w.breaks++
	case atom.Li:
		w.line(1)
		w.word("-")
		w.blank = true
	case atom.Td, atom.Th:
		w.blank = true
	case atom.Img:
		w.text(" " + attribute(t, "alt") + " ")
	case atom.A:
		w.link, w.linked = attribute(t, "href"), w.out.Len()
	default:
		w.line(gap(t.DataAtom))
	}
}

func (w *textWriter) close(a atom.Atom) {
	switch {
	case w.hidden != 0:
		if a == w.hidden {
			w.hidden = 0
		}
	case a == atom.A:
		w.closeLink()
	default:
		w.line(gap(a))
	}
}

// closeLink adds the address in the brackets that RFC 3986 appendix C recommends,
// unless it is what the link says already or leads nowhere from a mail.
func (w *textWriter) closeLink() {
	link := w.link
	w.link = ""
	if !strings.Contains(link, ":") || strings.TrimSpace(w.out.String()[w.linked:]) == link {
		return
	}
	w.blank = true
	w.word("<" + link + ">")
}

// line owes at least n line ends.
func (w *textWriter) line(n int) { w.breaks = max(w.breaks, n) }

// gap is how many line ends an element has before and after it.
func gap(a atom.Atom) int {
	switch a {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Ul, atom.Ol, atom.Dl, atom.Table, atom.Blockquote, atom.Pre, atom.Hr:
		return 2
	case atom.Div, atom.Tr, atom.Li, atom.Dt, atom.Dd, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Center:
		return 1
	}
	return 0
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
