package storetest

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

func findByIdentity(t *testing.T, st postern.Store) {
	a, b := fullUser("a"), fullUser("b")
	b.Identities[1].ID = a.Identities[0].ID // of another provider
	ok(t, st.AddUser(t.Context(), a))
	ok(t, st.AddUser(t.Context(), b))
	for _, u := range []*postern.UserRecord{a, b} {
		for _, i := range u.Identities {
			got, err := st.FindUserByIdentity(t.Context(), i.Provider, i.ID)
			isFound(t, i.Provider+" "+i.ID, got, err, u)
		}
	}
}

func usersByEmails(t *testing.T, st postern.Store) {
	byAddress, byIdentity, sso, other := user("a@example.com"), user("z@example.com"), user("a@example.com"), user("other@example.com")
	sso.IsSSOUser = true
	byIdentity.Aud = "mobile"
	byIdentity.Identities = []postern.Identity{
		fullIdentity(byIdentity.ID, "google", "b@example.com", 1), fullIdentity(byIdentity.ID, "github", "a@example.com", 5),
	}
	want := []uuid.UUID{byAddress.ID, byIdentity.ID, sso.ID}
	for _, u := range []*postern.UserRecord{byAddress, byIdentity, sso, other} {
		ok(t, st.AddUser(t.Context(), u))
	}
	users, err := st.UsersByEmails(t.Context(), []string{"a@example.com", "b@example.com", "nobody@example.com"})
	ok(t, err)
	var got []uuid.UUID
	for _, u := range users {
		got = append(got, u.ID)
		if u.ID == byIdentity.ID && len(u.Identities) != 2 {
			t.Errorf("got identities %+v, want both", u.Identities)
		}
	}
	compare := func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(got, compare)
	slices.SortFunc(want, compare)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, none := range [][]string{nil, {}, {"nobody@example.com"}} {
		if users, err := st.UsersByEmails(t.Context(), none); err != nil || len(users) > 0 {
			t.Errorf("%q: got %v and %v, want none", none, users, err)
		}
	}
}

func dropAnonymous(t *testing.T, st postern.Store) {
	const many = 120 // more than one batch of any sensible size
	var old []uuid.UUID
	for range many {
		u := user("")
		u.IsAnonymous, u.CreatedAt = true, moment(1)
		ok(t, st.AddUser(t.Context(), u))
		old = append(old, u.ID)
	}
	permanent, young := user("a@example.com"), user("")
	permanent.CreatedAt = moment(1)
	young.IsAnonymous, young.CreatedAt = true, moment(2)
	ok(t, st.AddUser(t.Context(), permanent))
	ok(t, st.AddUser(t.Context(), young))
	session := fullSession(old[0])
	ok(t, st.AddSession(t.Context(), session))

	ids, err := st.AnonymousUsers(t.Context(), moment(2))
	ok(t, err)
	if len(ids) != len(old) {
		t.Errorf("got %d anonymous users from before, want %d", len(ids), len(old))
	}
	for _, id := range append(ids, young.ID) {
		ok(t, st.DeleteAnonymousUser(t.Context(), id))
	}
	isError(t, "one who is none", st.DeleteAnonymousUser(t.Context(), permanent.ID), postern.ErrNoRow)
	isError(t, "one who is gone", st.DeleteAnonymousUser(t.Context(), old[0]), postern.ErrNoRow)
	for _, id := range append(old, young.ID) {
		_, err := st.FindUser(t.Context(), id)
		isError(t, "an old one", err, postern.ErrNoRow)
	}
	_, _, err = st.FindSession(t.Context(), session.ID)
	isError(t, "its session", err, postern.ErrNoRow)
	_, err = st.FindUser(t.Context(), permanent.ID)
	ok(t, err)
}
