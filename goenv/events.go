package goenv

import (
	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/webhook"
)

// events is about the webhook that GoTrue does not have. The name of its subscriber
// stays, whatever becomes of the URL: what waits goes to the new one.
func events(r *reader, s *Settings) {
	url := r.webURL("POSTERN_EVENTS_WEBHOOK_URL")
	name, text := r.secret("POSTERN_EVENTS_WEBHOOK_SECRETS")
	var all []string
	for _, t := range postern.EventTypes() {
		all = append(all, string(t))
	}
	var options webhook.EventOptions
	for _, t := range r.choices("POSTERN_EVENTS_WEBHOOK_TYPES", all...) {
		options.Types = append(options.Types, postern.EventType(t))
	}
	switch {
	case url == "":
		return
	case text == "":
		r.mistake("%s is missing; with POSTERN_EVENTS_WEBHOOK_URL set, events have to be signed", name)
		return
	}
	secrets, err := webhook.ParseSecrets(text)
	if r.wrong(name, bare(err)); err != nil {
		return
	}
	subscriber, err := webhook.Subscriber("webhook", url, secrets, options)
	if r.wrong("POSTERN_EVENTS_WEBHOOK_URL", bare(err)); err == nil {
		s.Config.Subscribers = append(s.Config.Subscribers, subscriber)
	}
}
