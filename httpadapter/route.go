package httpadapter

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

type middleware = func(http.Handler) http.Handler

// route is a line of the table of routes. A segment of its path in braces
// stands for any segment, which the endpoint reads with r.PathValue.
type route struct {
	method string
	path   string
	serve  endpoint
}

// node is a segment of the paths in the table of routes; the root of the tree
// finds the endpoint for a request. http.ServeMux does not answer as GoTrue
// does: it redirects to paths that it thinks cleaner, serves HEAD wherever there
// is a GET, and writes a body with status 405.
type node struct {
	children  map[string]*node
	parameter *node  // for any other segment
	name      string // of the path value that a parameter's segment becomes
	guard     middleware
	endpoints map[string]endpoint // by method
	slash     bool                // a slash may follow
	path      string              // as in the table, without a slash at its end
}

// newTree grows the tree of a table. The guard of a group stands before all that
// its path or a longer one leads to, even to nothing.
func newTree(groups map[string]middleware, table []route) *node {
	root := &node{}
	for path, guard := range groups {
		root.grow(path).guard = guard
	}
	for _, line := range table {
		path, slash := strings.CutSuffix(line.path, "/")
		n := root.grow(path)
		n.slash, n.path = slash, path
		if n.endpoints == nil {
			n.endpoints = map[string]endpoint{}
		}
		n.endpoints[line.method] = line.serve
	}
	return root
}

// grow returns the node of a path in the table, which it makes if need be.
func (n *node) grow(path string) *node {
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		n = n.growChild(segment)
	}
	return n
}

func (n *node) growChild(segment string) *node {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		if n.parameter == nil {
			n.parameter = &node{name: strings.TrimSuffix(name, "}")}
		}
		return n.parameter
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if n.children[segment] == nil {
		n.children[segment] = &node{}
	}
	return n.children[segment]
}

// ServeHTTP serves a request by the endpoint that the table has for it.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	end, guard := n.find(r)
	if x := exchangeOf(r); x != nil && end != nil && end.endpoints != nil {
		x.record.Route = end.path
	}
	serve := http.Handler(http.HandlerFunc(end.serve))
	if guard != nil {
		serve = guard(serve)
	}
	serve.ServeHTTP(w, r)
}

// find follows the path of a request to its end, nil if it leads nowhere, and
// returns the guard that it passes on the way.
func (n *node) find(r *http.Request) (end *node, guard middleware) {
	rest, more := strings.CutPrefix(r.URL.Path, "/")
	if !more {
		return nil, nil
	}
	for more {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "" && !more && n.slash {
			break
		}
		if n = n.child(r, segment); n == nil {
			break
		}
		if n.guard != nil {
			guard = n.guard
		}
	}
	return n, guard
}

func (n *node) child(r *http.Request, segment string) *node {
	if child := n.children[segment]; child != nil {
		return child
	}
	if n.parameter == nil || segment == "" {
		return nil
	}
	r.SetPathValue(n.parameter.name, segment)
	return n.parameter
}

// serve answers a request whose path ends at n.
func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	if n == nil || n.endpoints == nil {
		http.NotFound(w, r)
		return
	}
	if e, ok := n.endpoints[r.Method]; ok {
		e.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(n.endpoints)), ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
}
