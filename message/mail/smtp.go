package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"
)

// server is where connections are made to.
type server struct {
	host, address      string
	mode               TLSMode
	tls                *tls.Config
	username, password string
	localName          string
	timeout            time.Duration
}

func newServer(cfg Config) (*server, error) {
	s := &server{
		host:      cfg.Host,
		address:   net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		mode:      cfg.TLS,
		tls:       &tls.Config{},
		username:  cfg.Username,
		password:  string(cfg.Password),
		localName: cfg.LocalName,
		timeout:   cfg.DialTimeout,
	}
	if cfg.TLSConfig != nil {
		s.tls = cfg.TLSConfig.Clone()
	}
	s.tls.ServerName = cmp.Or(s.tls.ServerName, cfg.Host)
	var err error
	if s.localName == "" {
		s.localName, err = os.Hostname()
	}
	return s, err
}

// dial returns a connection that is ready for its first mail.
func (s *server) dial(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	c := &session{conn: conn, timeout: s.timeout}
	if err := c.within(ctx, func() error { return s.open(c) }); err != nil {
		c.cut()
		return nil, err
	}
	return c, nil
}

func (s *server) open(c *session) (err error) {
	conn := c.conn
	if s.mode == TLSImplicit {
		conn = tls.Client(conn, s.tls)
	}
	if c.client, err = smtp.NewClient(conn, s.host); err != nil {
		return fmt.Errorf("waiting for the server's greeting: %w", err)
	}
	if err := c.client.Hello(s.localName); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if err := s.encrypt(c.client); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if err := s.authenticate(c.client); err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	return nil
}

func (s *server) encrypt(client *smtp.Client) error {
	offered, _ := client.Extension("STARTTLS")
	switch {
	case s.mode == TLSImplicit, s.mode == TLSNone, s.mode == TLSOpportunistic && !offered:
		return nil
	case !offered:
		return errors.New("the server does not offer encryption, which is required")
	}
	return client.StartTLS(s.tls)
}

// authenticate does nothing when the server asks for no password: the usual test
// servers do not, however they are configured at this end.
func (s *server) authenticate(client *smtp.Client) error {
	asked, mechanisms := client.Extension("AUTH")
	if s.username == "" || !asked {
		return nil
	}
	auth := s.mechanism(strings.Fields(mechanisms))
	if auth == nil {
		return fmt.Errorf("the server offers none but %s", mechanisms)
	}
	return client.Auth(auth)
}

// mechanism returns the best of the offered ones, first those that do not show
// the password. The last two refuse to, on a connection in the clear to another
// machine, unless that was asked for.
func (s *server) mechanism(offered []string) smtp.Auth {
	inTheClear := s.mode == TLSNone
	has := func(name string) bool { return slices.Contains(offered, name) }
	switch {
	case has("SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(s.username, s.password)
	case has("SCRAM-SHA-1"):
		return smtp.ScramSHA1Auth(s.username, s.password)
	case has("CRAM-MD5"):
		return smtp.CRAMMD5Auth(s.username, s.password)
	case has("PLAIN"):
		return smtp.PlainAuth("", s.username, s.password, s.host, inTheClear)
	case has("LOGIN"):
		return smtp.LoginAuth(s.username, s.password, s.host, inTheClear)
	}
	return nil
}

// session is a connection on which mails are sent, one after the other.
type session struct {
	conn    net.Conn // beneath the encryption; closing it ends all that waits
	client  *smtp.Client
	timeout time.Duration // for the other side to show that it is still there
	expiry  *time.Timer   // while it is kept for the next mail
}

// within does something with the connection and cuts it when ctx ends before
// that is done.
func (c *session) within(ctx context.Context, do func() error) error {
	defer context.AfterFunc(ctx, c.cut)()
	err := do()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (%v)", context.Cause(ctx), err)
	}
	return err
}

func (c *session) cut() { _ = c.conn.Close() }

// quit closes the connection the way that servers like, if they are quick.
func (c *session) quit() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.within(ctx, c.client.Quit)
	c.cut()
}

// start names the sender of the next mail. It asks for SMTPUTF8 only if need be,
// since a server further down the way that lacks it would return the mail.
func (c *session) start(ctx context.Context, e envelope) error {
	c.client.SkipSMTPUTF8(isASCII(e.from + e.to))
	return c.within(ctx, func() error {
		if err := c.client.Mail(e.from); err != nil {
			return fmt.Errorf("MAIL FROM: %w", err)
		}
		return nil
	})
}

// restart is start on a connection that was kept.
func (c *session) restart(ctx context.Context, e envelope) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.within(ctx, c.client.Reset); err != nil {
		return err
	}
	return c.start(ctx, e)
}

// finish sends the rest of the mail after start.
func (c *session) finish(ctx context.Context, e envelope) error {
	return c.within(ctx, func() error {
		if err := c.client.Rcpt(e.to); err != nil {
			return fmt.Errorf("RCPT TO: %w", err)
		}
		if err := c.transmit(e.data); err != nil {
			return fmt.Errorf("DATA: %w", err)
		}
		return nil
	})
}

func (c *session) transmit(data []byte) error {
	w, err := c.client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
