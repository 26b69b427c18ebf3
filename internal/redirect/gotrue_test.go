package redirect_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/redirect"
)

// step is what this test needs of a recorded request and its answer.
type step struct {
	Scenario string
	Request  struct {
		Method, Path string
	}
	Response struct {
		Headers struct{ Location string }
		Body    json.RawMessage
	}
	Mail struct{ Links []string }
}

var files = []string{"verify.jsonl", "pkce.jsonl", "otp-recover-resend.jsonl", "generate-link.jsonl", "signup.jsonl", "user.jsonl"}

// recorded returns the steps of a file of recordings of a GoTrue server. What
// changes from run to run stands in braces there and gets values that need no
// encoding.
func recorded(t *testing.T, name string) (steps []step) {
	t.Helper()
	text := envtest.ReadGoTrue(t, "transcripts", "transcripts", name)
	text = bytes.ReplaceAll(text, []byte("{{base_"), []byte("http://{{"))
	text = regexp.MustCompile(`\{\{(\w+):?(\w*)\}\}`).ReplaceAll(text, []byte("$1-$2"))
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		steps = append(steps, s)
	}
	return steps
}

// What GoTrue answered at /verify is what the builders make of the target that
// was asked for and the parameters that it sent there.
func TestLocationsOfGoTrueAreOurs(t *testing.T) {
	t.Parallel()
	l := list(t, "http://127.0.0.1:3000", "http://127.0.0.1:3000/**")
	seen := 0
	for _, file := range files {
		for _, s := range recorded(t, file) {
			location := s.Response.Headers.Location
			if location == "" {
				continue
			}
			seen++
			if got := rebuilt(t, l, s); got != location {
				t.Errorf("%s %s:\ngot  %s\nwant %s", file, s.Scenario, got, location)
			}
		}
	}
	if seen == 0 {
		t.Error("found no redirects")
	}
}

// rebuilt makes the Location of s from the request's target and the parameters.
func rebuilt(t *testing.T, l *redirect.List, s step) string {
	t.Helper()
	request, err := url.Parse(s.Request.Path)
	if err != nil {
		t.Fatal(err)
	}
	target, ok := l.Check(request.Query().Get("redirect_to"))
	if !ok {
		target = "http://127.0.0.1:3000"
	}
	front, fragment, _ := strings.Cut(s.Response.Headers.Location, "#")
	params, err := url.ParseQuery(fragment)
	if err != nil {
		t.Fatal(err)
	}
	switch inQuery := front != target; {
	case params.Has("access_token"):
		return redirect.Tokens(target, params)
	case inQuery && fragment == "":
		return redirect.Query(target, url.Values{"code": {strings.TrimPrefix(front, target+"?code=")}})
	case inQuery:
		params.Del("sb")
		return redirect.QueryAndFragment(target, params)
	}
	return redirect.Fragment(target, params)
}

func TestLinksOfGoTrueAreOurs(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range files {
		for _, s := range recorded(t, file) {
			for _, link := range s.links() {
				seen++
				u, err := url.Parse(link)
				if err != nil {
					t.Fatal(err)
				}
				q := u.Query()
				if got := redirect.MailLink("http://"+u.Host, u.Path, q.Get("token"), q.Get("type"), q.Get("redirect_to")); got != link {
					t.Errorf("%s %s:\ngot  %s\nwant %s", file, s.Scenario, got, link)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("found no links")
	}
}

// links are those of a mail and those that an administrator was given.
func (s step) links() []string {
	var body struct {
		Link string `json:"action_link"`
	}
	if json.Unmarshal(s.Response.Body, &body) == nil && body.Link != "" {
		return append(s.Mail.Links, body.Link)
	}
	return s.Mail.Links
}
