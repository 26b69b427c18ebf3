package goenv

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/postern-auth/postern/webhook"
)

// HookFunction is a hook that a function of the PostgreSQL database answers. Run
// has to be set once the database is open, as to postgres.Function(store, Schema,
// Name); without it everything that needs the hook fails.
type HookFunction struct {
	Schema, Name string
	Run          webhook.Call
}

func (f *HookFunction) call(ctx context.Context, payload []byte) ([]byte, error) {
	if f.Run == nil {
		return nil, errors.New("goenv: HookFunction.Run was not set")
	}
	return f.Run(ctx, payload)
}

// hooks is contract config.md §3.1.
func hooks(r *reader, s *Settings) {
	c := &s.Config.Hooks
	for _, hook := range []struct {
		name string
		use  func(*webhook.Hook)
	}{
		{"BEFORE_USER_CREATED", func(h *webhook.Hook) { c.BeforeUserCreated = h.BeforeUserCreated }},
		{"AFTER_USER_CREATED", func(h *webhook.Hook) { c.AfterUserCreated = h.AfterUserCreated }},
		{"CUSTOM_ACCESS_TOKEN", func(h *webhook.Hook) { c.CustomAccessToken = h.CustomAccessToken }},
		{"SEND_EMAIL", func(h *webhook.Hook) { c.SendEmail = h.SendEmail }},
		{"SEND_SMS", func(h *webhook.Hook) { c.SendSMS = h.SendSMS }},
		{"MFA_VERIFICATION_ATTEMPT", func(h *webhook.Hook) { c.MFAVerificationAttempt = h.MFAVerificationAttempt }},
		{"PASSWORD_VERIFICATION_ATTEMPT", func(h *webhook.Hook) { c.PasswordVerificationAttempt = h.PasswordVerificationAttempt }},
	} {
		if h := readHook(r, s, "GOTRUE_HOOK_"+hook.name); h != nil {
			hook.use(h)
		}
	}
}

// readHook reads a hook, nil for one that is switched off or wrong. What its URI
// is no message shows: there may be a key in it.
func readHook(r *reader, s *Settings, prefix string) *webhook.Hook {
	enabled := r.flag(prefix+"_ENABLED", false)
	name, uri := r.find(prefix + "_URI")
	secretsName, text := r.secret(prefix + "_SECRETS")
	switch {
	case !enabled: // as in GoTrue, what is not needed may be wrong
		return nil
	case uri == "":
		r.mistake("%s is missing; %s_ENABLED is true", name, prefix)
		return nil
	case strings.HasPrefix(uri, functionScheme):
		return readFunction(r, s, name, uri)
	case text == "":
		r.mistake("%s is missing; whoever answers a hook has to know where it comes from", secretsName)
		return nil
	}
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		r.wrong(secretsName, err)
		return nil
	}
	hook, err := webhook.New(webhook.Endpoint{URL: uri, Secrets: secrets, Networks: r.networks})
	r.wrong(name, bare(err))
	return hook
}

const functionScheme = "pg-functions://"

// readFunction reads pg-functions://database/schema/function. Which database it
// says does not matter: there is one.
func readFunction(r *reader, s *Settings, name, uri string) *webhook.Hook {
	u, err := url.Parse(uri)
	if err != nil {
		r.mistake("%s must be pg-functions://postgres/SCHEMA/FUNCTION", name)
		return nil
	}
	schema, function, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case schema == "" || function == "" || strings.Contains(function, "/"):
		r.mistake("%s must be pg-functions://postgres/SCHEMA/FUNCTION", name)
		return nil
	case databaseKind(string(s.DatabaseURL)) == kindSQLite:
		r.mistake("%s names a function of PostgreSQL; the database is SQLite, which has none: use an https URL", name)
		return nil
	}
	f := &HookFunction{Schema: schema, Name: function}
	s.HookFunctions = append(s.HookFunctions, f)
	return webhook.Through(f.call)
}
