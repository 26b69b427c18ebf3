package storetest

import (
	"fmt"
	"testing"

	"github.com/postern-auth/postern"
)

func keyRoundTrip(t *testing.T, st postern.Store) {
	oldest, middle, newest := key("b"), key("c"), key("a")
	middle.CreatedAt, newest.CreatedAt, newest.RetiredAt = moment(5), moment(9), nil
	for _, k := range []postern.KeyRecord{middle, newest, oldest} {
		ok(t, st.AddKey(t.Context(), k))
	}
	keysAre(t, st, newest, middle, oldest)
}

// keysAre fails the test unless these are all keys, in this order.
func keysAre(t *testing.T, st postern.Store, want ...postern.KeyRecord) {
	t.Helper()
	got, err := st.Keys(t.Context())
	ok(t, err)
	same(t, "Keys", got, want)
}

func oneCurrentKey(t *testing.T, st postern.Store) {
	first, second := key("first"), key("second")
	first.RetiredAt, second.RetiredAt, second.CreatedAt = nil, nil, moment(5)
	ok(t, st.AddKey(t.Context(), first))
	isError(t, "a second current key", st.AddKey(t.Context(), second), postern.ErrRowTaken)
	ok(t, st.RetireKey(t.Context(), first.KID, moment(4)))
	first.RetiredAt = momentPtr(4)
	isError(t, "a key that is retired", st.RetireKey(t.Context(), first.KID, moment(6)), postern.ErrNoRow)
	ok(t, st.AddKey(t.Context(), second))
	isError(t, "a key of the same id", st.AddKey(t.Context(), first), postern.ErrRowTaken)
	keysAre(t, st, second, first)
}

func keysAtOnce(t *testing.T, st postern.Store) {
	oneWins(t, atOnce(20, func(i int) error {
		k := key(fmt.Sprint(i))
		k.RetiredAt = nil
		return st.AddKey(t.Context(), k)
	}), postern.ErrRowTaken)
}

func dropKeys(t *testing.T, st postern.Store) {
	current, late, early := key("current"), key("late"), key("early")
	current.CreatedAt, current.RetiredAt = moment(9), nil
	late.CreatedAt, late.RetiredAt = moment(8), momentPtr(20)
	early.RetiredAt = momentPtr(19)
	for _, k := range []postern.KeyRecord{early, late, current} {
		ok(t, st.AddKey(t.Context(), k))
	}
	ok(t, st.DropKeys(t.Context(), moment(20)))
	keysAre(t, st, current, late)
}
