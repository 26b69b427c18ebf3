package postern_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

func TestAdminCreateUser(t *testing.T) {
	each(t, confirming, func(t *testing.T, s service) {
		id, password := uuid.New(), "abc" // weak, which an operator may choose
		u, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{
			ID: id, Email: "Ada@Example.com", Phone: "+1 5550100099", Password: &password,
			EmailConfirm: true, PhoneConfirm: true,
			UserMetadata: map[string]any{"name": "Ada"}, AppMetadata: map[string]any{"roles": []string{"x"}, "provider": "own"},
			Role: "editor", BanDuration: "1h30m",
		})
		if err != nil {
			t.Fatal(err)
		}
		if u.ID != id || u.Email != ada || u.Phone != "15550100099" || u.EmailConfirmedAt == nil || u.PhoneConfirmedAt == nil || u.Role != "editor" || u.BannedUntil == nil {
			t.Errorf("AdminCreateUser returned %+v", u)
		}
		wantJSON(t, "user_metadata", u.UserMetadata, map[string]any{"name": "Ada", "email_verified": true})
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "own", "providers": []any{"email", "phone"}, "roles": []any{"x"}})
		if len(u.Identities) != 2 {
			t.Errorf("%d identities, want 2", len(u.Identities))
		}
		s.Advance(2 * time.Hour)
		s.signIn(t, password)
	})
}

func TestAdminCreateUserRefuses(t *testing.T) {
	text := func(s string) *string { return &s }
	const taken, takenPhone = "taken@example.com", "15550100001"
	takenID := uuid.New()
	for _, c := range []struct {
		name   string
		params postern.AdminCreateUserParams
		kind   postern.Kind
		code   postern.Code
	}{
		{"no address", postern.AdminCreateUserParams{}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a bad address", postern.AdminCreateUserParams{Email: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a bad number", postern.AdminCreateUserParams{Phone: "x"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a taken address", postern.AdminCreateUserParams{Email: "TAKEN@example.com"}, postern.KindUnprocessable, postern.ErrEmailExists},
		{"a taken number", postern.AdminCreateUserParams{Phone: "+" + takenPhone}, postern.KindUnprocessable, postern.ErrPhoneExists},
		{"a taken id", postern.AdminCreateUserParams{ID: takenID, Email: ada}, postern.KindUnprocessable, postern.ErrUserAlreadyExists},
		{"password and hash", postern.AdminCreateUserParams{Email: ada, Password: text(""), PasswordHash: "$2a$04$q4eeLe7hW8NE8YHN2mXUWOQf0nAh6B2nBk0xxBXsLPpUZHbjxpzXK"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a hash of another kind", postern.AdminCreateUserParams{Email: ada, PasswordHash: "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a long password", postern.AdminCreateUserParams{Email: ada, Password: text(strings.Repeat("x", 73))}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a ban of a fortnight", postern.AdminCreateUserParams{Email: ada, BanDuration: "14d"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"NUL in app_metadata", postern.AdminCreateUserParams{Email: ada, AppMetadata: map[string]any{"a": "\x00"}}, postern.KindInvalid, postern.ErrValidationFailed},
		{"NUL in the role", postern.AdminCreateUserParams{Email: ada, Role: "a\x00b"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a role that is too long", postern.AdminCreateUserParams{Email: ada, Role: strings.Repeat("r", 256)}, postern.KindInvalid, postern.ErrValidationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, nil, func(t *testing.T, s service) {
				must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{ID: takenID, Email: taken, Phone: takenPhone}))
				_, err := s.AdminCreateUser(t.Context(), c.params)
				wantError(t, err, c.kind, c.code)
				if n := s.count(t, "SELECT count(*) FROM auth.users"); n != 1 {
					t.Errorf("%d users are stored, want 1", n)
				}
			})
		})
	}
}

