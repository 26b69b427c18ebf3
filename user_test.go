package postern_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

func TestSignUpWithoutConfirmationSignsIn(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		res, err := s.SignUp(t.Context(), postern.SignUpParams{
			Email: "Ada@Example.com", Password: goodPassword,
			Data: map[string]any{"name": "Ada", "email": "other@example.com", "sub": "me"},
		})
		if err != nil {
			t.Fatal(err)
		}
		u := res.User
		if u.Email != ada || u.EmailConfirmedAt == nil || u.LastSignInAt == nil || u.Role != "authenticated" || u.Aud != "authenticated" {
			t.Errorf("SignUp returned user %+v, want a confirmed one with a lower-case address", u)
		}
		wantJSON(t, "user_metadata", u.UserMetadata, map[string]any{
			"name": "Ada", "email": ada, "sub": u.ID.String(), "email_verified": true, "phone_verified": false,
		})
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "email", "providers": []any{"email"}})
		c := s.caller(t, res.Session)
		if got, want := methods(c.Claims), []string{"password"}; !slices.Equal(got, want) {
			t.Errorf("amr = %v, want %v", got, want)
		}
		stored, err := s.AdminUser(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(stored.Identities) != 1 || stored.Identities[0].ID != u.ID.String() || stored.Identities[0].Email != ada || stored.ConfirmedAt == nil {
			t.Errorf("stored user is %+v, want one e-mail identity and confirmed_at", stored)
		}
	})
}

func TestSignUpWaitsForConfirmation(t *testing.T) {
	each(t, confirming, func(t *testing.T, s service) {
		res, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
		if err != nil {
			t.Fatal(err)
		}
		if res.Session != nil || res.User.ConfirmationSentAt == nil || res.User.EmailConfirmedAt != nil {
			t.Errorf("SignUp returned %+v, want a user who waits and no session", res)
		}
		_, err = s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrEmailNotConfirmed)
	})
}

func TestSignUpByPhone(t *testing.T) {
	each(t, phones, func(t *testing.T, s service) {
		res, err := s.SignUp(t.Context(), postern.SignUpParams{Phone: "+1 555 0100099", Password: goodPassword})
		if err != nil {
			t.Fatal(err)
		}
		u := res.User
		if u.Phone != "15550100099" || u.PhoneConfirmedAt == nil || u.Email != "" {
			t.Errorf("SignUp returned user %+v, want a confirmed number of digits only", u)
		}
		wantJSON(t, "identity_data", u.Identities[0].IdentityData, map[string]any{
			"sub": u.ID.String(), "email_verified": false, "phone_verified": false,
		})
		for _, spelling := range []string{"15550100099", "+15550100099", "+1 555 010 0099"} {
			if _, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Phone: spelling, Password: goodPassword}); err != nil {
				t.Errorf("sign-in as %q: %v", spelling, err)
			}
		}
	})
}

