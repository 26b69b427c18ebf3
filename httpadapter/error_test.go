package httpadapter_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

const someID = "0b9c1f0e-3c57-4f0a-9d2c-6f1f3c1d2e3f"

// failing is an API whose store fails with err when it looks for a user.
func failing(t *testing.T, err error, o httpadapter.Options) *api {
	t.Helper()
	return newAPI(t, stub{find: func(context.Context) error { return err }}, settings{options: o})
}

// getUser is a request that looks for a user.
func getUser(t *testing.T, headers ...string) request {
	return request{line: "GET /admin/users/" + someID, token: operator(t), headers: headers}
}

// TestErrorFormats pins contract errors.md §1.
func TestErrorFormats(t *testing.T) {
	t.Parallel()
	plain := &postern.Error{Kind: postern.KindUnprocessable, Code: "same_password", Message: "a <b> & c"}
	weak := &postern.Error{
		Kind: postern.KindUnprocessable, Code: postern.ErrWeakPassword, Message: "weak", Reasons: []string{"length", "characters"},
	}
	nameless := &postern.Error{Kind: postern.KindForbidden, Message: "no"}
	hook := &postern.Error{Kind: postern.KindUnprocessable, Status: 451, Message: "not from there"}
	raised := func(state, hint string) error {
		return &postern.Error{
			Code: postern.ErrUnexpectedFailure, Message: "Error running hook URI: pg-functions://postgres/public/f",
			Err: &postern.DatabaseError{State: state, Message: "not from there", Hint: hint, Err: errors.New("hidden")},
		}
	}
	for _, c := range []struct {
		name    string
		err     error
		version string // that the client asks for
		status  int
		body    string
		code    string // x-sb-error-code
		format  string // x-supabase-api-version of the answer
	}{
		{"older", plain, "", 422, `{"code":422,"error_code":"same_password","msg":"a \u003cb\u003e \u0026 c"}`, "same_password", ""},
		{"before the first date", plain, "2023-12-31", 422, `{"code":422,"error_code":"same_password","msg":"a \u003cb\u003e \u0026 c"}`, "same_password", ""},
		{"no date", plain, "garbage", 422, `{"code":422,"error_code":"same_password","msg":"a \u003cb\u003e \u0026 c"}`, "same_password", ""},
		{"no date but later than one", plain, "2024-13-41", 422, `{"code":422,"error_code":"same_password","msg":"a \u003cb\u003e \u0026 c"}`, "same_password", ""},
		{"new", plain, "2024-01-01", 422, `{"code":"same_password","message":"a \u003cb\u003e \u0026 c"}`, "same_password", "2024-01-01"},
		{"newer than new", plain, "2030-06-30", 422, `{"code":"same_password","message":"a \u003cb\u003e \u0026 c"}`, "same_password", "2024-01-01"},
		{"weak password, older", weak, "", 422, `{"code":422,"error_code":"weak_password","msg":"weak","weak_password":{"reasons":["length","characters"]}}`, "weak_password", ""},
		{"weak password, new", weak, "2024-01-01", 422, `{"code":"weak_password","message":"weak","weak_password":{"reasons":["length","characters"]}}`, "", "2024-01-01"},
		{"without a code, older", nameless, "", 403, `{"code":403,"error_code":"unknown","msg":"no"}`, "", ""},
		{"without a code, new", nameless, "2024-01-01", 403, `{"code":"unknown","message":"no"}`, "", "2024-01-01"},
		{"a hook's refusal, older", hook, "", 451, `{"code":451,"error_code":"unknown","msg":"not from there"}`, "", ""},
		{"a hook's refusal, new", hook, "2024-01-01", 451, `{"code":"unknown","message":"not from there"}`, "", "2024-01-01"},
		{"raised, older", raised("P0001", ""), "", 500, `{"code":"P0001","message":"not from there"}`, "", ""},
		{"raised with a status, older", raised("PT402", "pay"), "", 402, `{"code":"PT402","message":"not from there","hint":"pay"}`, "", ""},
		{"raised, new", raised("PT402", "pay"), "2024-01-01", 500,
			`{"code":"unexpected_failure","message":"Error running hook URI: pg-functions://postgres/public/f"}`, "unexpected_failure", "2024-01-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := failing(t, c.err, httpadapter.Options{}).expect(t, getUser(t, "X-Supabase-Api-Version: "+c.version), c.status, c.body)
			if h := got.header.Get("X-Sb-Error-Code"); h != c.code {
				t.Errorf("x-sb-error-code = %q, want %q", h, c.code)
			}
			if h := got.header.Get("X-Supabase-Api-Version"); h != c.format {
				t.Errorf("x-supabase-api-version = %q, want %q", h, c.format)
			}
		})
	}
}

func TestKindsHaveStatuses(t *testing.T) {
	t.Parallel()
	for kind, want := range map[postern.Kind]int{
		postern.KindInternal: 500, postern.KindInvalid: 400, postern.KindUnauthorized: 401, postern.KindForbidden: 403,
		postern.KindNotFound: 404, postern.KindConflict: 409, postern.KindTooLarge: 413, postern.KindUnprocessable: 422,
		postern.KindTooMany: 429, postern.KindUnavailable: 503, 255: 500,
	} {
		got := failing(t, &postern.Error{Kind: kind, Code: "x"}, httpadapter.Options{}).expect(t, getUser(t), want)
		if retry := got.header.Get("Retry-After"); (retry == "1") != (want == 503) {
			t.Errorf("Retry-After of %d = %q", want, retry)
		}
	}
}

