package httpadapter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/logtest"
)

// logged is an API that logs every request, and what it logs.
func logged(t *testing.T, st postern.Store) (*api, *logtest.Buffer) {
	t.Helper()
	log := &logtest.Buffer{}
	return newAPI(t, st, settings{options: httpadapter.Options{
		AccessLog: true, Logger: slog.New(slog.NewJSONHandler(log, nil)), RequestIDHeader: "X-Request-Id",
	}}), log
}

// lines are the lines of a log, without what differs from one run to the next.
func lines(t *testing.T, log *logtest.Buffer) (found []map[string]any) {
	t.Helper()
	for line := range bytes.Lines([]byte(log.String())) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if d, _ := fields["duration"].(float64); d <= 0 {
			t.Errorf("duration of %s: got %v, want one", line, fields["duration"])
		}
		delete(fields, "time")
		delete(fields, "duration")
		found = append(found, fields)
	}
	return found
}

func TestEveryRequestIsALine(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a, log := logged(t, st)
		session := a.signUp(t, "ann@example.com")
		caller, err := a.auth.Authenticate(t.Context(), session.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		user, id := caller.User.ID.String(), "X-Request-Id: req-1"
		a.expect(t, request{line: "GET /user?apikey=of-the-query", token: session.AccessToken, headers: []string{id}}, 200)
		a.expect(t, request{line: "GET /user", token: "no-token", headers: []string{id}}, 403)
		a.expect(t, request{line: "GET /admin/users/" + user, token: operator(t), headers: []string{id}}, 200)
		a.expect(t, request{line: "GET /no/such/path", headers: []string{id}}, 404)
		a.expect(t, request{line: "BREW /user", token: session.AccessToken, headers: []string{id}}, 405)
		a.expect(t, request{line: "OPTIONS /user", headers: []string{id, "Access-Control-Request-Method: GET"}}, 204)
		a.expect(t, request{line: "GET /health", headers: []string{id}}, 200)
		a.expect(t, request{line: "GET /health/ready", headers: []string{id}}, 200, `{"ready":true}`)

		got := lines(t, log)
		if id, _ := got[0]["request_id"].(string); uuid.Validate(id) != nil {
			t.Errorf("request_id where nobody gave one: got %q, want a UUID", id)
		}
		line := func(method, route string, status int, more ...any) map[string]any {
			fields := map[string]any{
				"level": "INFO", "msg": "request completed", "request_id": "req-1", "remote_addr": "192.0.2.1",
				"method": method, "route": route, "status": float64(status),
			}
			for i := 0; i < len(more); i += 2 {
				fields[more[i].(string)] = more[i+1]
			}
			return fields
		}
		for i, want := range []map[string]any{
			line("POST", "/signup", 200, "request_id", got[0]["request_id"]),
			line("GET", "/user", 200, "user_id", user, "session_id", caller.SessionID.String()),
			line("GET", "/user", 403, "error_code", "bad_jwt"),
			line("GET", "/admin/users/{user_id}", 200),
			line("GET", "", 404),
			line("_OTHER", "/user", 405, "user_id", user, "session_id", caller.SessionID.String()),
			line("OPTIONS", "", 204),
		} {
			if i >= len(got) || !equalJSON(got[i], want) {
				t.Errorf("line %d\n got %v\nwant %v", i, got[min(i, len(got)-1)], want)
			}
		}
		if len(got) != 7 {
			t.Errorf("got %d lines, want one for each request but those about health:\n%s", len(got), log)
		}
		for _, secret := range []string{password, session.AccessToken, session.RefreshToken, "of-the-query", "such"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log shows %q:\n%s", secret, log)
			}
		}
	})
}

func equalJSON(a, b map[string]any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestAFailureIsOneLineWithItsCause(t *testing.T) {
	t.Parallel()
	a, log := logged(t, stub{find: func(context.Context) error { return errors.New("the cause") }})
	a.expect(t, getUser(t, "X-Request-Id: req-1"), 500)
	got := lines(t, log)
	if len(got) != 1 {
		t.Fatalf("got %d lines, want one:\n%s", len(got), log)
	}
	for name, want := range map[string]any{"level": "ERROR", "msg": "request failed", "status": 500.0, "error_code": "unexpected_failure", "request_id": "req-1"} {
		if got[0][name] != want {
			t.Errorf("%s: got %v, want %v", name, got[0][name], want)
		}
	}
	if cause, _ := got[0]["error"].(string); !strings.Contains(cause, "the cause") {
		t.Errorf("error: got %q, want the cause in it", cause)
	}
}

func TestNoLineForRequestsThatWentWell(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	a.signUp(t, "ann@example.com")
	a.expect(t, request{line: "GET /user"}, 401)
	if log := a.log.String(); log != "" {
		t.Errorf("the log has %s, want nothing", log)
	}
}

func TestLinesOfAuthHaveTheRequestsID(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{
			config:  func(c *postern.Config) { c.Email.Autoconfirm = false },
			options: httpadapter.Options{RequestIDHeader: "X-Request-Id"},
		})
		a.sent.fail(errors.New("the mail server is asleep"))
		got := a.expect(t, request{line: "POST /signup", body: credentials("ann@example.com"), headers: []string{"X-Request-Id: req-7"}}, 500)
		if !strings.Contains(got.body, `"error_id":"req-7"`) {
			t.Errorf("got %s, want the id", got.body)
		}
		log := a.log.String()
		for line := range strings.Lines(log) {
			if strings.Count(line, "request_id=req-7") != 1 {
				t.Errorf("want the id once in %s", line)
			}
		}
		if !strings.Contains(log, "a message could not be sent") {
			t.Errorf("got %s, want the line of Auth", log)
		}
	})
}

