package postern

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Observation is something that happened, for those who count (Config.Observe). It
// tells of nobody whom it happened to, and its texts are few.
type Observation struct {
	What ObservedKind

	// Name is the way of a sign-in: "password", "otp" (a code or a link that was
	// sent), "pkce" (the auth code of a flow), "oauth" (back from a provider),
	// "id_token", "web3", "passkey", "anonymous", "sign_up", "mfa",
	// "recovery_code" or "refresh_token". Of a message it is the channel: "email",
	// "sms" or "whatsapp".
	Name string

	// Outcome of a sign-in is "ok", the Code of what it was refused with, or
	// "oauth_error" for what another service refused. Of a message it is "ok" or
	// "failed"; of a wait to hash a password "ok", "busy" when too many waited
	// already, or "gave_up" when whoever asked did not wait.
	Outcome string

	// Duration is how long a message took, or how long the hashing of a password
	// had to wait for its turn.
	Duration time.Duration
}

// ObservedKind says what an Observation is of.
type ObservedKind string

// What is observed.
const (
	// ObservedSignIn is an attempt to get a session, or to raise or refresh one. A
	// PKCE flow is two: the one that ends in its code, and the exchange.
	ObservedSignIn ObservedKind = "sign_in"
	// ObservedMessage is a mail or a text message that was to be sent.
	ObservedMessage ObservedKind = "message"
	// ObservedHashing is a password that was to be hashed or compared.
	ObservedHashing ObservedKind = "hashing"
)

func (a *Auth) observe(ctx context.Context, o Observation) {
	if a.cfg.Observe != nil {
		a.cfg.Observe(ctx, o)
	}
}

// attempted observes a sign-in that has come to its end, with *err.
func (a *Auth) attempted(ctx context.Context, way string, err *error) {
	a.observe(ctx, Observation{What: ObservedSignIn, Name: way, Outcome: outcome(*err)})
}

// outcome is what an error is counted as. What others have named is not, who may
// choose any name.
func outcome(err error) string {
	var ours *Error
	var theirs *OAuthError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &theirs):
		return "oauth_error"
	case errors.As(err, &ours):
		return string(either(ours.Code, "unknown"))
	}
	return string(ErrUnexpectedFailure)
}

// sent observes a message that somebody was there to deliver. How long that took is
// not for Config.Now to say, which tells the time and may stand still.
func (a *Auth) sent(ctx context.Context, m message, began time.Time, err error) {
	o := Observation{What: ObservedMessage, Name: "email", Outcome: "ok", Duration: time.Since(began)}
	switch {
	case m.created != nil, m.mail != nil && a.cfg.Mailer == nil && a.cfg.Hooks.SendEmail == nil:
		return
	case m.sms != nil && m.sms.Channel == "whatsapp":
		o.Name = "whatsapp"
	case m.sms != nil:
		o.Name = "sms"
	}
	if err != nil {
		o.Outcome = "failed"
	}
	a.observe(ctx, o)
}

// hashed is observe for internal/password, nil where nobody observes.
func (c Config) hashed() func(ctx context.Context, outcome string, waited time.Duration) {
	if c.Observe == nil {
		return nil
	}
	return func(ctx context.Context, outcome string, waited time.Duration) {
		c.Observe(ctx, Observation{What: ObservedHashing, Outcome: outcome, Duration: waited})
	}
}

// LogRequestID returns a handler that adds request_id to each line that is logged
// with a context of a request (RequestInfo), and otherwise does as h does. New puts
// it around Config.Logger; use it where else such lines are logged. Around itself it
// adds nothing.
func LogRequestID(h slog.Handler) slog.Handler {
	if _, does := h.(requestIDHandler); does {
		return h
	}
	return requestIDHandler{h}
}

type requestIDHandler struct{ slog.Handler }

// Handle adds the id, if there is one.
func (h requestIDHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestInfoFromContext(ctx).ID; id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps adding the id.
func (h requestIDHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestIDHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps adding the id, which becomes part of the group.
func (h requestIDHandler) WithGroup(name string) slog.Handler {
	return requestIDHandler{h.Handler.WithGroup(name)}
}
