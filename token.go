package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

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

// addSession stores a new session of a user, in the transaction that decided to
// open it.
func (a *Auth) addSession(ctx context.Context, tx Tx, user *UserRecord, method string) (*SessionRecord, error) {
	s, err := a.newSession(ctx, user.ID, method)
	if err != nil {
		return nil, err
	}
	if err := tx.AddSession(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

func (a *Auth) newSession(ctx context.Context, userID uuid.UUID, method string) (*SessionRecord, error) {
	now, info := a.now(), RequestInfoFromContext(ctx)
	s := &SessionRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: userID, CreatedAt: now, UpdatedAt: now,
		AAL: aal1, AMR: []AMREntry{{Method: method, At: now}},
		UserAgent: info.UserAgent, IP: info.IP,
		RefreshTokenCounter: new(int64),
	}
	var err error
	s.RefreshTokenKey, err = a.newRefreshKey(s.ID)
	return s, err
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
	access, err := a.sign(ctx, keys, claims, info)
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

// claims are those of a new access token (contract: tokens.md §1).
func (a *Auth) claims(u *User, s *SessionRecord) *Claims {
	now := a.now().Truncate(time.Second)
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
