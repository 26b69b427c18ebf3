package postern_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
)

const (
	secret   = "a secret that is longer than 32 bytes"
	nobodyID = "5a1f1f5e-7f4e-4d0c-9a3e-2f0d6b0a9c11"
)

func withSecret(c *postern.Config) { c.JWT.Secret, c.JWT.Issuer = secret, "https://auth.example.com" }

func TestSignInWithPasswordRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  func(*postern.Config)
		prepare string // SQL
		params  postern.SignInWithPasswordParams
		kind    postern.Kind
		code    postern.Code
	}{
		{"nobody", nil, "", postern.SignInWithPasswordParams{Password: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"two addresses", nil, "", postern.SignInWithPasswordParams{Email: ada, Phone: "15550100099", Password: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"e-mail off", func(c *postern.Config) { c.Email.Disabled = true }, "", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}, postern.KindUnprocessable, postern.ErrEmailProviderDisabled},
		{"phone off", nil, "", postern.SignInWithPasswordParams{Phone: "15550100099", Password: goodPassword}, postern.KindUnprocessable, postern.ErrPhoneProviderDisabled},
		{"an unknown address", nil, "", postern.SignInWithPasswordParams{Email: "nobody@example.com", Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"no address at all", nil, "", postern.SignInWithPasswordParams{Email: "bad", Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"an address with NUL", nil, "", postern.SignInWithPasswordParams{Email: "ada\x00@example.com", Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"an address that is not UTF-8", nil, "", postern.SignInWithPasswordParams{Email: "ada\xff@example.com", Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"SQL in the address", nil, "", postern.SignInWithPasswordParams{Email: "' OR 1=1 --", Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"no password", nil, "", postern.SignInWithPasswordParams{Email: ada}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"a wrong password", nil, "", postern.SignInWithPasswordParams{Email: ada, Password: "wrong"}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"the right password and more", nil, "", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword + strings.Repeat("x", 72)}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"no password of its own", nil, "UPDATE auth.users SET encrypted_password = ''", postern.SignInWithPasswordParams{Email: ada}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"a hash that nobody can read", nil, "UPDATE auth.users SET encrypted_password = '$9$x'", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"banned, with a wrong password", nil, "UPDATE auth.users SET banned_until = '2999-01-01T00:00:00.000000Z'", postern.SignInWithPasswordParams{Email: ada, Password: "wrong"}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"banned", nil, "UPDATE auth.users SET banned_until = '2999-01-01T00:00:00.000000Z'", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}, postern.KindInvalid, postern.ErrUserBanned},
		{"an SSO user", nil, "UPDATE auth.users SET is_sso_user = TRUE", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}, postern.KindInvalid, postern.ErrInvalidCredentials},
		{"another audience", func(c *postern.Config) { c.Audiences = []string{"mobile"} }, "", postern.SignInWithPasswordParams{Email: ada, Password: goodPassword, Audience: "mobile"}, postern.KindInvalid, postern.ErrInvalidCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.config, func(t *testing.T, s service) {
				s.with(t, nop).signUp(t)
				if c.prepare != "" {
					s.exec(t, c.prepare)
				}
				_, err := s.SignInWithPassword(t.Context(), c.params)
				wantError(t, err, c.kind, c.code)
				if n := s.count(t, "SELECT count(*) FROM auth.sessions"); n != 1 {
					t.Errorf("%d sessions, want only that of the sign-up", n)
				}
			})
		})
	}
}

func TestSignInReportsAWeakPassword(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		if got := s.signIn(t, goodPassword).WeakPassword; got != nil {
			t.Errorf("WeakPassword = %+v for a good password", got)
		}
		strict := s.with(t, func(c *postern.Config) {
			c.Password.MinLength, c.Password.RequiredCharacters = 20, []string{"0123456789"}
		})
		got := strict.signIn(t, goodPassword).WeakPassword
		if got == nil || !slices.Equal(got.Reasons, []string{"length", "characters"}) {
			t.Errorf("WeakPassword = %+v, want both reasons", got)
		}
	})
}

