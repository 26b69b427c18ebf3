package opentelemetry

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-auth/postern"
)

// Store returns st with spans around its transactions, and around the look-ups that
// are behind every authenticated request and every refresh. A Store of a transaction
// of yours (Auth.In) has none unless it is wrapped as well.
func (t *Telemetry) Store(st postern.Store) postern.Store { return tracedStore{st, t} }

type tracedStore struct {
	postern.Store
	telemetry *Telemetry
}

// InTx is a span for as long as the transaction lasts, its commit included.
func (s tracedStore) InTx(ctx context.Context, fn func(postern.Tx) error) error {
	ctx, span := s.telemetry.tracer.Start(ctx, "store transaction")
	err := s.Store.InTx(ctx, fn)
	end(span, err)
	return err
}

// FindCaller is a span of its own.
func (s tracedStore) FindCaller(ctx context.Context, userID, sessionID uuid.UUID) (*postern.UserRecord, *postern.SessionRecord, error) {
	ctx, span := s.telemetry.tracer.Start(ctx, "store find caller")
	user, session, err := s.Store.FindCaller(ctx, userID, sessionID)
	end(span, err)
	return user, session, err
}

// FindSession is a span of its own.
func (s tracedStore) FindSession(ctx context.Context, id uuid.UUID) (*postern.SessionRecord, *postern.UserRecord, error) {
	ctx, span := s.telemetry.tracer.Start(ctx, "store find session")
	session, user, err := s.Store.FindSession(ctx, id)
	end(span, err)
	return session, user, err
}

// RefreshSession is a span of its own.
func (s tracedStore) RefreshSession(ctx context.Context, r postern.SessionRotation) (*postern.SessionRecord, *postern.UserRecord, bool, error) {
	ctx, span := s.telemetry.tracer.Start(ctx, "store refresh session")
	session, user, rotated, err := s.Store.RefreshSession(ctx, r)
	end(span, err)
	return session, user, rotated, err
}

// Mailer returns m with a span around each mail, and nil for nil.
func (t *Telemetry) Mailer(m postern.Mailer) postern.Mailer {
	if m == nil {
		return nil
	}
	return tracedMailer{m, t}
}

type tracedMailer struct {
	next      postern.Mailer
	telemetry *Telemetry
}

// SendMail is a span for as long as the delivery takes.
func (m tracedMailer) SendMail(ctx context.Context, mail postern.Mail) error {
	ctx, span := m.telemetry.tracer.Start(ctx, "send mail", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("postern.mail_type", string(mail.Type))))
	err := m.next.SendMail(ctx, mail)
	end(span, err)
	return err
}

// SMS returns s with a span around each text message, and nil for nil.
func (t *Telemetry) SMS(s postern.SMSSender) postern.SMSSender {
	if s == nil {
		return nil
	}
	return tracedSMS{s, t}
}

type tracedSMS struct {
	next      postern.SMSSender
	telemetry *Telemetry
}

// SendSMS is a span for as long as the delivery takes.
func (s tracedSMS) SendSMS(ctx context.Context, m postern.SMS) (string, error) {
	ctx, span := s.telemetry.tracer.Start(ctx, "send sms", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("postern.channel", m.Channel)))
	id, err := s.next.SendSMS(ctx, m)
	end(span, err)
	return id, err
}

// end ends a span with the name of what went wrong. The words of an error are for
// the log alone: they may tell an address, or more. A refusal is no failure.
func end(span trace.Span, err error) {
	if name, failed := nameOf(err); name != "" {
		span.SetAttributes(errorType.String(name))
		if failed {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

func nameOf(err error) (name string, failed bool) {
	var refusal *postern.Error
	var stored postern.StoreError
	switch {
	case err == nil:
		return "", false
	case errors.As(err, &refusal):
		return string(refusal.Code), refusal.Kind == postern.KindInternal || refusal.Kind == postern.KindUnavailable
	case errors.As(err, &stored):
		return string(stored), stored == postern.ErrStoreDown
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", true
	case errors.Is(err, context.Canceled):
		return "canceled", false
	}
	return "_OTHER", true
}
