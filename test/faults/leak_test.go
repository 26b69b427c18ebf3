//go:build unix

package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

// The tests in this file count the goroutines of the whole process. They do not
// call t.Parallel, so that nothing runs beside them: tests that do wait until the
// others are done.

// eachDatabaseAlone is eachDatabase for one after the other.
func eachDatabaseAlone(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteURL(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.New(t)) })
}

// Guarantee G39.
func TestStartsAndStopsLeaveNoGoroutine(t *testing.T) {
	eachDatabaseAlone(t, func(t *testing.T, url string) {
		before := runtime.NumGoroutine()
		const services = 50
		n := rounds(20, 100)
		for range n {
			openAndClose(t, url, services)
		}
		left := checkGoroutines(t, before)
		tally{rounds: n, faults: n * services, lost: left}.log(t)
	})
}

// openAndClose opens a database and starts and stops services on it.
func openAndClose(t *testing.T, url string, services int) {
	t.Helper()
	st, err := openURL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range services {
		a := newAuth(t, st)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		w := httptest.NewRecorder()
		httpadapter.New(a, httpadapter.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/settings", nil))
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) || w.Code != http.StatusOK {
			t.Fatalf("got status %d, and Run ended with %v", w.Code, err)
		}
	}
}

// Guarantee G39.
func TestAbortedRequestsLeaveNothing(t *testing.T) {
	eachDatabaseAlone(t, func(t *testing.T, url string) {
		before := runtime.NumGoroutine()
		n := rounds(2000, 10_000)
		abortMany(t, url, n)
		left := checkGoroutines(t, before)
		tally{rounds: 1, faults: n, lost: left}.log(t)
	})
}

func abortMany(t *testing.T, url string, times int) {
	t.Helper()
	st, err := openURL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(quiet(t, st))
	defer server.Close()
	c := newClient(t, server.URL)
	defer c.http.CloseIdleConnections()
	a, err := c.signUp(t.Context(), "ada@example.com")
	token := must(t, a, err).text("access_token")

	abort(t, server.Listener.Addr().String(), token, times)

	if a, err := c.do(t.Context(), "GET", "/user", token, nil); err != nil || !a.ok() {
		t.Errorf("afterwards: got %v and error %v, want the user", a, err)
	}
	if busy := settled(func() int { return st.DB().Stats().InUse }); busy != 0 {
		t.Errorf("%d connections to the database are still in use", busy)
	}
}

func quiet(t *testing.T, st *store.Store) http.Handler {
	return httpadapter.New(newAuth(t, st), httpadapter.Options{Logger: slog.New(slog.DiscardHandler)})
}

// abort sends requests of several kinds and hangs up: before the end of the
// request, right after it, or when the answer begins.
func abort(t *testing.T, address, token string, times int) {
	t.Helper()
	var all sync.WaitGroup
	const workers = 16
	for w := range workers {
		all.Go(func() {
			for i := w; i < times; i += workers {
				if err := hangUp(address, rawRequest(i, token), i%3 == 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// rawRequest returns one of several requests, of which not all are whole.
func rawRequest(i int, token string) string {
	credentials := fmt.Sprintf(`{"email":"eve-%d@example.com","password":"correct horse"}`, i)
	post := func(path string, length int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, length, credentials)
	}
	switch i % 5 {
	case 0:
		return "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	case 1:
		return "PUT /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bear"
	case 2:
		return post("/signup", len(credentials))
	case 3:
		return post("/signup", 1000)
	}
	return post("/token?grant_type=password", len(credentials))
}

func hangUp(address, request string, read bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	if read {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, _ = conn.Read(make([]byte, 1)) // whether it comes or not
	}
	return conn.(*net.TCPConn).SetLinger(0) // a reset, so that the server learns of it at once
}

// checkGoroutines fails if there are more goroutines than before, and returns how many
// more.
func checkGoroutines(t *testing.T, before int) int {
	t.Helper()
	after := settled(func() int { return max(0, runtime.NumGoroutine()-before) })
	if after > 0 {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines are left\n%s", after, &stacks)
	}
	return after
}

// settled waits for a number to become 0, for as long as anything that was begun
// may take, and returns what it is in the end.
func settled(number func() int) int {
	for end := time.Now().Add(requestTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if number() == 0 {
			return 0
		}
	}
	return number()
}
