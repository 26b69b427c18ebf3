package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	case !isWebURL(u, err):
		return postern.Subscriber{}, errors.New("webhook: the endpoint must be an absolute http or https URL")
	case len(secrets) == 0:
		return postern.Subscriber{}, errors.New("webhook: without a secret nobody can tell who sent an event")
	}
	e := eventEndpoint{newSender(endpoint, secrets, o.Now, outbound.Policy{Hosts: []string{outbound.Host(endpoint)}})}
	return postern.Subscriber{Name: name, Types: o.Types, Deliver: e.deliver}, nil
}

type eventEndpoint struct{ *sender }

func (e *eventEndpoint) deliver(ctx context.Context, event postern.Event) error {
	body, err := json.Marshal(struct {
		Type      postern.EventType `json:"type"`
		Timestamp time.Time         `json:"timestamp"`
		Data      postern.Metadata  `json:"data"`
	}{event.Type, event.CreatedAt, event.Data})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	req, err := e.request(ctx, event.ID.String(), body)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("webhook: %w", withoutURL(err))
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("webhook: the endpoint answered %d", res.StatusCode)
	}
	return nil
}