func TestSignInReplacesAWeakerHash(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		hash := func() string {
			var h string
			if err := s.st.DB().QueryRowContext(t.Context(), s.dialect("SELECT encrypted_password FROM auth.users")).Scan(&h); err != nil {
				t.Fatal(err)
			}
			return h
		}
		before := hash()
		s.signIn(t, goodPassword)
		if hash() != before {
			t.Error("a hash that is as strong as configured was replaced")
		}
		s.with(t, func(c *postern.Config) { c.Password.BcryptCost = bcrypt.MinCost + 1 }).signIn(t, goodPassword)
		if cost, err := bcrypt.Cost([]byte(hash())); err != nil || cost != bcrypt.MinCost+1 {
			t.Errorf("the hash's cost is %d, %v; want %d", cost, err, bcrypt.MinCost+1)
		}
		s.signIn(t, goodPassword)
		argon := s.with(t, func(c *postern.Config) { c.Password.Algorithm = "argon2id" })
		argon.signIn(t, goodPassword)
		if !strings.HasPrefix(hash(), "$argon2id$") {
			t.Errorf("the hash is %.12s…, want argon2id", hash())
		}
		argon.signIn(t, goodPassword)
	})
}

func TestEncryptionAtRest(t *testing.T) {
	key := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	encrypted := func(c *postern.Config) {
		c.Encryption = postern.EncryptionConfig{Encrypt: true, KeyID: "one", Keys: map[string]postern.Secret{"one": postern.Secret(key)}}
	}
	each(t, encrypted, func(t *testing.T, s service) {
		clear := s.with(t, nop)
		clear.signUp(t)
		session := s.signIn(t, goodPassword) // encrypts what stands in clear
		if n := s.count(t, "SELECT count(*) FROM auth.users WHERE encrypted_password LIKE '{%'"); n != 1 {
			t.Error("the password's hash was not encrypted at sign-in")
		}
		s.signIn(t, goodPassword)
		s.refresh(t, session.RefreshToken)
		readOnly := s.with(t, func(c *postern.Config) { encrypted(c); c.Encryption.Encrypt = false })
		readOnly.signIn(t, goodPassword)

		_, err := clear.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInternal, postern.ErrUnexpectedFailure)
	})
}

func TestRefreshTokenRotates(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		first := s.signUp(t)
		second := s.refresh(t, first.RefreshToken)
		if second.RefreshToken == first.RefreshToken || second.ID != first.ID || !second.Refresh.Rotated || second.Refresh.Counter != 1 {
			t.Errorf("first refresh gave %+v, want the next token of the same session", second)
		}
		if third := s.refresh(t, second.RefreshToken); third.Refresh.Counter != 2 {
			t.Errorf("counter = %d, want 2", third.Refresh.Counter)
		}
		c := s.caller(t, second)
		if got := methods(c.Claims); !slices.Equal(got, []string{"password"}) {
			t.Errorf("amr after a refresh = %v, want what it was before", got)
		}
	})
}

func TestRefreshRecordsWhereItCameFrom(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{IP: netip.MustParseAddr("203.0.113.7"), UserAgent: "Browser/1"})
		session := s.signUp(t)
		if _, err := s.RefreshToken(ctx, session.RefreshToken); err != nil {
			t.Fatal(err)
		}
		records, err := s.st.UserSessions(t.Context(), session.User.ID)
		if err != nil || len(records) != 1 {
			t.Fatalf("UserSessions: %v, %v", records, err)
		}
		if r := records[0]; r.UserAgent != "Browser/1" || r.IP.String() != "203.0.113.7" || r.RefreshedAt == nil {
			t.Errorf("the session's row is %+v", r)
		}
	})
}

