//go:build unix

package faults_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Guarantee G37.
func TestServerThatIsToldToStopFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		s := start(t, url)
		begun := make([]*halfRequest, 8)
		for i := range begun {
			begun[i] = beginRequest(t, s.URL, fmt.Sprintf("user-%d@example.com", i))
		}
		// The server takes connections in turn, so that by the time it answers
		// this one it has the others.
		a, err := newClient(t, s.URL).do(t.Context(), "GET", "/health", "", nil)
		must(t, a, err)

		if err := s.Terminate(); err != nil {
			t.Fatal(err)
		}
		awaitRefusal(t, s.URL)
		y := tally{rounds: 1, faults: 1}
		for i, r := range begun {
			if got := r.finish(t); got != http.StatusOK {
				t.Errorf("request %d in flight: got status %d, want 200", i, got)
				y.lost++
				continue
			}
			y.acknowledged++
		}
		y.log(t)
		if err := s.Wait(); err != nil {
			t.Errorf("the server ended with %v, want status 0", err)
		}
		if n := count(t, open(t, url), url, "SELECT count(*) FROM auth.users"); n != len(begun) {
			t.Errorf("got %d users, want %d", n, len(begun))
		}
	})
}

// halfRequest is a sign-up whose second half has not been sent yet.
type halfRequest struct {
	conn net.Conn
	rest string
}

func beginRequest(t *testing.T, url, email string) *halfRequest {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	half := len(body) / 2
	if _, err := fmt.Fprintf(conn, "POST /signup HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body[:half]); err != nil {
		t.Fatal(err)
	}
	return &halfRequest{conn, string(body[half:])}
}

// finish returns the status of the answer.
func (r *halfRequest) finish(t *testing.T) int {
	t.Helper()
	if err := r.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(r.conn, r.rest); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(r.conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// awaitRefusal waits until nobody takes connections.
func awaitRefusal(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(requestTimeout); time.Now().Before(end); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("a server that was told to stop goes on taking connections")
}
