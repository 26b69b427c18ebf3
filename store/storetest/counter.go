package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// counts fails the test unless a counter comes to want.
func counts(t *testing.T, st postern.Tx, key string, at, since time.Time, want int) {
	t.Helper()
	got, err := st.Count(t.Context(), key, at, since)
	if err != nil || got != want {
		t.Errorf("counter %q at %v: got %d, %v, want %d", key, at, got, err, want)
	}
}

// claims fails the test unless a counter can be claimed, or cannot, and has a time
// then.
func claims(t *testing.T, st postern.Tx, key string, at, before time.Time, refused error, want time.Time) {
	t.Helper()
	got, err := st.Claim(t.Context(), key, at, before)
	if !errors.Is(err, refused) {
		t.Errorf("claim of %q at %v: got error %v, want %v", key, at, err, refused)
	}
	same(t, "the time of "+key, got, want)
}

func countRestarts(t *testing.T, st postern.Store) {
	counts(t, st, "a", moment(10), moment(5), 1)
	counts(t, st, "a", moment(12), moment(7), 2)
	counts(t, st, "b", moment(13), moment(8), 1)
	counts(t, st, "a", moment(15), moment(10), 3) // just within, and begun at 10 as ever
	counts(t, st, "a", moment(16), moment(10).Add(time.Microsecond), 1)
	counts(t, st, "a", moment(17), moment(16), 2)
	counts(t, st, "a", moment(99), time.Time{}, 3) // never
	counts(t, st, "b", moment(17), moment(12), 2)
	counts(t, st, "", moment(17), moment(12), 1)
}

func countsAtOnce(t *testing.T, st postern.Store) {
	const n = 50
	for start := range 2 { // of a new counter, and of one that starts again
		got := make([]int, n)
		for _, err := range atOnce(n, func(i int) (err error) {
			got[i], err = st.Count(t.Context(), "a", moment(100*start), moment(100*start))
			return err
		}) {
			ok(t, err)
		}
		slices.Sort(got)
		for i := range got {
			if got[i] != i+1 {
				t.Fatalf("got %v, want each of 1 to %d once", got, n)
			}
		}
	}
}

func claimOver(t *testing.T, st postern.Store) {
	claims(t, st, "a", moment(10), moment(5), nil, moment(10))
	claims(t, st, "a", moment(12), moment(7), postern.ErrRowTaken, moment(10))
	claims(t, st, "b", moment(12), moment(7), nil, moment(12))
	claims(t, st, "a", moment(15), moment(10).Add(-time.Microsecond), postern.ErrRowTaken, moment(10))
	claims(t, st, "a", moment(15), moment(10), nil, moment(15)) // no later than before
	claims(t, st, "a", moment(15), moment(10), postern.ErrRowTaken, moment(15))
	claims(t, st, "a", moment(99), time.Time{}, postern.ErrRowTaken, moment(15))
}

func claimsAtOnce(t *testing.T, st postern.Store) {
	for start := range 2 { // of a new counter, and of one whose time is over
		oneWins(t, atOnce(20, func(int) error {
			got, err := st.Claim(t.Context(), "a", moment(100*start), moment(100*start-1))
			if !got.Equal(moment(100 * start)) {
				t.Errorf("got time %v, want that of the one who won", got)
			}
			return err
		}), postern.ErrRowTaken)
	}
}

func claimAndCount(t *testing.T, st postern.Store) {
	counts(t, st, "a", moment(10), moment(5), 1)
	counts(t, st, "a", moment(11), moment(5), 2)
	claims(t, st, "a", moment(11), moment(5), postern.ErrRowTaken, moment(10))
	counts(t, st, "a", moment(12), moment(5), 3)
	claims(t, st, "a", moment(20), moment(15), nil, moment(20))
	counts(t, st, "a", moment(21), moment(16), 4)
	claims(t, st, "b", moment(20), moment(15), nil, moment(20))
	counts(t, st, "b", moment(21), moment(16), 1)
}

func dropCounters(t *testing.T, st postern.Store) {
	for i, key := range []string{"early", "early, too", "late", "later"} {
		counts(t, st, key, moment(18+i), moment(0), 1)
	}
	counts(t, st, "early", moment(25), moment(0), 2) // which does not start it
	ok(t, st.DropCounter(t.Context(), "late"))
	ok(t, st.DropCounter(t.Context(), "%"))
	dropsOneByOne(t, 2, moment(20), st.DropCounters)
	for key, want := range map[string]int{"early": 1, "early, too": 1, "late": 1, "later": 2} {
		counts(t, st, key, moment(30), moment(0), want)
	}
}

func txAfterClaim(t *testing.T, st postern.Store) {
	claims(t, st, "a", moment(10), moment(5), nil, moment(10))
	refused := errors.New("refused")
	for _, end := range []error{nil, refused} {
		err := st.InTx(t.Context(), func(tx postern.Tx) error {
			claims(t, tx, "a", moment(12), moment(7), postern.ErrRowTaken, moment(10))
			if end != nil {
				counts(t, tx, "b", moment(12), moment(7), 2)
				return end
			}
			counts(t, tx, "b", moment(12), moment(7), 1)
			return nil
		})
		if err != end {
			t.Errorf("got error %v, want %v", err, end)
		}
	}
	counts(t, st, "b", moment(12), moment(7), 2) // what was refused is not counted
}