func TestRefreshTokenThatWasReplaced(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  func(*postern.Config)
		advance time.Duration
		token   int // which of the session's tokens 0, 1, 2 is presented; 2 is the newest
		causes  []string
		ends    bool
	}{
		{"the one before, much later", nil, time.Hour, 1, []string{"fail-to-save"}, false},
		{"the one before, at once", nil, 0, 1, []string{"fail-to-save", "concurrent-refresh"}, false},
		{"further back, at once", nil, 0, 0, []string{"concurrent-refresh"}, false},
		{"further back, later", nil, 11 * time.Second, 0, nil, true},
		{"further back, interval off", func(c *postern.Config) { c.Session.ReuseInterval = -1 }, 0, 0, nil, true},
		{"further back, always allowed", func(c *postern.Config) { c.Session.AllowReuse = true }, time.Hour, 0, []string{"always-allow"}, false},
		{"further back, session kept", func(c *postern.Config) { c.Session.KeepOnReuse = true }, time.Hour, 0, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.config, func(t *testing.T, s service) {
				tokens := []string{s.signUp(t).RefreshToken}
				for range 2 {
					tokens = append(tokens, s.refresh(t, tokens[len(tokens)-1]).RefreshToken)
				}
				s.Advance(c.advance)
				session, err := s.RefreshToken(t.Context(), tokens[c.token])
				if c.causes != nil {
					if err != nil {
						t.Fatal(err)
					}
					if session.RefreshToken != tokens[2] || !slices.Equal(session.Refresh.ReuseCauses, c.causes) {
						t.Errorf("got token %d because of %v, want the newest because of %v", slices.Index(tokens, session.RefreshToken), session.Refresh.ReuseCauses, c.causes)
					}
				} else {
					wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenUsed)
				}
				_, err = s.RefreshToken(t.Context(), tokens[2])
				if ended := errors.Is(err, postern.ErrRefreshTokenNotFound); ended != c.ends {
					t.Errorf("the newest token then: %v; want the session ended: %v", err, c.ends)
				}
			})
		})
	}
}

func TestReusedTokenEndsAccessTokensToo(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		first := s.signUp(t)
		last := s.refresh(t, s.refresh(t, first.RefreshToken).RefreshToken)
		s.Advance(time.Minute)
		_, err := s.RefreshToken(t.Context(), first.RefreshToken)
		var reused *postern.ReusedTokenError
		if !errors.As(err, &reused) || reused.User.ID != first.User.ID || reused.Session.ID != first.ID {
			t.Fatalf("got %v, want a ReusedTokenError that names user and session", err)
		}
		_, err = s.Authenticate(t.Context(), last.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
	})
}

func TestManyRefreshesAtOnceGetTheSameSuccessor(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		token := s.signUp(t).RefreshToken
		var mu sync.Mutex
		successors, rotations := map[string]int{}, 0
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				session, err := s.RefreshToken(t.Context(), token)
				if err != nil {
					t.Errorf("RefreshToken: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				successors[session.RefreshToken]++
				if session.Refresh.Rotated {
					rotations++
				}
			})
		}
		wg.Wait()
		if len(successors) != 1 || rotations != 1 {
			t.Errorf("%d different successors by %d rotations, want one of each", len(successors), rotations)
		}
	})
}

func TestRefreshTokenRefuses(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		good := s.signUp(t).RefreshToken
		other := s.with(t, nop)
		forged := []byte(good)
		forged[30]++
		for name, c := range map[string]struct {
			token string
			code  postern.Code
		}{
			"nothing":           {"", postern.ErrValidationFailed},
			"too short":         {"short", postern.ErrValidationFailed},
			"upper case":        {"UPPERCASE123", postern.ErrValidationFailed},
			"unknown legacy":    {"aaaaaaaaaaaa", postern.ErrRefreshTokenNotFound},
			"altered":           {string(forged), postern.ErrValidationFailed},
			"longer":            {good + "AAAA", postern.ErrValidationFailed},
			"with a line break": {good + "\n", postern.ErrValidationFailed},
			"huge":              {strings.Repeat("A", 1<<20), postern.ErrValidationFailed},
		} {
			_, err := other.RefreshToken(t.Context(), c.token)
			if !errors.Is(err, c.code) {
				t.Errorf("%s: got %v, want %s", name, err, c.code)
			}
		}
		s.exec(t, "UPDATE auth.users SET banned_until = '2999-01-01T00:00:00.000000Z'")
		_, err := s.RefreshToken(t.Context(), good)
		wantError(t, err, postern.KindInvalid, postern.ErrUserBanned)
		s.exec(t, "UPDATE auth.users SET banned_until = NULL")
		s.refresh(t, good) // a ban ends nothing
	})
}

