package devbox_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/devbox"
	"github.com/postern-auth/postern/message/mail"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rendering is a Renderer.
type rendering func(postern.Mail) (mail.Rendered, error)

func (f rendering) Render(_ context.Context, m postern.Mail) (mail.Rendered, error) { return f(m) }

// plain writes mails so that they are easily compared.
func plain(m postern.Mail) (mail.Rendered, error) {
	return mail.Rendered{
		Subject: "About " + string(m.Type),
		HTML:    `<p><a href="` + strings.ReplaceAll(m.ConfirmationURL, "&", "&amp;") + `">Go</a> or type ` + string(m.Token) + "</p>",
		Text:    "Type " + string(m.Token),
	}, nil
}

func newBox(edit ...func(*devbox.Config)) *devbox.Box {
	cfg := devbox.Config{Renderer: rendering(plain), Now: func() time.Time { return noon }}
	for _, e := range edit {
		e(&cfg)
	}
	return devbox.New(cfg)
}

func keep(n int) func(*devbox.Config) { return func(c *devbox.Config) { c.Keep = n } }

const link = "http://localhost:9999/verify?token=abc&type=signup"

func sendMail(t *testing.T, b *devbox.Box, to string) {
	t.Helper()
	m := postern.Mail{Type: postern.MailSignUp, To: to, ConfirmationURL: link, Token: "481516", TokenHash: "abc"}
	if err := b.SendMail(t.Context(), m); err != nil {
		t.Fatalf("SendMail: %v", err)
	}
}

func sendSMS(t *testing.T, b *devbox.Box, to string) string {
	t.Helper()
	id, err := b.SendSMS(t.Context(), postern.SMS{Phone: to, Channel: "whatsapp", Code: "234299", Text: "Your code is 234299"})
	if err != nil {
		t.Fatalf("SendSMS: %v", err)
	}
	return id
}

func ids(messages []devbox.Message) string {
	var ids []string
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func TestMailIsKeptAsItsReaderWouldSeeIt(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "ada@example.com")
	want := []devbox.Message{{
		ID: "1", At: noon, Kind: devbox.KindMail, Type: "signup", To: "ada@example.com",
		Subject: "About signup", Text: "Type 481516",
		HTML: `<p><a href="http://localhost:9999/verify?token=abc&amp;type=signup">Go</a> or type 481516</p>`,
		Code: "481516", Link: link, TokenHash: "abc",
	}}
	if got := b.Messages(""); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSMSIsKeptWithItsCode(t *testing.T) {
	t.Parallel()
	b := newBox()
	id := sendSMS(t, b, "15550100010")
	want := devbox.Message{
		ID: "1", At: noon, Kind: devbox.KindSMS, Type: "whatsapp", To: "15550100010",
		Text: "Your code is 234299", Code: "234299",
	}
	if got, ok := b.Last("15550100010"); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
	if id != want.ID {
		t.Errorf("SendSMS returned the id %q, want %q", id, want.ID)
	}
}

func TestDefaultRendererWritesTheBuiltInMails(t *testing.T) {
	t.Parallel()
	b := devbox.New(devbox.Config{})
	sendMail(t, b, "ada@example.com")
	m, _ := b.Last("")
	if m.Subject != "Confirm your email address" {
		t.Errorf("the subject is %q", m.Subject)
	}
	for _, part := range []string{m.HTML, m.Text} {
		if !strings.Contains(part, "481516") || !strings.Contains(part, "token=abc") {
			t.Errorf("the code or the link is not in %s", part)
		}
	}
	if m.At.IsZero() {
		t.Error("the message has no time")
	}
}

func TestMailThatCannotBeWrittenIsAnErrorAndNotKept(t *testing.T) {
	t.Parallel()
	broken := errors.New("template broken")
	b := newBox(func(c *devbox.Config) {
		c.Renderer = rendering(func(postern.Mail) (mail.Rendered, error) { return mail.Rendered{}, broken })
	})
	if err := b.SendMail(t.Context(), postern.Mail{}); !errors.Is(err, broken) {
		t.Errorf("SendMail = %v, want %v", err, broken)
	}
	if got := b.Messages(""); len(got) != 0 {
		t.Errorf("kept %+v", got)
	}
}

func TestMessagesAreFoundByAddressTheNewestFirst(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "ada@example.com")   // 1
	sendMail(t, b, "grace@example.com") // 2
	sendSMS(t, b, "15550100010")        // 3
	sendMail(t, b, "ada@example.com")   // 4
	sendMail(t, b, "a+b@example.com")   // 5
	for to, want := range map[string]string{
		"":                  "5 4 3 2 1",
		"ada@example.com":   "4 1",
		"ADA@Example.com":   "4 1",
		" ada@example.com ": "4 1",
		"15550100010":       "3",
		"+1 555 0100 010":   "3",
		" 15550100010":      "3", // how a plus sign ends up that was not escaped
		"a+b@example.com":   "5",
		"ab@example.com":    "",
		"ada":               "",
	} {
		messages := b.Messages(to)
		if got := ids(messages); got != want || messages == nil {
			t.Errorf("Messages(%q) = %q, want %q", to, got, want)
		}
		newest, _, _ := strings.Cut(want, " ")
		if last, ok := b.Last(to); last.ID != newest || ok != (want != "") {
			t.Errorf("Last(%q) = %q, %v; want %q", to, last.ID, ok, newest)
		}
	}
}

