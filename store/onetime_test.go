package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

func recoveryToken(userID uuid.UUID, hash string) postern.OneTimeToken {
	return postern.OneTimeToken{
		UserID: userID, Kind: postern.OneTimeRecovery, CodeHash: hash, LinkHash: "link-" + hash, RelatesTo: "a@example.com", CreatedAt: at,
	}
}

// putToken stores a recovery token of a user.
func putToken(t *testing.T, st *store.Store, userID uuid.UUID, hash string) postern.OneTimeToken {
	t.Helper()
	one := recoveryToken(userID, hash)
	ok(t, st.PutOneTimeToken(t.Context(), one))
	return one
}

func TestOneTimeTokensAreStoredWhereGoTrueLooks(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		putToken(t, st, u.ID, "older")
		older := value(t, st.DB(), `SELECT id FROM auth.one_time_tokens`)
		newer := recoveryToken(u.ID, "newer")
		newer.CreatedAt, newer.RelatesTo = later(1).In(time.FixedZone("", 7*3600)), "b@example.com"
		ok(t, st.PutOneTimeToken(t.Context(), newer))
		for query, want := range map[string]string{
			`SELECT recovery_token FROM auth.users`:                                                                       "newer",
			`SELECT confirmation_token FROM auth.users`:                                                                   "",
			`SELECT count(*) FROM auth.one_time_tokens`:                                                                   "1",
			`SELECT token_type FROM auth.one_time_tokens`:                                                                 "recovery_token",
			`SELECT token_hash FROM auth.one_time_tokens`:                                                                 "link-newer",
			`SELECT relates_to FROM auth.one_time_tokens`:                                                                 "b@example.com",
			`SELECT user_id FROM auth.one_time_tokens`:                                                                    u.ID.String(),
			`SELECT count(*) FROM auth.one_time_tokens WHERE id = '` + older + `'`:                                        "0",
			`SELECT count(*) FROM auth.one_time_tokens WHERE created_at = '` + stamp(1) + `' AND updated_at = created_at`: "1",
		} {
			if got := value(t, st.DB(), query); got != want {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
	})
}

func TestOneTimeTokenOfAnUnknownKindIsRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		for _, kind := range []postern.OneTimeKind{"", "email", "encrypted_password", "magiclink", `recovery_token" = '' --`} {
			put := st.PutOneTimeToken(t.Context(), postern.OneTimeToken{UserID: u.ID, Kind: kind, CodeHash: "x", LinkHash: "x", CreatedAt: at})
			take := st.TakeOneTimeToken(t.Context(), u.ID, kind, u.Email)
			if !errors.Is(put, postern.ErrUnstorable) || !errors.Is(take, postern.ErrUnstorable) {
				t.Errorf("kind %q: got errors %v and %v, want ErrUnstorable", kind, put, take)
			}
		}
		if !exists(t, st, u) || value(t, st.DB(), `SELECT email FROM auth.users`) != u.Email {
			t.Error("the user has changed")
		}
	})
}

func TestOneTimeTokenThatDoesNotFitLeavesTheOlder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u, other := sample("a@example.com"), sample("b@example.com")
		ok(t, st.AddUser(t.Context(), u))
		ok(t, st.AddUser(t.Context(), other))
		one := putToken(t, st, u.ID, "older")
		putToken(t, st, other.ID, "others")
		for what, c := range map[string]struct {
			code, link string
			want       error
		}{
			"another user's hash": {"others", "link", postern.ErrRowTaken},
			"a long hash":         {strings.Repeat("a", 256), "link", postern.ErrUnstorable},
			"no hash of the link": {"code", "", postern.ErrUnstorable},
		} {
			err := st.PutOneTimeToken(t.Context(), postern.OneTimeToken{
				UserID: u.ID, Kind: one.Kind, CodeHash: c.code, LinkHash: c.link, CreatedAt: at,
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got error %v, want %v", what, err, c.want)
			}
			got, _, err := st.FindOneTimeToken(t.Context(), []string{one.LinkHash})
			if err != nil || *got != one {
				t.Errorf("after %s: got %+v, %v, want the older token", what, got, err)
			}
		}
	})
}

