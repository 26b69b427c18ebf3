package postern

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/refreshtoken"
)

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

// RefreshToken exchanges a refresh token for a new session response (contract:
// tokens.md §5). A token is good until its successor has been used; presented
// again before that it gets the same successor. One from further back ends its
// session, ErrRefreshTokenUsed with a *ReusedTokenError, unless the session was
// refreshed within Config.Session.ReuseInterval. Legacy tokens are exchanged for
// tokens of version 2.
func (a *Auth) RefreshToken(ctx context.Context, refreshToken string) (_ *Session, err error) {
	defer a.attempted(ctx, "refresh_token", &err)
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
	rotation := a.rotation(ctx, token)
	s, user, rotated, err := a.findForRefresh(ctx, rotation)
	if errors.Is(err, ErrNoRow) {
		return nil, refreshTokenNotFound()
	}
	if err != nil {
		return nil, internal("failed to load session from database", err)
	}
	if rotated {
		return a.rotated(ctx, s, user)
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
		return a.rotate(ctx, s, user, rotation)
	default:
		return a.reuse(ctx, s, user, behind == 1)
	}
}

// rotation is what happens to a session of which the newest token is presented.
func (a *Auth) rotation(ctx context.Context, token refreshtoken.Token) SessionRotation {
	info := RequestInfoFromContext(ctx)
	r := SessionRotation{ID: token.SessionID(), From: token.Counter(), At: a.now(), UserAgent: info.UserAgent, IP: info.IP}
	r.Signed, r.MAC = token.Signed()
	return r
}

// findForRefresh returns a session and its user. Where sessions have no end by the
// configuration, the store may rotate the token at once if all is as it should be.
func (a *Auth) findForRefresh(ctx context.Context, r SessionRotation) (s *SessionRecord, user *UserRecord, rotated bool, err error) {
	if limit := a.cfg.Session; limit.Timebox > 0 || limit.InactivityTimeout > 0 || limit.AllowLowAAL > 0 || limit.SinglePerUser {
		s, user, err = a.store.FindSession(ctx, r.ID)
		return s, user, false, err
	}
	return a.store.RefreshSession(ctx, r)
}

// rotate replaces the newest refresh token by its successor: one conditional
// write, which only one of many at once can win.
func (a *Auth) rotate(ctx context.Context, s *SessionRecord, user *UserRecord, r SessionRotation) (*Session, error) {
	err := a.store.RotateSession(ctx, r)
	if errors.Is(err, ErrNoRow) {
		return nil, err
	}
	if err != nil {
		return nil, internal("failed to update session information", err)
	}
	*s.RefreshTokenCounter++
	return a.rotated(ctx, s, user)
}

// rotated answers with the successor.
func (a *Auth) rotated(ctx context.Context, s *SessionRecord, user *UserRecord) (*Session, error) {
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
		if _, err := tx.EndSession(ctx, s.ID); err != nil {
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
	past := func(since time.Time, d time.Duration) bool { return d > 0 && a.over(since, d) }
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
	info := RequestInfoFromContext(ctx)
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