func TestSessionLimits(t *testing.T) {
	hour := func(field func(*postern.SessionConfig) *time.Duration) func(*postern.Config) {
		return func(c *postern.Config) { *field(&c.Session) = time.Hour }
	}
	for _, c := range []struct {
		name    string
		config  func(*postern.Config)
		factor  bool
		refresh time.Duration // a refresh after this long
		then    time.Duration // and the next one after this long
		message string        // of that one's refusal, "" for success
	}{
		{"timebox", hour(func(c *postern.SessionConfig) *time.Duration { return &c.Timebox }), false, 40 * time.Minute, 30 * time.Minute, "Invalid Refresh Token: Session Expired"},
		{"within the timebox", hour(func(c *postern.SessionConfig) *time.Duration { return &c.Timebox }), false, 20 * time.Minute, 30 * time.Minute, ""},
		{"inactive", hour(func(c *postern.SessionConfig) *time.Duration { return &c.InactivityTimeout }), false, 40 * time.Minute, 61 * time.Minute, "Invalid Refresh Token: Session Expired (Inactivity)"},
		{"active", hour(func(c *postern.SessionConfig) *time.Duration { return &c.InactivityTimeout }), false, 40 * time.Minute, 40 * time.Minute, ""},
		{"low AAL", hour(func(c *postern.SessionConfig) *time.Duration { return &c.AllowLowAAL }), true, 40 * time.Minute, 40 * time.Minute, "Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)"},
		{"no second factor to use", hour(func(c *postern.SessionConfig) *time.Duration { return &c.AllowLowAAL }), false, 40 * time.Minute, 40 * time.Minute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.config, func(t *testing.T, s service) {
				session := s.signUp(t)
				if c.factor {
					s.addFactor(t, session.User.ID)
				}
				s.Advance(c.refresh)
				session = s.refresh(t, session.RefreshToken)
				s.Advance(c.then)
				_, err := s.RefreshToken(t.Context(), session.RefreshToken)
				if c.message == "" {
					if err != nil {
						t.Errorf("got %v, want success", err)
					}
					return
				}
				wantError(t, err, postern.KindInvalid, postern.ErrSessionExpired)
				var e *postern.Error
				if errors.As(err, &e); e.Message != c.message {
					t.Errorf("got message %q, want %q", e.Message, c.message)
				}
			})
		})
	}
}

func TestAccessTokenEndsWithTheTimeForLowAAL(t *testing.T) {
	each(t, func(c *postern.Config) { c.Session.AllowLowAAL = 10 * time.Minute }, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.addFactor(t, session.User.ID)
		if session = s.refresh(t, session.RefreshToken); session.ExpiresIn > 600 {
			t.Errorf("expires_in = %d, want at most 600", session.ExpiresIn)
		}
		s.raise(t, session.ID)
		if session = s.refresh(t, session.RefreshToken); session.ExpiresIn != 3600 {
			t.Errorf("expires_in with aal2 = %d, want 3600", session.ExpiresIn)
		}
		if c := s.caller(t, session); c.Claims.AAL != "aal2" {
			t.Errorf("aal = %s, want aal2", c.Claims.AAL)
		}
	})
}

func TestOnlyTheNewestSessionGoesOn(t *testing.T) {
	each(t, func(c *postern.Config) { c.Session.SinglePerUser = true }, func(t *testing.T, s service) {
		older := s.signUp(t)
		s.Advance(time.Minute)
		newer := s.signIn(t, goodPassword)
		_, err := s.RefreshToken(t.Context(), older.RefreshToken)
		wantError(t, err, postern.KindInvalid, postern.ErrSessionExpired)
		s.refresh(t, newer.RefreshToken)

		tagged := s.with(t, func(c *postern.Config) {
			c.Session.SinglePerUser, c.Session.Tags = true, []string{"web", "app"}
		})
		s.exec(t, "UPDATE auth.sessions SET tag = 'app' WHERE id = '"+newer.ID.String()+"'")
		if _, err := tagged.RefreshToken(t.Context(), older.RefreshToken); err != nil {
			t.Errorf("a session of another tag is in the way: %v", err)
		}
	})
}

func TestLegacyRefreshTokens(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.makeLegacy(t, session, "grandparent1", "parentparen2", "activeactiv3")
		if got := s.refresh(t, "parentparen2"); got.RefreshToken != "activeactiv3" || got.Refresh.Counter != -1 {
			t.Errorf("the token before the active one got %+v, want the active one", got)
		}
		upgraded := s.refresh(t, "activeactiv3")
		if len(upgraded.RefreshToken) < 40 || !upgraded.Refresh.Rotated || upgraded.ID != session.ID {
			t.Errorf("the active token got %+v, want a version-2 token of its session", upgraded)
		}
		s.Advance(time.Hour)
		if again := s.refresh(t, "activeactiv3"); again.RefreshToken != upgraded.RefreshToken {
			t.Errorf("the same token again got %q, want the same successor", again.RefreshToken)
		}
		next := s.refresh(t, upgraded.RefreshToken)
		s.Advance(time.Hour)
		_, err := s.RefreshToken(t.Context(), "activeactiv3")
		wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenUsed)
		_, err = s.RefreshToken(t.Context(), next.RefreshToken)
		wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenNotFound)
	})
}