// Somebody's SQL may have emptied one of the two places.
func TestHalfAOneTimeTokenIsNone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		id := bare(t, st, nil)
		oneTimeToken(t, st, id) // beside a column that is NULL
		got, _, err := st.FindOneTimeToken(t.Context(), []string{"hash"})
		if err != nil || got.CodeHash != "" || got.UserID != id || got.Kind != postern.OneTimeRecovery {
			t.Errorf("got %+v, %v, want the row, and no code", got, err)
		}
		u, err := st.FindUser(t.Context(), id)
		if err != nil || u.CodeHashes != nil {
			t.Errorf("got code hashes %v, %v, want none", u.CodeHashes, err)
		}
		for _, hash := range []string{"", "hash"} {
			if err := st.TakeOneTimeToken(t.Context(), id, postern.OneTimeRecovery, hash); !errors.Is(err, postern.ErrNoRow) {
				t.Errorf("take of %q: got error %v, want ErrNoRow", hash, err)
			}
		}
		one := putToken(t, st, id, "whole")
		execute(t, st.DB(), `DELETE FROM auth.one_time_tokens`)
		ok(t, st.TakeOneTimeToken(t.Context(), id, one.Kind, one.CodeHash)) // a code needs no link
	})
}

func TestUsersWhoWaitForOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		for i := range 12 {
			u := sample(fmt.Sprintf("user%d@example.com", i))
			u.NewEmail, u.EmailChangeSentAt = "New@Example.com", new(later(i))
			if i == 0 {
				u.EmailChangeSentAt = nil
			}
			ok(t, st.AddUser(t.Context(), u))
			ok(t, st.PutOneTimeToken(t.Context(), postern.OneTimeToken{
				UserID: u.ID, Kind: postern.OneTimeEmailChangeNew, CodeHash: u.Email, LinkHash: u.Email, RelatesTo: "new@example.com", CreatedAt: at,
			}))
		}
		got, err := st.UsersByNewEmail(t.Context(), "new@example.com", "authenticated")
		if err != nil || len(got) != 10 {
			t.Fatalf("got %d users, %v, want 10", len(got), err)
		}
		for i, u := range got {
			if want := fmt.Sprintf("user%d@example.com", 11-i); u.Email != want {
				t.Errorf("user %d: got %s, want %s", i, u.Email, want)
			}
		}
	})
}

func TestGoTruesOneTimeTokensAreFoundAndTaken(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	var hashes []string
	ok(t, st.DB().NewRaw(`SELECT token_hash FROM auth.one_time_tokens`).Scan(t.Context(), &hashes))
	if len(hashes) == 0 {
		t.Fatal("got no tokens")
	}
	for _, hash := range hashes {
		one, _, err := st.FindOneTimeToken(t.Context(), []string{hash})
		if err != nil || one.LinkHash != hash || one.CodeHash != hash || one.RelatesTo == "" || one.CreatedAt.IsZero() {
			t.Errorf("%s: got %+v, %v, want it in both places", hash, one, err)
			continue
		}
		u, err := st.FindUser(t.Context(), one.UserID)
		if err != nil || u.CodeHashes[one.Kind] != hash {
			t.Errorf("user %s: got code hashes %v, %v, want one to be %s", one.UserID, u.CodeHashes, err, hash)
		}
		ok(t, st.TakeOneTimeToken(t.Context(), one.UserID, one.Kind, hash))
	}
	for column, want := range map[string]string{"recovery_token": "0", "confirmation_token": "0", "phone_change_token": "0"} {
		if got := value(t, st.DB(), `SELECT count(*) FROM auth.users WHERE `+column+` <> ''`); got != want {
			t.Errorf("%s: got %s that are left, want %s", column, got, want)
		}
	}
}

func TestGoTruesPendingChangesAreFound(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	for address, want := range map[string]int{
		"new.email.change.none@pending.example.com":         1,
		"New.Email.Change.None@Pending.Example.com":         1,
		"new.email.change.current.done@pending.example.com": 1,
		"new.email.change.pkce@pending.example.com":         1,
		"anon.pending@example.com":                          1,
		"new.email.change.new.done@pending.example.com":     0, // it waits for the other half
		"email.change.none@pending.example.com":             0, // the current address
	} {
		got, err := st.UsersByNewEmail(t.Context(), address, "authenticated")
		if err != nil || len(got) != want {
			t.Errorf("%s: got %d users, %v, want %d", address, len(got), err, want)
			continue
		}
		if want > 0 && !strings.EqualFold(got[0].NewEmail, address) {
			t.Errorf("%s: got a user who waits for %s", address, got[0].NewEmail)
		}
	}
	for _, number := range []string{"12025550103", "12025550114", "12025550116"} {
		got, err := st.UsersByNewPhone(t.Context(), number, "authenticated")
		if err != nil || len(got) != 1 || got[0].NewPhone != number {
			t.Errorf("%s: got %d users, %v, want the one", number, len(got), err)
		}
	}
}
