//go:build unix

package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-auth/postern/test/internal/standalone"
)

// Guarantee G33.
func TestOneOfThreeProcessesMayDie(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		servers := []*standalone.Server{start(t, url), start(t, url), start(t, url)}
		var clients []*client
		for _, s := range servers {
			clients = append(clients, newClient(t, s.URL))
		}
		chains := make([]*chain, 4)
		for i := range chains {
			a, err := clients[0].signUp(t.Context(), fmt.Sprintf("chain-%d@example.com", i))
			chains[i] = &chain{token: must(t, a, err).text("refresh_token")}
		}

		n := rounds(10, 100)
		rotate(t, chains, clients, n, nil)
		dying := len(servers) - 1
		rotate(t, chains, clients, n, func() {
			if err := servers[dying].Kill(); err != nil {
				t.Error(err)
			}
		})
		rotate(t, chains, clients[:dying], n, nil)
		y := tally{rounds: 3 * n, faults: 1}
		for _, c := range chains {
			y.acknowledged += c.count
		}
		y.log(t)
		checkConsistency(t, open(t, url), url)
	})
}

// chain is a session and its newest refresh token.
type chain struct {
	token string
	count int // of refreshes
}

// rotate refreshes each session a number of times, always on all servers at once.
// kill ends the last server in the midst of it, unless it is nil.
func rotate(t *testing.T, chains []*chain, clients []*client, times int, kill func()) {
	t.Helper()
	var all sync.WaitGroup
	for _, c := range chains {
		all.Go(func() {
			for range times {
				c.rotate(t, clients, kill != nil)
			}
		})
	}
	if kill != nil {
		kill()
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// rotate presents the newest token to every server twice at the same moment: all
// have to return the same successor. The last may be dead.
func (c *chain) rotate(t *testing.T, clients []*client, lastMayDie bool) {
	c.count++
	successors := map[string]bool{}
	for i, a := range present(t.Context(), clients, c.token) {
		switch {
		case a.err != nil && lastMayDie && a.client == len(clients)-1:
			continue
		case a.err != nil:
			t.Errorf("refresh %d, answer %d: %v", c.count, i, a.err)
			continue
		case a.status != http.StatusOK:
			t.Errorf("refresh %d, answer %d: got %s, want 200", c.count, i, a)
			continue
		}
		if got := a.header.Get("Sb-Auth-Refresh-Token-Counter"); got != strconv.Itoa(c.count) {
			t.Errorf("refresh %d: got a token of number %s", c.count, got)
		}
		successors[a.text("refresh_token")] = true
	}
	if len(successors) != 1 {
		t.Errorf("refresh %d: one token got %d successors, want 1", c.count, len(successors))
	}
	for token := range successors {
		c.token = token
	}
}

// presented is the answer of one client, or why there is none.
type presented struct {
	*answer
	client int
	err    error
}

func present(ctx context.Context, clients []*client, token string) []presented {
	const each = 2
	answers := make([]presented, each*len(clients))
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			n := i / each
			a, err := clients[n].refresh(ctx, token)
			answers[i] = presented{a, n, err}
		})
	}
	all.Wait()
	return answers
}

// Guarantee A1, for what is mailed.
func TestOneOfManyUsesInThreeProcessesWins(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var clients []*client
		for range 3 {
			clients = append(clients, newClient(t, start(t, url, "GOTRUE_MAILER_AUTOCONFIRM=false").URL))
		}
		for i := range rounds(3, 20) {
			email := fmt.Sprintf("once-%d@example.com", i)
			a, err := clients[0].signUp(t.Context(), email)
			must(t, a, err)
			byCode, byLink := newestMail(t, clients[0])
			var all sync.WaitGroup
			var won atomic.Int64
			for use := range 20 {
				all.Go(func() {
					body := map[string]string{"type": "signup", "email": email, "token": byCode}
					if use%2 == 0 {
						body = map[string]string{"type": "signup", "token_hash": byLink}
					}
					a, err := clients[use%len(clients)].do(t.Context(), "POST", "/verify", "", body)
					switch {
					case err != nil:
						t.Error(err)
					case a.ok():
						won.Add(1)
					case a.text("error_code") != "otp_expired":
						t.Errorf("a use too many: got %s, want otp_expired", a)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%d of 20 uses succeeded, want 1", won.Load())
			}
		}
	})
}

// newestMail returns the code and the link's token of the last mail in a server's
// mailbox.
func newestMail(t *testing.T, c *client) (code, tokenHash string) {
	t.Helper()
	a, err := c.do(t.Context(), "GET", "/_inbox/messages", "", nil)
	must(t, a, err)
	var mails []struct {
		Code      string
		TokenHash string `json:"token_hash"`
	}
	if err := json.Unmarshal(a.body, &mails); err != nil || len(mails) == 0 {
		t.Fatalf("the mailbox holds %s: %v", a, err)
	}
	return mails[0].Code, mails[0].TokenHash
}
