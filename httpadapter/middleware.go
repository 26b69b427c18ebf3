package httpadapter

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postern-auth/postern"
)

// RequireUser lets only signed-in users through. It asks the database, so a
// user who has signed out, was banned or deleted is refused at once, however
// long the access token would still be good. The handler behind it finds the
// user with postern.UserFromContext, the token's claims with
// postern.ClaimsFromContext, and what Auth's methods take with
// postern.CallerFromContext.
//
// Others get the API's answers: 401 no_authorization without a bearer token, 403
// with one that is not good. It works on any handler, inside New and outside.
func RequireUser(a *postern.Auth) func(http.Handler) http.Handler {
	return requireCaller(a, a.Authenticate)
}

// RequireToken lets through whoever holds a user's token that one of the keys in
// use signed and that has not expired. It does not ask the database, so it is
// quick, and it cannot see what happened since the token was issued: that the
// user has signed out, was banned, was deleted, or changed password, role or
// metadata. Where that matters use RequireUser.
//
// The handler behind it finds the claims with postern.ClaimsFromContext;
// postern.UserFromContext returns nil. Errors are answered as by RequireUser.
func RequireToken(a *postern.Auth) func(http.Handler) http.Handler {
	return requireCaller(a, claimsOnly(a.VerifyToken))
}

// RequireAdmin lets only operators through: whoever holds a token with one of
// the configured admin roles, and if it belongs to a session, one that is still
// alive. The handler behind it finds the claims with postern.ClaimsFromContext.
// Errors are answered as by RequireUser, and with 403 not_admin.
func RequireAdmin(a *postern.Auth) func(http.Handler) http.Handler {
	return requireCaller(a, claimsOnly(a.AuthenticateAdmin))
}

// RequireAAL2 is RequireUser for those who have used a second factor in their
// session. Others get 403 insufficient_aal, on which a client asks for the factor
// and tries again.
func RequireAAL2(a *postern.Auth) func(http.Handler) http.Handler {
	return requireProof(a, func(c *postern.Caller) bool { return c.AAL() == "aal2" }, &postern.Error{
		Kind: postern.KindForbidden, Code: postern.ErrInsufficientAAL, Message: "AAL2 required: verify a second factor first",
	})
}

// RequireRecentSignIn is RequireUser for those who have proven who they are, by
// whatever method, no longer ago than maxAge: for what nobody should be able to do
// who finds a browser open. A second factor counts, refreshing a session does not.
// Others get 403 reauthentication_needed.
func RequireRecentSignIn(a *postern.Auth, maxAge time.Duration) func(http.Handler) http.Handler {
	return requireProof(a, func(c *postern.Caller) bool { return a.Now().Sub(c.LastAuthenticated()) <= maxAge }, &postern.Error{
		Kind: postern.KindForbidden, Code: postern.ErrReauthenticationNeeded, Message: "Sign in again to do this",
	})
}

// requireProof is RequireUser for callers of whom a condition is true.
func requireProof(a *postern.Auth, enough func(*postern.Caller) bool, refusal *postern.Error) func(http.Handler) http.Handler {
	user := RequireUser(a)
	return func(next http.Handler) http.Handler {
		return user(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !enough(postern.CallerFromContext(r.Context())) {
				fail(w, r, refusal)
				return
			}
			next.ServeHTTP(w, r)
		}))
	}
}

func claimsOnly(verify func(context.Context, string) (*postern.Claims, error)) func(context.Context, string) (*postern.Caller, error) {
	return func(ctx context.Context, token string) (*postern.Caller, error) {
		claims, err := verify(ctx, token)
		if err != nil {
			return nil, err
		}
		return &postern.Caller{Claims: claims}, nil
	}
}

func requireCaller(a *postern.Auth, authenticate func(context.Context, string) (*postern.Caller, error)) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = within(r, a.Logger())
			caller, err := authenticate(r.Context(), bearer(r))
			if err != nil {
				fail(w, r, err)
				return
			}
			exchangeOf(r).carries(caller)
			next.ServeHTTP(w, r.WithContext(postern.WithCaller(r.Context(), caller)))
		})
	}
}

