package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/refreshtoken"
)

// Session is what a signed-in client holds (contract: tokens.md §3).
type Session struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"` // "bearer"
	ExpiresIn    int64  `json:"expires_in"` // of the access token, in seconds
	ExpiresAt    int64  `json:"expires_at"` // of the access token, in Unix seconds
	RefreshToken string `json:"refresh_token"`
	User         *User  `json:"user"`

	// ProviderToken and ProviderRefreshToken are those of the provider that
	// signed the user in, at the end of a PKCE flow.
	ProviderToken        string `json:"provider_token,omitempty"`
	ProviderRefreshToken string `json:"provider_refresh_token,omitempty"`

	// ID is the session's, as in the access token's session_id.
	ID uuid.UUID `json:"-"`
	// Refresh says how RefreshToken came about.
	Refresh RefreshInfo `json:"-"`
}

// RefreshInfo says how a session's refresh token came about.
type RefreshInfo struct {
	// Counter is the token's number, or -1 for a legacy token.
	Counter int64
	// Rotated says that a refresh replaced the presented token by this one.
	Rotated bool
	// ReuseCauses say why a token that had been replaced before was still
	// good: "fail-to-save", "concurrent-refresh", "always-allow".
	ReuseCauses []string
}

// PasswordSession is a Session that was got with a password.
type PasswordSession struct {
	Session
	// WeakPassword says what the password lacks by today's rules. nil when it
	// is strong. Sign-in succeeds in any case.
	WeakPassword *WeakPassword `json:"weak_password"`
}

