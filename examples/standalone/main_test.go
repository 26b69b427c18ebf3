package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/logtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/message/devbox"
)

// server is a run of the program in this process.
type server struct {
	url            string
	stdout, stderr *logtest.Buffer
	stop           context.CancelFunc
	ended          <-chan error
}

var apiLine = regexp.MustCompile(`API +(http://\S+),`)

// start runs the program on a free port until the test ends.
func start(t *testing.T, environ ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &server{stdout: &logtest.Buffer{}, stderr: &logtest.Buffer{}, stop: stop, ended: ended}
	go func() {
		ended <- run(ctx, nil, slices.Concat([]string{"PORT=0", "POSTERN_BCRYPT_COST=4"}, environ), s.stdout, s.stderr)
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-s.ended; err != nil {
			t.Errorf("the server ended with %v\n%s", err, s.stderr)
		}
	})
	for s.url == "" {
		if line := apiLine.FindStringSubmatch(s.stdout.String()); line != nil {
			s.url = line[1]
		}
		select {
		case err := <-ended:
			t.Fatalf("the server ended with %v\n%s", err, s.stderr)
		case <-time.After(time.Millisecond):
		}
	}
	return s
}

// do sends a request and returns the status and the JSON of the answer.
func (s *server) do(t *testing.T, method, path, bearer, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, answer
}

const account = `{"email":"ada@example.com","password":"correct horse"}`

// signUp makes an account and confirms it with the code that was mailed.
func (s *server) signUp(t *testing.T) (accessToken string) {
	t.Helper()
	m := s.signUpUnconfirmed(t)
	status, session := s.do(t, "POST", "/verify", "", `{"type":"signup","email":"ada@example.com","token":"`+m.Code+`"}`)
	accessToken, _ = session["access_token"].(string)
	if status != http.StatusOK || accessToken == "" {
		t.Fatalf("confirmation: got %d %v, want a session", status, session)
	}
	return accessToken
}

// signUpUnconfirmed makes an account and returns the mail that came of it.
func (s *server) signUpUnconfirmed(t *testing.T) devbox.Message {
	t.Helper()
	status, user := s.do(t, "POST", "/signup", "", account)
	if status != http.StatusOK || user["confirmation_sent_at"] == nil || user["access_token"] != nil {
		t.Fatalf("sign-up: got %d %v, want a user who has to confirm", status, user)
	}
	messages := s.inbox(t, "ada@example.com")
	if len(messages) != 1 {
		t.Fatalf("mailbox: got %d messages, want 1: %+v", len(messages), messages)
	}
	return messages[0]
}

// inbox returns what the mailbox has for an address or number, the newest first.
func (s *server) inbox(t *testing.T, to string) (messages []devbox.Message) {
	t.Helper()
	res := s.get(t, http.DefaultClient, s.url+"/_inbox/messages?to="+url.QueryEscape(to))
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&messages); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("mailbox: got %d and error %v, want messages", res.StatusCode, err)
	}
	return messages
}

// get returns an answer whose body is to be closed.
func (s *server) get(t *testing.T, client *http.Client, target string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func inTempDir(t *testing.T) string {
	t.Helper()
	return "DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "auth.db")
}

func TestWorksWithoutAnyConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	s := start(t)
	if !strings.HasPrefix(s.url, "http://127.0.0.1:") {
		t.Errorf("listens on %s, want 127.0.0.1", s.url)
	}
	token := s.signUp(t)
	for _, path := range []string{"/user", "/auth/v1/user"} {
		if status, user := s.do(t, "GET", path, token, ""); status != http.StatusOK || user["email"] != "ada@example.com" {
			t.Errorf("GET %s: got %d %v, want ada", path, status, user)
		}
	}
	if _, err := os.Stat("postern.db"); err != nil {
		t.Errorf("the database is not in the working directory: %v", err)
	}
	if text := s.stdout.String(); !strings.Contains(text, "kept at "+s.url+"/_inbox/") || !strings.Contains(text, "token service_role") {
		t.Errorf("the greeting lacks what a developer has to know:\n%s", text)
	}
}

func TestAccountsAndKeysOutliveTheServer(t *testing.T) {
	t.Parallel()
	database := inTempDir(t)
	first := start(t, database)
	token := first.signUp(t)
	first.stop()
	<-first.ended
	second := start(t, database)
	if status, user := second.do(t, "GET", "/user", token, ""); status != http.StatusOK {
		t.Errorf("GET /user: got %d %v, want 200", status, user)
	}
}

func TestRunsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	s := start(t, "DATABASE_URL="+pgtest.New(t), "GOTRUE_DB_DRIVER=postgres", "GOTRUE_JWT_SECRET=a secret of at least thirty-two bytes")
	token := s.signUp(t)
	if status, user := s.do(t, "GET", "/user", token, ""); status != http.StatusOK {
		t.Errorf("GET /user: got %d %v, want 200", status, user)
	}
	if strings.Contains(s.stdout.String(), "postgres://") {
		t.Errorf("the greeting shows the database's address:\n%s", s.stdout)
	}
}

func TestPrintedTokensWork(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"generated key": {inTempDir(t)},
		"secret":        {inTempDir(t), "GOTRUE_JWT_SECRET=a secret of at least thirty-two bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, environ...)
			for role, want := range map[string]int{"service_role": http.StatusOK, "supabase_admin": http.StatusOK, "anon": http.StatusForbidden} {
				var out strings.Builder
				if err := run(t.Context(), []string{"token", role, "-ttl", "1h"}, environ, &out, io.Discard); err != nil {
					t.Fatalf("token %s: %v", role, err)
				}
				if got, answer := s.do(t, "GET", "/admin/users", strings.TrimSpace(out.String()), ""); got != want {
					t.Errorf("GET /admin/users as %s: got %d %v, want %d", role, got, answer, want)
				}
			}
			anon := regexp.MustCompile(`anon key +(\S+)`).FindStringSubmatch(s.stdout.String())
			if anon == nil {
				t.Fatalf("the greeting has no anonymous key:\n%s", s.stdout)
			}
			if got, answer := s.do(t, "GET", "/admin/users", anon[1], ""); answer["error_code"] != "not_admin" {
				t.Errorf("GET /admin/users with the greeting's key: got %d %v, want a good token that is not an operator's", got, answer)
			}
		})
	}
}

