//go:build unix

package faults_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/postern-auth/postern/test/internal/standalone"
)

// receiver is an endpoint that events are posted to.
type receiver struct {
	*httptest.Server
	ids chan string // of what was received, in the order of the requests
}

// newReceiver returns an endpoint that does something before it answers.
func newReceiver(t *testing.T, before func()) *receiver {
	t.Helper()
	r := &receiver{ids: make(chan string, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ids <- req.Header.Get("Webhook-Id")
		before()
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// startTelling starts a server that posts who was created.
func (r *receiver) startTelling(t *testing.T, url string) *standalone.Server {
	t.Helper()
	return start(t, url, "POSTERN_EVENTS_WEBHOOK_URL="+r.URL, "POSTERN_EVENTS_WEBHOOK_TYPES=user.created",
		"POSTERN_EVENTS_WEBHOOK_SECRETS=v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
}

func TestEventOfAKilledServerIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var first *standalone.Server
		var kill sync.Once
		started := make(chan struct{})
		r := newReceiver(t, func() {
			<-started
			kill.Do(func() {
				if err := first.Kill(); err != nil {
					t.Error(err)
				}
			})
		})
		first = r.startTelling(t, url)
		close(started)
		_, _ = newClient(t, first.URL).signUp(t.Context(), "ada@example.com") // who may never hear of it
		id := <-r.ids
		<-first.Ended()

		st := open(t, url)
		table := "auth.postern_deliveries"
		if isSQLite(url) {
			table = "auth_postern_deliveries"
		}
		_, err := st.DB().ExecContext(t.Context(), "UPDATE "+table+" SET due_at = '2026-01-01T00:00:00.000000Z'") // the lease is over
		if err != nil {
			t.Fatal(err)
		}
		r.startTelling(t, url)
		if again := <-r.ids; again != id {
			t.Errorf("got event %s, want %s again", again, id)
		}
	})
}

func TestThreeServersDeliverEachEventOnce(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		r := newReceiver(t, func() {})
		n := rounds(60, 600)
		var all sync.WaitGroup
		for i := range 3 {
			c := newClient(t, r.startTelling(t, url).URL)
			all.Go(func() {
				for j := range n / 3 {
					a, err := c.signUp(t.Context(), fmt.Sprintf("user-%d-%d@example.com", i, j))
					if err != nil || !a.ok() {
						t.Errorf("a sign-up: %v, %v", a, err)
					}
				}
			})
		}
		all.Wait()
		times := map[string]int{}
		for range n {
			times[<-r.ids]++
		}
		if len(times) != n || len(r.ids) > 0 {
			t.Errorf("got %d different events and %d more, want each of %d once", len(times), len(r.ids), n)
		}
	})
}
