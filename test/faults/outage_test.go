//go:build unix

package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

// Guarantee G32.
func TestServerOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	// What is acknowledged has to be on the disk, or rather with the kernel.
	cluster := pgtest.NewCluster(t, "synchronous_commit=on")
	s := start(t, cluster.DSN())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var visitors []*visitor
	var all sync.WaitGroup
	for i := range 8 {
		v := newVisitor(t, newClient(t, s.URL), fmt.Sprintf("visitor-%d", i))
		visitors = append(visitors, v)
		all.Go(func() { v.visit(ctx, t) })
	}

	var y tally
	for range rounds(2, 20) {
		y.rounds++
		y.faults++
		awaitSuccess(t, visitors, requestTimeout)
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
		awaitRefusals(t, visitors)
		if err := cluster.Start(); err != nil {
			t.Fatal(err)
		}
		awaitSuccess(t, visitors[:1], 2*time.Second)
	}
	awaitSuccess(t, visitors, requestTimeout)
	stop()
	all.Wait()

	select {
	case <-s.Ended():
		t.Error("the server has ended")
	default:
	}
	for _, v := range visitors {
		y.acknowledged += int(v.served.Load())
	}
	y.lost = checkVisitors(t, open(t, cluster.DSN()), visitors)
	y.log(t)
}

// visitor sends requests of several kinds, one after the other, and notes what
// it was told.
type visitor struct {
	*client
	name                string
	access, refreshWith string

	served, refused atomic.Int64
	accounts        []string // that were acknowledged; to be read when it has left
}

func newVisitor(t *testing.T, c *client, name string) *visitor {
	t.Helper()
	a, err := c.signUp(t.Context(), name+"@example.com")
	must(t, a, err)
	return &visitor{client: c, name: name, access: a.text("access_token"), refreshWith: a.text("refresh_token")}
}

func (v *visitor) visit(ctx context.Context, t *testing.T) {
	for i := 0; ctx.Err() == nil; i++ {
		email := fmt.Sprintf("%s-%d@example.com", v.name, i)
		for _, request := range []func() (*answer, error){
			func() (*answer, error) { return v.do(ctx, "GET", "/user", v.access, nil) },
			func() (*answer, error) { return v.refresh(ctx, v.refreshWith) },
			func() (*answer, error) { return v.signUp(ctx, email) },
		} {
			a, err := request()
			if ctx.Err() != nil {
				return
			}
			v.note(t, a, err)
		}
	}
}

// note checks an answer: it is one of success, or asks to come back.
func (v *visitor) note(t *testing.T, a *answer, err error) {
	switch {
	case err != nil:
		t.Errorf("%s: %v", v.name, err)
	case a.ok():
		v.remember(a)
		v.served.Add(1)
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		v.refused.Add(1)
	default:
		t.Errorf("%s: got %s, want success or 503 with Retry-After", v.name, a)
	}
}

// remember keeps what the next requests need. A session that is not the visitor's
// own is that of a new account.
func (v *visitor) remember(a *answer) {
	token := a.text("refresh_token")
	if token == "" {
		return
	}
	if a.header.Get("Sb-Auth-Refresh-Token-Counter") != "0" {
		v.refreshWith = token
		return
	}
	v.accounts = append(v.accounts, a.header.Get("Sb-Auth-User-Id"))
}

// awaitSuccess waits until each visitor has been served once more.
func awaitSuccess(t *testing.T, visitors []*visitor, limit time.Duration) {
	t.Helper()
	awaitMore(t, visitors, limit, "served", func(v *visitor) int64 { return v.served.Load() })
}

// awaitRefusals waits until each visitor has been refused once more.
func awaitRefusals(t *testing.T, visitors []*visitor) {
	t.Helper()
	awaitMore(t, visitors, requestTimeout, "refused", func(v *visitor) int64 { return v.refused.Load() })
}

func awaitMore(t *testing.T, visitors []*visitor, limit time.Duration, what string, count func(*visitor) int64) {
	t.Helper()
	end := time.Now().Add(limit)
	for _, v := range visitors {
		for before := count(v); count(v) == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s was not %s within %v", v.name, what, limit)
			}
		}
	}
}

// checkVisitors looks for all accounts in what is left of the database, and returns how
// many are not there.
func checkVisitors(t *testing.T, st *store.Store, visitors []*visitor) (lost int) {
	t.Helper()
	var ids []string
	rows, err := st.DB().DB.QueryContext(t.Context(), "SELECT id FROM auth.users")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		stored[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, v := range visitors {
		ids = append(ids, v.accounts...)
	}
	for _, id := range ids {
		if !stored[id] {
			t.Errorf("user %s was acknowledged and is lost", id)
			lost++
		}
	}
	if len(ids) == 0 {
		t.Error("nobody signed up: the test tests nothing")
	}
	checkConsistency(t, st, "postgres:")
	return lost
}
