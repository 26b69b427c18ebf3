package goenv_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/httpadapter/captcha"
)

func TestCaptchaIsAskedOfTheServiceThatIsNamed(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"success":%t}`, r.FormValue("secret") == "0x4AAA" && r.FormValue("response") == "solved")
	}))
	t.Cleanup(service.Close)
	const on = "GOTRUE_SECURITY_CAPTCHA_ENABLED=true"
	s := load(t, on, "GOTRUE_SECURITY_CAPTCHA_SECRET=0x4AAA", "POSTERN_CAPTCHA_URL="+service.URL)
	if err := s.HTTP.Captcha.Verify(t.Context(), "solved", netip.Addr{}); err != nil {
		t.Errorf("got %v, want the service's yes", err)
	}
	if _, refused := errors.AsType[*httpadapter.CaptchaRefusal](s.HTTP.Captcha.Verify(t.Context(), "stale", netip.Addr{})); !refused {
		t.Error("got no refusal, want the service's")
	}
	for _, provider := range []string{"hcaptcha", "turnstile"} {
		s := load(t, on, "GOTRUE_SECURITY_CAPTCHA_SECRET=0x4AAA", "GOTRUE_SECURITY_CAPTCHA_PROVIDER="+provider, "GOTRUE_SECURITY_CAPTCHA_TIMEOUT=3s")
		if _, ok := s.HTTP.Captcha.(*captcha.Verifier); !ok {
			t.Errorf("%s: got %v, want a Verifier", provider, s.HTTP.Captcha)
		}
	}
	if s := load(t, "GOTRUE_SECURITY_CAPTCHA_SECRET=0x4AAA"); s.HTTP.Captcha != nil {
		t.Errorf("got %v although it is not switched on", s.HTTP.Captcha)
	}
}

func TestLeakedPasswordsAsTheVariablesSay(t *testing.T) {
	t.Parallel()
	if c := load(t).Config.Password; c.Leaked != nil || c.LeakedFailClosed {
		t.Error("got a check by default, want none")
	}
	c := load(t, "POSTERN_REFUSE_COMMON_PASSWORDS=true").Config.Password
	for password, want := range map[string]bool{"password1": true, "correct horse": false} {
		if got, err := c.Leaked(t.Context(), password); got != want || err != nil {
			t.Errorf("%s: got %v and error %v, want %v", password, got, err, want)
		}
	}
	c = load(t, "GOTRUE_PASSWORD_HIBP_ENABLED=true", "GOTRUE_PASSWORD_HIBP_FAIL_CLOSED=true", "GOTRUE_PASSWORD_HIBP_USER_AGENT=Notes").Config.Password
	if c.Leaked == nil || !c.LeakedFailClosed {
		t.Errorf("got %+v, want a check that fails closed", c)
	}
	both := load(t, "POSTERN_REFUSE_COMMON_PASSWORDS=true", "GOTRUE_PASSWORD_HIBP_ENABLED=true").Config.Password
	if got, err := both.Leaked(t.Context(), "password1"); !got || err != nil { // without a question to anybody
		t.Errorf("got %v and error %v, want a common password to be known", got, err)
	}
}

func TestRecipientsAreValidatedAsTheVariablesSay(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"valid":%t}`, r.Header.Get("X-Key") != "k")
	}))
	t.Cleanup(service.Close)
	const prefix = "GOTRUE_MAILER_EMAIL_VALIDATION_"
	if load(t, prefix+`BLOCKED_MX=["mx.example.net"]`).Config.Email.Validate != nil {
		t.Error("got a check by default, want none")
	}
	if err := load(t, prefix+"EXTENDED=true").Config.Email.Validate(t.Context(), "ada@example.com"); err == nil {
		t.Error("extended: got no error of a reserved host")
	}
	s := load(t, prefix+"SERVICE_URL="+service.URL, prefix+`SERVICE_HEADERS={"X-Key":["k"]}`)
	if err := s.Config.Email.Validate(t.Context(), "ada@example.com"); err == nil {
		t.Error("got no error, want the service's refusal")
	}
}