func TestFailuresOfGuardsOutsideHaveAnIDAndARoute(t *testing.T) {
	t.Parallel()
	a := failing(t, errors.New("the cause"), httpadapter.Options{})
	mux := http.NewServeMux()
	mux.Handle("GET /notes/{token}", httpadapter.RequireUser(a.auth)(http.NotFoundHandler()))
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/notes/of-the-path?x=of-the-query", nil)
	r.Header.Set("Authorization", "Bearer "+mint(t, jwt.MapClaims{"sub": someID, "aud": "authenticated", "exp": a.now.Add(time.Hour).Unix()}))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	id := decode[struct {
		ID string `json:"error_id"`
	}](t, answer{body: w.Body.String()}).ID
	log := a.log.String()
	if w.Code != 500 || uuid.Validate(id) != nil || !strings.Contains(log, "request_id="+id) || !strings.Contains(log, `route="GET /notes/{token}"`) {
		t.Errorf("got %d %s and the log %s, want one with the id of the answer, and the pattern", w.Code, w.Body, log)
	}
	if strings.Contains(log, "of-the-") {
		t.Errorf("the log shows the URL: %s", log)
	}
}

func TestReadinessIsTheDatabases(t *testing.T) {
	t.Parallel()
	a := newAPI(t, pingless{nobody}, settings{options: httpadapter.Options{AccessLog: true, RequestIDHeader: "X-Request-Id"}})
	got := a.expect(t, request{line: "GET /health/ready", headers: []string{"X-Request-Id: req-8"}}, 503,
		`{"code":503,"error_code":"unexpected_failure","msg":"The database is not available, try again in a moment","error_id":"req-8"}`)
	if retry := got.header.Get("Retry-After"); retry != "1" {
		t.Errorf("Retry-After: got %q, want 1", retry)
	}
	if log := a.log.String(); !strings.Contains(log, "10.0.0.5") || !strings.Contains(log, "request_id=req-8") {
		t.Errorf("got %s, want the cause and the id", log)
	}
	a.expect(t, request{line: "GET /health"}, 200)
	a.expect(t, request{line: "POST /health/ready"}, 405)
}

// pingless is a store that does not answer.
type pingless struct{ stub }

func (pingless) Ping(context.Context) error { return errors.New("10.0.0.5 refuses connections") }

func TestObserversSeeRequestsFromTheirBeginningToTheirEnd(t *testing.T) {
	t.Parallel()
	var told []string
	type key struct{}
	observer := func(name string) httpadapter.Observer {
		return func(r *http.Request) (context.Context, func(httpadapter.Record)) {
			if before, _ := r.Context().Value(key{}).(string); name == "inner" && before != "outer" {
				t.Errorf("the context of the inner observer has %q, want what the outer put there", before)
			}
			told = append(told, name+" begins")
			return context.WithValue(r.Context(), key{}, name), func(rec httpadapter.Record) {
				told = append(told, name+" "+rec.Method+" "+rec.Route+" "+http.StatusText(rec.Status)+" "+string(rec.ErrorCode))
			}
		}
	}
	a := newAPI(t, stub{find: func(ctx context.Context) error {
		if got := ctx.Value(key{}); got != "inner" {
			t.Errorf("the store's context has %v, want what the inner observer put there", got)
		}
		return postern.ErrNoRow
	}}, settings{options: httpadapter.Options{Observers: []httpadapter.Observer{observer("outer"), observer("inner")}}})
	a.expect(t, getUser(t), 404)
	a.expect(t, request{line: "GET /health"}, 200)
	want := []string{
		"outer begins", "inner begins",
		"inner GET /admin/users/{user_id} Not Found user_not_found", "outer GET /admin/users/{user_id} Not Found user_not_found",
	}
	if !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}

func TestObserversAreToldOfPanicsAndOfHangingUp(t *testing.T) {
	t.Parallel()
	for status, v := range map[int]any{500: "at the disco", 499: http.ErrAbortHandler} {
		var got []int
		a := newAPI(t, stub{find: func(context.Context) error { panic(v) }}, settings{options: httpadapter.Options{Observers: []httpadapter.Observer{
			func(r *http.Request) (context.Context, func(httpadapter.Record)) {
				return r.Context(), func(rec httpadapter.Record) { got = append(got, rec.Status) }
			},
		}}})
		func() {
			defer func() { _ = recover() }()
			a.do(t, getUser(t))
		}()
		if !slices.Equal(got, []int{status}) {
			t.Errorf("panic(%v): told %v, want %d", v, got, status)
		}
	}
}