func TestAdminUpdateUser(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		id, password := session.User.ID, newPassword
		u, err := s.AdminUpdateUser(t.Context(), id, postern.AdminUpdateUserParams{
			Email: "New@Example.com", EmailConfirm: true, Phone: "15550100099", Password: &password,
			UserMetadata: map[string]any{"sub": nil, "name": "Ada"}, AppMetadata: map[string]any{"plan": "gold"}, Role: "editor",
		})
		if err != nil {
			t.Fatal(err)
		}
		if u.Email != "new@example.com" || u.Phone != "15550100099" || u.Role != "editor" {
			t.Errorf("AdminUpdateUser returned %+v", u)
		}
		u = must(s.AdminUser(t.Context(), id))
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "email", "providers": []any{"email"}, "plan": "gold"})
		wantJSON(t, "user_metadata", u.UserMetadata, map[string]any{"email": ada, "email_verified": true, "phone_verified": false, "name": "Ada"})
		byProvider := map[string]postern.Identity{}
		for _, i := range u.Identities {
			byProvider[i.Provider] = i
		}
		wantJSON(t, "e-mail identity", byProvider["email"].IdentityData, map[string]any{"sub": id.String(), "email": "new@example.com", "email_verified": true, "phone_verified": false})
		wantJSON(t, "phone identity", byProvider["phone"].IdentityData, map[string]any{"sub": id.String(), "phone": "15550100099", "email_verified": false, "phone_verified": false})
		if byProvider["email"].Email != "new@example.com" {
			t.Errorf("the identity's address is %q", byProvider["email"].Email)
		}
		_, err = s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
		if _, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: "new@example.com", Password: newPassword}); err != nil {
			t.Errorf("sign-in with the new address and password: %v", err)
		}
	})
}

func TestAdminUpdateUserRefuses(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		name   string
		params postern.AdminUpdateUserParams
		kind   postern.Kind
		code   postern.Code
	}{
		{"a taken address", postern.AdminUpdateUserParams{Email: "taken@example.com", Role: "editor"}, postern.KindUnprocessable, postern.ErrEmailExists},
		{"a taken number", postern.AdminUpdateUserParams{Phone: "15550100001", Role: "editor"}, postern.KindUnprocessable, postern.ErrPhoneExists},
		{"a weak password", postern.AdminUpdateUserParams{Password: text("abc"), Role: "editor"}, postern.KindUnprocessable, postern.ErrWeakPassword},
		{"a bad address", postern.AdminUpdateUserParams{Email: "x", Role: "editor"}, postern.KindInvalid, postern.ErrValidationFailed},
		{"a bad ban", postern.AdminUpdateUserParams{BanDuration: "soon", Role: "editor"}, postern.KindInvalid, postern.ErrValidationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, nil, func(t *testing.T, s service) {
				must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: "taken@example.com", Phone: "15550100001"}))
				id := s.signUp(t).User.ID
				_, err := s.AdminUpdateUser(t.Context(), id, c.params)
				wantError(t, err, c.kind, c.code)
				if u := must(s.AdminUser(t.Context(), id)); u.Role != "authenticated" || u.Email != ada {
					t.Errorf("the user was changed to %+v", u)
				}
			})
		})
	}
	t.Run("nobody", func(t *testing.T) {
		each(t, nil, func(t *testing.T, s service) {
			_, err := s.AdminUpdateUser(t.Context(), uuid.New(), postern.AdminUpdateUserParams{})
			wantError(t, err, postern.KindNotFound, postern.ErrUserNotFound)
			_, err = s.AdminUser(t.Context(), uuid.New())
			wantError(t, err, postern.KindNotFound, postern.ErrUserNotFound)
			wantError(t, s.AdminDeleteUser(t.Context(), uuid.New(), false), postern.KindNotFound, postern.ErrUserNotFound)
			wantError(t, s.AdminDeleteUser(t.Context(), uuid.New(), true), postern.KindNotFound, postern.ErrUserNotFound)
		})
	})
}