func TestGuardsWithMistakes(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{
		"GOTRUE_SECURITY_CAPTCHA_ENABLED=true":                      "GOTRUE_SECURITY_CAPTCHA_SECRET is missing; with GOTRUE_SECURITY_CAPTCHA_ENABLED, the service has to know who asks",
		"GOTRUE_SECURITY_CAPTCHA_PROVIDER=recaptcha":                `GOTRUE_SECURITY_CAPTCHA_PROVIDER is "recaptcha"; it must be hcaptcha or turnstile`,
		"GOTRUE_SECURITY_CAPTCHA_TIMEOUT=10":                        `GOTRUE_SECURITY_CAPTCHA_TIMEOUT is "10"; it must be a duration such as 10s or 1h30m of at least 1ms`,
		"POSTERN_CAPTCHA_URL=captcha.internal":                      `POSTERN_CAPTCHA_URL is "captcha.internal"; it must be an absolute http or https URL`,
		"GOTRUE_PASSWORD_HIBP_ENABLED=often":                        `GOTRUE_PASSWORD_HIBP_ENABLED is "often"; it must be true or false`,
		"GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL=/validate":      `GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL is "/validate"; it must be an absolute http or https URL`,
		"GOTRUE_MAILER_EMAIL_VALIDATION_BLOCKED_MX=mx.example.net":  `GOTRUE_MAILER_EMAIL_VALIDATION_BLOCKED_MX is "mx.example.net"; it must be a JSON list of hosts`,
		"GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_HEADERS=X-Key:hush": "GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_HEADERS must be a JSON object of lists; what it is now may be secret and is not shown",
		"GOTRUE_DB_CONN_PERCENTAGE=101":                             `GOTRUE_DB_CONN_PERCENTAGE is "101"; it must be a whole number from 0 to 100`,
	} {
		if _, err := goenv.Load([]string{environ}); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", environ, err, want)
		}
	}
}

func TestOddsAndEnds(t *testing.T) {
	t.Parallel()
	s := load(t, "GOTRUE_MAILER_EXTERNAL_HOSTS=login.example.com,localhost", "GOTRUE_DB_CONN_PERCENTAGE=40",
		"GOTRUE_EXPERIMENTAL_CREATE_EMAIL_IDENTITY_ON_PASSWORD_SET_ENABLED=true")
	if got := strings.Join(s.HTTP.ExternalHosts, " "); got != "login.example.com localhost" {
		t.Errorf("external hosts: got %q", got)
	}
	if s.Pool.Percentage != 40 || !s.Config.Password.EmailIdentity {
		t.Errorf("got the pool %+v and passwords %+v, want 40 per cent and an identity", s.Pool, s.Config.Password)
	}
}

func TestVariablesWithoutEffectAreReported(t *testing.T) {
	t.Parallel()
	s := load(t, "GOTRUE_RELOADING_NOTIFY_ENABLED=true", "GOTRUE_OPERATOR_TOKEN=hush", "GOTRUE_LOG_SQL=", "GOTRUE_EXTERNAL_GITHUB_SECRET=hush")
	if want := []string{"GOTRUE_OPERATOR_TOKEN", "GOTRUE_RELOADING_NOTIFY_ENABLED"}; !slices.Equal(s.WithoutEffect, want) {
		t.Errorf("got %q, want %q", s.WithoutEffect, want)
	}
}

// GOTRUE_MAILER_EMAIL_BACKGROUND_SENDING is about GOTRUE_SMTP_HOST: here nobody
// listens, and the one who sends does not learn of it.
func TestMailsAreSentInTheBackground(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	server.Close() // so that nobody is there
	for background, fails := range map[string]bool{"true": false, "false": true} {
		s := load(t, "GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_PORT="+port, "GOTRUE_SMTP_ADMIN_EMAIL=a@example.com", "GOTRUE_SMTP_LOGGING_ENABLED=true",
			"GOTRUE_MAILER_EMAIL_BACKGROUND_SENDING="+background)
		if err := s.Mailer.SendMail(t.Context(), postern.Mail{Type: postern.MailSignUp, To: "ada@example.com", User: &postern.User{}}); (err != nil) != fails {
			t.Errorf("in the background: %s: got %v", background, err)
		}
		s.Mailer.Close()
	}
}
