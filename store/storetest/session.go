package storetest

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// withSession returns a user and a session of the user, both stored.
func withSession(t *testing.T, st postern.Store) (*postern.UserRecord, *postern.SessionRecord) {
	t.Helper()
	u := fullUser("a")
	s := fullSession(u.ID)
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	return u, s
}

// isStored fails the test unless session and user are found in either way.
func isStored(t *testing.T, st postern.Store, u *postern.UserRecord, s *postern.SessionRecord) {
	t.Helper()
	session, user, err := st.FindSession(t.Context(), s.ID)
	ok(t, err)
	same(t, "FindSession", session, s)
	same(t, "FindSession's user", user, u)
	user, session, err = st.FindCaller(t.Context(), u.ID, s.ID)
	ok(t, err)
	same(t, "FindCaller", session, s)
	same(t, "FindCaller's user", user, u)
}

func sessionRoundTrip(t *testing.T, st postern.Store) {
	u, s := withSession(t, st)
	isStored(t, st, u, s)
	isError(t, "its id again", st.AddSession(t.Context(), s), postern.ErrRowTaken)
}

func sessionRoundTripBare(t *testing.T, st postern.Store) {
	u := fullUser("a")
	s := &postern.SessionRecord{ID: newID(), UserID: u.ID, CreatedAt: moment(1), UpdatedAt: moment(2)}
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	isStored(t, st, u, s)
}

// openSession opens sessions with one AMR entry, as a sign-in has, and with several.
func openSession(t *testing.T, st postern.Store) {
	u := fullUser("a")
	ok(t, st.AddUser(t.Context(), u))
	var log []postern.AuditEntry
	for n, methods := range []int{1, 2, 1} {
		s, e := fullSession(u.ID), auditEntry("login", "Ada", moment(n))
		s.AMR, s.CreatedAt = s.AMR[:methods], moment(20+n)
		opening := postern.SessionOpening{PasswordHash: "another's", NewHash: "new", Session: s, Entry: &e}
		isOpened := func(want error) {
			t.Helper()
			got, err := st.OpenSession(t.Context(), opening)
			isError(t, "OpenSession", err, want)
			if want != nil {
				_, _, err := st.FindSession(t.Context(), s.ID)
				isError(t, "FindSession", err, postern.ErrNoRow)
				return
			}
			u.PasswordHash, u.LastSignInAt, u.UpdatedAt = opening.NewHash, &s.CreatedAt, s.CreatedAt
			same(t, "OpenSession", got, u)
			isStored(t, st, u, s)
		}
		isOpened(postern.ErrNoRow)
		opening.PasswordHash, opening.NewHash = u.PasswordHash, "\x00"
		isOpened(postern.ErrUnstorable)
		opening.NewHash = "hash " + postern.Secret(s.ID.String())
		if n == 2 {
			opening.Entry = nil
		} else {
			log = append([]postern.AuditEntry{e}, log...)
		}
		isOpened(nil)
		auditIs(t, st, postern.AuditSearch{Limit: 10, CountTo: 10}, len(log), log...)
	}
}

func callersSession(t *testing.T, st postern.Store) {
	_, s := withSession(t, st)
	other := fullUser("b")
	ok(t, st.AddUser(t.Context(), other))
	for what, id := range map[string]uuid.UUID{"somebody else's": s.ID, "none": newID()} {
		user, session, err := st.FindCaller(t.Context(), other.ID, id)
		ok(t, err)
		same(t, what, user, other)
		if session != nil {
			t.Errorf("%s: got session %v, want nil", what, session.ID)
		}
	}
}

func userSessions(t *testing.T, st postern.Store) {
	u, first := withSession(t, st)
	second, other := fullSession(u.ID), fullUser("b")
	second.CreatedAt = moment(100)
	ok(t, st.AddSession(t.Context(), second))
	ok(t, st.AddUser(t.Context(), other))
	ok(t, st.AddSession(t.Context(), fullSession(other.ID)))

	got, err := st.UserSessions(t.Context(), u.ID)
	ok(t, err)
	want := map[uuid.UUID]*postern.SessionRecord{first.ID: first, second.ID: second}
	if len(got) != len(want) {
		t.Fatalf("got %d sessions, want %d", len(got), len(want))
	}
	for _, s := range got {
		want[s.ID].AMR = nil // not loaded
		same(t, "UserSessions", s, *want[s.ID])
	}
	got, err = st.UserSessions(t.Context(), newID())
	if err != nil || len(got) != 0 {
		t.Errorf("nobody's: got %d sessions, %v, want none", len(got), err)
	}
}

func endSessions(t *testing.T, st postern.Store) {
	u, first := withSession(t, st)
	second, third := fullSession(u.ID), fullSession(u.ID)
	other, others := fullUser("b"), (*postern.SessionRecord)(nil)
	ok(t, st.AddUser(t.Context(), other))
	others = fullSession(other.ID)
	for _, s := range []*postern.SessionRecord{second, third, others} {
		ok(t, st.AddSession(t.Context(), s))
	}
	left := func(want int) {
		t.Helper()
		got, err := st.UserSessions(t.Context(), u.ID)
		if err != nil || len(got) != want {
			t.Errorf("got %d sessions, %v, want %d", len(got), err, want)
		}
	}
	whose, err := st.EndSession(t.Context(), first.ID)
	ok(t, err)
	same(t, "whose session was ended", whose, u.ID)
	left(2)
	for _, c := range []struct{ except, ended uuid.UUID }{{third.ID, second.ID}, {uuid.Nil, third.ID}} {
		if c.except != uuid.Nil {
			isStored(t, st, u, third)
		}
		ended, err := st.EndSessions(t.Context(), u.ID, c.except)
		ok(t, err)
		same(t, "the sessions that were ended", ended, []uuid.UUID{c.ended})
	}
	left(0)
	isStored(t, st, other, others)
}

func rotateSession(t *testing.T, st postern.Store) {
	u, s := withSession(t, st)
	r := postern.SessionRotation{ID: s.ID, From: 7, At: moment(50), UserAgent: "Agent/2.0", IP: netip.MustParseAddr("192.0.2.9")}
	ok(t, st.RotateSession(t.Context(), r))
	s.RefreshTokenCounter, s.RefreshedAt, s.UpdatedAt = new(int64(8)), momentPtr(50), moment(50)
	s.UserAgent, s.IP = r.UserAgent, r.IP
	isStored(t, st, u, s)

	isError(t, "the same again", st.RotateSession(t.Context(), r), postern.ErrNoRow)
	ok(t, st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 8, At: moment(60)}))
	s.RefreshTokenCounter, s.RefreshedAt, s.UpdatedAt = new(int64(9)), momentPtr(60), moment(60)
	s.UserAgent, s.IP = "", netip.Addr{}
	isStored(t, st, u, s)
}

func rotationsAtOnce(t *testing.T, st postern.Store) {
	_, s := withSession(t, st)
	oneWins(t, atOnce(20, func(i int) error {
		return st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 7, At: moment(i)})
	}), postern.ErrNoRow)
	// In transactions, too, which read first.
	oneWins(t, atOnce(20, func(i int) error {
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			if _, _, err := tx.FindSession(t.Context(), s.ID); err != nil {
				return err
			}
			return tx.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 8, At: moment(i)})
		})
	}), postern.ErrNoRow)
	got, _, err := st.FindSession(t.Context(), s.ID)
	ok(t, err)
	if *got.RefreshTokenCounter != 9 {
		t.Errorf("got counter %d, want 9", *got.RefreshTokenCounter)
	}
}
