//go:build unix

package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-auth/postern/internal/pgtest"
)

// Guarantee D20, for hooks: what goes to an endpoint, and what can become of it.
func TestServerShowsNoSecretOfHooks(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		c := newCanaries()
		key := base64.StdEncoding.EncodeToString([]byte("canary-of-the-secret-of-the-hooks"))
		c.add("the secret of hooks", key)
		var misbehave atomic.Pointer[func(http.ResponseWriter)]
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.add("a hook's signature", strings.TrimPrefix(r.Header.Get("Webhook-Signature"), "v1,"))
			answerHook(t, c, w, r, misbehave.Load())
		}))
		t.Cleanup(endpoint.Close)
		environ := []string{"GOTRUE_LOG_LEVEL=trace", "GOTRUE_SMTP_MAX_FREQUENCY=0s"}
		for _, name := range []string{"BEFORE_USER_CREATED", "AFTER_USER_CREATED", "SEND_EMAIL", "CUSTOM_ACCESS_TOKEN", "PASSWORD_VERIFICATION_ATTEMPT"} {
			environ = append(environ, "GOTRUE_HOOK_"+name+"_ENABLED=true", "GOTRUE_HOOK_"+name+"_SECRETS=v1,whsec_"+key,
				"GOTRUE_HOOK_"+name+"_URI="+endpoint.URL+"/?key="+c.password("in-the-url"))
		}
		s := start(t, databaseURL, environ...)
		v := &intruder{client: newClient(t, s.URL), canaries: c, t: t}
		credentials := map[string]string{"email": "ada@example.com", "password": c.password("first")}
		v.send("POST", "/signup", "", credentials, 200)
		v.send("POST", "/recover", "", credentials, 200)
		for name, how := range map[string]struct {
			do   func(w http.ResponseWriter)
			want int
		}{
			"down":      {func(w http.ResponseWriter) { w.WriteHeader(500) }, 500},
			"redirects": {func(w http.ResponseWriter) { w.Header().Set("Location", endpoint.URL); w.WriteHeader(307) }, 500},
			"garbage":   {func(w http.ResponseWriter) { writeJSON(w, "{\x00") }, 500},
			"a page":    {func(w http.ResponseWriter) { fmt.Fprint(w, "<p>") }, 400},
			"endless":   {func(w http.ResponseWriter) { writeJSON(w, strings.Repeat(" ", 1<<20)) }, 422},
			"hangs up":  {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 422},
			"refuses":   {func(w http.ResponseWriter) { writeJSON(w, `{"error":{"http_code":418,"message":"tea only"}}`) }, 418},
		} {
			misbehave.Store(&how.do)
			v.send("POST", "/recover", "", credentials, how.want)
			if name == "hangs up" {
				continue // a hook is called thrice then, which takes time
			}
			v.send("POST", "/token?grant_type=password", "", credentials, how.want)
			v.send("POST", "/token?grant_type=password", "", map[string]string{"email": "nobody@example.com", "password": c.password("none")}, how.want)
			v.send("POST", "/signup", "", map[string]string{"email": "grace@example.com", "password": c.password("other")}, how.want)
		}
		misbehave.Store(nil)
		v.send("POST", "/token?grant_type=password", "", credentials, 200)

		st := open(t, databaseURL)
		c.addStored(t, st, databaseURL)
		c.check(t, "the log", s.Output())
		c.check(t, "the audit log", strings.Join(texts(t, st, databaseURL, "SELECT payload FROM auth.audit_log_entries"), "\n"))
		c.check(t, "an answer", v.refusals.String())
	})
}

// answerHook answers as a hook should, unless it is to misbehave, and learns the
// secrets that it was told.
func answerHook(t *testing.T, c *canaries, w http.ResponseWriter, r *http.Request, misbehave *func(http.ResponseWriter)) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var payload struct {
		EmailData struct {
			TokenHash string `json:"token_hash"`
		} `json:"email_data"`
		Claims json.RawMessage
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		t.Error(err)
	}
	c.add("the token of a mail", payload.EmailData.TokenHash)
	switch {
	case misbehave != nil:
		(*misbehave)(w)
	case payload.Claims != nil:
		writeJSON(w, `{"claims":`+string(payload.Claims)+`}`)
	default:
		writeJSON(w, `{}`)
	}
}

func writeJSON(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
}

// The server's own database answers hooks, and what it raises reaches the client.
func TestServerAsksFunctionsOfItsDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	pgtest.Exec(t, pgtest.Connect(t, url), `
		CREATE FUNCTION public.before(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			IF event->'user'->>'email' LIKE '%@example.org' THEN RAISE SQLSTATE 'PT402' USING MESSAGE = 'pay first'; END IF;
			IF event->'user'->>'email' LIKE '%@example.net' THEN
				RETURN '{"error":{"http_code":403,"message":"not from there"}}'; END IF;
			RETURN '{}'; END $$;
		CREATE FUNCTION public.claims(event jsonb) RETURNS jsonb LANGUAGE sql AS
			$$ SELECT jsonb_build_object('claims', event->'claims' || '{"plan":"pro"}') $$;`)
	s := start(t, url,
		"GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED=true", "GOTRUE_HOOK_BEFORE_USER_CREATED_URI=pg-functions://postgres/public/before",
		"GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED=true", "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI=pg-functions://postgres/public/claims")
	client := newClient(t, s.URL)
	for email, want := range map[string]string{
		"ada@example.org": `402 {"code":"PT402","message":"pay first"}`,
		"ada@example.net": `403 {"code":403,"error_code":"unknown","msg":"not from there"}`,
	} {
		a, err := client.signUp(t.Context(), email)
		if err != nil || a.String() != want {
			t.Errorf("%s: got %v and error %v, want %s", email, a, err, want)
		}
	}
	a, err := client.signUp(t.Context(), "ada@example.com")
	token := must(t, a, err).text("access_token")
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || !strings.Contains(string(claims), `"plan":"pro"`) {
		t.Errorf("got claims %s with error %v, want the function's", claims, err)
	}
}
