package mail_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/mail"
)

const (
	link = "https://app.example.com/auth/v1/verify?token=pkce_c0ffee&type=signup&redirect_to=https://app.example.com/"
	code = "271828"
	hash = "pkce_c0ffee"
)

// signUp is the mail that most tests send.
func signUp() postern.Mail {
	return postern.Mail{
		Type:            postern.MailSignUp,
		To:              "ada@example.com",
		User:            &postern.User{Email: "ada@example.com"},
		SiteURL:         "https://app.example.com",
		ConfirmationURL: link,
		Token:           code,
		TokenHash:       hash,
		RedirectTo:      "https://app.example.com/",
	}
}

// message is a mail that a server received, taken apart.
type message struct {
	netmail.Header
	subject    string
	text, html string
}

func parse(t *testing.T, m receivedMail) message {
	t.Helper()
	raw, err := netmail.ReadMessage(strings.NewReader(m.data))
	if err != nil {
		t.Fatalf("parsing %q: %v", m.data, err)
	}
	out := message{Header: raw.Header}
	if out.subject, err = new(mime.WordDecoder).DecodeHeader(raw.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(raw.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("got content type %q, %v, want multipart/alternative", kind, err)
	}
	parts := multipart.NewReader(raw.Body, params["boundary"])
	out.text, out.html = part(t, parts, "text/plain"), part(t, parts, "text/html")
	return out
}

func part(t *testing.T, parts *multipart.Reader, want string) string {
	t.Helper()
	p, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Header.Get("Content-Type"); got != want+"; charset=UTF-8" {
		t.Fatalf("got a part of type %q, want %s", got, want)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(body), "\r\n", "\n")
}

func TestMessageHasItsHeadersAndBothParts(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t, func(c *mail.Config) {
		c.SenderName = "Ada & Söhne"
		c.Headers = map[string][]string{"X-Kind": {"auth", "$messageType!"}, "reply-to": {"help@postern.example"}}
		c.Now = func() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC) }
	})
	sent := signUp()
	sent.Languages = []string{"de-AT"}
	if err := m.SendMail(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	received := s.mails()[0]
	if received.from != "FROM:<no-reply@postern.example>" || received.to != "TO:<ada@example.com>" {
		t.Errorf("got the envelope %q, %q", received.from, received.to)
	}
	got := parse(t, received)
	for name, want := range map[string]string{
		"Date":             "Tue, 03 Feb 2026 04:05:06 +0000",
		"To":               "<ada@example.com>",
		"Auto-Submitted":   "auto-generated",
		"Content-Language": "de",
		"Mime-Version":     "1.0",
		"X-Kind":           "auth, signup!",
		"Reply-To":         "help@postern.example",
	} {
		if got := got.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if from, err := got.AddressList("From"); err != nil || len(from) != 1 || from[0].Name != "Ada & Söhne" || from[0].Address != "no-reply@postern.example" {
		t.Errorf("From: got %v, %v", from, err)
	}
	if id := got.Get("Message-Id"); !strings.HasSuffix(id, "@postern.example>") || len(id) < 30 {
		t.Errorf("Message-ID: got %q, want something random at postern.example", id)
	}
	if want := "Bestätigen Sie Ihre E-Mail-Adresse"; got.subject != want {
		t.Errorf("Subject: got %q, want %q", got.subject, want)
	}
	if !strings.Contains(got.text, code) || !strings.Contains(got.text, link) {
		t.Errorf("the text part lacks code or link: %s", got.text)
	}
	if !strings.Contains(got.html, code) || !strings.Contains(got.html, `href="`+strings.ReplaceAll(link, "&", "&amp;")+`"`) {
		t.Errorf("the HTML part lacks code or link: %s", got.html)
	}
}

func TestLongLinesAndLeadingDotsArrive(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	sent := signUp()
	sent.ConfirmationURL = "https://app.example.com/" + strings.Repeat(".", 3000)
	if err := m.SendMail(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	received := s.mails()[0]
	if got := parse(t, received).text; !strings.Contains(got, sent.ConfirmationURL) {
		t.Errorf("got %q", got)
	}
	for line := range strings.SplitSeq(received.data, "\r\n") {
		if len(line) > 998 { // RFC 5322 §2.1.1
			t.Errorf("got a line of %d bytes", len(line))
		}
	}
}

func TestEncryptionAndAuthentication(t *testing.T) {
	t.Parallel()
	const here, elsewhere = "127.0.0.1", "0.0.0.0" // the second means this machine too, but does not say so
	starttls := []string{"STARTTLS", "AUTH PLAIN LOGIN"}
	for _, tt := range []struct {
		name       string
		extensions []string
		implicit   bool
		host       string
		edit       func(*mail.Config)

		encrypted bool
		auth      string
		err       string // in the error's text
	}{
		{"plain where nothing is offered", nil, false, elsewhere, nil, false, "", ""},
		{"encrypted where that is offered", starttls, false, elsewhere, nil, true, "", ""},
		{"unencrypted on demand", starttls, false, elsewhere, tlsMode(mail.TLSNone), false, "", ""},
		{"mandatory and not offered", nil, false, elsewhere, tlsMode(mail.TLSMandatory), false, "", "encryption"},
		{"implicit", nil, true, elsewhere, tlsMode(mail.TLSImplicit), true, "", ""},
		{"implicit with a password", starttls[1:], true, elsewhere, both(login, tlsMode(mail.TLSImplicit)), true, "PLAIN", ""},
		{"PLAIN", starttls, false, elsewhere, login, true, "PLAIN", ""},
		{"LOGIN", []string{"STARTTLS", "AUTH LOGIN"}, false, elsewhere, login, true, "LOGIN", ""},
		{"a password needs encryption", starttls[1:], false, elsewhere, login, false, "", "encryption"},
		{"but not on this machine", starttls[1:], false, here, login, false, "PLAIN", ""},
		{"nor where none is wanted", starttls[1:], false, elsewhere, both(login, tlsMode(mail.TLSNone)), false, "PLAIN", ""},
		{"opportunism shows no password", starttls[1:], false, elsewhere, both(login, tlsMode(mail.TLSOpportunistic)), false, "", "encrypted"},
		{"but by what does not show it", []string{"AUTH PLAIN CRAM-MD5"}, false, elsewhere, both(login, tlsMode(mail.TLSOpportunistic)), false, "CRAM-MD5", ""},
		{"a password that nobody asks for", []string{"STARTTLS"}, false, elsewhere, login, true, "", ""},
		{"a mechanism that nobody knows", []string{"STARTTLS", "AUTH GSSAPI"}, false, elsewhere, login, false, "", "GSSAPI"},
		{"a wrong password", starttls, false, elsewhere, both(login, func(c *mail.Config) { c.Password = "guess" }), false, "", "535"},
		{"a certificate of nobody's", starttls, false, here, func(c *mail.Config) { c.TLSConfig = nil }, false, "", "certificate"},
		{"a certificate of somebody else", starttls, false, here, func(c *mail.Config) { c.TLSConfig.ServerName = "other.example" }, false, "", "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := (&smtpServer{extensions: tt.extensions, implicit: tt.implicit}).start(t)
			m := s.mailer(t, func(c *mail.Config) {
				c.Host, c.TLSConfig.ServerName = tt.host, "example.com"
				if tt.edit != nil {
					tt.edit(c)
				}
			})
			err := m.SendMail(t.Context(), signUp())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want one about %q", err, tt.err)
				}
				if got := s.mails(); len(got) != 0 {
					t.Errorf("got a mail all the same: %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.mails()[0]; got.encrypted != tt.encrypted || got.auth != tt.auth {
				t.Errorf("got encrypted %t and authentication %q, want %t and %q", got.encrypted, got.auth, tt.encrypted, tt.auth)
			}
		})
	}
}

func tlsMode(mode mail.TLSMode) func(*mail.Config) { return func(c *mail.Config) { c.TLS = mode } }

func login(c *mail.Config) { c.Username, c.Password = username, password }

func both(a, b func(*mail.Config)) func(*mail.Config) {
	return func(c *mail.Config) { a(c); b(c) }
}

func TestBestMechanismIsTaken(t *testing.T) {
	t.Parallel()
	for offered, want := range map[string]string{
		"LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 NTLM": "SCRAM-SHA-256",
		"LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1":                    "SCRAM-SHA-1",
		"LOGIN PLAIN CRAM-MD5":                                "CRAM-MD5",
		"LOGIN PLAIN":                                         "PLAIN",
		"NTLM LOGIN":                                          "LOGIN",
	} {
		s := (&smtpServer{extensions: []string{"AUTH " + offered}}).start(t)
		_ = s.mailer(t, login).SendMail(t.Context(), signUp()) // the server refuses what it does not know
		if s.count("AUTH "+want) != 1 {
			t.Errorf("%s: %s was not tried", offered, want)
		}
	}
}

var commands = []string{"GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "CONTENT"}

// A server that refuses EHLO is asked again with HELO.
var refusable = slices.DeleteFunc(slices.Clone(commands), func(c string) bool { return c == "EHLO" })

var allExtensions = []string{"STARTTLS", "AUTH PLAIN", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}

func TestRefusalIsToldWithItsCode(t *testing.T) {
	t.Parallel()
	for _, command := range refusable {
		for _, reply := range []textproto.Error{{Code: 451, Msg: "4.3.0 later"}, {Code: 550, Msg: "5.7.1 never"}} {
			line := fmt.Sprint(reply.Code, " ", reply.Msg)
			t.Run(command+" "+line, func(t *testing.T) {
				t.Parallel()
				s := (&smtpServer{extensions: allExtensions, answer: at(command, line)}).start(t)
				err := s.mailer(t, login).SendMail(t.Context(), signUp())
				got, ok := errors.AsType[*textproto.Error](err)
				if !ok || *got != reply {
					t.Errorf("got error %v, want %v", err, &reply)
				}
			})
		}
	}
}

func TestTimeIsBoundedWhenTheServerHangsOrDrips(t *testing.T) {
	t.Parallel()
	for _, command := range commands {
		for _, behaviour := range []string{hang, drip} {
			t.Run(command+" "+behaviour, func(t *testing.T) {
				t.Parallel()
				s := (&smtpServer{extensions: allExtensions, answer: at(command, behaviour)}).start(t)
				m := s.mailer(t, login, func(c *mail.Config) { c.Timeout = 100 * time.Millisecond })
				err := m.SendMail(t.Context(), signUp())
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got error %v, want that the time is over", err)
				}
			})
		}
	}
}

func TestConnectingIsBoundedByItself(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{answer: at("GREETING", hang)}).start(t)
	m := s.mailer(t, func(c *mail.Config) { c.DialTimeout, c.Timeout = 50*time.Millisecond, time.Hour })
	if err := m.SendMail(t.Context(), signUp()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want that the time is over", err)
	}
}

func TestCallerEndsTheWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command != "CONTENT" {
			return ""
		}
		cancel()
		return hang
	}}).start(t)
	if err := s.mailer(t).SendMail(ctx, signUp()); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
}

func TestServerThatHangsUpIsAnError(t *testing.T) {
	t.Parallel()
	for _, command := range commands {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := (&smtpServer{extensions: allExtensions, answer: at(command, hangUp)}).start(t)
			if err := s.mailer(t, login).SendMail(t.Context(), signUp()); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestNobodyThereIsAnError(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	s.listener.Close()
	if err := m.SendMail(t.Context(), signUp()); err == nil {
		t.Error("got no error")
	}
}

// Guarantee D20.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte(password))
	login64 := base64.StdEncoding.EncodeToString([]byte("\x00" + username + "\x00" + password))
	echo := "554 5.7.1 we dislike " + strings.Join([]string{link, code, hash, password, encoded, login64, "\x1b[31m"}, ", ")
	for _, command := range []string{"AUTH", "MAIL", "CONTENT"} {
		s := (&smtpServer{extensions: allExtensions, answer: at(command, echo)}).start(t)
		err := s.mailer(t, login).SendMail(t.Context(), signUp())
		reply, ok := errors.AsType[*textproto.Error](err)
		if !ok {
			t.Fatalf("%s: got error %v, want the server's refusal", command, err)
		}
		for _, text := range []string{err.Error(), reply.Error()} {
			if !strings.Contains(text, "5.7.1 we dislike [secret], [secret]") {
				t.Errorf("%s: got %q, want what the server said", command, text)
			}
			for _, secret := range []string{link, code, hash, "s3cr3t", encoded, login64, "\x1b"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: got %q, which shows %q", command, text, secret)
				}
			}
		}
	}
}

