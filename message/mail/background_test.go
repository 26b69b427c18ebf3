package mail_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/logtest"
	"github.com/postern-auth/postern/message/mail"
)

// inBackground logs what it does into log.
func inBackground(log *logtest.Buffer) func(*mail.Config) {
	return func(c *mail.Config) {
		c.Background, c.MaxConns = true, 2
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
}

// The server takes no mail before all callers have gone on, and their contexts have
// ended: nobody waits, and every mail arrives.
func TestBackgroundSendsAfterTheCallerHasGoneOn(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "CONTENT" {
			<-release
		}
		return ""
	}}).start(t)
	m := s.mailer(t, inBackground(&logtest.Buffer{}))
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := m.SendMail(ctx, signUp()); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	close(release)
	m.Close()
	if got := len(s.mails()); got != 20 {
		t.Errorf("Close returned after %d mails, want all 20", got)
	}
	if _, most := s.connections(); most > 2 {
		t.Errorf("got %d connections at once, want at most 2", most)
	}
	if err := m.SendMail(t.Context(), signUp()); err == nil {
		t.Error("a closed Mailer took a mail")
	}
}

func TestBackgroundFailuresAreLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "RCPT" {
			return "550 no such user"
		}
		return ""
	}}).start(t)
	m := s.mailer(t, inBackground(&log))
	mail := signUp()
	if err := m.SendMail(t.Context(), mail); err != nil {
		t.Errorf("got %v, want none: nobody waits", err)
	}
	m.Close()
	text := log.String()
	if !strings.Contains(text, "no such user") || !strings.Contains(text, "type=signup") {
		t.Errorf("got the log %q, want the refusal", text)
	}
	if strings.Contains(text, string(mail.Token)) || strings.Contains(text, string(mail.TokenHash)) {
		t.Errorf("got the log %q, which shows a token", text)
	}
}

// With no place left, callers wait for their own mails again.
func TestBackgroundIsBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "GREETING" {
			<-release
		}
		return ""
	}}).start(t)
	m := s.mailer(t, inBackground(&logtest.Buffer{}))
	for range mail.MaxWaiting {
		send(t, m)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.SendMail(impatient, signUp()); err == nil {
		t.Error("got no error of a mail for which there is no place and nobody waits")
	}
	close(release)
	m.Close()
	if got := len(s.mails()); got != mail.MaxWaiting {
		t.Errorf("got %d mails, want %d", got, mail.MaxWaiting)
	}
}

func TestClosePatienceEndsInTheBackgroundToo(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := (&smtpServer{answer: func(command string, _ int) string {
		if command == "CONTENT" {
			return hang
		}
		return ""
	}}).start(t)
	m := s.mailer(t, inBackground(&log), func(c *mail.Config) { c.Timeout = 50 * time.Millisecond })
	for range 10 {
		send(t, m)
	}
	m.Close()
	if got := strings.Count(log.String(), "a mail could not be sent"); got != 10 {
		t.Errorf("the log tells of %d mails, want 10", got)
	}
}

func TestSentMailsAreLoggedIfAskedFor(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := (&smtpServer{}).start(t)
	m := s.mailer(t, func(c *mail.Config) {
		c.LogSent, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	})
	mail := signUp()
	if err := m.SendMail(t.Context(), mail); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if !strings.Contains(text, "type=signup to="+mail.To) {
		t.Errorf("got the log %q, want type and recipient", text)
	}
	if strings.Contains(text, string(mail.Token)) || strings.Contains(text, string(mail.TokenHash)) {
		t.Errorf("got the log %q, which shows a token", text)
	}
}
