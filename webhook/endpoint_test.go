package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
)

// answers are what an endpoint in memory says, one after the other; the last of
// them for ever.
type answers struct {
	of   []func(*http.Request) (*http.Response, error)
	seen []*http.Request
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	answer := a.of[min(len(a.seen), len(a.of)-1)]
	a.seen = append(a.seen, r)
	return answer(r)
}

// in returns a client as endpoints are called with, that gets to these answers alone.
func in(a *answers) *http.Client {
	client := outbound.NewClient(outbound.Policy{Timeout: patience})
	client.Transport = a
	return client
}

func says(status int, header, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		if name, value, ok := strings.Cut(header, ": "); ok {
			h.Set(name, value)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// hangs answers when whoever asked has given up.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func unreachable(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// dribbles begins an answer and never ends it.
func dribbles(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
	go func() {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
		}
	}()
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}

// Contract: config.md §3.2.
func TestWhatComesOfAnEndpointsAnswers(t *testing.T) {
	t.Parallel()
	const json = "Content-Type: application/json"
	again := says(503, "Retry-After: 120", "")
	for name, test := range map[string]struct {
		answers  []func(*http.Request) (*http.Response, error)
		attempts int
		kind     postern.Kind
		code     postern.Code
		message  string // "" for success
	}{
		"ok":               {of(says(200, json, `{}`)), 1, 0, "", ""},
		"accepted":         {of(says(202, json+"; charset=utf-8", `{}`)), 1, 0, "", ""},
		"nothing to say":   {of(says(204, "", "")), 1, 0, "", ""},
		"busy, then there": {of(again, says(200, json, `{}`)), 2, 0, "", ""},
		"away, then there": {of(unreachable, unreachable, says(200, json, `{}`)), 3, 0, "", ""},
		"hangs":            {of(hangs), 1, postern.KindUnprocessable, postern.ErrHookTimeout, "Failed to reach hook within maximum time of 5.000000 seconds"},
		"dribbles":         {of(dribbles), 1, postern.KindUnprocessable, postern.ErrHookTimeout, "Failed to reach hook within maximum time of 5.000000 seconds"},
		"away":             {of(unreachable), 3, postern.KindUnprocessable, postern.ErrHookTimeoutAfterRetry, "Failed to reach hook after maximum retries"},
		"always busy":      {of(again), 3, postern.KindInternal, postern.ErrUnexpectedFailure, "Service currently unavailable due to hook"},
		"too many":         {of(says(429, "Retry-After: 1", "")), 3, postern.KindInternal, postern.ErrUnexpectedFailure, "Service currently unavailable due to hook"},
		"busy for good":    {of(says(503, "", "")), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Service currently unavailable due to hook"},
		"too many at all":  {of(says(429, "", "")), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Service currently unavailable due to hook"},
		"bad request":      {of(says(400, json, `{}`)), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Invalid payload sent to hook"},
		"no authorization": {of(says(401, json, `{}`)), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Hook requires authorization token"},
		"redirect":         {of(says(307, "Location: https://elsewhere.example/", "")), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Unexpected status code returned from hook: 307"},
		"broken":           {of(says(500, json, `{}`)), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Unexpected status code returned from hook: 500"},
		"no type":          {of(says(200, "", `{}`)), 1, postern.KindInvalid, postern.ErrHookPayloadInvalidContentType, "Invalid Content-Type: Missing Content-Type header"},
		"a type that is none": {of(says(200, "Content-Type: ;;", `{}`)), 1, postern.KindInvalid, postern.ErrHookPayloadInvalidContentType,
			"Invalid Content-Type header: mime: no media type"},
		"a page": {of(says(200, "Content-Type: text/html; charset=utf-8", `<p>`)), 1, postern.KindInvalid, postern.ErrHookPayloadInvalidContentType,
			"Invalid JSON response. Received content-type: text/html; charset=utf-8"},
		"as long as may be": {of(says(200, json, `{}`+strings.Repeat(" ", maxAnswer-2))), 1, 0, "", ""},
		"too long": {of(says(200, json, `{}`+strings.Repeat(" ", maxAnswer-1))), 1, postern.KindUnprocessable, postern.ErrHookPayloadOverSizeLimit,
			"Payload size exceeded size limit of 204800 bytes"},
		"nothing where something should be": {of(says(200, json, "")), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Error unmarshaling JSON output."},
		"garbage":                           {of(says(200, json, "\x00\xff")), 1, postern.KindInternal, postern.ErrUnexpectedFailure, "Error unmarshaling JSON output."},
	} {
		synctest.Test(t, func(t *testing.T) {
			endpoint := &answers{of: test.answers}
			c := caller{&sender{url: "https://hooks.example/", secrets: mustParse(t, oneSecret), now: time.Now, client: in(endpoint)}}
			start := time.Now()
			err := Through(c.call).BeforeUserCreated(t.Context(), someUser())
			e, _ := errors.AsType[*postern.Error](err)
			switch {
			case len(endpoint.seen) != test.attempts:
				t.Errorf("%s: got %d attempts, want %d", name, len(endpoint.seen), test.attempts)
			case test.message == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case test.message != "" && (e == nil || e.Kind != test.kind || e.Code != test.code || e.Message != test.message):
				t.Errorf("%s: got %v, want %s of kind %d: %s", name, err, test.code, test.kind, test.message)
			case time.Since(start) > patience:
				t.Errorf("%s: took %v", name, time.Since(start))
			}
			for _, r := range endpoint.seen { // the message stays the same one
				body, _ := io.ReadAll(r.Body)
				if r.Header.Get("Webhook-Id") != endpoint.seen[0].Header.Get("Webhook-Id") || mustParse(t, oneSecret).Verify(r.Header, body, time.Now()) != nil {
					t.Errorf("%s: got headers %v", name, r.Header)
				}
			}
			synctest.Wait()
		})
	}
}

func of(answers ...func(*http.Request) (*http.Response, error)) []func(*http.Request) (*http.Response, error) {
	return answers
}

func TestWhoGivesUpIsNotToldOfAHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := caller{&sender{url: "https://hooks.example/", now: time.Now, client: in(&answers{of: of(hangs)})}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.call(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, postern.ErrHookTimeout) {
			t.Errorf("got %v, want the end of the request", err)
		}
	})
}

func TestEndpointOverHTTP(t *testing.T) {
	t.Parallel()
	secrets := mustParse(t, otherSecret+"|"+oneSecret)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || mustParse(t, oneSecret).Verify(r.Header, body, time.Now()) != nil {
			t.Errorf("got a request that is not signed: %v", r.Header)
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("got %s with %v", r.Method, r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"error":{"http_code":403,"message":"not today"}}`)
	}))
	t.Cleanup(server.Close)
	h, err := New(Endpoint{URL: server.URL, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	refusal, ok := errors.AsType[*postern.HookError](h.BeforeUserCreated(t.Context(), someUser()))
	if !ok || *refusal != (postern.HookError{HTTPCode: 403, Message: "not today"}) {
		t.Errorf("got %v, want the endpoint's refusal", refusal)
	}
}

func TestEndpointsThatMayNotBe(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"https://hooks.example/":         true,
		"https://localhost:8443/":        true,
		"http://localhost:8080/a":        true,
		"http://127.0.0.1/":              true,
		"http://[::1]:80/":               true,
		"http://host.docker.internal/":   true,
		"http://hooks.example/":          false,
		"http://localhost.example/":      false,
		"http://127.0.0.2/":              false,
		"http://localhost@hooks.example": false,
		"ftp://localhost/":               false,
		"pg-functions://a/b/c":           false,
		"https://":                       false,
		"hooks.example":                  false,
		"https://u:canary@%zz":           false,
	} {
		_, err := New(Endpoint{URL: url, Secrets: mustParse(t, oneSecret)})
		if (err == nil) != good {
			t.Errorf("%s: got %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the mistake shows the URL: %v", err)
		}
	}
	if _, err := New(Endpoint{URL: "https://hooks.example/"}); err == nil {
		t.Error("an endpoint without a secret was accepted")
	}
}

// Names of this machine may be of it. Whatever else turns out to be is not called.
func TestEndpointsNetworkIsGuarded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(server.Close)
	payload := []byte(`{}`)
	for name, test := range map[string]struct {
		networks []netip.Prefix
		want     bool
	}{
		"no network":      {nil, false},
		"another network": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, false},
		"the network":     {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true},
	} {
		e := Endpoint{URL: strings.Replace(server.URL, "http://127.0.0.1", "https://[::ffff:127.0.0.1]", 1), Secrets: mustParse(t, oneSecret), Networks: test.networks}
		call, err := e.caller()
		if err != nil {
			t.Fatal(err)
		}
		call.url = strings.Replace(call.url, "https:", "http:", 1) // the server has no certificate
		_, _, err = call.attempt(t.Context(), "1", payload)
		if (err == nil) != test.want {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && strings.Contains(fmt.Sprint(err), call.url) {
			t.Errorf("%s: the error shows the URL: %v", name, err)
		}
	}
}
