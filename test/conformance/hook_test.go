package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// endpoint answers hooks, and remembers which it was asked.
type endpoint struct {
	mu    sync.Mutex
	asked []string
	says  map[string]string // by the name of the hook; {} for the others
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var payload struct {
		Metadata struct{ Name string }
		Claims   json.RawMessage
	}
	_ = json.NewDecoder(r.Body).Decode(&payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, payload.Metadata.Name)
	answer, ok := e.says[payload.Metadata.Name]
	switch {
	case !ok && payload.Claims != nil:
		answer = `{"claims":` + string(payload.Claims) + `}`
	case !ok:
		answer = `{}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

func (e *endpoint) count(name string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, asked := range e.asked {
		if asked == name {
			n++
		}
	}
	return n
}

func (e *endpoint) say(name, answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.says[name] = answer
}

func showHooks(t *testing.T, w *world) {
	e := &endpoint{says: map[string]string{}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	environ := map[string]string{}
	for _, name := range []string{"AFTER_USER_CREATED", "CUSTOM_ACCESS_TOKEN", "PASSWORD_VERIFICATION_ATTEMPT"} {
		environ["GOTRUE_HOOK_"+name+"_ENABLED"] = "true"
		environ["GOTRUE_HOOK_"+name+"_URI"] = server.URL
		environ["GOTRUE_HOOK_"+name+"_SECRETS"] = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	}
	auto := start(t, w.open(t), environ)

	auto.signUp(t, "hooked@example.com")
	if n := e.count("after-user-created"); n != 1 {
		t.Errorf("a sign-up that signs in: the hook was asked %d times, want once", n)
	}
	signIn := func(email string) *answer { return auto.signIn(t, fmt.Sprintf(`{"email":%q,%s}`, email, password)) }
	e.say("password-verification", `{"decision":"deny"}`)
	signIn("hooked@example.com").is(t, "a decision that is none", http.StatusInternalServerError, "unexpected_failure")
	signIn("nobody@example.com").is(t, "the same without an account", http.StatusInternalServerError, "unexpected_failure")
	e.say("password-verification", `{"decision":"continue"}`)

	claims := fmt.Sprintf(`{"claims":{"aud":"authenticated","exp":4000000000,"iat":1,"sub":%q,"email":"","phone":"","role":"authenticated",`+
		`"aal":"aal1","session_id":%q,"is_anonymous":false}}`, uuid.NewString(), uuid.NewString())
	e.say("customize-access-token", claims)
	refused := signIn("hooked@example.com").is(t, "claims of another user", http.StatusInternalServerError, "unexpected_failure")
	if !strings.Contains(refused.text("msg"), "sub and session_id must stay as they are") {
		t.Errorf("claims of another user: got %s", refused.raw)
	}
}
