//go:build unix

package faults_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Guarantee F28: processes on a database count together.
func TestLimitsAreSharedByThreeProcesses(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var clients []*client
		for range 3 {
			clients = append(clients, newClient(t, start(t, url, "POSTERN_RATE_LIMITS=shared", "GOTRUE_RATE_LIMIT_VERIFY=20/1h").URL))
		}
		var passed, refused atomic.Int32
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				a, err := clients[i%3].do(t.Context(), "POST", "/verify", "", map[string]string{"type": "signup", "token_hash": "none"})
				switch {
				case err != nil:
					t.Error(err)
				case a.status == http.StatusTooManyRequests:
					refused.Add(1)
				default:
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 20 || refused.Load() != 40 {
			t.Errorf("got %d requests through and %d refused, want 20 and 40", passed.Load(), refused.Load())
		}
	})
}
