package goenv_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
)

const hookSecret = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hookFields are the hooks by their names in variables.
var hookFields = map[string]string{
	"BEFORE_USER_CREATED": "BeforeUserCreated", "AFTER_USER_CREATED": "AfterUserCreated", "CUSTOM_ACCESS_TOKEN": "CustomAccessToken",
	"SEND_EMAIL": "SendEmail", "SEND_SMS": "SendSMS",
	"MFA_VERIFICATION_ATTEMPT": "MFAVerificationAttempt", "PASSWORD_VERIFICATION_ATTEMPT": "PasswordVerificationAttempt",
}

func TestEveryHookIsSwitchedOnByItself(t *testing.T) {
	t.Parallel()
	for name, field := range hookFields {
		prefix := "GOTRUE_HOOK_" + name
		off := load(t, prefix+"_URI=gopher://wrong", prefix+"_SECRETS=wrong") // as in GoTrue, what is not needed may be wrong
		if got := set(off.Config.Hooks); got != "" {
			t.Errorf("%s: switched off, got %s", name, got)
		}
		on := load(t, prefix+"_ENABLED=true", prefix+"_URI=https://hooks.example/"+name, prefix+"_SECRETS="+hookSecret+"|"+hookSecret)
		if got := set(on.Config.Hooks); got != field {
			t.Errorf("%s: got %q, want %s", name, got, field)
		}
	}
}

// set names the hooks that are there.
func set(h postern.Hooks) string {
	var names []string
	v := reflect.ValueOf(h)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return strings.Join(names, " ")
}

func TestHooksThatCannotBeAreMistakes(t *testing.T) {
	t.Parallel()
	const on, uri, secrets = "GOTRUE_HOOK_SEND_SMS_ENABLED=true", "GOTRUE_HOOK_SEND_SMS_URI=", "GOTRUE_HOOK_SEND_SMS_SECRETS="
	const notHTTPS = "GOTRUE_HOOK_SEND_SMS_URI: the URL of an endpoint must begin with https://, unless it is of this machine"
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{on}, "GOTRUE_HOOK_SEND_SMS_URI is missing; GOTRUE_HOOK_SEND_SMS_ENABLED is true"},
		{[]string{on, uri + "https://hooks.example/?key=canary"}, "GOTRUE_HOOK_SEND_SMS_SECRETS is missing; whoever answers a hook has to know where it comes from"},
		{[]string{on, uri + "http://canary.example/", secrets + hookSecret}, notHTTPS},
		{[]string{on, uri + "gopher://canary", secrets + hookSecret}, "GOTRUE_HOOK_SEND_SMS_URI: the URL of an endpoint must begin with https:// and have a host"},
		{[]string{on, uri + "https://hooks.example/", secrets + "canary"}, "GOTRUE_HOOK_SEND_SMS_SECRETS: webhook: secret 1 does not begin with v1,whsec_"},
		{[]string{on, uri + "pg-functions://postgres/public"}, "GOTRUE_HOOK_SEND_SMS_URI must be pg-functions://postgres/SCHEMA/FUNCTION"},
		{[]string{on, uri + "pg-functions://postgres/public/f", "DATABASE_URL=sqlite:auth.db"},
			"GOTRUE_HOOK_SEND_SMS_URI names a function of PostgreSQL; the database is SQLite, which has none: use an https URL"},
	} {
		if _, err := goenv.Load(c.environ); err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.environ, err, c.want)
		}
	}
}

func TestFunctionOfTheDatabaseIsAHookOnceItCanRun(t *testing.T) {
	t.Parallel()
	s := load(t, "DATABASE_URL=postgres://localhost/auth", "GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED=true",
		"GOTRUE_HOOK_BEFORE_USER_CREATED_URI=pg-functions://postgres/public/on%20sign-up")
	if len(s.HookFunctions) != 1 || s.HookFunctions[0].Schema != "public" || s.HookFunctions[0].Name != "on sign-up" {
		t.Fatalf("got functions %+v", s.HookFunctions)
	}
	ask := func() error { return s.Config.Hooks.BeforeUserCreated(t.Context(), &postern.User{}) }
	if ask() == nil {
		t.Error("a hook that nobody answers let somebody in")
	}
	s.HookFunctions[0].Run = func(context.Context, []byte) ([]byte, error) { return []byte(`{}`), nil }
	if err := ask(); err != nil {
		t.Error(err)
	}
}

// Names of this machine need no permission, other networks do.
func TestEndpointsOfHooksKeepToTheNetworks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(server.Close)
	s := load(t, "GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED=true", "GOTRUE_HOOK_BEFORE_USER_CREATED_URI="+server.URL,
		"GOTRUE_HOOK_BEFORE_USER_CREATED_SECRETS="+hookSecret)
	if err := s.Config.Hooks.BeforeUserCreated(t.Context(), &postern.User{}); err != nil {
		t.Error(err)
	}
}

func TestHookMakesUpForAnSMSService(t *testing.T) {
	t.Parallel()
	s := load(t, "GOTRUE_EXTERNAL_PHONE_ENABLED=true", "GOTRUE_SMS_PROVIDER=twilio", "GOTRUE_HOOK_SEND_SMS_ENABLED=true",
		"GOTRUE_HOOK_SEND_SMS_URI=https://hooks.example/", "GOTRUE_HOOK_SEND_SMS_SECRETS="+hookSecret)
	if !s.Config.Phone.Enabled || s.Config.Hooks.SendSMS == nil {
		t.Error("phone numbers are not switched on")
	}
}