func TestRequestsInFlightFinishAndNewOnesAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "GOTRUE_MAILER_AUTOCONFIRM=true")
	address := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /signup HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", address, len(account))
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n" // sent when somebody begins to read the body
	if got := make([]byte, len(goOn)); !readsAs(conn, got, goOn) {
		t.Fatalf("got %q, want %q", got, goOn)
	}

	s.stop()
	for refused := false; !refused; {
		other, err := net.Dial("tcp", address)
		if refused = err != nil; !refused {
			other.Close()
		}
	}
	io.WriteString(conn, account)
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK")) {
		t.Errorf("the request in flight: got %q and error %v, want 200", answer, err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func readsAs(r io.Reader, got []byte, want string) bool {
	_, err := io.ReadFull(r, got)
	return err == nil && string(got) == want
}

func TestMistakesStopTheStart(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	_, busyPort, _ := net.SplitHostPort(busy.Addr().String())
	for _, c := range []struct {
		name       string
		args       []string
		environ    []string
		wantStatus int
		want       []string // one for each line
	}{
		{"settings", nil, []string{"PORT=http", "GOTRUE_DISABLE_SIGNUP=maybe", "GOTRUE_JWT_SECRET=hush"}, 2,
			[]string{"PORT is", "GOTRUE_DISABLE_SIGNUP is", "GOTRUE_JWT_SECRET: "}},
		{"settings of token", []string{"token", "anon"}, []string{"DB_NAMESPACE=public"}, 2, []string{"DB_NAMESPACE is"}},
		{"flag", []string{"-port", "1"}, nil, 2, []string{"-port"}},
		{"command", []string{"serve"}, nil, 2, []string{`no command "serve"`}},
		{"mails without a directory", []string{"mails"}, nil, 2, []string{"mails needs one directory"}},
		{"mails in two", []string{"mails", "a", "b"}, nil, 2, []string{"mails needs one directory"}},
		{"mails into a file", []string{"mails", "main.go"}, nil, 1, []string{"main.go"}},
		{"mail server without a sender", nil, []string{"GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_PASS=hush"}, 2, []string{"GOTRUE_SMTP_ADMIN_EMAIL is missing"}},
		{"token without a role", []string{"token"}, nil, 2, []string{"token needs one role: anon, service_role, supabase_admin"}},
		{"token of a user", []string{"token", "authenticated"}, nil, 2, []string{"token needs one role"}},
		{"token of no length", []string{"token", "-ttl", "0s", "anon"}, nil, 2, []string{"-ttl is 0s"}},
		{"busy port", nil, []string{"PORT=" + busyPort}, 1, []string{"address already in use"}},
		{"no such directory", nil, []string{"DATABASE_URL=sqlite:/no/such/directory/auth.db"}, 1, []string{`"/no/such/directory/auth.db" cannot be opened`}},
		{"no PostgreSQL", nil, []string{"DATABASE_URL=postgres://ada:hush@127.0.0.1:1/auth"}, 1, []string{"127.0.0.1:1"}},
		{"no URL", nil, []string{"DATABASE_URL=postgres://ada:hu%sh@127.0.0.1/auth"}, 1, []string{"cannot parse"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, told strings.Builder
			err := run(t.Context(), c.args, append([]string{"PORT=0", inTempDir(t)}, c.environ...), &out, io.Discard)
			if got := report(err, &told); got != c.wantStatus {
				t.Errorf("got status %d and %q, want status %d", got, told.String(), c.wantStatus)
			}
			lines := strings.Split(strings.TrimSuffix(told.String(), "\n"), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("got the lines %q, want %d", lines, len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d: got %q, want %q in it", i+1, lines[i], want)
				}
			}
			if all := out.String() + told.String(); strings.Contains(all, "hush") || strings.Contains(all, "hu%sh") {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}

func TestHelpExplains(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"--help"}, {"token", "-h"}} {
		var out strings.Builder
		if err := run(t.Context(), args, nil, &out, io.Discard); err != nil || out.String() != usage {
			t.Errorf("%q: got %q and error %v, want the usage", args, out.String(), err)
		}
	}
}

func TestLogNamesVariablesThatDoNothing(t *testing.T) {
	t.Parallel()
	const hush = "hush-hush-hush-hush-hush-hush-hush"
	s := start(t, inTempDir(t), "GOTRUE_SAML_PRIVATE_KEY="+hush, "GOTRUE_OPERATOR_TOKEN="+hush, "GOTRUE_SMTP_PASS="+hush, "GOTRUE_JWT_SECRTE="+hush, "GOTRUE_JWT_SECRET="+hush)
	for _, want := range []string{`"names":["GOTRUE_SAML_PRIVATE_KEY"]`, `"names":["GOTRUE_OPERATOR_TOKEN"]`, `"name":"GOTRUE_JWT_SECRTE","nearest":"GOTRUE_JWT_SECRET"`} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, s.stderr)
		}
	}
	if strings.Contains(s.stderr.String()+s.stdout.String(), hush) {
		t.Errorf("a secret is shown:\n%s%s", s.stdout, s.stderr)
	}
}
