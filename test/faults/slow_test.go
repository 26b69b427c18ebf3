//go:build unix

package faults_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/oidctest"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// Clients that send a byte now and then, in a header or in a body, hold up nobody
// else, and are not waited for without end.
func TestSlowClientsHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	s := start(t, sqliteURL(t), "GOTRUE_API_MAX_REQUEST_DURATION=2s")
	guest := settle(t, s)
	var given atomic.Int64
	n := rounds(200, 2000)
	served := guest.visit(t, atOnce(n, func(i int) {
		begun := "POST /signup HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			begun = "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{\"email\":\""
		}
		if err := drip(s.URL, begun); err != nil {
			t.Errorf("client %d: %v", i, err)
			return
		}
		given.Add(1)
	}))
	tally{rounds: 1, faults: int(given.Load()), acknowledged: served}.log(t)
	checkFewOpen(t, s)
	checkRuns(t, s)
}

// drip sends what a request begins with, and then a byte now and then until the
// server has had enough. It fails when the server does not get enough.
func drip(url, begun string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, begun); err != nil {
		return err
	}
	answered := make(chan struct{})
	go func() { // ends with the connection
		defer close(answered)
		_, _ = io.Copy(io.Discard, conn)
	}()
	const patience = time.Minute
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-answered:
			return nil
		default:
		}
		if _, err := io.WriteString(conn, "x"); err != nil {
			return nil
		}
	}
	return fmt.Errorf("the server has waited for %v", patience)
}

// guest is somebody who is served while others are not.
type guest struct {
	*client
	access, refreshWith string
}

// settle makes an account as an operator would, for which no mail has to be sent.
func settle(t *testing.T, s *standalone.Server) *guest {
	t.Helper()
	c := newClient(t, s.URL)
	body := map[string]any{"email": "guest@example.com", "password": password, "email_confirm": true}
	a, err := c.do(t.Context(), "POST", "/admin/users", operatorKey(t), body)
	must(t, a, err)
	a, err = c.signIn(t.Context(), "guest@example.com", password)
	must(t, a, err)
	return &guest{c, a.text("access_token"), a.text("refresh_token")}
}

// visit asks for this and that, until others have ended, and returns how often it was
// served, which has to be always.
func (g *guest) visit(t *testing.T, ended <-chan struct{}) (served int) {
	t.Helper()
	for {
		for _, request := range []func() (*answer, error){
			func() (*answer, error) { return g.do(t.Context(), "GET", "/user", g.access, nil) },
			func() (*answer, error) { return g.refresh(t.Context(), g.refreshWith) },
			func() (*answer, error) { return g.signIn(t.Context(), "guest@example.com", password) },
		} {
			a, err := request()
			must(t, a, err)
			served++
		}
		select {
		case <-ended:
			return served
		case <-time.After(10 * time.Millisecond): // it is no load that is tested
		}
	}
}

// openFiles returns how many files and connections a process has open, 0 where that
// cannot be seen.
func openFiles(s *standalone.Server) int {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	return len(open)
}

// checkFewOpen fails if a server keeps connections whose clients are gone.
func checkFewOpen(t *testing.T, s *standalone.Server) {
	t.Helper()
	const few = 100
	if more := settled(func() int { return max(0, openFiles(s)-few) }); more > 0 {
		t.Errorf("the server still has %d files and connections open", more+few)
	}
}

// Ten thousand clients that keep a connection and ask for nothing are served when
// they ask again, and so are others meanwhile.
func TestServerBearsManyIdleConnections(t *testing.T) {
	t.Parallel()
	s := start(t, sqliteURL(t))
	guest := settle(t, s)
	idle := connections(t, s, mayOpen(t, rounds(1000, 10_000)))
	guest.visit(t, closed())
	open := openFiles(s)
	again := 0
	for i, conn := range idle {
		if err := askHealth(conn); err != nil {
			t.Errorf("connection %d, after it was idle: %v", i, err)
			continue
		}
		again++
	}
	t.Logf("%d idle connections, for which the server had %d files and connections open and took %s", len(idle), open, residentSet(s))
	tally{rounds: 1, faults: len(idle), acknowledged: again, lost: len(idle) - again}.log(t)
	for _, conn := range idle {
		conn.Close()
	}
	checkFewOpen(t, s)
	checkRuns(t, s)
}

// mayOpen returns how many of n connections this process and a server may have open.
func mayOpen(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const others = 1000
	if most := int(min(limit.Cur, 1<<20)) - others; most < n {
		t.Logf("only %d connections instead of %d, for a process may open no more than %d files", most, n, limit.Cur)
		return most
	}
	return n
}

