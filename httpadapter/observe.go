package httpadapter

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// Observer is told of every request when it comes, before anything is done about it,
// and calls what it returns when it was answered. The context that it returns is
// that of the request from then on. Packages telemetry/… have some.
type Observer func(r *http.Request) (ctx context.Context, answered func(Record))

// Record is what became of a request. Nothing in it is secret, and of Method, Route,
// Status and ErrorCode there are only so many, whatever clients send.
type Record struct {
	// ID is what the request is called in the log and in answers to internal errors.
	ID string
	// Method is the request's, or "_OTHER" for one that HTTP does not define.
	Method string
	// Route is the pattern of the path, such as "/admin/users/{user_id}", and "" for
	// a path that leads nowhere.
	Route  string
	Status int
	// ErrorCode says why the request was refused; "" when it was not. What a
	// redirect tells of is no refusal.
	ErrorCode postern.Code
	Duration  time.Duration

	// IP is the client's address, invalid when unknown.
	IP netip.Addr
	// UserID and SessionID are those of the bearer token, if it was good, and
	// uuid.Nil otherwise.
	UserID, SessionID uuid.UUID
}

// exchange is a request and its answer while they are under way.
type exchange struct {
	http.ResponseWriter
	status int // that was written; 0 when none was yet

	logger *slog.Logger
	record Record
	err    error // of a failure that is for the log
}

// WriteHeader notes the status.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write notes that there is a status, if nobody said which.
func (x *exchange) Write(p []byte) (int, error) {
	x.status = cmp.Or(x.status, http.StatusOK)
	return x.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

type exchangeKey struct{}

// exchangeOf returns what is known of a request, nil outside of New unless within has
// been there.
func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// within returns a request that has an exchange, for guards that may stand outside of
// New. There nobody waits for the answer, so that only failures are logged.
func within(r *http.Request, logger *slog.Logger) *http.Request {
	if exchangeOf(r) != nil {
		return r
	}
	x := &exchange{logger: logger, record: Record{
		ID: postern.RequestInfoFromContext(r.Context()).ID, Method: knownMethod(r.Method), Route: r.Pattern,
	}}
	return r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
}

// watch notes who sends a request, which flows record, and what becomes of it,
// which is logged and told to observers. Questions how the service is are for
// neither, unless the answer is that it is not well: they would outnumber all else.
func watch(next http.Handler, logger *slog.Logger, o Options) http.Handler {
	from := &clients{proxies: o.TrustedProxies, header: o.ClientAddressHeader, hosts: o.ExternalHosts, logger: logger}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := from.info(r, requestID(r, o.RequestIDHeader))
		x := &exchange{ResponseWriter: w, logger: logger, record: Record{ID: info.ID, Method: knownMethod(r.Method), IP: info.IP}}
		access, observers := o.AccessLog, o.Observers
		if r.URL.Path == healthPath || r.URL.Path == readyPath {
			access, observers = false, nil
		}
		began := time.Now() // which Config.Now does not tell: it may stand still
		var tell []func(Record)
		for _, observe := range observers {
			ctx, answered := observe(r)
			r, tell = r.WithContext(ctx), append(tell, answered)
		}
		ctx := postern.WithRequestInfo(r.Context(), info)
		r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
		defer func() { // also when somebody hangs up on purpose, by a panic
			x.record.Status, x.record.Duration = cmp.Or(x.status, statusClientGone), time.Since(began)
			x.log(ctx, access)
			for _, answered := range slices.Backward(tell) {
				answered(x.record)
			}
		}()
		next.ServeHTTP(x, r)
		x.status = cmp.Or(x.status, http.StatusOK) // which is what it is when nobody says so
	})
}

// requestID returns the id that a proxy gave a request, or a new one.
func requestID(r *http.Request, header string) string {
	const longest = 128
	if id := r.Header.Get(header); id != "" && len(id) <= longest {
		return id
	}
	return uuid.NewString()
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}

// knownMethod bounds how many methods there are. OpenTelemetry's conventions for HTTP
// have this name for the rest.
func knownMethod(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "_OTHER"
}

// carries notes the bearer of a good token.
func (x *exchange) carries(c *postern.Caller) {
	switch {
	case c.User != nil:
		x.record.UserID, x.record.SessionID = c.User.ID, c.SessionID
	case c.Claims != nil:
		x.record.UserID, _ = uuid.Parse(c.Claims.Subject) // operators' keys have none
		x.record.SessionID, _ = uuid.Parse(c.Claims.SessionID)
	}
}

// fails notes a failure that is for the log, and returns the id under which the
// client and the log know it.
func (x *exchange) fails(ctx context.Context, status int, err error) string {
	x.record.ID = cmp.Or(x.record.ID, uuid.NewString())
	x.err = err
	if x.ResponseWriter == nil { // outside of New
		x.record.Status = status
		info := postern.RequestInfoFromContext(ctx)
		info.ID = x.record.ID
		x.log(postern.WithRequestInfo(ctx, info), false)
	}
	return x.record.ID
}

// log writes the line of a request, if it failed or every one has a line. The path
// is not in it, nor anything else that a client is free to choose.
func (x *exchange) log(ctx context.Context, every bool) {
	level, message := slog.LevelInfo, "request completed"
	if x.err != nil {
		level, message = slog.LevelError, "request failed"
	}
	if x.err == nil && !every || !x.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	add := func(present bool, attr slog.Attr) {
		if present {
			attrs = append(attrs, attr)
		}
	}
	rec := &x.record
	add(true, slog.String("method", rec.Method))
	add(true, slog.String("route", rec.Route))
	add(true, slog.Int("status", rec.Status))
	add(rec.Duration > 0, slog.Duration("duration", rec.Duration))
	add(rec.IP.IsValid(), slog.Any("remote_addr", rec.IP))
	add(rec.UserID != uuid.Nil, slog.Any("user_id", rec.UserID))
	add(rec.SessionID != uuid.Nil, slog.Any("session_id", rec.SessionID))
	add(rec.ErrorCode != "", slog.String("error_code", string(rec.ErrorCode)))
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	x.logger.LogAttrs(ctx, level, message, attrs...)
}
