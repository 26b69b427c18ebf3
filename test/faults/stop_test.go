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

// halfRequest is a sign-up that the server has begun to serve, and whose second half
// has not been sent yet.
type halfRequest struct {
	conn    net.Conn
	answers *bufio.Reader
	rest    string
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
	if _, err := fmt.Fprintf(conn, "POST /signup HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", host, len(body)); err != nil {
		t.Fatal(err)
	}
	r := &halfRequest{conn: conn, answers: bufio.NewReader(conn)}
	if got := r.answer(t); got != http.StatusContinue { // sent when somebody begins to read the body
		t.Fatalf("got status %d, want 100", got)
	}
	half := len(body) / 2
	if _, err := conn.Write(body[:half]); err != nil {
		t.Fatal(err)
	}
	r.rest = string(body[half:])
	return r
}

// finish returns the status of the answer.
func (r *halfRequest) finish(t *testing.T) int {
	t.Helper()
	if _, err := io.WriteString(r.conn, r.rest); err != nil {
		t.Fatal(err)
	}
	return r.answer(t)
}

func (r *halfRequest) answer(t *testing.T) int {
	t.Helper()
	if err := r.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r.answers, nil)
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
