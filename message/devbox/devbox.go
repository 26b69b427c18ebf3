// Package devbox is a mailbox for development and tests. It takes the place of a
// mail server and an SMS service, keeps what it is given in memory, and shows it
// on a page and as JSON:
//
//	box := devbox.New(devbox.Config{})
//	a, err := postern.New(st, postern.Config{Mailer: box, SMS: box})
//	mux.Handle("/_inbox/", http.StripPrefix("/_inbox", box.Handler()))
//
// Whoever reads it can sign in as anybody. It is for no server with users: where
// mails are really sent there must be no Box.
package devbox

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/mail"
)

// Config says what a Box keeps and shows.
type Config struct {
	// Renderer writes the mails. Defaults to the built-in ones of package mail.
	Renderer Renderer
	// Keep is how many messages are kept; the oldest go first. Defaults to 200.
	// Large messages make it fewer: they have 32 MiB together.
	Keep int
	// Hosts are names and addresses, without a port, under which the Handler
	// may be reached, besides localhost and loopback addresses.
	Hosts []string
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Renderer is what *mail.Renderer is.
type Renderer interface {
	Render(context.Context, postern.Mail) (mail.Rendered, error)
}

// Box is a postern.Mailer and a postern.SMSSender that sends nothing. It is safe
// for concurrent use. Make it with New.
type Box struct {
	cfg Config

	mu       sync.Mutex
	messages []Message // the oldest first
	size     int       // in bytes
	received int
	changed  chan struct{} // closed at the next change
}

var (
	_ postern.Mailer    = (*Box)(nil)
	_ postern.SMSSender = (*Box)(nil)
)

// New returns an empty Box.
func New(cfg Config) *Box {
	if cfg.Renderer == nil {
		cfg.Renderer = builtin()
	}
	if cfg.Keep <= 0 {
		cfg.Keep = 200
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Box{cfg: cfg, changed: make(chan struct{})}
}

func builtin() Renderer {
	r, err := mail.NewRenderer(mail.RendererConfig{})
	if err != nil {
		return broken{err}
	}
	return r
}

// broken is a Renderer that could not be made.
type broken struct{ err error }

func (b broken) Render(context.Context, postern.Mail) (mail.Rendered, error) {
	return mail.Rendered{}, b.err
}

// Kind tells mails from text messages.
type Kind string

// The kinds.
const (
	KindMail Kind = "mail"
	KindSMS  Kind = "sms"
)

// Message is a mail or a text message.
type Message struct {
	ID   string    `json:"id"` // counts up from 1
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	// Type is the postern.MailType of a mail, and the channel of a text
	// message: "sms" or "whatsapp".
	Type string `json:"type"`
	To   string `json:"to"` // a mail address, or the digits of a phone number

	Subject string `json:"subject"` // of mails
	HTML    string `json:"html"`    // of mails
	Text    string `json:"text"`

	Code      string `json:"code"`       // to type; "" if there is none
	Link      string `json:"link"`       // to click; "" if there is none
	TokenHash string `json:"token_hash"` // that the link carries
}

// SendMail writes m as its reader would see it, and keeps it. The error is the
// Renderer's.
func (b *Box) SendMail(ctx context.Context, m postern.Mail) error {
	r, err := b.cfg.Renderer.Render(ctx, m)
	if err != nil {
		return fmt.Errorf("devbox: %w", err)
	}
	b.keep(Message{
		Kind: KindMail, Type: string(m.Type), To: m.To,
		Subject: r.Subject, HTML: r.HTML, Text: r.Text,
		Code: string(m.Token), Link: m.ConfirmationURL, TokenHash: string(m.TokenHash),
	})
	return nil
}

// SendSMS keeps m and returns the Message's ID. It does not fail.
func (b *Box) SendSMS(_ context.Context, m postern.SMS) (string, error) {
	kept := b.keep(Message{
		Kind: KindSMS, Type: cmp.Or(m.Channel, string(KindSMS)), To: m.Phone, Text: m.Text, Code: string(m.Code),
	})
	return kept.ID, nil
}
