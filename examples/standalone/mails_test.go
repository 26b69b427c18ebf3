package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// noRedirects shows where it is sent to instead of going there.
var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func TestMailedLinkAsksBeforeItSignsIn(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t))
	m := s.signUpUnconfirmed(t)
	if !strings.HasPrefix(m.Link, s.url+"/confirm?") {
		t.Fatalf("the mail's link: got %q, want the page with a button", m.Link)
	}
	for range 2 { // as a scanner of links would, and then the reader
		res := s.get(t, noRedirects, m.Link)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: got %d, want the page", m.Link, res.StatusCode)
		}
	}
	welcome := s.pressButton(t, m.Link)
	if page, fragment, _ := strings.Cut(welcome, "#"); page != s.url+"/_welcome" || !strings.Contains(fragment, "access_token=") {
		t.Fatalf("the button leads to %q, want tokens at /_welcome", welcome)
	}
	res := s.get(t, noRedirects, welcome)
	defer res.Body.Close()
	if page, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || string(page) != string(welcomePage) {
		t.Errorf("GET /_welcome: got %d, %.80q and error %v, want the page", res.StatusCode, page, err)
	}
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// pressButton does what a browser does when somebody presses the button on the
// page at link, and returns where that leads.
func (s *server) pressButton(t *testing.T, link string) string {
	t.Helper()
	res := s.get(t, noRedirects, link)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(string(page), -1) {
		form.Set(field[1], field[2])
	}
	answer, err := noRedirects.PostForm(s.url+"/confirm", form)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("POST /confirm: got %d, want 303\n%s", answer.StatusCode, page)
	}
	return answer.Header.Get("Location")
}

func TestTextMessagesAreInTheMailboxToo(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t), "GOTRUE_EXTERNAL_PHONE_ENABLED=true", "GOTRUE_SMS_TEMPLATE=Psst: {{ .Code }}")
	if status, answer := s.do(t, "POST", "/otp", "", `{"phone":"+15550100011"}`); status != http.StatusOK {
		t.Fatalf("POST /otp: got %d %v, want 200", status, answer)
	}
	messages := s.inbox(t, "15550100011")
	if len(messages) != 1 || messages[0].Text != "Psst: "+messages[0].Code {
		t.Fatalf("got %+v, want one message from the template", messages)
	}
	status, session := s.do(t, "POST", "/verify", "", `{"type":"sms","phone":"+15550100011","token":"`+messages[0].Code+`"}`)
	if status != http.StatusOK || session["access_token"] == nil {
		t.Errorf("POST /verify: got %d %v, want a session", status, session)
	}
}

func TestMailboxHasAPage(t *testing.T) {
	t.Parallel()
	s := start(t, inTempDir(t))
	res := s.get(t, http.DefaultClient, s.url+"/_inbox")
	defer res.Body.Close()
	if got := res.Request.URL.Path; got != "/_inbox/" || res.StatusCode != http.StatusOK {
		t.Errorf("GET /_inbox: got %d at %s, want the page at /_inbox/", res.StatusCode, got)
	}
}

// Who reads the mailbox can sign in as anybody.
func TestThereIsNoMailboxWhereOthersAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ []string
		want    string // in the greeting
	}{
		"mail server": {[]string{"GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_ADMIN_EMAIL=auth@example.com"}, "sent by GOTRUE_SMTP_HOST"},
		"public URL":  {[]string{"API_EXTERNAL_URL=https://auth.example.com"}, "not sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, append(c.environ, inTempDir(t))...)
			for _, path := range []string{"/_inbox", "/_inbox/", "/_inbox/messages", "/_welcome", "/no/such/path"} {
				res := s.get(t, noRedirects, s.url+path)
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusNotFound || string(body) != "404 page not found\n" {
					t.Errorf("GET %s: got %d %q and error %v, want GoTrue's 404", path, res.StatusCode, body, err)
				}
			}
			if !strings.Contains(s.stdout.String(), c.want) || strings.Contains(s.stdout.String(), inboxPath) {
				t.Errorf("the greeting has no %q, or tells of a mailbox:\n%s", c.want, s.stdout)
			}
		})
	}
}

func TestOnlyThisMachineIsLocal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"http://127.0.0.1:9999": true, "http://[::1]:9999": true, "http://localhost/auth/v1": true,
		"http://[::]:9999": false, "http://0.0.0.0:9999": false, "http://192.0.2.1": false,
		"http://localhost.example.com": false, "https://127.0.0.1@example.com": false, "": false, "http://[": false,
	} {
		if got := isLocal(text); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}

func TestMailsGoToTheMailServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	asked := make(chan struct{})
	go func() {
		if conn, err := listener.Accept(); err == nil {
			close(asked)
			io.WriteString(conn, "421 not today\r\n")
			conn.Close()
		}
	}()
	s := start(t, inTempDir(t), "GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_PORT="+port, "GOTRUE_SMTP_ADMIN_EMAIL=auth@example.com")
	if status, answer := s.do(t, "POST", "/signup", "", account); status != http.StatusInternalServerError {
		t.Errorf("POST /signup: got %d %v, want 500, for the mail server refuses", status, answer)
	}
	select {
	case <-asked:
	default:
		t.Error("nobody asked the mail server")
	}
}

func TestMailsAreWrittenToADirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	environ := []string{"GOTRUE_MAILER_SUBJECTS_INVITE=Come in"}
	if err := run(t.Context(), []string{"mails", dir}, environ, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"index.html": "Come in", "signup.en.html": "123456", "recovery.de.txt": "123456"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: got error %v, want a file with %q in it:\n%.300s", name, err, want, text)
		}
	}
}