func TestSignUpRefusesBadInput(t *testing.T) {
	long := strings.Repeat("x", 73)
	for _, c := range []struct {
		name   string
		config func(*postern.Config)
		params postern.SignUpParams
		kind   postern.Kind
		code   postern.Code
	}{
		{"no address", nil, postern.SignUpParams{Password: goodPassword}, postern.KindUnprocessable, postern.ErrAnonymousDisabled},
		{"sign-ups off", func(c *postern.Config) { c.DisableSignUp = true }, postern.SignUpParams{Email: ada}, postern.KindUnprocessable, postern.ErrSignUpDisabled},
		{"no password", nil, postern.SignUpParams{Email: ada}, postern.KindInvalid, postern.ErrValidationFailed},
		{"short password", nil, postern.SignUpParams{Email: ada, Password: "short"}, postern.KindUnprocessable, postern.ErrWeakPassword},
		{"long password", nil, postern.SignUpParams{Email: ada, Password: long}, postern.KindInvalid, postern.ErrValidationFailed},
		{"NUL in password", nil, postern.SignUpParams{Email: ada, Password: "abc\x00defgh"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"both addresses", phones, postern.SignUpParams{Email: ada, Phone: "15550100099", Password: goodPassword}, postern.KindInvalid, postern.ErrValidationFailed},
		{"bad address", nil, postern.SignUpParams{Email: "ada", Password: goodPassword}, postern.KindInvalid, postern.ErrValidationFailed},
		{"two addresses", nil, postern.SignUpParams{Email: "a@example.com,b@example.com", Password: goodPassword}, postern.KindInvalid, postern.ErrValidationFailed},
		{"line break", nil, postern.SignUpParams{Email: "ada@example.com\r\nBcc: x@example.com", Password: goodPassword}, postern.KindInvalid, postern.ErrValidationFailed},
		{"e-mail off", func(c *postern.Config) { c.Email.Disabled = true }, postern.SignUpParams{Email: ada, Password: goodPassword}, postern.KindInvalid, postern.ErrEmailProviderDisabled},
		{"phone off", nil, postern.SignUpParams{Phone: "15550100099", Password: goodPassword}, postern.KindInvalid, postern.ErrPhoneProviderDisabled},
		{"bad number", phones, postern.SignUpParams{Phone: "555-0100", Password: goodPassword}, postern.KindInvalid, postern.ErrValidationFailed},
		{"PKCE by phone", phones, postern.SignUpParams{Phone: "15550100099", Password: goodPassword, Challenge: postern.Challenge{CodeChallenge: long, CodeChallengeMethod: "s256"}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"half of PKCE", nil, postern.SignUpParams{Email: ada, Password: goodPassword, Challenge: postern.Challenge{CodeChallenge: long}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"NUL in metadata", nil, postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"a": []any{"x\x00"}}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"NUL in a metadata key", nil, postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"a\x00": 1}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"large metadata", nil, postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"a": strings.Repeat("x", 64<<10)}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"metadata that is no JSON", nil, postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"a": func() {}}}, postern.KindInvalid, postern.ErrValidationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.config, func(t *testing.T, s service) {
				_, err := s.SignUp(t.Context(), c.params)
				wantError(t, err, c.kind, c.code)
				if n := s.count(t, "SELECT count(*) FROM auth.users"); n != 0 {
					t.Errorf("%d users are stored, want none", n)
				}
			})
		})
	}
}

func TestSignUpTellsOfATakenAddressOnlyWhereItMust(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		first := s.signUp(t)
		_, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: newPassword})
		wantError(t, err, postern.KindUnprocessable, postern.ErrUserAlreadyExists)

		quiet := s.with(t, confirming)
		res, err := quiet.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: newPassword, Data: map[string]any{"a": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if !res.Decoy || res.User.ID == first.User.ID || len(res.User.Identities) != 0 || res.User.Identities == nil || res.User.Role != "" {
			t.Errorf("SignUp for a taken address returned %+v, want a decoy", res.User)
		}
		wantJSON(t, "user_metadata", res.User.UserMetadata, map[string]any{"a": 1.0})
		if _, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}); err != nil {
			t.Errorf("the account's own password no longer works: %v", err)
		}
	})
}

func TestHideAccountsMakesAnswersAlike(t *testing.T) {
	each(t, func(c *postern.Config) { c.Email.Autoconfirm, c.HideAccounts = false, true }, func(t *testing.T, s service) {
		s.with(t, nop).signUp(t)
		taken, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: newPassword})
		if err != nil {
			t.Fatal(err)
		}
		free, err := s.SignUp(t.Context(), postern.SignUpParams{Email: "eve@example.com", Password: newPassword})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := shape(t, taken), shape(t, free); got != want {
			t.Errorf("answers differ:\ntaken %s\nfree  %s", got, want)
		}
	})
}

func TestSignUpAgainStartsAWaitingAccountOver(t *testing.T) {
	each(t, confirming, func(t *testing.T, s service) {
		first, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"by": "first"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: newPassword})
		wantError(t, err, postern.KindTooMany, postern.ErrOverEmailSendRateLimit)

		s.Advance(time.Minute)
		second, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: newPassword, Data: map[string]any{"by": "second"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := shape(t, second), shape(t, first); got != want {
			t.Errorf("answers differ:\nsecond %s\nfirst  %s", got, want)
		}
		if second.User.ID == first.User.ID || !second.Decoy {
			t.Errorf("the second applicant was told the account's id")
		}
		stored, err := s.AdminUpdateUser(t.Context(), first.User.ID, postern.AdminUpdateUserParams{EmailConfirm: true})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stored.UserMetadata), "first") || !strings.Contains(string(stored.UserMetadata), "second") {
			t.Errorf("user_metadata = %s, want the second applicant's", stored.UserMetadata)
		}
		_, err = s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		s.signIn(t, newPassword)
	})
}

