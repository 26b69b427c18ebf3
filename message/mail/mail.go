// Package mail is a postern.Mailer: it writes GoTrue's mails and sends them by
// SMTP.
//
//	mailer, err := mail.New(mail.Config{Host: "smtp.example.com", From: "no-reply@example.com"})
//	defer mailer.Close()
//	a, err := postern.New(st, postern.Config{Mailer: mailer})
//
// Writing and sending are apart. A Renderer turns a postern.Mail into a subject,
// an HTML part and a text part; it serves a development mailbox as well as a
// Mailer. It has mails of its own in English, French, German, Japanese,
// Portuguese and Spanish, and takes others from files and URLs, written for
// GoTrue's variables (contract: config.md §2.4):
//
//	SiteURL ConfirmationURL Token TokenHash RedirectTo
//	Email NewEmail OldEmail SendingTo Phone OldPhone Provider FactorType
//	Data  the user's metadata
//
// All are there in every mail, "" where the mail has no use for them.
//
// # What users write
//
// Metadata, addresses and names of users get into a mail only through a template.
// They are escaped in HTML, brought into one line of visible characters in
// subjects, and appear in no header but Subject and, as an address alone, To.
//
// # Encryption
//
// GoTrue encrypts when the server offers it, and so can be talked out of it by
// whoever sits between. The default here is the same while there is nothing to
// steal but the mail, and stricter from there on: with a user name configured, a
// server that is not on this machine must encrypt (see TLSMode).
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// Config says where mails go and what they look like. Host and From are
// required; the rest has defaults.
type Config struct {
	// Host is the name or address of the server that takes the mails.
	Host string
	// Port defaults to 587, and to 465 with TLSImplicit.
	Port int
	// Username and Password are for servers that ask for them; with others
	// they are not used. No Username means no authentication.
	Username string
	Password postern.Secret
	// TLS says when the connection is encrypted. Defaults to TLSAuto.
	TLS TLSMode
	// TLSConfig is for servers whose certificate is signed by an authority of
	// one's own. ServerName defaults to Host.
	TLSConfig *tls.Config
	// LocalName is what the server is told in EHLO. Defaults to the name of
	// the machine.
	LocalName string

	// From is the address that mails come from. Its domain is also that of
	// their Message-ID.
	From string
	// SenderName is shown beside From. Defaults to none.
	SenderName string
	// Headers are added to every mail; several values of one are joined by a
	// comma. "$messageType" in a value becomes the postern.MailType. Headers
	// that this package writes itself, and those that name recipients, are
	// refused.
	Headers map[string][]string

	// Renderer writes the mails. Defaults to the built-in ones.
	Renderer *Renderer

	// DialTimeout bounds connecting, up to and including authentication.
	// Defaults to 10 seconds.
	DialTimeout time.Duration
	// Timeout bounds a mail as a whole: writing it, waiting for a connection,
	// connecting and sending. Defaults to 30 seconds. The context given to
	// SendMail may end it earlier.
	Timeout time.Duration
	// MaxConns is how many connections there are at most; further mails wait.
	// Defaults to 4.
	MaxConns int
	// IdleTimeout is how long a connection is kept for the next mail. Defaults
	// to 30 seconds; negative keeps none.
	IdleTimeout time.Duration

	// Background lets SendMail return at once and sends afterwards, so that nobody
	// waits for a mail server and nobody learns from the time whether there was
	// somebody to write to. That a mail could not be sent is then only logged. A
	// thousand mails may wait; with that many, SendMail sends again while its caller
	// waits. What waits is lost when the process dies: see Close.
	Background bool
	// LogSent logs every mail that was sent: what it was, and to whom.
	LogSent bool
	// Logger hears of both. Defaults to slog.Default().
	Logger *slog.Logger

	// Now is the clock for the Date header. Defaults to time.Now.
	Now func() time.Time
}

// TLSMode says when a connection is encrypted. Certificates are always checked.
type TLSMode string

// The modes.
const (
	// TLSAuto is TLSImplicit on port 465. Elsewhere it is TLSMandatory when
	// there is a user name and the server is on another machine, and
	// TLSOpportunistic when not.
	TLSAuto TLSMode = ""
	// TLSMandatory encrypts by STARTTLS, and fails when the server offers none.
	TLSMandatory TLSMode = "mandatory"
	// TLSOpportunistic encrypts by STARTTLS when the server offers it. Without,
	// the password goes to no other machine, except by mechanisms that do not
	// show it.
	TLSOpportunistic TLSMode = "opportunistic"
	// TLSImplicit encrypts from the first byte, as is usual on port 465.
	TLSImplicit TLSMode = "implicit"
	// TLSNone never encrypts, not even the password: for a network that one
	// trusts, or for tests.
	TLSNone TLSMode = "none"
)

