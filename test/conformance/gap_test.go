package conformance_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// gap is a feature that is not served yet, and the steps that need it. The list
// shrinks as features come: one that no recorded step needs fails the test.
type gap struct {
	feature string

	// routes are "METHOD /path" or, for every method, "/path". A path that ends
	// in * stands for all that begin like it; one with a query has to be equal.
	routes []string

	// when narrows routes to the steps for which it is true.
	when func(step) bool
}

var gaps = []gap{
	{feature: "single sign-on", routes: []string{"/sso*"}},
	{feature: "OAuth 2.1 server", routes: []string{"/oauth/*"}},
}

// covers reports whether a step needs the feature.
func (g gap) covers(s step) bool {
	on := g.routes == nil || slices.ContainsFunc(g.routes, func(route string) bool { return s.Request.on(route) })
	return on && (g.when == nil || g.when(s))
}

// on reports whether a request is for a route, as gap.routes are written.
func (r request) on(route string) bool {
	method, path, found := strings.Cut(route, " ")
	if !found {
		method, path = r.Method, route
	}
	if method != r.Method {
		return false
	}
	if strings.Contains(path, "?") {
		return path == r.Path
	}
	got, _, _ := strings.Cut(r.Path, "?")
	if prefix, all := strings.CutSuffix(path, "*"); all {
		return strings.HasPrefix(got, prefix)
	}
	return got == path
}

// gapOf returns the index of the gap that a step falls into, or -1.
func gapOf(s step) int {
	return slices.IndexFunc(gaps, func(g gap) bool { return g.covers(s) })
}

// leavesNoTrace reports whether what follows a step can be played without it:
// the real server refused it, or it only looked at something.
func leavesNoTrace(s step) bool {
	return s.Mail == nil && (s.Response.Status >= http.StatusBadRequest ||
		s.Request.Method == http.MethodGet && s.Response.Status == http.StatusOK)
}

// tally counts what a run played.
type tally struct {
	played atomic.Int64
	left   []atomic.Int64 // by gap
}

func newTally() *tally { return &tally{left: make([]atomic.Int64, len(gaps))} }

// log says how far the run came, and fails for gaps that nothing falls into.
func (y *tally) log(t *testing.T) {
	t.Helper()
	var left int64
	for i := range y.left {
		n := y.left[i].Load()
		left += n
		if n == 0 {
			t.Errorf("no step needs %q: take it off the list of gaps", gaps[i].feature)
		}
		t.Logf("%4d steps not yet: %s", n, gaps[i].feature)
	}
	t.Logf("%4d steps played, %d not yet", y.played.Load(), left)
}

func TestGapsAreFoundByRoute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, route string
		want                bool
	}{
		{"POST", "/verify", "/verify", true},
		{"GET", "/verify?token=x", "/verify", true},
		{"GET", "/verify/x", "/verify", false},
		{"DELETE", "/user/identities/1", "DELETE /user/identities/*", true},
		{"GET", "/user/identities/1", "DELETE /user/identities/*", false},
		{"POST", "/token?grant_type=pkce", "POST /token?grant_type=pkce", true},
		{"POST", "/token?grant_type=password", "POST /token?grant_type=pkce", false},
	} {
		if got := (request{Method: c.method, Path: c.path}).on(c.route); got != c.want {
			t.Errorf("%s %s on %q: got %v, want %v", c.method, c.path, c.route, got, c.want)
		}
	}
}
