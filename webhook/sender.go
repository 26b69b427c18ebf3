package webhook

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-auth/postern/internal/outbound"
)

// sender sends signed messages to one URL.
type sender struct {
	url     string
	secrets Secrets
	now     func() time.Time
	client  *http.Client
}

// newSender returns a sender; a nil clock is time.Now.
func newSender(url string, secrets Secrets, now func() time.Time, p outbound.Policy) *sender {
	if now == nil {
		now = time.Now
	}
	return &sender{url: url, secrets: secrets, now: now, client: outbound.NewClient(p)}
}

// request is a message with an id, signed now.
func (s *sender) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	s.secrets.sign(req.Header, id, s.now(), body)
	return req, nil
}

// isWebURL reports whether a URL is an absolute one of http or https. Errors about one
// that is not must not show it: there may be a password in it.
func isWebURL(u *url.URL, err error) bool {
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// withoutURL is an error of a call without its URL, in which there may be secrets.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
