package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answer is what a server said, in the form of a recorded response.
type answer struct {
	status  int
	headers map[string]any // strings, of those in comparedHeaders
	body    any            // a string when it is no JSON
	raw     []byte         // the body as it came
	cookie  string         // that was set
}

// comparedHeaders are compared when they are on either side.
var comparedHeaders = []string{
	"content-type", "location", "x-total-count", "link", "cache-control", "allow", "vary", "x-sb-error-code",
	"x-supabase-api-version", "access-control-allow-origin", "access-control-allow-credentials",
	"access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers",
	"access-control-max-age", "sb-auth-user-id", "sb-auth-session-id", "sb-auth-refresh-token-prefix",
	"sb-auth-refresh-token-counter", "sb-auth-refresh-token-reuse", "sb-auth-refresh-token-reuse-cause",
	"sb-auth-refresh-token-rotated", "www-authenticate", "retry-after",
}

// client neither follows redirects nor asks for compression.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send makes a request as it is written.
func send(ctx context.Context, base string, r request) (*answer, error) {
	var body io.Reader
	if payload := r.payload(); payload != nil {
		body = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, body)
	if err != nil {
		return nil, err
	}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return &answer{status: res.StatusCode, headers: readHeaders(res.Header), body: readBody(res.Header, text), raw: text, cookie: res.Header.Get("Set-Cookie")}, nil
}

func readHeaders(h http.Header) map[string]any {
	read := map[string]any{}
	for _, name := range comparedHeaders {
		values := h.Values(name)
		switch {
		case values == nil:
		case name == "allow":
			read[name] = sortedList(values)
		default:
			read[name] = strings.Join(values, ", ")
		}
	}
	return read
}

// sortedList is a header's list of names in order, however it was sent.
func sortedList(values []string) string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		names = append(names, strings.TrimSpace(name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// readBody is the JSON value that a body says it is, or its text.
func readBody(h http.Header, text []byte) any {
	var value any
	if strings.Contains(h.Get("content-type"), "json") && len(text) > 0 && json.Unmarshal(text, &value) == nil {
		return value
	}
	return string(text)
}

// The rest is for tests that talk to an instance without a recording.

// call sends a JSON body, "" for none, with headers given as name and value in turn.
func (i *instance) call(t testing.TB, method, path, body string, headers ...string) *answer {
	t.Helper()
	r := request{Method: method, Path: path, Headers: map[string]string{}}
	if body != "" {
		r.Body = json.RawMessage(body)
		r.Headers["content-type"] = "application/json"
	}
	for n := 0; n < len(headers); n += 2 {
		r.Headers[headers[n]] = headers[n+1]
	}
	a, err := send(context.Background(), i.url, r)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return &answer{}
	}
	return a
}

// is reports a status, or an error code with it, that is not the wanted one.
func (a *answer) is(t testing.TB, doing string, status int, code string) *answer {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("%s: got %d %s %s, want %d %s", doing, a.status, a.code(), short(a.body), status, code)
	}
	return a
}

// code is the answer's error code, "" for none.
func (a *answer) code() string {
	code, _ := a.member("error_code").(string)
	return code
}

// member is a value inside of a JSON answer, nil when there is none.
func (a *answer) member(path ...string) any {
	at := a.body
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	return at
}

// text is a string inside of a JSON answer, "" when there is none.
func (a *answer) text(path ...string) string {
	text, _ := a.member(path...).(string)
	return text
}

func bearer(token string) (name, value string) { return "authorization", "Bearer " + token }

func TestHeadersAreReadAsTheyAreRecorded(t *testing.T) {
	t.Parallel()
	h := http.Header{"Allow": {"POST, GET", "DELETE"}, "Vary": {"Origin", "Accept"}, "Date": {"today"}}
	got := readHeaders(h)
	if len(got) != 2 || got["allow"] != "DELETE, GET, POST" || got["vary"] != "Origin, Accept" {
		t.Errorf("got %v, want allow sorted, vary joined, and nothing else", got)
	}
}