func TestInternalErrorsShowNothingButAnID(t *testing.T) {
	t.Parallel()
	a := failing(t, errors.New("relation users: password of 10.0.0.5 is hunter2"), httpadapter.Options{RequestIDHeader: "X-Request-Id"})
	a.expect(t, getUser(t, "X-Request-Id: req-1", "Cookie: hidden"), 500,
		`{"code":500,"error_code":"unexpected_failure","msg":"Database error loading user","error_id":"req-1"}`)
	a.expect(t, getUser(t, "X-Supabase-Api-Version: 2024-01-01"), 500,
		`{"code":"unexpected_failure","message":"Database error loading user"}`)

	log := a.log.String()
	for _, want := range []string{"hunter2", "request_id=req-1", "GET", "/admin/users/{user_id}"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	if strings.Contains(log, "hidden") || strings.Contains(log, operator(t)) || strings.Contains(log, someID) {
		t.Errorf("the log shows headers or the path: %s", log)
	}
}

func TestIDsOfErrorsAreMadeUpWhereNobodyGaveOne(t *testing.T) {
	t.Parallel()
	a := failing(t, errors.New("broken"), httpadapter.Options{RequestIDHeader: "X-Request-Id"})
	for _, header := range []string{"X-Other: 1", "X-Request-Id: ", "X-Request-Id: " + strings.Repeat("x", 200)} {
		got := decode[struct {
			ID string `json:"error_id"`
		}](t, a.expect(t, getUser(t, header), 500))
		if len(got.ID) != len(someID) || !strings.Contains(a.log.String(), got.ID) {
			t.Errorf("%.20s: error_id = %q, want a UUID that the log has", header, got.ID)
		}
	}
}

func TestUnavailableDatabase(t *testing.T) {
	t.Parallel()
	a := failing(t, postern.ErrStoreDown, httpadapter.Options{RequestIDHeader: "X-Request-Id"})
	a.expect(t, getUser(t, "X-Request-Id: req-2"), 503,
		`{"code":503,"error_code":"unexpected_failure","msg":"The database is not available, try again in a moment","error_id":"req-2"}`)
}

func TestRequestOverTheTimeLimit(t *testing.T) {
	t.Parallel()
	patient := stub{find: func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("interrupted") // some drivers do not say by what
	}}
	a := newAPI(t, patient, settings{options: httpadapter.Options{MaxRequestDuration: time.Millisecond, RequestIDHeader: "X-Request-Id"}})
	got := a.expect(t, getUser(t, "X-Request-Id: req-3"), 504,
		`{"code":504,"error_code":"request_timeout","msg":"Processing this request timed out, please retry after a moment.","error_id":"req-3"}`)
	if h := got.header.Get("X-Sb-Error-Code"); h != "request_timeout" {
		t.Errorf("x-sb-error-code = %q, want request_timeout", h)
	}
}

func TestNoTimeLimit(t *testing.T) {
	t.Parallel()
	st := stub{find: func(ctx context.Context) error {
		if _, limited := ctx.Deadline(); limited {
			return errors.New("there is a deadline")
		}
		return postern.ErrNoRow
	}}
	newAPI(t, st, settings{options: httpadapter.Options{MaxRequestDuration: -1}}).expect(t, getUser(t), 404)
}

func TestClientsThatHangUpAreNotLogged(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	a := newAPI(t, stub{find: func(ctx context.Context) error {
		hangUp()
		<-ctx.Done()
		return ctx.Err()
	}}, settings{})
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, getUser(t).build(ctx))
	if w.Code != 499 {
		t.Errorf("status = %d, want 499", w.Code)
	}
	if log := a.log.String(); log != "" {
		t.Errorf("the log has %s, want nothing", log)
	}
}

func TestPanicsAreLoggedAndAnswered(t *testing.T) {
	t.Parallel()
	a := newAPI(t, stub{find: func(context.Context) error { panic("at the disco") }},
		settings{options: httpadapter.Options{RequestIDHeader: "X-Request-Id"}})
	a.expect(t, getUser(t, "X-Request-Id: req-4"), 500,
		`{"code":500,"error_code":"unexpected_failure","msg":"Internal Server Error","error_id":"req-4"}`)
	for _, want := range []string{"at the disco", "error_test.go", "req-4"} {
		if log := a.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	a.expect(t, request{line: "GET /health"}, 200)
}

func TestHangingUpOnPurposeIsPassedOn(t *testing.T) {
	t.Parallel()
	a := newAPI(t, stub{find: func(context.Context) error { panic(http.ErrAbortHandler) }}, settings{})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", v)
		}
		if log := a.log.String(); log != "" {
			t.Errorf("the log has %s, want nothing", log)
		}
	}()
	a.do(t, getUser(t))
	t.Error("the handler returned")
}