func TestLegacyTokenFromFurtherBackEndsItsSession(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.makeLegacy(t, session, "grandparent1", "parentparen2", "activeactiv3")
		_, err := s.RefreshToken(t.Context(), "grandparent1")
		wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenUsed)
		_, err = s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
	})
}

func TestLegacyTokenWithoutASessionIsDropped(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.makeLegacy(t, session, "sessionless1")
		s.exec(t, "UPDATE auth.refresh_tokens SET session_id = NULL")
		_, err := s.RefreshToken(t.Context(), "sessionless1")
		wantError(t, err, postern.KindInvalid, postern.ErrSessionNotFound)
		_, err = s.RefreshToken(t.Context(), "sessionless1")
		wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenNotFound)
	})
}

func TestManyLegacyRefreshesAtOnceGetTheSameSuccessor(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.makeLegacy(t, s.signUp(t), "activeactiv3")
		var mu sync.Mutex
		successors := map[string]bool{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				session, err := s.RefreshToken(t.Context(), "activeactiv3")
				if err != nil {
					t.Errorf("RefreshToken: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				successors[session.RefreshToken] = true
			})
		}
		wg.Wait()
		if len(successors) != 1 {
			t.Errorf("%d different successors, want one", len(successors))
		}
	})
}

// makeLegacy turns a session into one that lives on legacy tokens, of which the
// last is active.
func (s service) makeLegacy(t *testing.T, session *postern.Session, tokens ...string) {
	t.Helper()
	s.exec(t, "UPDATE auth.sessions SET refresh_token_counter = NULL, refresh_token_hmac_key = NULL, refreshed_at = NULL WHERE id = '"+session.ID.String()+"'")
	parent := "NULL"
	for i, token := range tokens {
		revoked := "TRUE"
		if i == len(tokens)-1 {
			revoked = "FALSE"
		}
		s.exec(t, "INSERT INTO auth.refresh_tokens (instance_id, token, user_id, revoked, parent, session_id, created_at, updated_at) VALUES ('"+
			uuid.Nil.String()+"', '"+token+"', '"+session.User.ID.String()+"', "+revoked+", "+parent+", '"+session.ID.String()+
			"', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')")
		parent = "'" + token + "'"
	}
}

func TestSignOutScopes(t *testing.T) {
	for scope, alive := range map[postern.SignOutScope][2]bool{
		"":                    {false, false},
		postern.SignOutGlobal: {false, false},
		postern.SignOutLocal:  {false, true},
		postern.SignOutOthers: {true, false},
	} {
		t.Run(string(scope), func(t *testing.T) {
			each(t, nil, func(t *testing.T, s service) {
				sessions := [2]*postern.Session{s.signUp(t), &s.signIn(t, goodPassword).Session}
				if err := s.SignOut(t.Context(), s.caller(t, sessions[0]), scope); err != nil {
					t.Fatal(err)
				}
				for i, session := range sessions {
					_, err := s.Authenticate(t.Context(), session.AccessToken)
					if (err == nil) != alive[i] {
						t.Errorf("session %d: %v, want it alive: %v", i, err, alive[i])
					}
					_, err = s.RefreshToken(t.Context(), session.RefreshToken)
					if (err == nil) != alive[i] {
						t.Errorf("refresh of session %d: %v, want it alive: %v", i, err, alive[i])
					}
				}
			})
		})
	}
}

func TestSignOutWithoutASessionIsGlobal(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		c := must(s.Caller(t.Context(), session.User.ID))
		err := s.SignOut(t.Context(), s.caller(t, session), "nowhere")
		wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
		if err := s.SignOut(t.Context(), c, postern.SignOutLocal); err != nil {
			t.Fatal(err)
		}
		_, err = s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
	})
}

