package postern

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
)

// Caller is a user who is acting. Authenticate makes one out of an access token;
// code that knows by other means for whom it acts uses Auth.Caller.
type Caller struct {
	User *User
	// SessionID is uuid.Nil for a caller that acts without a session.
	SessionID uuid.UUID
	// Claims are those of the access token, nil if there was none.
	Claims *Claims

	session *SessionRecord
}

// Caller returns a user as a Caller without a session, for code inside the
// process that acts for it. ErrUserNotFound when there is none.
func (a *Auth) Caller(ctx context.Context, userID uuid.UUID) (*Caller, error) {
	u, err := a.store.FindUser(ctx, userID)
	if errors.Is(err, ErrNoRow) {
		return nil, fail(KindNotFound, ErrUserNotFound, "User not found")
	}
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	return &Caller{User: &u.User}, nil
}

// Authenticate turns a user's access token into the Caller it belongs to, by one
// look at the database: a user who is gone, banned or signed out is refused,
// however long the token would still live (contract: endpoints.md §0.3).
func (a *Auth) Authenticate(ctx context.Context, accessToken string) (*Caller, error) {
	c, err := a.readToken(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	return a.caller(ctx, c)
}

func (a *Auth) caller(ctx context.Context, c *Claims) (*Caller, error) {
	if c.Subject == "" {
		return nil, missingSubject()
	}
	userID, err := uuid.Parse(c.Subject)
	if err != nil {
		return nil, fail(KindInvalid, ErrBadJWT, "invalid claim: sub claim must be a UUID")
	}
	var sessionID uuid.UUID
	if c.SessionID != "" {
		if sessionID, err = uuid.Parse(c.SessionID); err != nil {
			return nil, badJWT("invalid claim: session_id claim must be a UUID")
		}
	}
	user, session, err := a.store.FindCaller(ctx, userID, sessionID)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, fail(KindForbidden, ErrUserNotFound, "User from sub claim in JWT does not exist")
	case err != nil:
		return nil, internal("Database error finding user", err)
	case sessionID != uuid.Nil && session == nil:
		return nil, fail(KindForbidden, ErrSessionNotFound, "Session from session_id claim in JWT does not exist")
	}
	if err := a.checkUserClaims(c); err != nil {
		return nil, err
	}
	if err := a.refuseBanned(user); err != nil {
		return nil, err
	}
	return &Caller{User: &user.User, SessionID: sessionID, Claims: c, session: session}, nil
}

