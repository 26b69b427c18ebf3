package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/postern-auth/postern"
)

// envelope is a mail as SMTP carries it.
type envelope struct {
	from, to string // in angle brackets
	data     []byte
}

func (s *Mailer) envelope(m postern.Mail, r Rendered) (envelope, error) {
	if !isAddress(m.To) {
		return envelope{}, fmt.Errorf("no address to write to: %q", m.To)
	}
	from := &netmail.Address{Name: s.cfg.SenderName, Address: s.cfg.From}
	to := &netmail.Address{Address: m.To}

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	msg.Subject(r.Subject)
	msg.SetDateWithValue(s.cfg.Now())
	msg.SetMessageIDWithValue(rand.Text() + from.Address[strings.LastIndexByte(from.Address, '@'):])
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: do not answer
	msg.SetGenHeader("Content-Language", r.Language)
	for name, values := range s.cfg.Headers {
		msg.SetGenHeader(gomail.Header(name), withMessageType(values, m.Type)...)
	}
	msg.SetBodyString(gomail.TypeTextPlain, r.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, r.HTML)

	var data bytes.Buffer
	if _, err := msg.WriteTo(&data); err != nil {
		return envelope{}, fmt.Errorf("writing the message: %w", err)
	}
	bare := netmail.Address{Address: from.Address}
	return envelope{from: bare.String(), to: to.String(), data: data.Bytes()}, nil
}

func withMessageType(values []string, t postern.MailType) []string {
	values = slices.Clone(values)
	for i, v := range values {
		values[i] = strings.ReplaceAll(v, "$messageType", string(t))
	}
	return values
}

// checkHeader says what is wrong with an additional header, if anything is.
func checkHeader(name string, values []string) error {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "From", "To", "Cc", "Bcc", "Subject", "Date", "Message-Id",
		"Mime-Version", "Content-Type", "Content-Transfer-Encoding":
		return fmt.Errorf("Headers must not have %q", name)
	}
	isInvalid := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' } // RFC 5322 §2.2
	if name == "" || strings.ContainsFunc(name, isInvalid) {
		return fmt.Errorf("Headers has a name that is none: %q", name)
	}
	if !isOneLine(strings.Join(values, "")) {
		return fmt.Errorf("Headers has control characters in %q", name)
	}
	return nil
}

func isOneLine(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }

// oneLine makes s a line of visible text: what would break the line, or turn
// around the direction of what follows, becomes a blank.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// clip cuts s to at most n characters.
func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

// secrets are the texts that no error about m may show, those that hold others
// first. A server may well answer with some of what it was sent, as filters do
// that dislike a link.
func (s *Mailer) secrets(m postern.Mail) []string {
	password := string(s.cfg.Password)
	secrets := []string{
		m.ConfirmationURL, string(m.TokenHash), string(m.Token),
		base64.StdEncoding.EncodeToString([]byte("\x00" + s.cfg.Username + "\x00" + password)), // as in AUTH PLAIN
		base64.StdEncoding.EncodeToString([]byte(password)),                                    // as in AUTH LOGIN
		password,
	}
	for _, secret := range slices.Clone(secrets) {
		quoted := strconv.Quote(secret) // as in the text of a textproto.Error
		secrets = append(secrets, quoted[1:len(quoted)-1])
	}
	return secrets
}

// redacted is an error without secrets.
type redacted struct {
	text  string
	cause error // nil, a reply of the server, or one of the endings
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.cause }

// redact returns err in one line of bounded length, and without the secrets.
func redact(err error, secrets []string) error {
	clean := func(text string) string {
		for _, secret := range secrets {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "[secret]")
			}
		}
		return clip(oneLine(text), 500)
	}
	e := &redacted{text: clean(err.Error())}
	for _, ending := range []error{context.DeadlineExceeded, context.Canceled, net.ErrClosed} {
		if errors.Is(err, ending) {
			e.cause = ending
		}
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		e.cause = &textproto.Error{Code: reply.Code, Msg: clean(reply.Msg)}
	}
	return e
}
