package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// endpoint is a server that answers as it is told, and passes on what it was sent.
type endpoint struct {
	*httptest.Server
	requests chan request
}

type request struct {
	http.Header
	method, body string
}

func newEndpoint(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{requests: make(chan request, 9)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer(w, r)
		e.requests <- request{r.Header, r.Method, string(body)}
	}))
	t.Cleanup(e.Close)
	return e
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (e *endpoint) subscriber(t *testing.T, now func() time.Time) postern.Subscriber {
	t.Helper()
	s, err := Subscriber("hook", e.URL+"/events?key=hidden", mustParse(t, oneSecret), EventOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func anEvent() postern.Event {
	return postern.Event{
		ID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"), Type: postern.EventUserDeleted, UserID: uuid.New(),
		CreatedAt: time.Date(2026, 3, 4, 5, 6, 7, 89000, time.UTC), Data: postern.Metadata(`{"user_id": "x", "n": 12345678901234567890}`),
	}
}

func TestEventIsPostedAndSigned(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, status(http.StatusAccepted))
	now := time.Date(2026, 3, 4, 6, 0, 0, 0, time.UTC)
	if err := e.subscriber(t, func() time.Time { return now }).Deliver(t.Context(), anEvent()); err != nil {
		t.Fatal(err)
	}
	got := <-e.requests
	const want = `{"type":"user.deleted","timestamp":"2026-03-04T05:06:07.000089Z","data":{"user_id":"x","n":12345678901234567890}}`
	if got.method != http.MethodPost || got.body != want || got.Get("Content-Type") != "application/json" {
		t.Errorf("got %s of %s %s, want POST of %s", got.method, got.Get("Content-Type"), got.body, want)
	}
	if id := got.Get("webhook-id"); id != "01890a5d-ac96-774b-bcce-b302099a8057" {
		t.Errorf("got id %s, want the event's", id)
	}
	if err := mustParse(t, oneSecret).Verify(got.Header, []byte(got.body), now); err != nil {
		t.Error(err)
	}
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	t.Parallel()
	other := newEndpoint(t, status(http.StatusOK))
	for name, answer := range map[string]http.HandlerFunc{
		"400": status(http.StatusBadRequest), "410": status(http.StatusGone), "500": status(http.StatusInternalServerError),
		"304": status(http.StatusNotModified),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"none": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newEndpoint(t, answer).subscriber(t, nil).Deliver(t.Context(), anEvent())
			if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "127.0.0.1/") {
				t.Errorf("got error %v, want one that does not show the URL", err)
			}
		})
	}
	if len(other.requests) > 0 {
		t.Error("a redirect was followed")
	}
}

func TestEndpointThatHangsIsLeft(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := e.subscriber(t, nil).Deliver(ctx, anEvent()); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want it to end with its context", err)
	}
}

func TestSubscribersThatCannotBe(t *testing.T) {
	t.Parallel()
	secrets := mustParse(t, oneSecret)
	for _, c := range []struct {
		url     string
		secrets Secrets
	}{
		{"", secrets}, {"events.example.com", secrets}, {"ftp://events.example.com", secrets}, {"https://", secrets},
		{"https://user:hidden@%zz", secrets}, {"https://events.example.com", nil},
	} {
		if _, err := Subscriber("hook", c.url, c.secrets, EventOptions{}); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q with %d secrets: got error %v, want one that shows nothing", c.url, len(c.secrets), err)
		}
	}
}

// An endpoint that fails at first gets the event again, by the same id.
func TestSignUpReachesTheEndpoint(t *testing.T) {
	t.Parallel()
	answers := make(chan int, 2)
	answers <- http.StatusBadGateway
	answers <- http.StatusNoContent
	e := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-answers) })
	auth := authtest.New(t, func(c *postern.Config) {
		s, err := Subscriber("hook", e.URL, mustParse(t, oneSecret), EventOptions{Types: []postern.EventType{postern.EventUserCreated}, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		c.Subscribers = []postern.Subscriber{s}
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- auth.Run(ctx) }()
	if _, err := auth.SignUp(t.Context(), postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	first := <-e.requests
	auth.Advance(time.Hour)
	second := <-e.requests
	stop()
	<-ended
	if first.Get("webhook-id") != second.Get("webhook-id") || first.body != second.body {
		t.Errorf("got %v and %v, want the same message twice", first, second)
	}
	var message struct {
		Type postern.EventType
		Data postern.EventData
	}
	if err := json.Unmarshal([]byte(second.body), &message); err != nil {
		t.Fatal(err)
	}
	if message.Type != postern.EventUserCreated || message.Data.User == nil || message.Data.User.Email != "ada@example.com" {
		t.Errorf("got %s, want that ada was created", second.body)
	}
	if err := mustParse(t, oneSecret).Verify(second.Header, []byte(second.body), auth.Now()); err != nil {
		t.Error(err)
	}
}