func TestWhatIsReturnedIsTheCallers(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "ada@example.com")
	b.Messages("")[0].Code = "changed"
	if m, _ := b.Last(""); m.Code != "481516" {
		t.Errorf("the code is %q now", m.Code)
	}
}

func TestOldestMessagesMakeRoom(t *testing.T) {
	t.Parallel()
	b := newBox(keep(3))
	for range 5 {
		sendSMS(t, b, "15550100010")
	}
	if got := ids(b.Messages("")); got != "5 4 3" {
		t.Errorf("kept %q, want the last three", got)
	}
}

func TestTwoHundredMessagesAreKeptByDefault(t *testing.T) {
	t.Parallel()
	b := newBox()
	for range 201 {
		sendSMS(t, b, "15550100010")
	}
	if got := len(b.Messages("")); got != 200 {
		t.Errorf("kept %d messages, want 200", got)
	}
}

func TestLargeMessagesMakeRoomEarlier(t *testing.T) {
	t.Parallel()
	var size int
	b := newBox(func(c *devbox.Config) {
		c.Renderer = rendering(func(postern.Mail) (mail.Rendered, error) {
			return mail.Rendered{HTML: strings.Repeat("x", size)}, nil
		})
	})
	for _, step := range []struct {
		size int
		want string
	}{
		{12 << 20, "1"},
		{12 << 20, "2 1"},
		{12 << 20, "3 2"},
		{40 << 20, "4"}, // too large by itself, but it is what somebody waits for
		{0, "5"},
	} {
		size = step.size
		sendMail(t, b, "ada@example.com")
		if got := ids(b.Messages("")); got != step.want {
			t.Errorf("after a mail of %d bytes: kept %q, want %q", step.size, got, step.want)
		}
	}
}

func TestClearForgetsAndIDsGoOn(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "ada@example.com")
	b.Clear()
	if got := b.Messages(""); len(got) != 0 {
		t.Errorf("after Clear there are %+v", got)
	}
	if id := sendSMS(t, b, "15550100010"); id != "2" {
		t.Errorf("the next id is %q, want 2", id)
	}
}

func TestWaitReturnsTheNthInOrderOfArrival(t *testing.T) {
	t.Parallel()
	b := newBox()
	sendMail(t, b, "ada@example.com")
	sendMail(t, b, "grace@example.com")
	sendMail(t, b, "ada@example.com")
	for n, want := range map[int]string{0: "1", 1: "1", 2: "3"} {
		if m, err := b.Wait(t.Context(), "Ada@example.com", n); err != nil || m.ID != want {
			t.Errorf("Wait for number %d = %q, %v; want %q", n, m.ID, err, want)
		}
	}
}

func TestWaitWaitsUntilTheMessageIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		got := make(chan string, 1)
		go func() {
			m, err := b.Wait(t.Context(), "ada@example.com", 2)
			if err != nil {
				t.Error(err)
			}
			got <- m.ID
		}()
		for _, to := range []string{"ada@example.com", "grace@example.com"} {
			sendMail(t, b, to)
			synctest.Wait()
			if len(got) > 0 {
				t.Fatalf("Wait has returned after a message to %s", to)
			}
		}
		sendMail(t, b, "ada@example.com")
		if id := <-got; id != "3" {
			t.Errorf("Wait returned %q, want 3", id)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newBox().Wait(ctx, "ada@example.com", 1)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ada@example.com") {
			t.Errorf("got %v, want one that is context.DeadlineExceeded and says what did not come", err)
		}
	})
}

func TestBoxIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := newBox(keep(10))
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 50 {
				sendMail(t, b, "ada@example.com")
				sendSMS(t, b, "15550100010")
				b.Messages("")
				b.Last("ada@example.com")
			}
		}()
	}
	for range 4 {
		<-done
	}
	if newest, _ := b.Last(""); newest.ID != "400" || len(b.Messages("")) != 10 {
		t.Errorf("the newest is %s of %d, want 400 of 10", newest.ID, len(b.Messages("")))
	}
}
