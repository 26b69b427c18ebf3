package webhook

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
)

// Endpoint is where an HTTP hook is answered (contract: config.md §3.2). Calls of
// it end after 5 seconds, in which it is tried three times at most, and follow no
// redirect.
type Endpoint struct {
	// URL begins with https. With http it can only be of localhost, 127.0.0.1,
	// [::1] or host.docker.internal. These may be wherever they are; any other host
	// has to have a public address.
	URL string
	// Secrets sign what is sent. There has to be one.
	Secrets Secrets
	// Networks may be reached although they are not public.
	Networks []netip.Prefix
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// GoTrue's figures (contract: config.md §3.2).
const (
	patience  = 5 * time.Second // over all attempts
	attempts  = 3
	pause     = 2 * time.Second
	maxAnswer = 200 << 10
)

// nearby are the hosts that need neither https nor a public address.
var nearby = []string{"localhost", "127.0.0.1", "::1", "host.docker.internal"}

// caller checks e and returns what calls it.
func (e Endpoint) caller() (*caller, error) {
	u, err := url.Parse(e.URL)
	if !isWebURL(u, err) {
		return nil, errors.New("the URL of an endpoint must begin with https:// and have a host")
	}
	policy := outbound.Policy{Timeout: patience, Networks: e.Networks}
	if slices.Contains(nearby, u.Hostname()) {
		policy.Hosts = []string{outbound.Host(e.URL)}
	} else if u.Scheme == "http" {
		return nil, errors.New("the URL of an endpoint must begin with https://, unless it is of this machine")
	}
	if len(e.Secrets) == 0 {
		return nil, errors.New("an endpoint needs a secret, to know what comes from here")
	}
	return &caller{newSender(e.URL, e.Secrets, e.Now, policy)}, nil
}

// caller is an Endpoint that was checked.
type caller struct{ *sender }

func (c *caller) call(parent context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(parent, patience)
	defer cancel()
	id := uuid.NewString()
	for try := 1; ; try++ {
		answer, again, err := c.attempt(ctx, id, payload)
		switch {
		case err == nil:
			return answer, nil
		case parent.Err() != nil:
			return nil, parent.Err()
		case ctx.Err() != nil:
			return nil, tooLate(err)
		case !again || try == attempts:
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, tooLate(err)
		}
	}
}

func tooLate(cause error) error {
	return failure(postern.KindUnprocessable, postern.ErrHookTimeout, cause,
		"Failed to reach hook within maximum time of %f seconds", patience.Seconds())
}

// attempt calls once. again says that another attempt may help.
func (c *caller) attempt(ctx context.Context, id string, payload []byte) (answer []byte, again bool, err error) {
	req, err := c.request(ctx, id, payload)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, true, failure(postern.KindUnprocessable, postern.ErrHookTimeoutAfterRetry, withoutURL(err),
			"Failed to reach hook after maximum retries")
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNoContent:
		return nil, false, nil
	case http.StatusOK, http.StatusAccepted:
		answer, err = read(res)
		return answer, false, err
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return nil, res.Header.Get("Retry-After") != "", unusable("Service currently unavailable due to hook")
	case http.StatusBadRequest:
		return nil, false, unusable("Invalid payload sent to hook")
	case http.StatusUnauthorized:
		return nil, false, unusable("Hook requires authorization token")
	}
	return nil, false, unusable("Unexpected status code returned from hook: %d", res.StatusCode)
}

func unusable(format string, args ...any) error {
	return failure(postern.KindInternal, postern.ErrUnexpectedFailure, nil, format, args...)
}

// read reads an answer, which has to be JSON.
func read(res *http.Response) ([]byte, error) {
	badType := func(format string, args ...any) error {
		return failure(postern.KindInvalid, postern.ErrHookPayloadInvalidContentType, nil, format, args...)
	}
	given := res.Header.Get("Content-Type")
	if given == "" {
		return nil, badType("Invalid Content-Type: Missing Content-Type header")
	}
	kind, _, err := mime.ParseMediaType(given)
	if err != nil {
		return nil, badType("Invalid Content-Type header: %v", err)
	}
	if kind != "application/json" {
		return nil, badType("Invalid JSON response. Received content-type: %s", given)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, failure(postern.KindInternal, postern.ErrUnexpectedFailure, err, "The hook's answer could not be read")
	case len(body) > maxAnswer:
		return nil, failure(postern.KindUnprocessable, postern.ErrHookPayloadOverSizeLimit, nil,
			"Payload size exceeded size limit of %d bytes", maxAnswer)
	case len(body) == 0:
		return nil, unreadable(io.ErrUnexpectedEOF)
	}
	return body, nil
}
