package goenv_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
)

// services are the SMS services, with all that they need.
var services = map[string][]string{
	"twilio": {"GOTRUE_SMS_TWILIO_ACCOUNT_SID=AC1", "GOTRUE_SMS_TWILIO_AUTH_TOKEN=hush", "GOTRUE_SMS_TWILIO_MESSAGE_SERVICE_SID=MG1"},
	"twilio_verify": {"GOTRUE_SMS_TWILIO_VERIFY_ACCOUNT_SID=AC1", "GOTRUE_SMS_TWILIO_VERIFY_AUTH_TOKEN=hush",
		"GOTRUE_SMS_TWILIO_VERIFY_MESSAGE_SERVICE_SID=VA1"},
	"messagebird": {"GOTRUE_SMS_MESSAGEBIRD_ACCESS_KEY=hush", "GOTRUE_SMS_MESSAGEBIRD_ORIGINATOR=Example"},
	"textlocal":   {"GOTRUE_SMS_TEXTLOCAL_API_KEY=hush", "GOTRUE_SMS_TEXTLOCAL_SENDER=Example"},
	"vonage":      {"GOTRUE_SMS_VONAGE_API_KEY=key", "GOTRUE_SMS_VONAGE_API_SECRET=hush", "GOTRUE_SMS_VONAGE_FROM=Example"},
}

func TestProviderNamesTheServiceOfMessages(t *testing.T) {
	t.Parallel()
	for provider, credentials := range services {
		c := load(t, append(credentials, "GOTRUE_SMS_PROVIDER="+provider, "GOTRUE_EXTERNAL_PHONE_ENABLED=true")...).Config
		if c.SMS == nil || c.Phone.Provider != provider {
			t.Errorf("%s: got the sender %v of %q, want one of %[1]q", provider, c.SMS, c.Phone.Provider)
		}
		if want := strings.HasPrefix(provider, "twilio"); c.Phone.WhatsApp != want {
			t.Errorf("%s: got WhatsApp %t, want %t", provider, c.Phone.WhatsApp, want)
		}
		if want := provider == "twilio_verify"; (c.Phone.Check != nil) != want {
			t.Errorf("%s: checks codes itself: got %t, want %t", provider, c.Phone.Check != nil, want)
		}
	}
}

func TestMissingCredentialsAreAMistakeWherePhonesSignIn(t *testing.T) {
	t.Parallel()
	for provider, credentials := range services {
		for i, missing := range credentials {
			name, _, _ := strings.Cut(missing, "=")
			environ := append(slices.Delete(slices.Clone(credentials), i, i+1), "GOTRUE_SMS_PROVIDER="+provider)
			if s := load(t, environ...); s.Config.SMS != nil {
				t.Errorf("%s without %s: got a sender, want none", provider, name)
			}
			_, err := goenv.Load(append(environ, "GOTRUE_EXTERNAL_PHONE_ENABLED=true"))
			if want := fmt.Sprintf("GOTRUE_SMS_PROVIDER is %q, which needs %s", provider, name); err == nil || err.Error() != want {
				t.Errorf("%s without %s:\ngot  %v\nwant %s", provider, name, err, want)
			}
		}
	}
}

func TestTemplateWritesMessages(t *testing.T) {
	t.Parallel()
	c := load(t, "GOTRUE_SMS_TEMPLATE=Psst: {{ .Code }}").Config.Phone
	if got, err := c.Text("123456"); got != "Psst: 123456" || err != nil {
		t.Errorf("got %q and error %v, want the template's text", got, err)
	}
}