// refuseAnonymous lets only users through who are more than anonymous. It stands
// behind RequireUser.
func refuseAnonymous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims := postern.ClaimsFromContext(r.Context()); claims != nil && claims.IsAnonymous {
			fail(w, r, &postern.Error{
				Kind: postern.KindForbidden, Code: postern.ErrNoAuthorization,
				Message: "Anonymous user not allowed to perform these actions",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer returns the token of the Authorization header (RFC 6750 §2.1), "" if
// there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.ContainsFunc(token, unicode.IsSpace) {
		return ""
	}
	return token
}

// recoverPanics answers a panic with a 500 and logs it with its stack.
func recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { // the way to hang up, which net/http keeps quiet about
				panic(v)
			}
			refuse(w, r, http.StatusInternalServerError, &postern.Error{
				Kind: postern.KindInternal, Code: postern.ErrUnexpectedFailure, Message: "Internal Server Error",
				Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack()),
			})
		}()
		next.ServeHTTP(w, r)
	})
}

// The request headers that scripts on other origins may set. GoTrue's own list
// lacks apikey, which supabase-js sends and a gateway allows in its stead.
const corsHeaders = "Accept Authorization Content-Type X-Client-IP X-Client-Info X-JWT-AUD x-use-cookie X-Supabase-Api-Version apikey"

var corsMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// shareAcrossOrigins lets scripts of every origin use the API, with the tokens
// that they hold, and answers preflights (Fetch §3.2). It never allows
// credentials: the only cookie is for navigations, and those that a reverse proxy
// may keep are none of the other origin's business.
func shareAcrossOrigins(next http.Handler, allowed []string) http.Handler {
	headers := map[string]bool{}
	for _, name := range slices.Concat(strings.Fields(corsHeaders), allowed) {
		headers[strings.ToLower(name)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			answerPreflight(w, r, headers)
			return
		}
		w.Header().Add("Vary", "Origin")
		if r.Header.Get("Origin") != "" {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Expose-Headers", "X-Total-Count, Link, X-Supabase-Api-Version")
		}
		next.ServeHTTP(w, r)
	})
}

// answerPreflight allows what was asked for, or says nothing, which refuses.
func answerPreflight(w http.ResponseWriter, r *http.Request, allowed map[string]bool) {
	w.Header().Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	method, headers := r.Header.Get("Access-Control-Request-Method"), r.Header.Get("Access-Control-Request-Headers")
	if r.Header.Get("Origin") != "" && slices.Contains(corsMethods, method) && allAllowed(headers, allowed) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Methods", method)
		if headers != "" {
			w.Header().Set("Access-Control-Allow-Headers", headers)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func allAllowed(headers string, allowed map[string]bool) bool {
	for name := range strings.SplitSeq(headers, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && !allowed[name] {
			return false
		}
	}
	return true
}

// limitTime ends the context of a request that takes longer than d. Nothing is
// interrupted by force: whatever may take long heeds the context.
func limitTime(next http.Handler, d time.Duration) http.Handler {
	if d < 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		if r.ContentLength != 0 {
			limitReading(ctx, w)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// limitReading sets an end to waiting for a slow body, which knows nothing of
// contexts, unless the server has set one. It comes a second later than the
// context's: net/http takes a connection that cannot be read any more for one
// whose client is gone, and ends the context for that reason.
func limitReading(ctx context.Context, w http.ResponseWriter) {
	server, _ := ctx.Value(http.ServerContextKey).(*http.Server)
	if server == nil || server.ReadTimeout > 0 {
		return
	}
	end, _ := ctx.Deadline()
	_ = http.NewResponseController(w).SetReadDeadline(end.Add(time.Second)) // not every server can
}

// limitBody refuses to read more of a body than maxBody.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil { // not made by a server
			r.Body = http.NoBody
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