// Where nothing has to be proven, an account that an operator prepared must not
// fall to whoever asks first.
func TestSignUpDoesNotTakeOverPreparedAccounts(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		_, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, AppMetadata: map[string]any{"plan": "gold"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindUnprocessable, postern.ErrUserAlreadyExists)

		quiet := s.with(t, confirming)
		res, err := quiet.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
		if err != nil || !res.Decoy || strings.Contains(string(res.User.AppMetadata), "gold") {
			t.Errorf("SignUp = %+v, %v; want a decoy that shows nothing", res, err)
		}
	})
}

func TestOneOfManySignUpsAtOnceWins(t *testing.T) {
	for name, config := range map[string]func(*postern.Config){"confirmed": nil, "waiting": confirming} {
		t.Run(name, func(t *testing.T) {
			each(t, config, func(t *testing.T, s service) {
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						_, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
						if err != nil {
							wantOneOf(t, err, postern.ErrUserAlreadyExists, postern.ErrOverEmailSendRateLimit)
						}
					})
				}
				wg.Wait()
				for _, table := range []string{"auth.users", "auth.identities"} {
					if n := s.count(t, "SELECT count(*) FROM "+table); n != 1 {
						t.Errorf("%d rows in %s, want 1", n, table)
					}
				}
			})
		})
	}
}

func TestSignInAnonymously(t *testing.T) {
	each(t, func(c *postern.Config) { c.AnonymousUsers = true }, func(t *testing.T, s service) {
		res, err := s.SignUp(t.Context(), postern.SignUpParams{Data: map[string]any{"theme": "dark"}, Password: "ignored"})
		if err != nil {
			t.Fatal(err)
		}
		u := res.User
		if !u.IsAnonymous || u.Email != "" || u.Phone != "" || len(u.Identities) != 0 || !u.AppMetadata.IsZero() || res.Session == nil {
			t.Errorf("SignUp returned %+v, want an anonymous user and a session", u)
		}
		c := s.caller(t, res.Session)
		if got := methods(c.Claims); !slices.Equal(got, []string{"anonymous"}) || !c.Claims.IsAnonymous {
			t.Errorf("claims are %+v, want an anonymous user's", c.Claims)
		}
		if again := must(s.SignUp(t.Context(), postern.SignUpParams{})); again.User.ID == u.ID {
			t.Error("two anonymous users are one")
		}
		_, err = s.with(t, func(c *postern.Config) { c.AnonymousUsers, c.DisableSignUp = true, true }).SignUp(t.Context(), postern.SignUpParams{})
		wantError(t, err, postern.KindUnprocessable, postern.ErrSignUpDisabled)
	})
}

func TestUpdateUserMergesMetadata(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		c := s.caller(t, s.signUp(t))
		for _, change := range []map[string]any{
			{"keep": 1, "drop": 2, "big": json.Number("12345678901234567890")},
			{"drop": nil, "nested": map[string]any{"a": []any{1, "x"}}},
			{},
			nil,
		} {
			if _, err := s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Data: change}); err != nil {
				t.Fatal(err)
			}
		}
		u, err := s.AdminUser(t.Context(), c.User.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := u.UserMetadata.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if string(got["keep"]) != "1" || string(got["big"]) != "12345678901234567890" || got["nested"] == nil || got["drop"] != nil {
			t.Errorf("user_metadata = %s", u.UserMetadata)
		}
	})
}

func TestMetadataMayShrinkButNotGrowBeyondTheLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		half := strings.Repeat("x", 40<<10)
		if _, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Data: map[string]any{"a": half}}); err != nil {
			t.Fatal(err)
		}
		_, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Data: map[string]any{"b": half}})
		wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)

		tight := s.with(t, func(c *postern.Config) { c.MaxMetadata = 1 << 10 })
		if _, err := tight.UpdateUser(t.Context(), tight.caller(t, session), postern.UpdateUserParams{Data: map[string]any{"a": "x"}}); err != nil {
			t.Errorf("shrinking was refused: %v", err)
		}
	})
}

func TestUpdateUserPasswordEndsOtherSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		mine := s.signUp(t)
		other := s.signIn(t, goodPassword)
		password := newPassword
		if _, err := s.UpdateUser(t.Context(), s.caller(t, mine), postern.UpdateUserParams{Password: &password}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Authenticate(t.Context(), other.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
		_, err = s.RefreshToken(t.Context(), other.RefreshToken)
		wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenNotFound)
		s.refresh(t, mine.RefreshToken)
		_, err = s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		s.signIn(t, newPassword)
	})
}