func TestAuthenticateRefuses(t *testing.T) {
	each(t, withSecret, func(t *testing.T, s service) {
		session := s.signUp(t)
		good := func() jwt.MapClaims {
			return jwt.MapClaims{
				"sub": session.User.ID.String(), "aud": "authenticated", "iss": "https://auth.example.com",
				"exp": time.Now().Add(time.Hour).Unix(), "session_id": session.ID.String(), "role": "authenticated",
			}
		}
		if _, err := s.Authenticate(t.Context(), mint(t, secret, good())); err != nil {
			t.Fatalf("a good token: %v", err)
		}
		for name, c := range map[string]struct {
			edit func(jwt.MapClaims)
			kind postern.Kind
			code postern.Code
		}{
			"no subject":               {func(c jwt.MapClaims) { delete(c, "sub") }, postern.KindForbidden, postern.ErrBadJWT},
			"a subject that is no id":  {func(c jwt.MapClaims) { c["sub"] = "ada" }, postern.KindInvalid, postern.ErrBadJWT},
			"a session that is no id":  {func(c jwt.MapClaims) { c["session_id"] = "one" }, postern.KindForbidden, postern.ErrBadJWT},
			"an unknown user":          {func(c jwt.MapClaims) { c["sub"] = nobodyID }, postern.KindForbidden, postern.ErrUserNotFound},
			"an unknown session":       {func(c jwt.MapClaims) { c["session_id"] = nobodyID }, postern.KindForbidden, postern.ErrSessionNotFound},
			"expired":                  {func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Second).Unix() }, postern.KindForbidden, postern.ErrBadJWT},
			"never expiring":           {func(c jwt.MapClaims) { delete(c, "exp") }, postern.KindForbidden, postern.ErrBadJWT},
			"not yet valid":            {func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() }, postern.KindForbidden, postern.ErrBadJWT},
			"another audience":         {func(c jwt.MapClaims) { c["aud"] = "elsewhere" }, postern.KindForbidden, postern.ErrBadJWT},
			"no audience":              {func(c jwt.MapClaims) { delete(c, "aud") }, postern.KindForbidden, postern.ErrBadJWT},
			"another issuer":           {func(c jwt.MapClaims) { c["iss"] = "https://evil.example.com" }, postern.KindForbidden, postern.ErrBadJWT},
			"no issuer":                {func(c jwt.MapClaims) { delete(c, "iss") }, postern.KindForbidden, postern.ErrBadJWT},
			"an expiry that is a text": {func(c jwt.MapClaims) { c["exp"] = "tomorrow" }, postern.KindForbidden, postern.ErrBadJWT},
			"larger than its metadata": {func(c jwt.MapClaims) { c["pad"] = strings.Repeat("x", 16<<10) }, postern.KindForbidden, postern.ErrBadJWT},
		} {
			claims := good()
			c.edit(claims)
			_, err := s.Authenticate(t.Context(), mint(t, secret, claims))
			var e *postern.Error
			if !errors.As(err, &e) || e.Kind != c.kind || e.Code != c.code {
				t.Errorf("%s: got %v, want %s of kind %d", name, err, c.code, c.kind)
			}
		}
		for name, token := range map[string]string{
			"another secret": mint(t, secret+"x", good()),
			"no token":       "abc",
			"huge":           strings.Repeat("a", 1<<20),
		} {
			_, err := s.Authenticate(t.Context(), token)
			if !isCode(err, postern.ErrBadJWT) {
				t.Errorf("%s: got %v, want bad_jwt", name, err)
			}
		}
		_, err := s.Authenticate(t.Context(), "")
		wantError(t, err, postern.KindUnauthorized, postern.ErrNoAuthorization)
		s.exec(t, "UPDATE auth.users SET banned_until = '2999-01-01T00:00:00.000000Z'")
		_, err = s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrUserBanned)
	})
}

// A user with much to say of itself must still be let in by its own token.
func TestLargeMetadataFitsIntoItsToken(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		_, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Data: map[string]any{"a": strings.Repeat("x", 60<<10)}})
		if err != nil {
			t.Fatal(err)
		}
		s.caller(t, s.refresh(t, session.RefreshToken))
	})
}