// AuthenticateAdmin checks that an access token is an operator's: that its role
// is one of Config.AdminRoles. A key that belongs to no session needs no more
// than that and a good signature; one that does is good as long as its session.
// Errors: ErrNotAdmin, and those of Authenticate.
func (a *Auth) AuthenticateAdmin(ctx context.Context, accessToken string) (*Claims, error) {
	c, err := a.readToken(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	if c.SessionID != "" && c.SessionID != uuid.Nil.String() {
		if err := a.sessionOfAdmin(ctx, c); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(a.cfg.AdminRoles, c.Role) {
		return nil, fail(KindForbidden, ErrNotAdmin, "User not allowed")
	}
	if c.ExpiresAt == nil && a.cfg.JWT.RefuseUndated {
		return nil, badJWT(unverified + "token has invalid claims: token is missing required claim: exp claim is required")
	}
	return c, nil
}

func (a *Auth) sessionOfAdmin(ctx context.Context, c *Claims) error {
	caller, err := a.caller(ctx, c)
	if err != nil {
		return err
	}
	if a.sessionOver(caller.session, caller.User, caller.session.lastRefresh()) != "" {
		return fail(KindForbidden, ErrSessionExpired, "Session is no longer valid")
	}
	return nil
}

const unverified = "invalid JWT: unable to parse or verify signature, "

func badJWT(message string) *Error {
	return &Error{Kind: KindForbidden, Code: ErrBadJWT, Message: message}
}

// checkUserClaims asks of a user's token what an operator's key need not have
// (guarantees: C15).
func (a *Auth) checkUserClaims(c *Claims) error {
	refuse := func(why string) error { return badJWT(unverified + "token has invalid claims: " + why) }
	switch {
	case c.ExpiresAt == nil:
		return refuse("token is missing required claim: exp claim is required")
	case c.IssuedAt != nil && a.toCome(c.IssuedAt.Time):
		return refuse("token used before issued")
	case !slices.ContainsFunc(c.Audience, a.serves):
		return refuse("token has invalid audience")
	case a.cfg.JWT.Issuer != "" && c.Issuer != a.cfg.JWT.Issuer:
		return refuse("token has invalid issuer")
	}
	return nil
}

func (a *Auth) serves(aud string) bool {
	return aud == a.cfg.Audience || slices.Contains(a.cfg.Audiences, aud)
}

// VerifyToken checks a user's access token by itself, its signature, its times,
// its audience and issuer, and returns its claims. It does not ask the database:
// of a sign-out, a ban or a deleted user it knows nothing until the token has
// expired. Use Authenticate where that matters.
func (a *Auth) VerifyToken(ctx context.Context, accessToken string) (*Claims, error) {
	c, err := a.readToken(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	if c.Subject == "" {
		return nil, missingSubject()
	}
	if err := a.checkUserClaims(c); err != nil {
		return nil, err
	}
	return c, nil
}

func missingSubject() *Error { return badJWT("invalid claim: missing sub claim") }

// readToken returns what any access token says that one of our keys signed and
// that is not past its time.
func (a *Auth) readToken(ctx context.Context, accessToken string) (*Claims, error) {
	if accessToken == "" {
		return nil, fail(KindUnauthorized, ErrNoAuthorization, "This endpoint requires a valid Bearer token")
	}
	c, err := a.verify(ctx, accessToken)
	if err != nil {
		var known *Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, badJWT(unverified + err.Error())
	}
	if err := checkLength(accessToken, c); err != nil {
		return nil, err
	}
	return c, nil
}

// SignOutScope says which sessions a sign-out ends.
type SignOutScope string

const (
	// SignOutGlobal ends all sessions of the user. It is the default.
	SignOutGlobal SignOutScope = "global"
	// SignOutLocal ends the caller's session.
	SignOutLocal SignOutScope = "local"
	// SignOutOthers ends all sessions of the user but the caller's.
	SignOutOthers SignOutScope = "others"
)

// SignOut ends sessions, at once: their refresh tokens and, wherever the store
// is asked, their access tokens are void. A caller without a session signs out
// globally whatever the scope (contract: endpoints.md, POST /logout).
func (a *Auth) SignOut(ctx context.Context, c *Caller, scope SignOutScope) error {
	if scope == "" || c.SessionID == uuid.Nil {
		scope = SignOutGlobal
	}
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := a.audit(ctx, tx, actionLogout, c.User, nil); err != nil {
			return err
		}
		var err error
		switch scope {
		case SignOutGlobal:
			_, err = tx.EndSessions(ctx, c.User.ID, uuid.Nil)
		case SignOutLocal:
			_, err = tx.EndSession(ctx, c.SessionID)
		case SignOutOthers:
			_, err = tx.EndSessions(ctx, c.User.ID, c.SessionID)
		default:
			err = invalid("Unsupported logout scope %q", scope)
		}
		return err
	})
	return internal("Error logging out user", err)
}

type callerKey struct{}

// WithCaller returns a context that carries c, for UserFromContext and
// ClaimsFromContext. httpadapter.RequireUser does this for the handlers behind it.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFromContext returns the caller, or nil if nobody has authenticated.
func CallerFromContext(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// UserFromContext returns the signed-in user, or nil: nobody has authenticated,
// or only their token was looked at (httpadapter.RequireToken).
func UserFromContext(ctx context.Context) *User {
	if c := CallerFromContext(ctx); c != nil {
		return c.User
	}
	return nil
}

// ClaimsFromContext returns what the caller's access token says, or nil if
// nobody has authenticated by one.
func ClaimsFromContext(ctx context.Context) *Claims {
	if c := CallerFromContext(ctx); c != nil {
		return c.Claims
	}
	return nil
}