// Mailer is a postern.Mailer over SMTP. It is safe for concurrent use. It starts
// nothing by itself: connections are made for mails, and a timer closes those
// that are kept for the next one.
type Mailer struct {
	cfg        Config
	pool       *pool
	background *background // nil unless Config.Background is set
}

// New returns a Mailer and connects to nothing. The error has a sentence for
// every mistake in cfg.
func New(cfg Config) (*Mailer, error) {
	cfg, rendererErr := cfg.withDefaults()
	if err := errors.Join(cfg.check(), rendererErr); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	server, err := newServer(cfg)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	s := &Mailer{cfg: cfg, pool: newPool(server.dial, cfg)}
	if cfg.Background {
		s.background = newBackground(cfg, s.deliver)
	}
	return s, nil
}

// SendMail writes m and hands it to the server. Without an error the server has
// taken responsibility for it. The error shows neither the password nor what m
// keeps secret, whatever the server has answered; a refusal by the server wraps
// a *textproto.Error with its code, an end of time context.DeadlineExceeded, and
// a Mailer that is closed net.ErrClosed. With Config.Background there is no error
// for a mail that waits for its turn.
func (s *Mailer) SendMail(ctx context.Context, m postern.Mail) error {
	if s.background != nil && s.background.accept(ctx, m) {
		return nil
	}
	return s.deliver(ctx, m)
}

func (s *Mailer) deliver(ctx context.Context, m postern.Mail) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := s.send(ctx, m); err != nil {
		return redact(fmt.Errorf("mail: %w", err), s.secrets(m))
	}
	if s.cfg.LogSent {
		s.cfg.Logger.InfoContext(ctx, "a mail was sent", "type", m.Type, "to", m.To)
	}
	return nil
}

func (s *Mailer) send(ctx context.Context, m postern.Mail) error {
	rendered, err := s.cfg.Renderer.Render(ctx, m)
	if err != nil {
		return err
	}
	e, err := s.envelope(m, rendered)
	if err != nil {
		return err
	}
	return s.pool.send(ctx, e)
}

// Close waits for the mails under way, and for those that wait in the background, no
// longer than Config.Timeout, and closes all connections. Later mails fail.
func (s *Mailer) Close() error {
	if s.background != nil {
		s.background.close(s.cfg.Timeout)
	}
	s.pool.close()
	return nil
}

func (c Config) withDefaults() (_ Config, err error) {
	c.TLS = c.effectiveTLS()
	if c.Port == 0 {
		c.Port = 587
		if c.TLS == TLSImplicit {
			c.Port = 465
		}
	}
	if c.Renderer == nil {
		c.Renderer, err = NewRenderer(RendererConfig{})
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 10 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MaxConns == 0 {
		c.MaxConns = 4
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, err
}

func (c Config) effectiveTLS() TLSMode {
	switch {
	case c.TLS != TLSAuto:
		return c.TLS
	case c.Port == 465:
		return TLSImplicit
	case c.Username != "" && !isThisMachine(c.Host):
		return TLSMandatory
	default:
		return TLSOpportunistic
	}
}

func isThisMachine(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// check returns a sentence for every mistake.
func (c Config) check() error {
	var mistakes []error
	mistake := func(wrong bool, format string, args ...any) {
		if wrong {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	mistake(c.Host == "", "Host is missing")
	mistake(c.Port < 0 || c.Port > 65535, "Port %d is none", c.Port)
	mistake(!isAddress(c.From), "From is no address: %q", c.From)
	mistake(!isOneLine(c.SenderName), "SenderName has control characters: %q", c.SenderName)
	mistake(!isOneLine(c.LocalName) || strings.Contains(c.LocalName, " "), "LocalName is no host: %q", c.LocalName)
	mistake(c.DialTimeout < 0 || c.Timeout < 0, "DialTimeout and Timeout must not be negative")
	mistake(c.MaxConns < 0, "MaxConns must not be negative")
	switch c.TLS {
	case TLSMandatory, TLSOpportunistic, TLSImplicit, TLSNone:
	default:
		mistake(true, "TLS has no mode %q", c.TLS)
	}
	for name, values := range c.Headers {
		mistakes = append(mistakes, checkHeader(name, values))
	}
	return errors.Join(mistakes...)
}

// isAddress reports whether s is one bare address that means the same to every
// server: no comment, no name, no list, no quoting.
func isAddress(s string) bool {
	if !isOneLine(s) || strings.ContainsAny(s, ` "(),:;<>[\]`) || strings.Count(s, "@") != 1 {
		return false
	}
	// String quotes a local part with dots in a row, which exist.
	parsed, err := netmail.ParseAddress((&netmail.Address{Address: s}).String())
	return err == nil && parsed.Address == s
}
