package httpadapter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/wire"
)

// statuses are those of the kinds of failure.
var statuses = map[postern.Kind]int{
	postern.KindInternal:      http.StatusInternalServerError,
	postern.KindInvalid:       http.StatusBadRequest,
	postern.KindUnauthorized:  http.StatusUnauthorized,
	postern.KindForbidden:     http.StatusForbidden,
	postern.KindNotFound:      http.StatusNotFound,
	postern.KindConflict:      http.StatusConflict,
	postern.KindTooLarge:      http.StatusRequestEntityTooLarge,
	postern.KindUnprocessable: http.StatusUnprocessableEntity,
	postern.KindTooMany:       http.StatusTooManyRequests,
	postern.KindUnavailable:   http.StatusServiceUnavailable,
}

// statusClientGone is for whoever counts answers: nobody receives it. The
// number is nginx's.
const statusClientGone = 499

// fail answers a request with the error that its handling ended in.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *postern.Error
	var oauth *postern.OAuthError
	switch {
	case errors.As(err, &e):
	case errors.As(err, &oauth):
		refuseOAuth(w, oauth)
		return
	default:
		e = &postern.Error{
			Kind: postern.KindInternal, Code: postern.ErrUnexpectedFailure,
			Message: "Unexpected failure, please check server logs for more information", Err: err,
		}
	}
	if refuseRaised(w, r, e) {
		return
	}
	status := cmp.Or(e.Status, statuses[e.Kind], http.StatusInternalServerError)
	if status >= http.StatusInternalServerError {
		status, e = outOfTime(r.Context(), status, e)
	}
	refuse(w, r, status, e)
}

// outOfTime tells a failure of ours from one that only came of the request's
// end: whatever was under way then fails in a way of its own.
func outOfTime(ctx context.Context, status int, e *postern.Error) (int, *postern.Error) {
	switch {
	case ctx.Err() == nil:
		return status, e
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return http.StatusGatewayTimeout, &postern.Error{
			Code:    postern.ErrRequestTimeout,
			Message: "Processing this request timed out, please retry after a moment.", Err: e,
		}
	}
	return statusClientGone, e
}

// refuse answers with an error in the format that the client knows (contract:
// errors.md §1), and logs what it does not tell.
func refuse(w http.ResponseWriter, r *http.Request, status int, e *postern.Error) {
	var id string
	x := exchangeOf(r)
	x.record.ErrorCode = e.Code
	if status >= http.StatusInternalServerError {
		id = x.fails(r.Context(), status, e)
	}
	setRetryAfter(w.Header(), status, e.RetryAfter)
	if knowsNewFormat(r) {
		refuseNew(w, status, e)
		return
	}
	setErrorCode(w, e.Code)
	_ = respond(w, status, struct {
		Status       int                   `json:"code"`
		Code         postern.Code          `json:"error_code"`
		Message      string                `json:"msg"`
		ID           string                `json:"error_id,omitempty"`
		WeakPassword *postern.WeakPassword `json:"weak_password,omitempty"`
	}{status, codeOf(status, e), e.Message, id, weakPassword(e)})
}

// setRetryAfter says when the same request may succeed, in whole seconds (RFC 9110
// §10.2.3). GoTrue leaves it to be guessed.
func setRetryAfter(h http.Header, status int, wait time.Duration) {
	switch {
	case wait > 0:
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	case status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
}

// refuseNew writes the format of API version 2024-01-01.
func refuseNew(w http.ResponseWriter, status int, e *postern.Error) {
	w.Header().Set(apiVersionHeader, newFormat)
	if e.Code != postern.ErrWeakPassword {
		setErrorCode(w, e.Code)
	}
	_ = respond(w, status, struct {
		Code         postern.Code          `json:"code"`
		Message      string                `json:"message"`
		WeakPassword *postern.WeakPassword `json:"weak_password,omitempty"`
	}{codeOf(status, e), e.Message, weakPassword(e)})
}

// refuseRaised answers with what a function of the database raised, if that is the
// cause and the client knows the older format only (contract: errors.md §1.6).
func refuseRaised(w http.ResponseWriter, r *http.Request, e *postern.Error) bool {
	raised, ok := errors.AsType[*postern.DatabaseError](e.Err)
	if !ok || knowsNewFormat(r) {
		return false
	}
	status := raised.Status()
	if status == 0 {
		return false
	}
	exchangeOf(r).fails(r.Context(), status, e)
	_ = respond(w, status, struct {
		State   string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		Detail  string `json:"detail,omitempty"`
	}{raised.State, raised.Message, raised.Hint, raised.Detail})
	return true
}

func refuseOAuth(w http.ResponseWriter, e *postern.OAuthError) {
	_ = respond(w, http.StatusBadRequest, struct {
		Name        string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Name, e.Description})
}

const (
	apiVersionHeader = "X-Supabase-Api-Version"
	newFormat        = "2024-01-01"
)

// knowsNewFormat reports whether the client asks for the error format of
// 2024-01-01 or a later one.
func knowsNewFormat(r *http.Request) bool {
	version := r.Header.Get(apiVersionHeader)
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= newFormat
}

func setErrorCode(w http.ResponseWriter, code postern.Code) {
	if code != "" {
		w.Header().Set("X-Sb-Error-Code", string(code))
	}
}

// codeOf fills in a code where a failure has none.
func codeOf(status int, e *postern.Error) postern.Code {
	if status == http.StatusInternalServerError {
		return cmp.Or(e.Code, postern.ErrUnexpectedFailure)
	}
	return cmp.Or(e.Code, "unknown")
}

func weakPassword(e *postern.Error) *postern.WeakPassword {
	if e.Code != postern.ErrWeakPassword {
		return nil
	}
	return &postern.WeakPassword{Reasons: e.Reasons}
}

// invalid refuses a request for what it says.
func invalid(format string, args ...any) error {
	return &postern.Error{
		Kind: postern.KindInvalid, Code: postern.ErrValidationFailed, Message: fmt.Sprintf(format, args...),
	}
}

// respond writes v as JSON. It fails, having written nothing, if v cannot be
// marshalled; a client that hangs up is no failure.
func respond(w http.ResponseWriter, status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// What is answered most often, and what is longest.
var (
	users     = wire.For[postern.User]()
	sessions  = wire.For[postern.Session]()
	userLists = wire.For[postern.UserList]()
)

func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case *postern.User:
		return users.Append(nil, v)
	case *postern.Session:
		return sessions.Append(nil, v)
	case *postern.UserList:
		const roughly = 700 // bytes of a user
		return userLists.Append(make([]byte, 0, roughly*(len(v.Users)+1)), v)
	}
	return json.Marshal(v)
}