// WeakPassword says what a password lacks: "length", "characters", "pwned".
type WeakPassword struct {
	Message string   `json:"message,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// How a user authenticated, in AMREntry.Method (contract: tokens.md §1).
const (
	methodPassword  = "password"
	methodAnonymous = "anonymous"
)

// SignInWithPasswordParams names an account by address or number.
type SignInWithPasswordParams struct {
	Email    string
	Phone    string
	Password string
	Audience string // defaults to Config.Audience
}

// SignInWithPassword opens a session for whoever knows the password. Its
// refusals are alike, in what they say and how long they take, for accounts
// that exist and accounts that do not: ErrInvalidCredentials. Only with the
// right password it says ErrUserBanned, ErrEmailNotConfirmed or
// ErrPhoneNotConfirmed. A hash whose parameters are weaker than configured is
// replaced.
func (a *Auth) SignInWithPassword(ctx context.Context, p SignInWithPasswordParams) (*PasswordSession, error) {
	provider := providerEmail
	if p.Phone != "" {
		provider = providerPhone
	}
	user, err := a.findForPassword(ctx, p)
	if err != nil {
		return nil, err
	}
	rehash, err := a.provePassword(ctx, user, p.Password)
	if err != nil {
		return nil, err
	}
	if err := a.maySignIn(user, provider); err != nil {
		return nil, err
	}
	s, err := a.openPasswordSession(ctx, user, provider, rehash)
	if err != nil {
		return nil, err
	}
	return &PasswordSession{Session: *s, WeakPassword: a.weakness(p.Password)}, nil
}

// findForPassword returns the account that p names, or nil if there is none.
func (a *Auth) findForPassword(ctx context.Context, p SignInWithPasswordParams) (*UserRecord, error) {
	switch {
	case p.Email != "" && p.Phone != "":
		return nil, invalid("Only an email address or phone number should be provided on login.")
	case p.Email != "":
		if a.cfg.Email.Disabled {
			return nil, fail(KindUnprocessable, ErrEmailProviderDisabled, "Email logins are disabled")
		}
		return a.lookUp(ctx, p.Email, p.Audience, address.LookupEmail, a.store.FindUserByEmail)
	case p.Phone != "":
		if !a.cfg.Phone.Enabled {
			return nil, fail(KindUnprocessable, ErrPhoneProviderDisabled, "Phone logins are disabled")
		}
		return a.lookUp(ctx, p.Phone, p.Audience, address.LookupPhone, a.store.FindUserByPhone)
	}
	return nil, invalid("missing email or phone")
}

func (a *Auth) lookUp(ctx context.Context, typed, aud string, normalise func(string) (string, bool),
	find func(ctx context.Context, address, aud string) (*UserRecord, error),
) (*UserRecord, error) {
	normal, possible := normalise(typed)
	if !possible {
		return nil, nil
	}
	user, err := find(ctx, normal, a.audience(aud))
	if errors.Is(err, ErrNoRow) {
		return nil, nil
	}
	return user, internal("Database error querying schema", err)
}

// provePassword checks a password against an account's, which may be nil for
// one that does not exist: that takes as long. It returns the hash that should
// replace the stored one, if any.
func (a *Auth) provePassword(ctx context.Context, user *UserRecord, pass string) (rehash Secret, err error) {
	ok, weaker, err := a.verifyPassword(ctx, user, pass)
	if err != nil {
		return "", err
	}
	switch {
	case !ok:
		return "", fail(KindInvalid, ErrInvalidCredentials, "Invalid login credentials")
	case weaker:
		hash, err := a.hashPassword(ctx, pass)
		if err != nil {
			return "", err
		}
		return a.cfg.Encryption.seal(user.ID, hash)
	case a.cfg.Encryption.stale(user.PasswordHash):
		hash, err := a.cfg.Encryption.open(user.ID, user.PasswordHash)
		if err != nil {
			return "", internal("reading the password failed", err)
		}
		return a.cfg.Encryption.seal(user.ID, string(hash))
	}
	return "", nil
}

// maySignIn says why an account that proved its password may not sign in.
func (a *Auth) maySignIn(user *UserRecord, provider string) error {
	switch {
	case a.banned(&user.User):
		return fail(KindInvalid, ErrUserBanned, "User is banned")
	case user.confirmedAt(provider) != nil:
		return nil
	case provider == providerPhone:
		return fail(KindInvalid, ErrPhoneNotConfirmed, "Phone not confirmed")
	}
	return fail(KindInvalid, ErrEmailNotConfirmed, "Email not confirmed")
}

func (a *Auth) banned(u *User) bool {
	return u.BannedUntil != nil && u.BannedUntil.After(a.now())
}

// openPasswordSession opens the session, unless the password that was proven
// was changed while it was being checked.
func (a *Auth) openPasswordSession(ctx context.Context, proven *UserRecord, provider string, rehash Secret) (*Session, error) {
	return a.openSession(ctx, proven.ID, provider, methodPassword, func(u *UserRecord) error {
		if u.PasswordHash != proven.PasswordHash {
			return fail(KindInvalid, ErrInvalidCredentials, "Invalid login credentials")
		}
		u.PasswordHash = either(rehash, u.PasswordHash)
		return nil
	})
}

// openSession opens a session of a user who has just authenticated, in one
// transaction with what edit decides and changes.
func (a *Auth) openSession(ctx context.Context, id uuid.UUID, provider, method string, edit func(*UserRecord) error) (*Session, error) {
	var user *UserRecord
	var session *SessionRecord
	err := a.store.InTx(ctx, func(tx Tx) error {
		var err error
		user, err = tx.UpdateUser(ctx, id, a.now(), func(u *UserRecord) error {
			u.LastSignInAt = ptr(a.now())
			return edit(u)
		})
		if err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionLogin, &user.User, traits(provider)); err != nil {
			return err
		}
		session, err = a.addSession(ctx, tx, user, method)
		return err
	})
	if errors.Is(err, ErrNoRow) { // deleted since it was looked up
		return nil, fail(KindInvalid, ErrInvalidCredentials, "Invalid login credentials")
	}
	if err != nil {
		return nil, internal("Database error granting user", err)
	}
	return a.firstSession(ctx, user, session)
}

// addSession stores a new session of a user, in the transaction that decided to
// open it, and notes the sign-in.
func (a *Auth) addSession(ctx context.Context, tx Tx, user *UserRecord, method string) (*SessionRecord, error) {
	now, info := a.now(), requestInfo(ctx)
	s := &SessionRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: user.ID, CreatedAt: now, UpdatedAt: now,
		AAL: aal1, AMR: []AMREntry{{Method: method, At: now}},
		UserAgent: info.UserAgent, IP: info.IP,
		RefreshTokenCounter: new(int64),
	}
	var err error
	if s.RefreshTokenKey, err = a.newRefreshKey(s.ID); err != nil {
		return nil, err
	}
	if err := tx.AddSession(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

func (a *Auth) newRefreshKey(session uuid.UUID) (Secret, error) {
	key, err := refreshtoken.NewKey(rand.Reader)
	if err != nil {
		return "", err
	}
	return a.cfg.Encryption.seal(session, refreshtoken.EncodeKey(key))
}

func (a *Auth) firstSession(ctx context.Context, user *UserRecord, s *SessionRecord) (*Session, error) {
	token, err := a.refreshToken(s)
	if err != nil {
		return nil, err
	}
	return a.session(ctx, user, s, token, RefreshInfo{Counter: *s.RefreshTokenCounter})
}

// refreshToken returns the newest version-2 refresh token of a session.
func (a *Auth) refreshToken(s *SessionRecord) (string, error) {
	key, err := a.refreshKey(s)
	if err != nil {
		return "", err
	}
	return refreshtoken.Issue(s.ID, *s.RefreshTokenCounter, key), nil
}

func (a *Auth) refreshKey(s *SessionRecord) ([]byte, error) {
	encoded, err := a.cfg.Encryption.open(s.ID, s.RefreshTokenKey)
	if err != nil {
		return nil, internal("failed to load session signing key from database", err)
	}
	key, err := refreshtoken.DecodeKey(string(encoded))
	if err != nil {
		return nil, internal("failed to load session signing key from database", err)
	}
	return key, nil
}

// session puts together what the client gets.
func (a *Auth) session(ctx context.Context, user *UserRecord, s *SessionRecord, refreshToken string, info RefreshInfo) (*Session, error) {
	claims := a.claims(&user.User, s)
	keys, err := a.keySet(ctx)
	if err != nil {
		return nil, err
	}
	access, err := keys.Sign(claims)
	if err != nil {
		return nil, internal("error generating jwt token", err)
	}
	expires := claims.ExpiresAt.Unix()
	return &Session{
		AccessToken: access, TokenType: "bearer",
		ExpiresIn: expires - claims.IssuedAt.Unix(), ExpiresAt: expires,
		RefreshToken: refreshToken, User: &user.User,
		ID: s.ID, Refresh: info,
	}, nil
}

// Authenticator assurance levels.
const (
	aal1 = "aal1"
	aal2 = "aal2"
)

// claims are those of a new access token (contract: tokens.md §1).
func (a *Auth) claims(u *User, s *SessionRecord) *Claims {
	now := a.cfg.Now().UTC().Truncate(time.Second)
	c := &Claims{
		Issuer: a.cfg.JWT.Issuer, Subject: u.ID.String(), Audience: Audience{u.Aud},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(a.accessTokenEnd(u, s, now)),
		Email: u.Email, Phone: u.Phone, AppMetadata: u.AppMetadata, UserMetadata: u.UserMetadata,
		Role: u.Role, AAL: s.level(), AMR: amrClaim(u, s), SessionID: s.ID.String(), IsAnonymous: u.IsAnonymous,
		Scope: s.Scopes,
	}
	if s.OAuthClientID != nil {
		c.ClientID = s.OAuthClientID.String()
	}
	return c
}

// accessTokenEnd keeps a token from outliving the time that a session without
// its second factor has.
func (a *Auth) accessTokenEnd(u *User, s *SessionRecord, now time.Time) time.Time {
	end := now.Add(a.cfg.JWT.TTL)
	if limit := a.cfg.Session.AllowLowAAL; limit > 0 && s.level() < u.highestAAL() {
		if low := s.CreatedAt.Add(limit); low.Before(end) {
			return low
		}
	}
	return end
}

// level is the assurance level that a session's methods add up to.
func (s *SessionRecord) level() string {
	for _, e := range s.AMR {
		switch e.Method {
		case "totp", "mfa/phone", "mfa/webauthn":
			return aal2
		}
	}
	return aal1
}

// highestAAL is what the user could reach with the factors it has.
func (u *User) highestAAL() string {
	if slices.ContainsFunc(u.Factors, func(f Factor) bool { return f.Status == "verified" }) {
		return aal2
	}
	return aal1
}

func amrClaim(u *User, s *SessionRecord) []AMR {
	amr := make([]AMR, 0, len(s.AMR))
	for _, e := range s.AMR {
		entry := AMR{Method: e.Method, Timestamp: e.At.Unix()}
		if e.Method == "sso/saml" && len(u.Identities) == 1 && strings.HasPrefix(u.Identities[0].Provider, "sso:") {
			entry.Provider = strings.TrimPrefix(u.Identities[0].Provider, "sso:")
		}
		amr = append(amr, entry)
	}
	slices.SortStableFunc(amr, func(x, y AMR) int { return cmp.Compare(y.Timestamp, x.Timestamp) })
	return amr
}

// RefreshToken exchanges a refresh token for a new session response (contract:
// tokens.md §5). A token is good until its successor has been used; presented
// again before that it gets the same successor. One from further back ends its
// session, ErrRefreshTokenUsed with a *ReusedTokenError, unless the session was
// refreshed within Config.Session.ReuseInterval. Legacy tokens are exchanged for
// tokens of version 2.
func (a *Auth) RefreshToken(ctx context.Context, refreshToken string) (*Session, error) {
	token, err := refreshtoken.Parse(refreshToken)
	if err != nil {
		return nil, invalid("Refresh token is not valid")
	}
	refresh := func() (*Session, error) { return a.refreshV2(ctx, token) }
	if token.Version() == refreshtoken.Legacy {
		refresh = func() (*Session, error) { return a.refreshLegacy(ctx, refreshToken) }
	}
	for range maxRefreshTries {
		s, err := refresh()
		if errors.Is(err, ErrNoRow) {
			continue // another request moved the session on: look again
		}
		return s, err
	}
	return nil, fail(KindConflict, ErrConflict, "Too many concurrent token refresh requests on the same session or refresh token")
}

// The second look nearly always finds the successor that the winner made; more
// are needed only if the session goes on moving meanwhile.
const maxRefreshTries = 5

func refreshTokenNotFound() *Error {
	return fail(KindInvalid, ErrRefreshTokenNotFound, "Invalid Refresh Token: Refresh Token Not Found")
}

// refreshV2 makes one attempt; ErrNoRow asks for another.
func (a *Auth) refreshV2(ctx context.Context, token refreshtoken.Token) (*Session, error) {
	s, user, err := a.store.FindSession(ctx, token.SessionID())
	if errors.Is(err, ErrNoRow) {
		return nil, refreshTokenNotFound()
	}
	if err != nil {
		return nil, internal("failed to load session from database", err)
	}
	if s.RefreshTokenCounter == nil || s.RefreshTokenKey == "" {
		return nil, refreshTokenNotFound()
	}
	key, err := a.refreshKey(s)
	if err != nil {
		return nil, err
	}
	if !token.Verify(key) {
		return nil, refreshTokenNotFound()
	}
	if err := a.mayRefresh(ctx, s, user, s.lastRefresh()); err != nil {
		return nil, err
	}
	switch behind := *s.RefreshTokenCounter - token.Counter(); {
	case behind < 0:
		return nil, invalid("Invalid Refresh Token: Not Issued By This Server")
	case behind == 0:
		return a.rotate(ctx, s, user)
	default:
		return a.reuse(ctx, s, user, behind == 1)
	}
}

// rotate replaces the newest refresh token by its successor: one conditional
// write, which only one of many at once can win.
func (a *Auth) rotate(ctx context.Context, s *SessionRecord, user *UserRecord) (*Session, error) {
	now, info := a.now(), requestInfo(ctx)
	err := a.store.RotateSession(ctx, SessionRotation{
		ID: s.ID, From: *s.RefreshTokenCounter, At: now, UserAgent: info.UserAgent, IP: info.IP,
	})
	if errors.Is(err, ErrNoRow) {
		return nil, err
	}
	if err != nil {
		return nil, internal("failed to update session information", err)
	}
	*s.RefreshTokenCounter++
	token, err := a.refreshToken(s)
	if err != nil {
		return nil, err
	}
	return a.session(ctx, user, s, token, RefreshInfo{Counter: *s.RefreshTokenCounter, Rotated: true})
}

// reuse answers a token that was replaced before: with the current one if an
// honest client may well be asking, with the session's end otherwise.
func (a *Auth) reuse(ctx context.Context, s *SessionRecord, user *UserRecord, successorUnused bool) (*Session, error) {
	causes := a.reuseCauses(s, successorUnused)
	if len(causes) == 0 {
		return nil, a.endReused(ctx, s, user)
	}
	token, err := a.refreshToken(s)
	if err != nil {
		return nil, err
	}
	return a.session(ctx, user, s, token, RefreshInfo{Counter: *s.RefreshTokenCounter, ReuseCauses: causes})
}

// reuseCauses are the reasons for which a replaced token is still good; none
// means that it is not.
func (a *Auth) reuseCauses(s *SessionRecord, successorUnused bool) []string {
	var causes []string
	if successorUnused {
		causes = append(causes, "fail-to-save") // the client never got the answer, or lost it
	}
	if s.RefreshedAt != nil && a.now().Sub(*s.RefreshedAt).Abs() < a.cfg.Session.ReuseInterval {
		causes = append(causes, "concurrent-refresh")
	}
	if a.cfg.Session.AllowReuse {
		causes = append(causes, "always-allow")
	}
	return causes
}

// endReused ends a session of which a replaced refresh token turned up.
func (a *Auth) endReused(ctx context.Context, s *SessionRecord, user *UserRecord) error {
	refusal := fail(KindInvalid, ErrRefreshTokenUsed, "Invalid Refresh Token: Already Used")
	if a.cfg.Session.KeepOnReuse {
		return refusal
	}
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.EndSession(ctx, s.ID); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionTokenRevoked, &user.User, nil)
	})
	if err != nil {
		return internal("destroying session after detected refresh token reuse failed", err)
	}
	refusal.Err = &ReusedTokenError{User: user.User, Session: *s}
	return refusal
}

// mayRefresh says why a session must not go on.
func (a *Auth) mayRefresh(ctx context.Context, s *SessionRecord, user *UserRecord, lastUsed time.Time) error {
	if a.banned(&user.User) {
		refusal := fail(KindInvalid, ErrUserBanned, "Invalid Refresh Token: User Banned")
		refusal.Err = &BannedUserError{User: user.User}
		return refusal
	}
	if s.OAuthClientID != nil {
		return &OAuthError{Name: "invalid_client", Description: "Client authentication required for OAuth session"}
	}
	if over := a.sessionOver(s, &user.User, lastUsed); over != "" {
		return fail(KindInvalid, ErrSessionExpired, "Invalid Refresh Token: %s", over)
	}
	return a.newestOfUser(ctx, s)
}

// sessionOver says in GoTrue's words why a session is past its time, or
// nothing while it is not.
func (a *Auth) sessionOver(s *SessionRecord, u *User, lastUsed time.Time) string {
	now, limit := a.now(), a.cfg.Session
	past := func(since time.Time, d time.Duration) bool { return d > 0 && !now.Before(since.Add(d)) }
	switch {
	case s.NotAfter != nil && now.After(*s.NotAfter), past(s.CreatedAt, limit.Timebox):
		return "Session Expired"
	case past(lastUsed, limit.InactivityTimeout):
		return "Session Expired (Inactivity)"
	case s.level() < u.highestAAL() && past(s.CreatedAt, limit.AllowLowAAL):
		return "Session Expired (Low AAL: User Needs MFA Verification)"
	}
	return ""
}

func (s *SessionRecord) lastRefresh() time.Time {
	if s.RefreshedAt != nil {
		return *s.RefreshedAt
	}
	return s.CreatedAt
}

// newestOfUser refuses a session that a newer one of its user replaced, where
// only one may live.
func (a *Auth) newestOfUser(ctx context.Context, s *SessionRecord) error {
	if !a.cfg.Session.SinglePerUser {
		return nil
	}
	sessions, err := a.store.UserSessions(ctx, s.UserID)
	if err != nil {
		return internal("failed to load session from database", err)
	}
	for _, other := range sessions {
		if other.ID != s.ID && a.tag(&other) == a.tag(s) && a.sessionOver(&other, &User{}, other.lastRefresh()) == "" &&
			other.lastRefresh().After(s.lastRefresh()) {
			return fail(KindInvalid, ErrSessionExpired, "Invalid Refresh Token: Session Expired (Revoked by Newer Login)")
		}
	}
	return nil
}

func (a *Auth) tag(s *SessionRecord) string {
	tags := a.cfg.Session.Tags
	if len(tags) == 0 || slices.Contains(tags, s.Tag) {
		return s.Tag
	}
	return tags[0]
}

// refreshLegacy exchanges a token of the format before version 2 (contract:
// tokens.md §5). ErrNoRow asks for another attempt.
func (a *Auth) refreshLegacy(ctx context.Context, token string) (*Session, error) {
	old, err := a.store.FindLegacyToken(ctx, token)
	if errors.Is(err, ErrNoRow) {
		return nil, refreshTokenNotFound()
	}
	if err != nil {
		return nil, internal("Database error querying schema", err)
	}
	if old.SessionID == uuid.Nil {
		return nil, a.dropSessionless(ctx, old)
	}
	s, user, err := a.store.FindSession(ctx, old.SessionID)
	if errors.Is(err, ErrNoRow) {
		return nil, refreshTokenNotFound()
	}
	if err != nil {
		return nil, internal("failed to load session from database", err)
	}
	lastUsed := s.lastRefresh()
	if old.UpdatedAt.After(lastUsed) {
		lastUsed = old.UpdatedAt
	}
	if err := a.mayRefresh(ctx, s, user, lastUsed); err != nil {
		return nil, err
	}
	return a.exchangeLegacy(ctx, old, s, user)
}

// dropSessionless refuses a token from before sessions existed, for good.
func (a *Auth) dropSessionless(ctx context.Context, old *LegacyToken) error {
	if err := a.store.DropLegacyToken(ctx, old.ID); err != nil {
		return internal("Error deleting refresh token with missing session", err)
	}
	return fail(KindInvalid, ErrSessionNotFound, "Invalid Refresh Token: No Valid Session Found")
}

func (a *Auth) exchangeLegacy(ctx context.Context, old *LegacyToken, s *SessionRecord, user *UserRecord) (*Session, error) {
	switch upgraded := s.RefreshTokenCounter != nil; {
	case upgraded:
		// The last legacy token of a session came before its version-2 token 0.
		return a.reuse(ctx, s, user, old.Newest && *s.RefreshTokenCounter == 0)
	case !old.Revoked:
		return a.upgrade(ctx, old, s, user)
	case old.Successor != "":
		return a.session(ctx, user, s, string(old.Successor), RefreshInfo{Counter: -1, ReuseCauses: []string{"fail-to-save"}})
	default:
		return nil, a.endReused(ctx, s, user)
	}
}

// upgrade spends a legacy token and moves its session to version 2.
func (a *Auth) upgrade(ctx context.Context, old *LegacyToken, s *SessionRecord, user *UserRecord) (*Session, error) {
	key, err := a.newRefreshKey(s.ID)
	if err != nil {
		return nil, err
	}
	info := requestInfo(ctx)
	err = a.store.UpgradeSession(ctx, SessionUpgrade{
		TokenID: old.ID, SessionID: s.ID, Key: key, At: a.now(), UserAgent: info.UserAgent, IP: info.IP,
	})
	if errors.Is(err, ErrNoRow) {
		return nil, err
	}
	if err != nil {
		return nil, internal("failed to set up session with refresh token algorithm v2", err)
	}
	s.RefreshTokenKey, s.RefreshTokenCounter = key, new(int64)
	token, err := a.refreshToken(s)
	if err != nil {
		return nil, err
	}
	return a.session(ctx, user, s, token, RefreshInfo{Rotated: true})
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
		switch scope {
		case SignOutGlobal:
			return tx.EndSessions(ctx, c.User.ID, uuid.Nil)
		case SignOutLocal:
			return tx.EndSession(ctx, c.SessionID)
		case SignOutOthers:
			return tx.EndSessions(ctx, c.User.ID, c.SessionID)
		}
		return invalid("Unsupported logout scope %q", scope)
	})
	return internal("Error logging out user", err)
}

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
	if a.banned(&user.User) {
		return nil, fail(KindForbidden, ErrUserBanned, "User is banned")
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
	var c Claims
	if err := a.verify(ctx, accessToken, &c); err != nil {
		var known *Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, badJWT(unverified + err.Error())
	}
	if err := checkLength(accessToken, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// Claims are what an access token says (contract: tokens.md §1). Members that
// Postern does not know are ignored.
type Claims struct {
	Issuer       string           `json:"iss,omitempty"`
	Subject      string           `json:"sub"`
	Audience     Audience         `json:"aud"`
	ExpiresAt    *jwt.NumericDate `json:"exp,omitempty"`
	IssuedAt     *jwt.NumericDate `json:"iat,omitempty"`
	NotBefore    *jwt.NumericDate `json:"nbf,omitempty"`
	Email        string           `json:"email"`
	Phone        string           `json:"phone"`
	AppMetadata  Metadata         `json:"app_metadata"`
	UserMetadata Metadata         `json:"user_metadata"`
	Role         string           `json:"role"`
	AAL          string           `json:"aal"`
	AMR          []AMR            `json:"amr,omitempty"`
	SessionID    string           `json:"session_id"`
	IsAnonymous  bool             `json:"is_anonymous"`
	ClientID     string           `json:"client_id,omitempty"`
	Scope        string           `json:"scope,omitempty"`
}

// Audience is the aud claim, which is written as one string where it is one.
type Audience []string

// MarshalJSON returns a string for one audience and an array for any other number.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON accepts both forms.
func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = nil
		if one != "" {
			*a = Audience{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// AMR is an entry of the amr claim: a method and when it was last used, in Unix
// seconds.
type AMR struct {
	Method    string `json:"method"`
	Timestamp int64  `json:"timestamp"`
	Provider  string `json:"provider,omitempty"`
}

// UnmarshalJSON accepts the bare name of a method too.
func (a *AMR) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &a.Method) == nil {
		return nil
	}
	type plain AMR
	return json.Unmarshal(b, (*plain)(a))
}

// The methods that make Claims a jwt.Claims.

// GetExpirationTime returns exp.
func (c *Claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt, nil }

// GetIssuedAt returns iat.
func (c *Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt, nil }

// GetNotBefore returns nbf.
func (c *Claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore, nil }

// GetIssuer returns iss.
func (c *Claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject returns sub.
func (c *Claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience returns aud.
func (c *Claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings(c.Audience), nil }

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