// Guarantee E26.
func TestAddressesCannotBecomeHeadersOrLists(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	for _, to := range []string{
		"", "ada", "@example.com", "ada@", "ada@example.com\r\nBcc: eve@example.com", "ada@example.com\nx", "ada@example.com\x00",
		"ada@example.com, eve@example.com", "ada@example.com eve@example.com", "Ada <ada@example.com>", "<ada@example.com>",
		"ada@example.com> SIZE=1", "eve@evil.example,ada@example.com", `"ada eve"@example.com`, "a@b@example.com", "ada@example.com;", "ada(x)@example.com",
	} {
		sent := signUp()
		sent.To = to
		if err := m.SendMail(t.Context(), sent); err == nil {
			t.Errorf("a mail to %q was sent", to)
		}
	}
	if got := s.mails(); len(got) != 0 {
		t.Errorf("the server received %+v", got)
	}
}

// Such addresses pass where accounts are made.
func TestOddAddressesArrive(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	for to, want := range map[string]string{
		"a!#$%&'*+/=?^_`{|}~-z@example.com": "TO:<a!#$%&'*+/=?^_`{|}~-z@example.com>",
		".a..b.@example.com":                `TO:<".a..b."@example.com>`,
		"a@localhost":                       "TO:<a@localhost>",
	} {
		sent := signUp()
		sent.To = to
		if err := m.SendMail(t.Context(), sent); err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		mails := s.mails()
		if got := mails[len(mails)-1].to; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A server further down the way may lack the extension, and return what asks for
// it without need.
func TestOnlyAddressesThatNeedItAskForUTF8(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{extensions: allExtensions}).start(t)
	m := s.mailer(t)
	for _, tt := range []struct{ to, from string }{
		{"ada@example.com", "FROM:<no-reply@postern.example> BODY=8BITMIME"},
		{"ada@söhne.example", "FROM:<no-reply@postern.example> BODY=8BITMIME SMTPUTF8"},
		{"ada@example.com", "FROM:<no-reply@postern.example> BODY=8BITMIME"},
	} {
		sent := signUp()
		sent.To = tt.to
		if err := m.SendMail(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		mails := s.mails()
		if got := mails[len(mails)-1].from; got != tt.from {
			t.Errorf("%s: got %s, want %s", tt.to, got, tt.from)
		}
	}
}

// Guarantee E26.
func TestMetadataStaysOutOfHeaders(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	r := newRenderer(t, mail.RendererConfig{Subjects: map[postern.MailType]string{postern.MailSignUp: "Hello {{.Data.name}}"}})
	m := s.mailer(t, func(c *mail.Config) { c.Renderer = r })
	sent := signUp()
	sent.User.UserMetadata = postern.Metadata(`{"name":"x\r\nBcc: eve@example.com\r\n\r\n<b>body</b>"}`)
	if err := m.SendMail(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	got := parse(t, s.mails()[0])
	if bcc := got.Get("Bcc"); bcc != "" {
		t.Errorf("got Bcc: %s", bcc)
	}
	if want := "Hello x Bcc: eve@example.com <b>body</b>"; got.subject != want {
		t.Errorf("got subject %q, want %q", got.subject, want)
	}
}

func TestMistakesAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := mail.New(mail.Config{
		Port: 70000, From: "Ada <ada@example.com>", SenderName: "a\r\nb", TLS: "maybe", LocalName: "two words", MaxConns: -1, Timeout: -1,
		Headers: map[string][]string{"Bcc": {"eve@example.com"}, "X Y": {"z"}, "X-Y": {"a\r\nb"}},
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"Host", "Port", "From", "SenderName", "TLS", "LocalName", "MaxConns", "Timeout", `"Bcc"`, `"X Y"`, `"X-Y"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want a sentence about %s", err, want)
		}
	}
}

func TestPortAndEncryptionGoTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  mail.Config
		port int
		mode mail.TLSMode
	}{
		{mail.Config{}, 587, mail.TLSOpportunistic},
		{mail.Config{Port: 25}, 25, mail.TLSOpportunistic},
		{mail.Config{Username: username}, 587, mail.TLSMandatory},
		{mail.Config{Username: username, Host: "localhost"}, 587, mail.TLSOpportunistic},
		{mail.Config{Username: username, Host: "::1"}, 587, mail.TLSOpportunistic},
		{mail.Config{Port: 465}, 465, mail.TLSImplicit},
		{mail.Config{Port: 465, TLS: mail.TLSNone}, 465, mail.TLSNone},
		{mail.Config{TLS: mail.TLSImplicit}, 465, mail.TLSImplicit},
		{mail.Config{TLS: mail.TLSImplicit, Port: 2465}, 2465, mail.TLSImplicit},
	} {
		tt.cfg.Host, tt.cfg.From = cmp.Or(tt.cfg.Host, "mx.example.com"), "a@example.com"
		m, err := mail.New(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if port, mode := mail.Connection(m); port != tt.port || mode != tt.mode {
			t.Errorf("%+v: got %d, %q, want %d, %q", tt.cfg, port, mode, tt.port, tt.mode)
		}
	}
}

func send(t *testing.T, m *mail.Mailer) {
	t.Helper()
	if err := m.SendMail(t.Context(), signUp()); err != nil {
		t.Fatal(err)
	}
}

func wantConnections(t *testing.T, s *smtpServer, want int) {
	t.Helper()
	if got, _ := s.connections(); got != want {
		t.Errorf("got %d connections, want %d", got, want)
	}
}

func TestConnectionsAreKeptForTheNextMail(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{extensions: allExtensions}).start(t)
	m := s.mailer(t, login)
	for range 3 {
		send(t, m)
	}
	wantConnections(t, s, 1)
	m.Close()
	if last := <-s.ended; last != "QUIT" {
		t.Errorf("the connection ended after %s, want QUIT", last)
	}
}

func TestDeadConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	send(t, m)
	s.hangUpAll()
	<-s.ended
	send(t, m)
	wantConnections(t, s, 2)
}

func TestKeptConnectionThatHangsIsReplaced(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{answer: at("RSET", hang)}).start(t)
	m := s.mailer(t, func(c *mail.Config) { c.DialTimeout = time.Second })
	send(t, m)
	send(t, m)
	wantConnections(t, s, 2)
}

func TestServersLimitOfMailsIsNoFailure(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{answer: func(command string, nth int) string {
		if command == "MAIL" && nth == 2 {
			return "421 4.7.0 too many mails"
		}
		return ""
	}}).start(t)
	m := s.mailer(t)
	send(t, m)
	send(t, m)
	wantConnections(t, s, 2)
}

func TestRefusedMailLeavesItsConnectionUsable(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{answer: func(command string, nth int) string {
		if command == "RCPT" && nth == 1 {
			return "550 5.1.1 nobody"
		}
		return ""
	}}).start(t)
	m := s.mailer(t)
	if err := m.SendMail(t.Context(), signUp()); err == nil {
		t.Fatal("got no error")
	}
	send(t, m)
	wantConnections(t, s, 1)
}

// The mail is the server's from its 250 on, whatever happens to the connection.
func TestMailIsDeliveredOnceItIsAccepted(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "RSET" || command == "QUIT" {
			return hangUp
		}
		return ""
	}}).start(t)
	m := s.mailer(t)
	send(t, m)
	send(t, m)
	if got := len(s.mails()); got != 2 {
		t.Errorf("got %d mails, want 2", got)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const bound, mails = 3, 20
	s := (&smtpServer{}).start(t)
	m := s.mailer(t, func(c *mail.Config) { c.MaxConns = bound })
	var sending sync.WaitGroup
	for range mails {
		sending.Go(func() {
			if err := m.SendMail(t.Context(), signUp()); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	if total, most := s.connections(); most > bound || total > bound {
		t.Errorf("got %d connections, %d at once, want at most %d", total, most, bound)
	}
	if got := len(s.mails()); got != mails {
		t.Errorf("got %d mails, want %d", got, mails)
	}
}

func TestWaitingForAConnectionIsBounded(t *testing.T) {
	t.Parallel()
	busy := make(chan struct{})
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command != "CONTENT" {
			return ""
		}
		close(busy)
		return hang
	}}).start(t)
	m := s.mailer(t, func(c *mail.Config) { c.MaxConns = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { m.SendMail(ctx, signUp()) })
	<-busy
	impatient, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if err := m.SendMail(impatient, signUp()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want that the time is over", err)
	}
	cancel()
	sending.Wait()
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"after a while": time.Millisecond, "at once": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&smtpServer{}).start(t)
			m := s.mailer(t, func(c *mail.Config) { c.IdleTimeout = timeout })
			send(t, m)
			if last := <-s.ended; last != "QUIT" {
				t.Errorf("the connection ended after %s, want QUIT", last)
			}
			send(t, m)
		})
	}
}

func TestClosedMailerSendsNothing(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	m := s.mailer(t)
	send(t, m)
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.SendMail(t.Context(), signUp()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v, want that the Mailer is closed", err)
	}
	if got := len(s.mails()); got != 1 {
		t.Errorf("got %d mails, want 1", got)
	}
}

func TestCloseWaitsForMailsUnderWay(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "CONTENT" {
			close(arrived)
			<-release
		}
		return ""
	}}).start(t)
	m := s.mailer(t)
	sent := make(chan error, 1)
	go func() { sent <- m.SendMail(t.Context(), signUp()) }()
	<-arrived
	go close(release)
	m.Close()
	if got := s.count("QUIT"); got != 1 {
		t.Error("Close returned before the mail was through")
	}
	if err := <-sent; err != nil {
		t.Errorf("the mail under way failed: %v", err)
	}
}