func TestAuthenticateAdmin(t *testing.T) {
	each(t, withSecret, func(t *testing.T, s service) {
		session := s.signUp(t)
		for name, c := range map[string]struct {
			claims jwt.MapClaims
			code   postern.Code // "" for success
		}{
			"undated, of a foreign issuer": {jwt.MapClaims{"role": "service_role", "iss": "supabase"}, ""},
			"dated":                        {jwt.MapClaims{"role": "supabase_admin", "exp": time.Now().Add(time.Hour).Unix()}, ""},
			"expired":                      {jwt.MapClaims{"role": "service_role", "exp": time.Now().Add(-time.Hour).Unix()}, postern.ErrBadJWT},
			"not yet valid":                {jwt.MapClaims{"role": "service_role", "nbf": time.Now().Add(time.Hour).Unix()}, postern.ErrBadJWT},
			"of an anonymous key":          {jwt.MapClaims{"role": "anon"}, postern.ErrNotAdmin},
			"without a role":               {jwt.MapClaims{}, postern.ErrNotAdmin},
			"of a session that is gone": {jwt.MapClaims{
				"role": "service_role", "sub": session.User.ID.String(), "session_id": nobodyID,
				"aud": "authenticated", "iss": "https://auth.example.com", "exp": time.Now().Add(time.Hour).Unix(),
			}, postern.ErrSessionNotFound},
			"of a living session": {jwt.MapClaims{
				"role": "service_role", "sub": session.User.ID.String(), "session_id": session.ID.String(),
				"aud": "authenticated", "iss": "https://auth.example.com", "exp": time.Now().Add(time.Hour).Unix(),
			}, ""},
		} {
			_, err := s.AuthenticateAdmin(t.Context(), mint(t, secret, c.claims))
			if c.code == "" && err != nil || c.code != "" && !errors.Is(err, c.code) {
				t.Errorf("a key %s: got %v, want %q", name, err, c.code)
			}
		}
		_, err := s.AuthenticateAdmin(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrNotAdmin)

		strict := s.with(t, func(c *postern.Config) { withSecret(c); c.JWT.RefuseUndated = true })
		_, err = strict.AuthenticateAdmin(t.Context(), mint(t, secret, jwt.MapClaims{"role": "service_role"}))
		wantError(t, err, postern.KindForbidden, postern.ErrBadJWT)

		boxed := s.with(t, func(c *postern.Config) { withSecret(c); c.Session.Timebox = time.Minute })
		boxed.Advance(2 * time.Minute)
		_, err = boxed.AuthenticateAdmin(t.Context(), mint(t, secret, jwt.MapClaims{
			"role": "service_role", "sub": session.User.ID.String(), "session_id": session.ID.String(),
			"aud": "authenticated", "iss": "https://auth.example.com", "exp": time.Now().Add(time.Hour).Unix(),
		}))
		wantError(t, err, postern.KindForbidden, postern.ErrSessionExpired)
	})
}

// mint signs claims with a secret, as an operator would elsewhere.
func mint(t *testing.T, secret string, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestClaimsAreGoTrues(t *testing.T) {
	each(t, withSecret, func(t *testing.T, s service) {
		session := s.signUp(t)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(session.AccessToken, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if got, want := shapeOf(claims), "{aal:value amr:[{method:value timestamp:value } ] app_metadata:{provider:value providers:[value ] } aud:value email:value exp:value iat:value is_anonymous:false iss:value phone:empty role:value session_id:value sub:value user_metadata:{email:value email_verified:true phone_verified:false sub:value } }"; got != want {
			t.Errorf("claims are\n%s\nwant\n%s", got, want)
		}
		if aud, ok := claims["aud"].(string); !ok || aud != "authenticated" {
			t.Errorf("aud = %v, want a text", claims["aud"])
		}
	})
}

func TestClaimsReadForeignForms(t *testing.T) {
	t.Parallel()
	var c postern.Claims
	text := `{"aud":["a","b"],"amr":["pwd",{"method":"otp","timestamp":5}],"exp":1.5e9,"unknown":{"x":[]},"app_metadata":null}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Audience, postern.Audience{"a", "b"}) || len(c.AMR) != 2 || c.AMR[0].Method != "pwd" || c.AMR[1].Timestamp != 5 || c.ExpiresAt.Unix() != 1500000000 {
		t.Errorf("claims = %+v", c)
	}
}
