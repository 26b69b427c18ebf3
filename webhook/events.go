package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/outbound"
)

// EventOptions say more of a subscriber.
type EventOptions struct {
	// Types are those that it is told of. Empty: of all.
	Types []postern.EventType
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Subscriber is told of events by requests to an endpoint: a POST of JSON, {"type":
// "user.created", "timestamp": …, "data": …}, where data is a postern.EventData, signed
// with secrets. Its Webhook-Id is that of the event, the same in every attempt.
//
// Any status from 200 to 299 says that the event was taken. After anything else, a
// redirect too, and after 10 seconds without an answer it is sent again, as
// postern.Subscriber says. The host of endpoint may have whatever address.
func Subscriber(name, endpoint string, secrets Secrets, o EventOptions) (postern.Subscriber, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "": // the error would show a password in it
		return postern.Subscriber{}, errors.New("webhook: the endpoint must be an absolute http or https URL")
	case len(secrets) == 0:
		return postern.Subscriber{}, errors.New("webhook: without a secret nobody can tell who sent an event")
	}
	e := eventEndpoint{
		url: endpoint, secrets: secrets, now: o.Now,
		client: outbound.NewClient(outbound.Policy{Hosts: []string{outbound.Host(endpoint)}}),
	}
	if e.now == nil {
		e.now = time.Now
	}
	return postern.Subscriber{Name: name, Types: o.Types, Deliver: e.deliver}, nil
}

type eventEndpoint struct {
	url     string
	secrets Secrets
	now     func() time.Time
	client  *http.Client
}

func (e *eventEndpoint) deliver(ctx context.Context, event postern.Event) error {
	body, err := json.Marshal(struct {
		Type      postern.EventType `json:"type"`
		Timestamp time.Time         `json:"timestamp"`
		Data      postern.Metadata  `json:"data"`
	}{event.Type, event.CreatedAt, event.Data})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("webhook: no request can be made to the endpoint")
	}
	req.Header.Set("Content-Type", "application/json")
	e.secrets.sign(req.Header, event.ID.String(), e.now(), body)
	res, err := e.client.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the URL, in which there may be secrets
		}
		return fmt.Errorf("webhook: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("webhook: the endpoint answered %d", res.StatusCode)
	}
	return nil
}
