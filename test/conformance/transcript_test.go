// Package conformance_test compares Postern with GoTrue over HTTP. It replays what
// the real server was recorded to answer, and serves a database that the real
// server wrote. Whatever differs on purpose is in the list of differences and
// explained in docs/differences.md; whatever else differs fails.
//
// The recordings are looked for beside the repository, or where the environment
// variable POSTERN_DATA_DIR says. Without them the tests are skipped, or fail
// when CI is "true": a run that counts leaves nothing out.
package conformance_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scenario is a recorded conversation. It depends on no other.
type scenario struct {
	area, name string // the file's and its own
	needs      string // the settings that matter, in words
	steps      []step
}

// step is a request and what the real server answered, or a mail that it sent.
type step struct {
	Scenario string              `json:"scenario"`
	Number   int                 `json:"step"`
	Instance string              `json:"instance"`
	WaitMS   int                 `json:"wait_ms"`
	Request  request             `json:"request"`
	Response response            `json:"response"`
	JWT      map[string]jwtParts `json:"jwt"` // of the access tokens first seen here, by placeholder
	Mail     *sentMail           `json:"mail"`
}

// request has at most one of Body, Raw and Repeat.
type request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with the query
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Raw     *string           `json:"raw_body"`
	Repeat  int               `json:"body_repeat"` // a password of so many letters
}

type response struct {
	Status  int            `json:"status"`
	Headers map[string]any `json:"headers"` // strings, of those in comparedHeaders
	Body    any            `json:"body"`    // a string when it is no JSON
}

// jwtParts are the two readable parts of an access token.
type jwtParts struct {
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
}

func (s step) String() string {
	if s.Mail != nil {
		return fmt.Sprintf("step %d mail", s.Number)
	}
	return fmt.Sprintf("step %d %s %s", s.Number, s.Request.Method, s.Request.Path)
}

// payload is the request's body, nil for none.
func (r request) payload() []byte {
	switch {
	case r.Repeat > 0:
		return fmt.Appendf(nil, `{"email":"big@example.com","password":%q}`, strings.Repeat("x", r.Repeat))
	case r.Raw != nil:
		return []byte(*r.Raw)
	}
	return r.Body
}

// wait is the pause before the step.
func (s step) wait() time.Duration { return time.Duration(s.WaitMS) * time.Millisecond }

// readTranscripts reads every scenario below a directory, in the order of the
// files and of the lines in them.
func readTranscripts(dir string) ([]scenario, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []scenario
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		area := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		scenarios, err := parseTranscript(area, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, scenarios...)
	}
	return all, nil
}

// parseTranscript reads one file: a line with "needs" begins a scenario, and its
// steps follow.
func parseTranscript(area string, text []byte) ([]scenario, error) {
	var all []scenario
	for i, line := range bytes.Split(text, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var header struct {
			Needs *string `json:"needs"`
		}
		var s step
		if err := cmp.Or(json.Unmarshal(line, &header), json.Unmarshal(line, &s)); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		switch {
		case header.Needs != nil:
			all = append(all, scenario{area: area, name: s.Scenario, needs: *header.Needs})
		case len(all) == 0 || all[len(all)-1].name != s.Scenario:
			return nil, fmt.Errorf("line %d: a step of %q outside of its scenario", i+1, s.Scenario)
		default:
			last := &all[len(all)-1]
			last.steps = append(last.steps, s)
		}
	}
	return all, nil
}

func TestTranscriptsAreReadLineByLine(t *testing.T) {
	t.Parallel()
	const text = `{"scenario":"a","needs":"nothing","instances":["auto"]}
{"scenario":"a","step":1,"instance":"auto","wait_ms":5,"request":{"method":"POST","path":"/x?y=1","headers":{"h":"v"},"body":{"b":1}},"response":{"status":200,"headers":{"content-type":"application/json"},"body":{"k":null}}}

{"scenario":"b","needs":"less","instances":["auto"]}
{"scenario":"b","step":1,"instance":"auto","request":{"method":"POST","path":"/x","raw_body":""},"response":{"status":204,"headers":{},"body":""}}
{"scenario":"b","step":2,"instance":"auto","request":{"method":"POST","path":"/x","body_repeat":3},"response":{"status":413,"headers":{},"body":""}}
{"scenario":"b","step":3,"instance":"auto","mail":{"to":"a@example.com","nth":1}}
`
	got, err := parseTranscript("area", []byte(text))
	if err != nil || len(got) != 2 || len(got[0].steps) != 1 || len(got[1].steps) != 3 {
		t.Fatalf("got %+v, %v; want two scenarios, of one and of three steps", got, err)
	}
	a, b := got[0].steps[0], got[1].steps
	for _, c := range []struct{ what, got, want string }{
		{"area", got[0].area, "area"},
		{"needs", got[1].needs, "less"},
		{"step", a.String(), "step 1 POST /x?y=1"},
		{"wait", a.wait().String(), "5ms"},
		{"body", string(a.Request.payload()), `{"b":1}`},
		{"empty body", fmt.Sprintf("%q", b[0].Request.payload()), `""`},
		{"repeated body", string(b[1].Request.payload()), `{"email":"big@example.com","password":"xxx"}`},
		{"mail", b[2].String(), "step 3 mail"},
		{"no body", fmt.Sprintf("%#v", b[2].Request.payload() == nil), "true"},
		{"answer", fmt.Sprint(a.Response.Status, a.Response.Headers, a.Response.Body), "200 map[content-type:application/json] map[k:<nil>]"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestBadTranscriptsAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON":            `{`,
		"step alone":         `{"scenario":"a","step":1}`,
		"step of another":    "{\"scenario\":\"a\",\"needs\":\"\"}\n{\"scenario\":\"b\",\"step\":1}",
		"step of wrong type": "{\"scenario\":\"a\",\"needs\":\"\"}\n{\"scenario\":\"a\",\"step\":\"1\"}",
	} {
		if got, err := parseTranscript("area", []byte(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

// sentMail is a mail that has to arrive.
type sentMail struct {
	To      string `json:"to"`
	Nth     int    `json:"nth"` // of those to the address, from 1
	Subject string `json:"subject"`
	Links   []any  `json:"links"` // the hrefs of its HTML
	OTP     any    `json:"otp"`   // nil where there is none to compare
}
