package outbound

import (
	"context"
	"net/http"
)

// Watcher is told of a call before it is made, and calls what it returns when the
// head of the answer is there, or will not come.
type Watcher func(r *http.Request) (answered func(status int, err error))

type watcherKey struct{}

// WithWatcher returns a context whose calls w is told of, as net/http/httptrace has
// it for what goes on within one.
func WithWatcher(ctx context.Context, w Watcher) context.Context {
	return context.WithValue(ctx, watcherKey{}, w)
}

// watched is RoundTrip with whoever watches told of it.
func watched(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	watch, ok := r.Context().Value(watcherKey{}).(Watcher)
	if !ok {
		return next.RoundTrip(r)
	}
	answered := watch(r)
	res, err := next.RoundTrip(r)
	if err != nil {
		answered(0, err)
		return nil, err
	}
	answered(res.StatusCode, nil)
	return res, nil
}
