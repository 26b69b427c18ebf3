package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// dropper is a method that removes some of what is older than a time.
type dropper = func(ctx context.Context, before time.Time, limit int) (more bool, err error)

// dropsOneByOne fails the test unless a method removes n rows, each when it is asked
// for one.
func dropsOneByOne(t *testing.T, n int, before time.Time, drop dropper) {
	t.Helper()
	for i := range n + 1 {
		more, err := drop(t.Context(), before, 1)
		ok(t, err)
		if want := i < n; more != want {
			t.Fatalf("after %d calls of %d: got more %v, want %v", i+1, n+1, more, want)
		}
	}
}

func dropSessions(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	add := func(edit func(*postern.SessionRecord)) *postern.SessionRecord {
		s := fullSession(u.ID)
		s.CreatedAt, s.RefreshedAt, s.NotAfter = moment(10), momentPtr(30), nil
		edit(s)
		ok(t, st.AddSession(t.Context(), s))
		return s
	}
	alive := add(func(*postern.SessionRecord) {})
	ended := add(func(s *postern.SessionRecord) { s.NotAfter = momentPtr(19) })
	endsLater := add(func(s *postern.SessionRecord) { s.NotAfter = momentPtr(20) })
	old := add(func(s *postern.SessionRecord) { s.CreatedAt = moment(4) })
	idle := add(func(s *postern.SessionRecord) { s.RefreshedAt = momentPtr(7) })
	neverRefreshed := add(func(s *postern.SessionRecord) { s.CreatedAt, s.RefreshedAt = moment(7), nil })
	fresh := add(func(s *postern.SessionRecord) { s.RefreshedAt = nil })
	sessionsAre := func(want ...*postern.SessionRecord) {
		t.Helper()
		got, err := st.UserSessions(t.Context(), u.ID)
		ok(t, err)
		ids := map[string]bool{}
		for _, s := range got {
			ids[s.ID.String()] = true
		}
		for _, s := range want {
			if !ids[s.ID.String()] {
				t.Errorf("a session is gone: %+v", s)
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %d sessions, want %d", len(got), len(want))
		}
	}
	drops := func(n int, over postern.SessionsOver) {
		t.Helper()
		dropsOneByOne(t, n, time.Time{}, func(ctx context.Context, _ time.Time, limit int) (bool, error) {
			return st.DropSessions(ctx, over, limit)
		})
	}
	over := postern.SessionsOver{NotAfter: moment(20)}
	drops(1, over)
	sessionsAre(alive, endsLater, old, idle, neverRefreshed, fresh)
	_, _, err := st.FindSession(t.Context(), ended.ID)
	isError(t, "the one that ended", err, postern.ErrNoRow)
	over.SignedIn = moment(5)
	drops(1, over)
	sessionsAre(alive, endsLater, idle, neverRefreshed, fresh)
	over.SignedIn, over.LastRefresh = time.Time{}, moment(8)
	drops(2, over)
	sessionsAre(alive, endsLater, fresh)
}

func dropOneTimeTokens(t *testing.T, st postern.Store) {
	early, late := plainUser(t, st, "a"), plainUser(t, st, "b")
	first := postern.OneTimeToken{
		UserID: early.ID, Kind: postern.OneTimeRecovery, CodeHash: "code a", LinkHash: "link a", RelatesTo: "a@example.com", CreatedAt: moment(19),
	}
	second := first
	second.UserID, second.CodeHash, second.LinkHash, second.CreatedAt = late.ID, "code b", "link b", moment(20)
	ok(t, st.PutOneTimeToken(t.Context(), first))
	ok(t, st.PutOneTimeToken(t.Context(), second))
	dropsOneByOne(t, 1, moment(20), st.DropOldOneTimeTokens)
	_, _, err := st.FindOneTimeToken(t.Context(), []string{first.LinkHash})
	isError(t, "the early one", err, postern.ErrNoRow)
	got, _, err := st.FindOneTimeToken(t.Context(), []string{second.LinkHash})
	ok(t, err)
	same(t, "the late one", *got, second)
	// Another may take its place.
	first.CreatedAt = moment(30)
	ok(t, st.PutOneTimeToken(t.Context(), first))
}