func TestBans(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		ban := func(duration string) {
			t.Helper()
			must(s.AdminUpdateUser(t.Context(), session.User.ID, postern.AdminUpdateUserParams{BanDuration: duration}))
		}
		authenticates := func() bool {
			_, err := s.Authenticate(t.Context(), session.AccessToken)
			return err == nil
		}
		for _, c := range []struct {
			duration string
			advance  time.Duration
			want     bool
		}{{"30m", 0, false}, {"", 0, false}, {"none", 0, true}, {"10m", 11 * time.Minute, true}, {"-1h", 0, true}, {"0s", 0, true}} {
			ban(c.duration)
			s.Advance(c.advance)
			if got := authenticates(); got != c.want {
				t.Errorf("after a ban of %q and %v: access %v, want %v", c.duration, c.advance, got, c.want)
			}
		}
	})
}

func TestAdminDeleteUserHard(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.addFactor(t, session.User.ID)
		if err := s.AdminDeleteUser(t.Context(), session.User.ID, false); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"users", "identities", "sessions", "mfa_amr_claims", "mfa_factors"} {
			if n := s.count(t, "SELECT count(*) FROM auth."+table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		_, err := s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrUserNotFound)
	})
}

func TestAdminDeleteUserThatIsReferredTo(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		column := "TEXT"
		if s.dialect("auth.") == "auth." {
			column = "UUID"
		}
		s.exec(t, "CREATE TABLE app_notes (user_id "+column+" NOT NULL REFERENCES auth.users (id))")
		s.exec(t, "INSERT INTO app_notes VALUES ('"+session.User.ID.String()+"')")
		wantError(t, s.AdminDeleteUser(t.Context(), session.User.ID, false), postern.KindConflict, postern.ErrConflict)
		s.caller(t, session)
	})
}

func TestAdminDeleteUserSoft(t *testing.T) {
	each(t, phones, func(t *testing.T, s service) {
		session := s.signUp(t)
		s.addFactor(t, session.User.ID)
		for range 2 {
			if err := s.AdminDeleteUser(t.Context(), session.User.ID, true); err != nil {
				t.Fatal(err)
			}
		}
		u := must(s.AdminUser(t.Context(), session.User.ID))
		if u.DeletedAt == nil || strings.Contains(u.Email+u.NewEmail, "@") || len(u.Email) != 43 || len(u.Phone) != 15 || !u.UserMetadata.IsZero() || !u.AppMetadata.IsZero() || len(u.Factors) != 0 {
			t.Errorf("the user that was deleted softly is %+v", u)
		}
		if len(u.Identities) != 1 || u.Identities[0].ID == u.ID.String() || !u.Identities[0].IdentityData.IsZero() || u.Identities[0].Email != "" {
			t.Errorf("its identities are %+v", u.Identities)
		}
		_, err := s.Authenticate(t.Context(), session.AccessToken)
		wantError(t, err, postern.KindForbidden, postern.ErrSessionNotFound)
		_, err = s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: u.Email, Password: goodPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		if again := s.signUp(t); again.User.ID == u.ID {
			t.Error("the address still belongs to the deleted user")
		}
	})
}

