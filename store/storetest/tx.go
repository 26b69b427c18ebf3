package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-auth/postern"
)

// exists fails the test unless the user is there, or is not.
func exists(t *testing.T, st postern.Store, u *postern.UserRecord, want bool) {
	t.Helper()
	_, err := st.FindUser(t.Context(), u.ID)
	if got := err == nil; got != want || (err != nil && !errors.Is(err, postern.ErrNoRow)) {
		t.Errorf("user %s: found %v, %v, want %v", u.Email, got, err, want)
	}
}

func txKeeps(t *testing.T, st postern.Store) {
	u := fullUser("a")
	s := fullSession(u.ID)
	ok(t, st.InTx(t.Context(), func(tx postern.Tx) error {
		if err := tx.AddUser(t.Context(), u); err != nil {
			return err
		}
		return tx.AddSession(t.Context(), s)
	}))
	isStored(t, st, u, s)
}

func txFails(t *testing.T, st postern.Store) {
	u, refused := fullUser("a"), errors.New("refused")
	err := st.InTx(t.Context(), func(tx postern.Tx) error {
		if err := tx.AddUser(t.Context(), u); err != nil {
			return err
		}
		if err := tx.AddSession(t.Context(), fullSession(u.ID)); err != nil {
			return err
		}
		return refused
	})
	if err != refused {
		t.Errorf("got error %v, want the one of fn itself", err)
	}
	exists(t, st, u, false)
	ok(t, st.AddUser(t.Context(), u)) // nothing of it is in the way
}

func txPanics(t *testing.T, st postern.Store) {
	u := fullUser("a")
	func() {
		defer func() {
			if got := recover(); got != "panic of fn" {
				t.Errorf("got panic %v, want that of fn", got)
			}
		}()
		_ = st.InTx(t.Context(), func(tx postern.Tx) error {
			ok(t, tx.AddUser(t.Context(), u))
			panic("panic of fn")
		})
	}()
	exists(t, st, u, false)
	ok(t, st.AddUser(t.Context(), u))
}

func txAfterNoRow(t *testing.T, st postern.Store) {
	u := fullUser("a")
	ok(t, st.InTx(t.Context(), func(tx postern.Tx) error {
		_, err := tx.FindUser(t.Context(), u.ID)
		isError(t, "FindUser", err, postern.ErrNoRow)
		isError(t, "RetireKey", tx.RetireKey(t.Context(), "no", moment(1)), postern.ErrNoRow)
		return tx.AddUser(t.Context(), u)
	}))
	exists(t, st, u, true)
}

func txReadsItself(t *testing.T, st postern.Store) {
	u := fullUser("a")
	s := fullSession(u.ID)
	ok(t, st.InTx(t.Context(), func(tx postern.Tx) error {
		if err := errors.Join(tx.AddUser(t.Context(), u), tx.AddSession(t.Context(), s)); err != nil {
			return err
		}
		user, session, err := tx.FindCaller(t.Context(), u.ID, s.ID)
		if err != nil {
			return err
		}
		same(t, "the user", user, u)
		same(t, "the session", session, s)
		taken, err := tx.PhoneTaken(t.Context(), u.Phone, newID())
		if !taken {
			t.Error("the number: got not taken, want taken")
		}
		return err
	}))
}

// txNeighbours runs transactions at once of which only some succeed, and writes
// without a transaction beside them.
func txNeighbours(t *testing.T, st postern.Store) {
	const n = 40
	refused := errors.New("refused")
	users := make([]*postern.UserRecord, n)
	for i := range users {
		users[i] = fullUser(fmt.Sprint("user", i))
	}
	errs := atOnce(n, func(i int) (err error) {
		if i%4 == 3 {
			return st.AddUser(t.Context(), users[i])
		}
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%v", p)
			}
		}()
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			switch err := tx.AddUser(t.Context(), users[i]); {
			case err != nil:
				return err
			case i%4 == 1:
				return refused
			case i%4 == 2:
				panic(fmt.Sprint("panic ", i))
			}
			return nil
		})
	})
	for i, err := range errs {
		switch i % 4 {
		case 0, 3:
			if err != nil {
				t.Errorf("user %d: got error %v, want none", i, err)
			}
		case 1:
			if err != refused {
				t.Errorf("user %d: got error %v, want its own", i, err)
			}
		case 2:
			if err == nil || err.Error() != fmt.Sprint("panic ", i) {
				t.Errorf("user %d: got error %v, want its own panic", i, err)
			}
		}
		exists(t, st, users[i], i%4 == 0 || i%4 == 3)
	}
}

func cancelled(t *testing.T, st postern.Store) {
	u, other := fullUser("a"), fullUser("b")
	s := fullSession(u.ID)
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, ending := st.EndSession(ctx, s.ID)
	for what, err := range map[string]error{
		"AddUser":       st.AddUser(ctx, other),
		"EndSession":    ending,
		"RotateSession": st.RotateSession(ctx, postern.SessionRotation{ID: s.ID, From: 7}),
		"InTx":          st.InTx(ctx, func(tx postern.Tx) error { return tx.AddUser(ctx, other) }),
		"DeleteUser":    st.DeleteUser(ctx, u.ID),
	} {
		isError(t, what, err, context.Canceled)
	}
	_, err := st.FindUser(ctx, u.ID)
	isError(t, "FindUser", err, context.Canceled)
	exists(t, st, other, false)
	isStored(t, st, u, s)
}

// cancelledInTx cancels between two writes: whatever comes of it, the answer and
// the rows agree.
func cancelledInTx(t *testing.T, st postern.Store) {
	first, second := fullUser("a"), fullUser("b")
	ctx, cancel := context.WithCancel(t.Context())
	err := st.InTx(ctx, func(tx postern.Tx) error {
		ok(t, tx.AddUser(ctx, first))
		cancel()
		return tx.AddUser(ctx, second)
	})
	isError(t, "a write after the cancellation", err, context.Canceled)
	exists(t, st, first, false)
	exists(t, st, second, false)

	ctx, cancel = context.WithCancel(t.Context())
	err = st.InTx(ctx, func(tx postern.Tx) error {
		defer cancel()
		return tx.AddUser(ctx, first)
	})
	exists(t, st, first, err == nil)
}

func pings(t *testing.T, st postern.Store) {
	for range 2 {
		ok(t, st.Ping(t.Context()))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := st.Ping(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of ctx: got error %v, want that", err)
	}
	ok(t, st.Ping(t.Context()))
}