// connections makes connections on each of which something was asked once. They end
// with the test.
func connections(t *testing.T, s *standalone.Server, n int) []net.Conn {
	t.Helper()
	all := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, conn := range all {
			conn.Close()
		}
	})
	for i := range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		all = append(all, conn)
		if err := askHealth(conn); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	return all
}

func askHealth(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("got status %d, want 200", res.StatusCode)
	}
	return nil
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// residentSet is the memory that a process takes, as Linux words it.
func residentSet(s *standalone.Server) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID())) // there is none elsewhere
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(size)
		}
	}
	return "an unknown amount of memory"
}

// Guarantee G35: mails that cannot be sent keep nobody else waiting. Whoever waits for
// one is told in time, and may ask again.
func TestServerOutlivesItsMailServer(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{"down": nowhere, "hanging": silence} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, databaseURL string) {
				host, port, err := net.SplitHostPort(address(t))
				if err != nil {
					t.Fatal(err)
				}
				s := start(t, databaseURL, "GOTRUE_MAILER_AUTOCONFIRM=false", "GOTRUE_API_MAX_REQUEST_DURATION=3s",
					"GOTRUE_SMTP_HOST="+host, "GOTRUE_SMTP_PORT="+port, "GOTRUE_SMTP_ADMIN_EMAIL=auth@example.com")
				guest := settle(t, s)
				c := newClient(t, s.URL)
				var told atomic.Int64
				n := rounds(40, 150) // more than a pool has connections, and fewer than may wait to be hashed
				served := guest.visit(t, atOnce(n, func(i int) {
					a, err := c.signUp(t.Context(), fmt.Sprintf("new-%d@example.com", i))
					switch {
					case err != nil:
						t.Error(err)
					case a.status != http.StatusInternalServerError && a.status != http.StatusGatewayTimeout || a.text("msg") == "":
						t.Errorf("got %s, want to be told that the mail was not sent", a)
					default:
						told.Add(1)
					}
				}))
				a, err := c.signUp(t.Context(), "new-0@example.com")
				if err != nil || a.status == http.StatusTooManyRequests {
					t.Errorf("asking again: got %v and %v, want no spacing from a mail that was not sent", a, err)
				}
				tally{rounds: 1, faults: n, acknowledged: served, lost: n - int(told.Load())}.log(t)
				checkConsistency(t, open(t, databaseURL), databaseURL)
				checkRuns(t, s)
			})
		})
	}
}

// A provider that does not answer keeps nobody else waiting, and whoever comes back
// from it is sent on with an error.
func TestServerOutlivesAProviderThatHangs(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		issuer, environ := realm(t, "the-secret-of-the-realm")
		s := start(t, databaseURL, append(environ, "API_EXTERNAL_URL=http://127.0.0.1/auth", "GOTRUE_API_MAX_REQUEST_DURATION=3s")...)
		guest := settle(t, s)
		c := newClient(t, s.URL)
		issuer.SignIn(oidctest.Claims{"sub": "7", "email": "ada@example.com", "email_verified": true})
		n := rounds(40, 400)
		backs := make([]url.Values, n)
		for i := range backs {
			var err error
			if backs[i], err = issuer.Visit(depart(t, c)); err != nil {
				t.Fatal(err)
			}
		}
		issuer.Break(oidctest.Token, oidctest.Slow)
		var told atomic.Int64
		served := guest.visit(t, atOnce(n, func(i int) {
			a, err := c.do(t.Context(), "GET", "/callback?"+backs[i].Encode(), "", nil)
			if err != nil || !strings.Contains(a.header.Get("Location"), "error=") {
				t.Errorf("got %v and %v, want to be sent on with an error", a, err)
				return
			}
			told.Add(1)
		}))
		issuer.Break(oidctest.Token, "")
		tally{rounds: 1, faults: n, acknowledged: served, lost: n - int(told.Load())}.log(t)
		if got := count(t, open(t, databaseURL), databaseURL, "SELECT count(*) FROM auth.users"); got != 1 {
			t.Errorf("got %d users, want the guest alone", got)
		}
		back, err := issuer.Visit(depart(t, c))
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.do(t.Context(), "GET", "/callback?"+back.Encode(), "", nil)
		if err != nil || !strings.Contains(a.header.Get("Location"), "#access_token=") {
			t.Errorf("when it answers again: got %v and %v, want a session", a, err)
		}
	})
}

// atOnce calls do n times at once, and returns what is closed when all have returned.
func atOnce(n int, do func(i int)) <-chan struct{} {
	ended := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	go func() { all.Wait(); close(ended) }()
	return ended
}

// nowhere is an address where nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silence is an address where connections are taken and nothing is said.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		var taken []net.Conn
		defer func() {
			for _, conn := range taken {
				conn.Close()
			}
		}()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			taken = append(taken, conn)
		}
	}()
	return l.Addr().String()
}
