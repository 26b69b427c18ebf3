package mail_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern/message/mail"
)

// What a server does instead of answering.
const (
	hang   = "hang"   // nothing, until the client leaves
	hangUp = "hangUp" // closes the connection
	drip   = "drip"   // begins an answer that has no end
)

const username, password = "postern", `s3cr3t "pass`

// smtpServer is the other end of a Mailer's connections.
type smtpServer struct {
	extensions []string
	implicit   bool // encrypted from the first byte
	// answer returns what to say to a command, "" for the usual. It is told
	// how often the command came, on all connections. GREETING, and CONTENT
	// for what follows DATA, count as commands.
	answer func(command string, nth int) string

	listener net.Listener
	tls      *tls.Config
	roots    *x509.CertPool
	ended    chan string // the last command on every connection that has ended

	mu       sync.Mutex
	counts   map[string]int
	open     map[net.Conn]bool
	most     int // connections open at once
	total    int // connections
	received []receivedMail
}

type receivedMail struct {
	from, to  string
	data      string
	encrypted bool
	auth      string // the mechanism, "" without authentication
}

// start starts a server that ends with the test, when no client holds on to a
// connection any more.
func (s *smtpServer) start(t *testing.T) *smtpServer {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // for its certificate, of 127.0.0.1 and example.com
	defer certified.Close()
	s.tls = &tls.Config{Certificates: certified.TLS.Certificates}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(certified.Certificate())
	s.counts, s.open, s.ended = map[string]int{}, map[net.Conn]bool{}, make(chan string, 1000)

	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		s.listener.Close()
		running.Wait()
	})
	return s
}

// config returns the configuration of a Mailer for the server.
func (s *smtpServer) config() mail.Config {
	return mail.Config{
		Host:      "127.0.0.1",
		Port:      s.listener.Addr().(*net.TCPAddr).Port,
		TLSConfig: &tls.Config{RootCAs: s.roots},
		From:      "no-reply@postern.example",
		Timeout:   time.Minute,
	}
}

// mailer returns a Mailer for the server that is closed when the test ends.
func (s *smtpServer) mailer(t *testing.T, edit ...func(*mail.Config)) *mail.Mailer {
	t.Helper()
	cfg := s.config()
	for _, e := range edit {
		e(&cfg)
	}
	m, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func (s *smtpServer) mails() []receivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

func (s *smtpServer) count(command string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[command]
}

func (s *smtpServer) connections() (total, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.most
}

// hangUpAll closes all connections from this end.
func (s *smtpServer) hangUpAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		conn.Close()
	}
}

func (s *smtpServer) talk(conn net.Conn) {
	c := &serverConn{smtpServer: s}
	s.mu.Lock()
	s.open[conn] = true
	s.total++
	s.most = max(s.most, len(s.open))
	s.mu.Unlock()
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
		s.ended <- c.last
	}()
	c.on(conn)
	if s.implicit {
		c.on(tls.Server(conn, s.tls))
	}
	if !c.reply("GREETING", "220 mx.postern.example") {
		return
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || !c.command(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

// serverConn is one connection, as the server sees it.
type serverConn struct {
	*smtpServer
	conn net.Conn
	in   *bufio.Reader
	mail receivedMail
	last string // command
	said string
}

func (c *serverConn) on(conn net.Conn) {
	c.conn, c.in = conn, bufio.NewReader(conn)
	_, c.mail.encrypted = conn.(*tls.Conn)
}

// command handles a line and reports whether more may come.
func (c *serverConn) command(line string) bool {
	verb, argument, _ := strings.Cut(line, " ")
	switch c.last = verb; verb {
	case "EHLO":
		lines := append([]string{"mx.postern.example"}, c.extensions...)
		return c.reply(verb, "250-"+strings.Join(lines[:len(lines)-1], "\r\n250-")+"\r\n250 "+lines[len(lines)-1])
	case "STARTTLS":
		ok := c.reply(verb, "220 go ahead")
		c.on(tls.Server(c.conn, c.tls))
		return ok
	case "AUTH":
		return c.authenticate(argument)
	case "MAIL":
		c.mail.from = argument
	case "RCPT":
		c.mail.to = argument
	case "DATA":
		return c.data()
	case "QUIT":
		c.reply(verb, "221 bye")
		return false
	}
	return c.reply(verb, "250 fine")
}

func (c *serverConn) data() bool {
	if ok := c.reply("DATA", "354 go ahead"); !ok || !strings.HasPrefix(c.said, "354") {
		return ok
	}
	var data strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		data.WriteString(strings.TrimPrefix(line, "."))
	}
	m := c.mail
	m.data = data.String()
	c.mu.Lock()
	c.received = append(c.received, m)
	c.mu.Unlock()
	return c.reply("CONTENT", "250 queued")
}

func (c *serverConn) authenticate(argument string) bool {
	mechanism, initial, _ := strings.Cut(argument, " ")
	c.note("AUTH " + mechanism)
	given, want := decode(initial), "\x00"+username+"\x00"+password
	switch mechanism {
	case "LOGIN":
		given = "\x00" + c.ask("Username:") + "\x00" + c.ask("Password:")
	case "CRAM-MD5": // RFC 2195
		const challenge = "<1896.697170952@mx.postern.example>"
		sum := hmac.New(md5.New, []byte(password))
		sum.Write([]byte(challenge))
		given, want = c.ask(challenge), fmt.Sprintf("%s %x", username, sum.Sum(nil))
	}
	if given != want {
		return c.reply("AUTH", "535 5.7.8 no")
	}
	c.mail.auth = mechanism
	return c.reply("AUTH", "235 welcome")
}

// note counts a command.
func (c *serverConn) note(command string) (nth int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[command]++
	return c.counts[command]
}

func (c *serverConn) ask(what string) string {
	fmt.Fprintf(c.conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(what)))
	line, _ := c.in.ReadString('\n')
	return decode(strings.TrimSpace(line))
}

func decode(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}

// reply answers a command, as usual unless the test wants it otherwise, and
// reports whether the connection goes on.
func (c *serverConn) reply(command, usual string) bool {
	nth := c.note(command)
	text := usual
	if c.answer != nil {
		if wanted := c.answer(command, nth); wanted != "" {
			text = wanted
		}
	}
	switch c.said = text; text {
	case hangUp:
		return false
	case hang:
		io.Copy(io.Discard, c.conn)
		return false
	case drip:
		for {
			if _, err := io.WriteString(c.conn, usual[:3]+"-"); err != nil {
				return false
			}
			time.Sleep(time.Millisecond)
		}
	}
	_, err := io.WriteString(c.conn, text+"\r\n")
	return err == nil
}

// at makes an answer function that says text to a command, always.
func at(command, text string) func(string, int) string {
	return func(c string, _ int) string {
		if c == command {
			return text
		}
		return ""
	}
}