func TestUpdateUserRefuses(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		name    string
		config  func(*postern.Config)
		prepare string // SQL
		params  postern.UpdateUserParams
		kind    postern.Kind
		code    postern.Code
	}{
		{"an empty password", nil, "", postern.UpdateUserParams{Password: text("")}, postern.KindUnprocessable, postern.ErrWeakPassword},
		{"a long password", nil, "", postern.UpdateUserParams{Password: text(strings.Repeat("y", 73))}, postern.KindInvalid, postern.ErrValidationFailed},
		{"the same password", nil, "", postern.UpdateUserParams{Password: text(goodPassword)}, postern.KindUnprocessable, postern.ErrSamePassword},
		{"app_metadata", nil, "", postern.UpdateUserParams{AppMetadata: map[string]any{"role": "admin"}}, postern.KindForbidden, postern.ErrNotAdmin},
		{"a bad address", nil, "", postern.UpdateUserParams{Email: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a bad number", nil, "", postern.UpdateUserParams{Phone: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a password for a number and address that nobody has", nil, "UPDATE auth.users SET is_anonymous = TRUE", postern.UpdateUserParams{Password: text(newPassword)}, postern.KindUnprocessable, postern.ErrValidationFailed},
		{"a password of an SSO user", nil, "UPDATE auth.users SET is_sso_user = TRUE", postern.UpdateUserParams{Password: text(newPassword)}, postern.KindUnprocessable, postern.ErrUserSSOManaged},
		{"no current password", requireCurrent, "", postern.UpdateUserParams{Password: text(newPassword)}, postern.KindInvalid, postern.ErrCurrentPasswordNeeded},
		{"a wrong current password", requireCurrent, "", postern.UpdateUserParams{Password: text(newPassword), CurrentPassword: "wrong"}, postern.KindInvalid, postern.ErrCurrentPasswordInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.config, func(t *testing.T, s service) {
				session := s.signUp(t)
				if c.prepare != "" {
					s.exec(t, c.prepare)
				}
				before := string(must(s.AdminUser(t.Context(), session.User.ID)).UserMetadata)
				_, err := s.UpdateUser(t.Context(), s.caller(t, session), c.params)
				wantError(t, err, c.kind, c.code)
				if after := string(must(s.AdminUser(t.Context(), session.User.ID)).UserMetadata); after != before {
					t.Errorf("user_metadata changed from %s to %s", before, after)
				}
			})
		})
	}
}

func TestUpdateUserWithTheCurrentPassword(t *testing.T) {
	each(t, requireCurrent, func(t *testing.T, s service) {
		password := newPassword
		_, err := s.UpdateUser(t.Context(), s.caller(t, s.signUp(t)), postern.UpdateUserParams{Password: &password, CurrentPassword: goodPassword})
		if err != nil {
			t.Fatal(err)
		}
		s.signIn(t, newPassword)
	})
}

func TestUpdateUserNeedsTheSecondFactorForAPassword(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.addFactor(t, session.User.ID)
		password := newPassword
		_, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Password: &password})
		wantError(t, err, postern.KindUnauthorized, postern.ErrInsufficientAAL)
		if _, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Data: map[string]any{"a": 1}}); err != nil {
			t.Errorf("metadata needs no second factor: %v", err)
		}
		s.raise(t, session.ID)
		if _, err := s.UpdateUser(t.Context(), s.caller(t, s.refresh(t, session.RefreshToken)), postern.UpdateUserParams{Password: &password}); err != nil {
			t.Errorf("with aal2: %v", err)
		}
	})
}

func TestUserIsTheTokensAudience(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		c := s.caller(t, s.signUp(t))
		for requested, ok := range map[string]bool{"": true, "authenticated": true, "other": false} {
			if _, err := s.User(t.Context(), c, requested); (err == nil) != ok {
				t.Errorf("User for audience %q: %v, want success %v", requested, err, ok)
			}
		}
	})
}