func TestMailsAreWrittenFromTheVariables(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<p>%s for {{ .Token }}", r.URL.Path)
	}))
	t.Cleanup(site.Close)
	s := load(t, "GOTRUE_SITE_URL="+site.URL, "GOTRUE_MAILER_SUBJECTS_CONFIRMATION=Code {{ .Token }}",
		"GOTRUE_MAILER_TEMPLATES_CONFIRMATION=/mails/confirm.html", "GOTRUE_MAILER_TEMPLATES_MAGIC_LINK="+site.URL+"/magic.html")
	for kind, want := range map[postern.MailType]struct{ subject, html string }{
		postern.MailSignUp:    {"Code 123456", "<p>/mails/confirm.html for 123456"},
		postern.MailMagicLink: {"Your sign-in link", "<p>/magic.html for 123456"},
	} {
		got, err := s.Renderer.Render(t.Context(), postern.Mail{Type: kind, To: "ada@example.com", Token: "123456", User: &postern.User{}})
		if err != nil || got.Subject != want.subject || got.HTML != want.html {
			t.Errorf("%s: got %q, %q and error %v, want %q, %q", kind, got.Subject, got.HTML, err, want.subject, want.html)
		}
	}
}

func TestTemplatesThatAreTooLargeAreNotUsed(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<p>1234") }))
	t.Cleanup(site.Close)
	for size, want := range map[string]bool{"6": false, "7": true} {
		s := load(t, "GOTRUE_MAILER_TEMPLATES_INVITE="+site.URL, "GOTRUE_MAILER_TEMPLATE_MAX_SIZE="+size)
		m, err := s.Renderer.Render(t.Context(), postern.Mail{Type: postern.MailInvite, To: "ada@example.com", User: &postern.User{}})
		if got := m.HTML == "<p>1234"; err != nil || got != want {
			t.Errorf("at most %s bytes: got %q and error %v; used %t, want %t", size, m.HTML, err, got, want)
		}
	}
}

func TestMailsAreSentAsTheVariablesSay(t *testing.T) {
	t.Parallel()
	port, received := receiveMail(t)
	s := load(t, "GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_PORT="+port, "GOTRUE_SMTP_USER=ada", "GOTRUE_SMTP_PASS=hush",
		"GOTRUE_SMTP_ADMIN_EMAIL=auth@example.com", "GOTRUE_SMTP_SENDER_NAME=Example",
		`GOTRUE_SMTP_HEADERS={"X-Type":["$messageType"]}`)
	t.Cleanup(func() { s.Mailer.Close() })
	if s.Config.Mailer != s.Mailer {
		t.Errorf("Config has the mailer %v, want %v", s.Config.Mailer, s.Mailer)
	}
	err := s.Config.Mailer.SendMail(t.Context(), postern.Mail{Type: postern.MailReauthentication, To: "ada@example.com", Token: "123456", User: &postern.User{}})
	if err != nil {
		t.Fatal(err)
	}
	talk := <-received
	for _, want := range []string{"AUTH PLAIN AGFkYQBodXNo", "MAIL FROM:<auth@example.com>", `From: "Example" <auth@example.com>`, "X-Type: reauthentication", "Subject: 123456 is your verification code"} {
		if !strings.Contains(talk, want) {
			t.Errorf("the mail server did not hear %q:\n%s", want, talk)
		}
	}
}

// receiveMail is a mail server for one mail. It returns its port, and all that a
// client has said once that is there.
func receiveMail(t *testing.T) (port string, said <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	all := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all <- takeMail(conn)
	}()
	return port, all
}

// takeMail speaks as much of RFC 5321 as one mail needs.
func takeMail(conn net.Conn) string {
	answers := map[string]string{"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 welcome", "DATA": "354 go on", ".": "250 taken"}
	var said strings.Builder
	fmt.Fprint(conn, "220 here\r\n")
	for lines, inMail := bufio.NewScanner(conn), false; lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&said, line)
		command, _, _ := strings.Cut(line, " ")
		switch {
		case inMail && line != ".":
			continue
		case answers[command] != "":
			fmt.Fprint(conn, answers[command]+"\r\n")
		default:
			fmt.Fprint(conn, "250 fine\r\n")
		}
		inMail = command == "DATA"
		if line == "." {
			break
		}
	}
	return said.String()
}