func TestAdminListUsers(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var emails []string
		for i := range 5 {
			s.Advance(time.Second)
			email := fmt.Sprintf("user%d@example.com", i)
			emails = append(emails, email)
			must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: email, UserMetadata: map[string]any{"full_name": fmt.Sprintf("Person %d_%%", i)}}))
		}
		newest := slices.Clone(emails)
		slices.Reverse(newest)
		for _, c := range []struct {
			name   string
			params postern.AdminListUsersParams
			want   []string
			total  int
		}{
			{"all", postern.AdminListUsersParams{}, newest, 5},
			{"oldest first", postern.AdminListUsersParams{Ascending: true}, emails, 5},
			{"a page", postern.AdminListUsersParams{Page: 2, PerPage: 2}, newest[2:4], 5},
			{"the last page", postern.AdminListUsersParams{Page: 3, PerPage: 2}, newest[4:], 5},
			{"beyond the last", postern.AdminListUsersParams{Page: 9, PerPage: 2}, nil, 5},
			{"page numbers that make no sense", postern.AdminListUsersParams{Page: -1, PerPage: -5}, newest[:1], 5},
			{"part of an address", postern.AdminListUsersParams{Filter: "user3@"}, []string{"user3@example.com"}, 1},
			{"part of a name in any case", postern.AdminListUsersParams{Filter: "pERSON 2"}, []string{"user2@example.com"}, 1},
			{"a wildcard is a letter", postern.AdminListUsersParams{Filter: "3_%"}, []string{"user3@example.com"}, 1},
			{"nothing found", postern.AdminListUsersParams{Filter: "%'; DROP TABLE users; --"}, nil, 0},
			{"another audience", postern.AdminListUsersParams{Audience: "mobile"}, nil, 0},
		} {
			list, err := s.AdminListUsers(t.Context(), c.params)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if got := emailsOf(list); !slices.Equal(got, c.want) || list.Total != c.total {
				t.Errorf("%s: got %v of %d, want %v of %d", c.name, got, list.Total, c.want, c.total)
			}
			if list.Users == nil || len(list.Users) > 0 && list.Users[0].Identities != nil {
				t.Errorf("%s: users are %v, want a list without identities", c.name, list.Users)
			}
		}
		var all []string
		for cursor := ""; ; {
			list := must(s.AdminListUsers(t.Context(), postern.AdminListUsersParams{ByCursor: true, PerPage: 2, Cursor: cursor}))
			all = append(all, emailsOf(list)...)
			if cursor = list.Pagination.NextCursor; !list.Pagination.HasMore {
				break
			}
		}
		if !slices.Equal(all, newest) {
			t.Errorf("by cursor: %v, want %v", all, newest)
		}
		for _, bad := range []string{"x", "bnVsbA", "e30", "W10"} {
			_, err := s.AdminListUsers(t.Context(), postern.AdminListUsersParams{ByCursor: true, Cursor: bad})
			if err != nil && !errors.Is(err, postern.ErrValidationFailed) {
				t.Errorf("cursor %q: %v, want validation_failed", bad, err)
			}
		}
	})
}

func emailsOf(l *postern.UserList) []string {
	var emails []string
	for _, u := range l.Users {
		emails = append(emails, u.Email)
	}
	return emails
}

func TestConcurrentAdminChangesAllSurvive(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		id := s.signUp(t).User.ID
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := s.AdminUpdateUser(t.Context(), id, postern.AdminUpdateUserParams{AppMetadata: map[string]any{fmt.Sprintf("key%d", i): i}})
				if err != nil {
					t.Errorf("AdminUpdateUser: %v", err)
				}
			})
		}
		wg.Wait()
		var app map[string]any
		if err := must(s.AdminUser(t.Context(), id)).AppMetadata.Decode(&app); err != nil {
			t.Fatal(err)
		}
		if len(app) != 22 {
			t.Errorf("%d members survive, want 22: %v", len(app), app)
		}
	})
}

// An address is found by an index; what is only a part of others is searched for.
func TestAdminListUsersByAddress(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		for _, email := range []string{"ann@example.com", "joann@example.com", "ann@example.com.au"} {
			must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: email, UserMetadata: map[string]any{"full_name": "of ann@example.com"}}))
			s.Advance(time.Second)
		}
		for filter, want := range map[string]string{
			"ann@example.com": "ann@example.com", "ANN@Example.com": "ann@example.com",
			"ann@example.co": "ann@example.com.au joann@example.com ann@example.com", "nn@example.com.au": "ann@example.com.au", "x@example.com": "",
		} {
			for _, byCursor := range []bool{false, true} {
				var got []string
				p := postern.AdminListUsersParams{Filter: filter, Page: 1, PerPage: 1, ByCursor: byCursor}
				for more := true; more; p.Page++ {
					list := must(s.AdminListUsers(t.Context(), p))
					for _, u := range list.Users {
						got = append(got, u.Email)
					}
					more = len(list.Users) > 0
					if byCursor {
						more, p.Cursor = list.Pagination.HasMore, list.Pagination.NextCursor
					}
				}
				if got := strings.Join(got, " "); got != want {
					t.Errorf("%s, by cursor %v: got %q, want %q", filter, byCursor, got, want)
				}
			}
		}
	})
}
