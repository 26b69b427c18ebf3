package outbound_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/postern-auth/postern/internal/outbound"
)

func TestWatchersAreToldOfCalls(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var told []string
	ctx := outbound.WithWatcher(t.Context(), func(r *http.Request) func(int, error) {
		return func(status int, err error) {
			told = append(told, fmt.Sprintf("%s %d %t", r.Method, status, err != nil))
		}
	})
	for _, client := range []*http.Client{
		outbound.NewClient(outbound.Policy{Hosts: []string{outbound.Host(server.URL)}}),
		outbound.NewClient(outbound.Policy{}), // to which the server is out of reach
	} {
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
		}
	}
	if want := []string{"GET 404 false", "GET 0 true"}; !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}
