//go:build unix

package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/test/internal/pgbouncer"
)

// Guarantee G34.
func TestServerWorksThroughPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	s := start(t, pgBouncer(t, pgtest.New(t), 5))
	operator := operatorKey(t)
	var all sync.WaitGroup
	var lived atomic.Int64
	const clients = 16
	for i := range clients {
		c := newClient(t, s.URL)
		all.Go(func() {
			for n := range rounds(5, 100) {
				if err := live(t.Context(), c, operator, fmt.Sprintf("user-%d-%d@example.com", i, n)); err != nil {
					t.Error(err)
					continue
				}
				lived.Add(1)
			}
		})
	}
	all.Wait()
	y := tally{rounds: clients * rounds(5, 100), acknowledged: int(lived.Load())}
	y.lost = y.rounds - y.acknowledged
	y.log(t)
}

// live is an account's life: it is made, used, changed and deleted.
func live(ctx context.Context, c *client, operator, email string) error {
	var id, access, refresh string
	for _, r := range []struct {
		name string
		send func() (*answer, error)
		want int
	}{
		{"sign-up", func() (*answer, error) { return c.signUp(ctx, email) }, http.StatusOK},
		{"sign-up for the same address", func() (*answer, error) { return c.signUp(ctx, email) }, http.StatusUnprocessableEntity},
		{"refresh", func() (*answer, error) { return c.refresh(ctx, refresh) }, http.StatusOK},
		{"refresh with a wrong token", func() (*answer, error) { return c.refresh(ctx, refresh+"x") }, http.StatusBadRequest},
		{"user", func() (*answer, error) { return c.do(ctx, "GET", "/user", access, nil) }, http.StatusOK},
		{"new password", func() (*answer, error) {
			return c.do(ctx, "PUT", "/user", access, map[string]any{"password": "battery staple", "data": map[string]any{"name": "O'Brien \\ \"x\""}})
		}, http.StatusOK},
		{"sign-in", func() (*answer, error) { return c.signIn(ctx, email, "battery staple") }, http.StatusOK},
		{"sign-in with the old password", func() (*answer, error) { return c.signIn(ctx, email, password) }, http.StatusBadRequest},
		{"ban", func() (*answer, error) {
			return c.do(ctx, "PUT", "/admin/users/"+id, operator, map[string]any{"ban_duration": "1h", "user_metadata": map[string]any{"n": 1}})
		}, http.StatusOK},
		{"user while it is banned", func() (*answer, error) { return c.do(ctx, "GET", "/user", access, nil) }, http.StatusForbidden},
		{"list", func() (*answer, error) { return c.do(ctx, "GET", "/admin/users?per_page=5", operator, nil) }, http.StatusOK},
		{"deletion", func() (*answer, error) { return c.do(ctx, "DELETE", "/admin/users/"+id, operator, nil) }, http.StatusOK},
		{"user that is gone", func() (*answer, error) { return c.do(ctx, "GET", "/admin/users/"+id, operator, nil) }, http.StatusNotFound},
	} {
		a, err := r.send()
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if a.status != r.want {
			return fmt.Errorf("%s: got %s, want %d", r.name, a, r.want)
		}
		if token := a.text("refresh_token"); token != "" {
			id, access, refresh = a.header.Get("Sb-Auth-User-Id"), a.text("access_token"), token
		}
	}
	return nil
}

// pgBouncer starts a PgBouncer before a database and returns the database's
// address there. It ends with the test.
func pgBouncer(t *testing.T, dsn string, pool int) string {
	t.Helper()
	b, err := pgbouncer.Start(dsn, pool)
	if errors.Is(err, pgbouncer.ErrNone) {
		envtest.LeaveOut(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.DSN()
}
