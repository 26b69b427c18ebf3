package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// spends fails the test unless a token can be taken, or comes after want.
func spends(t *testing.T, st postern.Tx, b postern.Bucket, at time.Time, want time.Duration) {
	t.Helper()
	got, err := st.Spend(t.Context(), b, at)
	if err != nil || got != want {
		t.Errorf("bucket %q at %v: got a wait of %v, %v, want %v", b.Key, at, got, err, want)
	}
}

func spendAndRefill(t *testing.T, st postern.Store) {
	b := postern.Bucket{Key: "a", Every: 10 * time.Hour, Size: 3}
	for range 3 {
		spends(t, st, b, moment(100), 0)
	}
	spends(t, st, b, moment(100), 10*time.Hour)
	spends(t, st, b, moment(104), 6*time.Hour)
	spends(t, st, b, moment(110), 0)
	spends(t, st, b, moment(110), 10*time.Hour)
	spends(t, st, postern.Bucket{Key: "b", Every: time.Hour, Size: 1}, moment(110), 0)
	for range 3 { // full again, and no fuller
		spends(t, st, b, moment(1000), 0)
	}
	spends(t, st, b, moment(1000), 10*time.Hour)
	spends(t, st, b, moment(999), 11*time.Hour) // another process's clock
	spends(t, st, postern.Bucket{Key: "", Every: time.Microsecond, Size: 1}, moment(1), 0)
}

func spendsAtOnce(t *testing.T, st postern.Store) {
	const n, size = 50, 20
	waits := make([]time.Duration, n)
	for _, err := range atOnce(n, func(i int) (err error) {
		waits[i], err = st.Spend(t.Context(), postern.Bucket{Key: "a", Every: time.Hour, Size: size}, moment(1))
		return err
	}) {
		ok(t, err)
	}
	slices.Sort(waits)
	if waits[size-1] != 0 || waits[size] == 0 {
		t.Errorf("got waits of %v, want %d that took a token", waits, size)
	}
}

func spendInTx(t *testing.T, st postern.Store) {
	b := postern.Bucket{Key: "a", Every: time.Hour, Size: 1}
	refused := errors.New("refused")
	err := st.InTx(t.Context(), func(tx postern.Tx) error {
		spends(t, tx, b, moment(1), 0)
		spends(t, tx, b, moment(1), time.Hour)
		spends(t, tx, postern.Bucket{Key: "b", Every: time.Hour, Size: 1}, moment(1), 0)
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got error %v, want that of the transaction", err)
	}
	spends(t, st, b, moment(1), 0)
}

func dropBuckets(t *testing.T, st postern.Store) {
	b := postern.Bucket{Key: "a", Every: 10 * time.Hour, Size: 1}
	spends(t, st, b, moment(100), 0)
	dropsOneByOne(t, 0, moment(109), st.DropBuckets)
	spends(t, st, b, moment(100), 10*time.Hour)
	dropsOneByOne(t, 1, moment(110), st.DropBuckets)
	spends(t, st, b, moment(100), 0)
	ok(t, st.DropBucket(t.Context(), "a"))
	ok(t, st.DropBucket(t.Context(), "another"))
	spends(t, st, b, moment(100), 0)
}