func TestMetadataIsAnObject(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "{}", "null": "{}", "[1,2]": "{}", `"x"`: "{}", ` {"a":1}`: `{"a":1}`} {
		got, err := json.Marshal(postern.Metadata(in))
		if err != nil || string(got) != want {
			t.Errorf("Metadata(%q) marshals to %s, %v; want %s", in, got, err, want)
		}
	}
}

func requireCurrent(c *postern.Config) { c.Password.RequireCurrent = true }

func nop(*postern.Config) {}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func wantOneOf(t *testing.T, err error, codes ...postern.Code) {
	t.Helper()
	if !slices.ContainsFunc(codes, func(c postern.Code) bool { return isCode(err, c) }) {
		t.Errorf("got error %v, want one of %v", err, codes)
	}
}

func wantJSON(t *testing.T, what string, got postern.Metadata, want map[string]any) {
	t.Helper()
	var members map[string]any
	if err := got.Decode(&members); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	a, b := must(json.Marshal(members)), must(json.Marshal(want))
	if string(a) != string(b) {
		t.Errorf("%s = %s, want %s", what, a, b)
	}
}

// shape is a JSON value with its members' names and no texts or numbers.
func shape(t *testing.T, v any) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(must(json.Marshal(v)), &value); err != nil {
		t.Fatal(err)
	}
	return shapeOf(value)
}

func shapeOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(name + ":" + shapeOf(v[name]) + " ")
		}
		return "{" + b.String() + "}"
	case []any:
		var b strings.Builder
		for _, e := range v {
			b.WriteString(shapeOf(e) + " ")
		}
		return "[" + b.String() + "]"
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	case nil:
		return "null"
	case string:
		if v == "" {
			return "empty"
		}
	}
	return "value"
}

// addFactor gives a user a verified second factor.
func (s service) addFactor(t *testing.T, user uuid.UUID) {
	t.Helper()
	s.exec(t, "INSERT INTO auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at) VALUES ('"+
		uuid.NewString()+"', '"+user.String()+"', 'totp', 'verified', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')")
}

// raise adds a use of the second factor to a session.
func (s service) raise(t *testing.T, session uuid.UUID) {
	t.Helper()
	s.exec(t, "INSERT INTO auth.mfa_amr_claims (id, session_id, authentication_method, created_at, updated_at) VALUES ('"+
		uuid.NewString()+"', '"+session.String()+"', 'totp', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')")
}

// TestFirstPasswordIsAnIdentity pins contract user.md §10.
func TestFirstPasswordIsAnIdentity(t *testing.T) {
	on := func(c *postern.Config) { c.Password.EmailIdentity = true }
	withProvider(t, on, func(t *testing.T, o outside) {
		session := o.mustVisit(t, authtest.Person(ada))
		caller := o.caller(t, session)
		_, err := o.with(t, nop).UpdateUser(t.Context(), caller, postern.UpdateUserParams{Data: map[string]any{"a": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if got := providersOf(o.account(t, session.User.ID)); len(got) != 1 {
			t.Fatalf("got identities %q before there is a password, want the provider's", got)
		}
		if _, err := o.UpdateUser(t.Context(), caller, postern.UpdateUserParams{Password: ptr(goodPassword)}); err != nil {
			t.Fatal(err)
		}
		u := o.account(t, session.User.ID)
		if got := strings.Join(providersOf(u), " "); got != "github email" {
			t.Fatalf("got identities %q, want github and email", got)
		}
		wantJSON(t, "identity_data", u.Identities[1].IdentityData, map[string]any{
			"sub": u.ID.String(), "email": ada, "email_verified": true, "phone_verified": false,
		})
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "github", "providers": []any{"github", "email"}})
		if _, err := o.AdminUpdateUser(t.Context(), u.ID, postern.AdminUpdateUserParams{Password: ptr(newPassword)}); err != nil {
			t.Fatal(err)
		}
		if got := providersOf(o.account(t, u.ID)); len(got) != 2 {
			t.Errorf("got identities %q after another password, want no more", got)
		}
	})
}

func TestFirstPasswordIsNoIdentityUnlessItIsAskedFor(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		session := o.mustVisit(t, authtest.Person(ada))
		if _, err := o.UpdateUser(t.Context(), o.caller(t, session), postern.UpdateUserParams{Password: ptr(goodPassword)}); err != nil {
			t.Fatal(err)
		}
		if got := providersOf(o.account(t, session.User.ID)); len(got) != 1 {
			t.Errorf("got identities %q, want the provider's", got)
		}
	})
}
