package goenv_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/webhook"
)

func TestEventsArePostedAsTheVariablesSay(t *testing.T) {
	t.Parallel()
	const secret = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	var problem error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secrets, err := webhook.ParseSecrets(secret)
		if err != nil {
			problem = err
			return
		}
		body, _ := io.ReadAll(r.Body)
		problem = secrets.Verify(r.Header, body, time.Now())
	}))
	defer server.Close()
	s, err := goenv.Load([]string{
		"POSTERN_EVENTS_WEBHOOK_URL=" + server.URL, "POSTERN_EVENTS_WEBHOOK_SECRETS=" + secret,
		"POSTERN_EVENTS_WEBHOOK_TYPES=user.created, user.deleted",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Config.Subscribers) != 1 || len(s.Unknown) > 0 {
		t.Fatalf("got subscribers %+v and unknown %v, want one and none", s.Config.Subscribers, s.Unknown)
	}
	subscriber := s.Config.Subscribers[0]
	if want := []postern.EventType{postern.EventUserCreated, postern.EventUserDeleted}; subscriber.Name != "webhook" || !slices.Equal(subscriber.Types, want) {
		t.Errorf("got %q for %v, want webhook for %v", subscriber.Name, subscriber.Types, want)
	}
	if err := subscriber.Deliver(t.Context(), postern.Event{ID: uuid.New(), Type: postern.EventUserCreated}); err != nil || problem != nil {
		t.Errorf("got %v, and of the request %v, want it to be posted and signed", err, problem)
	}
}

func TestEventsOfNoSuchTypeAreRefused(t *testing.T) {
	t.Parallel()
	_, err := goenv.Load([]string{"POSTERN_EVENTS_WEBHOOK_TYPES=user.exploded"})
	if err == nil || !strings.Contains(err.Error(), `POSTERN_EVENTS_WEBHOOK_TYPES is "user.exploded"; it must be a list, separated by commas, of user.created, user.updated`) {
		t.Errorf("got error %v, want the types that there are", err)
	}
}
