package postern

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// EventType says what an event tells of.
type EventType string

const (
	// EventUserCreated tells of a new account, confirmed or not.
	EventUserCreated EventType = "user.created"
	// EventUserUpdated tells that an account says something else: EventData.Changed.
	// When it was last mailed to or signed in is no such thing.
	EventUserUpdated EventType = "user.updated"
	// EventUserDeleted tells that an account was deleted, hard or softly, and all that
	// it had with it.
	EventUserDeleted EventType = "user.deleted"
	// EventPasswordChanged tells that a password was set, replaced or removed.
	EventPasswordChanged EventType = "user.password_changed"
	// EventSignedIn tells of a new session.
	EventSignedIn EventType = "user.signed_in"
	// EventSignedOut tells that sessions were ended before their time: by signing out,
	// a new password, a second factor, the reuse of a refresh token, or because the
	// account turned out to be somebody else's.
	EventSignedOut EventType = "user.signed_out"

	// EventIdentityLinked and EventIdentityUnlinked tell of ways to sign in that an
	// account got or lost after it was made.
	EventIdentityLinked   EventType = "identity.linked"
	EventIdentityUnlinked EventType = "identity.unlinked"

	// EventFactorEnrolled tells of a second factor that counts from now on: it was
	// verified, or is a set of recovery codes. Those that are not verified yet are not
	// told of.
	EventFactorEnrolled EventType = "factor.enrolled"
	// EventFactorUpdated tells that such a factor has another name or number, or
	// other recovery codes.
	EventFactorUpdated EventType = "factor.updated"
	// EventFactorUnenrolled tells that such a factor is gone.
	EventFactorUnenrolled EventType = "factor.unenrolled"

	// EventPasskeyCreated, EventPasskeyUpdated and EventPasskeyDeleted tell of passkeys
	// that were registered, renamed and removed.
	EventPasskeyCreated EventType = "passkey.created"
	EventPasskeyUpdated EventType = "passkey.updated"
	EventPasskeyDeleted EventType = "passkey.deleted"
)

// EventTypes returns all types of events.
func EventTypes() []EventType {
	return []EventType{
		EventUserCreated, EventUserUpdated, EventUserDeleted, EventPasswordChanged, EventSignedIn, EventSignedOut,
		EventIdentityLinked, EventIdentityUnlinked, EventFactorEnrolled, EventFactorUpdated, EventFactorUnenrolled,
		EventPasskeyCreated, EventPasskeyUpdated, EventPasskeyDeleted,
	}
}

// Event tells of something that happened to a user. It was written in the transaction
// in which that happened: there is none of what was rolled back, and none is missing
// of what was committed.
type Event struct {
	// ID is the same however often the event is delivered.
	ID        uuid.UUID
	Type      EventType
	UserID    uuid.UUID
	CreatedAt time.Time
	// Data decodes into an EventData. It holds no secret.
	Data Metadata
}

// EventData is what events say. Which fields are set depends on the type.
type EventData struct {
	UserID uuid.UUID `json:"user_id"` // always

	// User is the user as the API showed it then: in EventUserCreated and
	// EventUserUpdated.
	User *User `json:"user,omitempty"`
	// Changed names the members that are different, of User in EventUserUpdated and of
	// Factor in EventFactorUpdated, where "codes" stands for recovery codes.
	Changed []string `json:"changed,omitempty"`

	Session    *EventSession `json:"session,omitempty"`     // in EventSignedIn
	SessionIDs []uuid.UUID   `json:"session_ids,omitempty"` // in EventSignedOut
	Identity   *Identity     `json:"identity,omitempty"`    // in those of identities
	Factor     *Factor       `json:"factor,omitempty"`      // in those of factors
	Passkey    *Passkey      `json:"passkey,omitempty"`     // in those of passkeys
}

// EventSession is what EventSignedIn says of the session.
type EventSession struct {
	ID        uuid.UUID `json:"id"`
	Method    string    `json:"method"` // as in Claims.AMR
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

// Subscriber is told of events, by whichever process runs Auth.Run. All processes on
// one database are to have the same ones: each writes for those that it knows.
type Subscriber struct {
	// Name tells subscribers apart, also from one start to the next: what waits for a
	// name is delivered to whoever has it.
	Name string
	// Types are those that it is told of. Empty: of all.
	Types []EventType

	// Deliver takes an event. When it returns an error, or panics, the event is
	// delivered again after some seconds, then after longer and longer up to an hour,
	// and given up after three days of that, which is logged.
	//
	// It may get one event more than once, and events in any order: go by Event.ID and
	// Event.CreatedAt. It is called for several events at once. ctx ends after 30
	// seconds, or with Run's; Deliver has to return then.
	Deliver func(ctx context.Context, e Event) error
}

func (s *Subscriber) wants(t EventType) bool { return len(s.Types) == 0 || slices.Contains(s.Types, t) }

// checkSubscribers returns a sentence for every subscriber that could not work.
func (c Config) checkSubscribers() (mistakes []error) {
	names := map[string]bool{}
	for i, s := range c.Subscribers {
		switch {
		case s.Name == "":
			mistakes = append(mistakes, fmt.Errorf("Subscribers[%d] needs a Name, by which it is known from one start to the next", i))
		case !utf8.ValidString(s.Name) || strings.ContainsFunc(s.Name, unicode.IsControl):
			mistakes = append(mistakes, fmt.Errorf("Subscribers[%d] has the Name %q, which is no text", i, s.Name))
		case names[s.Name]:
			mistakes = append(mistakes, fmt.Errorf("Subscribers[%d] has the Name %q, which is another's", i, s.Name))
		}
		names[s.Name] = true
		if s.Deliver == nil {
			mistakes = append(mistakes, fmt.Errorf("Subscribers[%d] needs Deliver, which takes the events", i))
		}
		for _, t := range s.Types {
			if !slices.Contains(EventTypes(), t) {
				mistakes = append(mistakes, fmt.Errorf("Subscribers[%d] wants events of the type %q; there are none", i, t))
			}
		}
	}
	return mistakes
}

// eventHub knows who is told of events. It is nil where nobody is.
type eventHub struct {
	subscribers []Subscriber
	woken       []chan struct{} // one for each subscriber: something waits
	now         func() time.Time
}

func newEventHub(cfg Config) *eventHub {
	if len(cfg.Subscribers) == 0 {
		return nil
	}
	h := &eventHub{subscribers: cfg.Subscribers, now: cfg.Now}
	for range cfg.Subscribers {
		h.woken = append(h.woken, make(chan struct{}, 1))
	}
	return h
}

// recording returns a store that writes events, or st where nobody is told of them.
func (h *eventHub) recording(st Store) Store {
	if h == nil {
		return st
	}
	return &recorder{Store: st, hub: h}
}

// waiting are the names of those who are told of a type.
func (h *eventHub) waiting(t EventType) (names []string) {
	for _, s := range h.subscribers {
		if s.wants(t) {
			names = append(names, s.Name)
		}
	}
	return names
}

// wake has Run look for events at once, if it runs in this process.
func (h *eventHub) wake() {
	if h == nil {
		return
	}
	for _, woken := range h.woken {
		select {
		case woken <- struct{}{}:
		default: // it is about to look
		}
	}
}
