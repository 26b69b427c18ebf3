package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// withPasskey stores a full passkey of a user.
func withPasskey(t *testing.T, st postern.Store, userID uuid.UUID, n int) *postern.PasskeyRecord {
	t.Helper()
	p := fullPasskey(userID, n)
	ok(t, st.AddPasskey(t.Context(), p))
	return p
}

// hasPasskeys fails the test unless a user has these passkeys, in this order.
func hasPasskeys(t *testing.T, st postern.Store, userID uuid.UUID, want ...*postern.PasskeyRecord) {
	t.Helper()
	got, err := st.Passkeys(t.Context(), userID)
	ok(t, err)
	if len(got) != len(want) {
		t.Errorf("got %d passkeys, want %d", len(got), len(want))
		return
	}
	for i, p := range want {
		same(t, fmt.Sprint("passkey ", i), got[i], *p)
	}
}

// takes fails the test unless a ceremony is there to be taken.
func takes(t *testing.T, st postern.Store, want postern.CeremonyRecord) {
	t.Helper()
	got, err := st.TakeCeremony(t.Context(), want.ID, want.Kind)
	ok(t, err)
	same(t, "TakeCeremony", *got, want)
}

func takesNot(t *testing.T, st postern.Store, c postern.CeremonyRecord) {
	t.Helper()
	_, err := st.TakeCeremony(t.Context(), c.ID, c.Kind)
	isError(t, "TakeCeremony", err, postern.ErrNoRow)
}

func passkeyRoundTrip(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	hasPasskeys(t, st, u.ID)
	p := withPasskey(t, st, u.ID, 1)
	others := withPasskey(t, st, other.ID, 2)
	// An id of zeros is an id, and a counter has 32 bits.
	strange := fullPasskey(u.ID, 3)
	strange.AAGUID, strange.SignCount = new(uuid.Nil), 1<<32-1
	strange.CredentialID = []byte("\x00'\\\"?\xff\xfe \n")
	strange.PublicKey = nil
	for i := range 256 {
		strange.PublicKey = append(strange.PublicKey, byte(i))
	}
	ok(t, st.AddPasskey(t.Context(), strange))
	bare := &postern.PasskeyRecord{
		ID: newID(), UserID: u.ID, CreatedAt: moment(9), UpdatedAt: moment(9), CredentialID: []byte{1}, PublicKey: []byte{2},
	}
	ok(t, st.AddPasskey(t.Context(), bare))
	hasPasskeys(t, st, u.ID, p, strange, bare)
	hasPasskeys(t, st, other.ID, others)
	again := fullPasskey(u.ID, 4)
	again.ID = p.ID
	isError(t, "its id again", st.AddPasskey(t.Context(), again), postern.ErrRowTaken)
	hasPasskeys(t, st, u.ID, p, strange, bare)
}

func passkeysInOrder(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	var want []*postern.PasskeyRecord
	for _, n := range []int{2, 3, 1, 5, 4} {
		p := fullPasskey(u.ID, n)
		if n > 2 {
			p.CreatedAt = moment(50) // at which the ids tell
		}
		ok(t, st.AddPasskey(t.Context(), p))
		want = append(want, p)
	}
	slices.SortFunc(want, func(a, b *postern.PasskeyRecord) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	hasPasskeys(t, st, u.ID, want...)
}

// passkeyTaken has a credential that is known added again, by whoever.
func passkeyTaken(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	p := withPasskey(t, st, u.ID, 1)
	for _, userID := range []uuid.UUID{u.ID, other.ID} {
		again := fullPasskey(userID, 2)
		again.CredentialID = p.CredentialID
		isError(t, "its credential again", st.AddPasskey(t.Context(), again), postern.ErrRowTaken)
	}
	hasPasskeys(t, st, u.ID, p)
	hasPasskeys(t, st, other.ID)
	// All else may be the same.
	second := *p
	second.ID, second.CredentialID, second.CreatedAt = newID(), []byte("another"), moment(9)
	ok(t, st.AddPasskey(t.Context(), &second))
	hasPasskeys(t, st, u.ID, p, &second)
	oneWins(t, atOnce(20, func(i int) error {
		wanted := fullPasskey(other.ID, 10+i)
		wanted.CredentialID = []byte("wanted")
		return st.AddPasskey(t.Context(), wanted)
	}), postern.ErrRowTaken)
}

func passkeyUpdate(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	p, other := withPasskey(t, st, u.ID, 1), withPasskey(t, st, u.ID, 2)
	for _, want := range []*postern.PasskeyRecord{fullPasskey(newID(), 5), {}, fullPasskey(newID(), 6)} {
		got, err := st.UpdatePasskey(t.Context(), u.ID, p.ID, moment(60), func(r *postern.PasskeyRecord) error {
			same(t, "what is to be changed", r, p)
			clear(r.CredentialID)
			clear(r.PublicKey)
			*r = *want
			return nil
		})
		ok(t, err)
		// These stay.
		want.ID, want.UserID, want.CredentialID, want.PublicKey, want.CreatedAt = p.ID, u.ID, p.CredentialID, p.PublicKey, p.CreatedAt
		want.UpdatedAt = moment(60)
		same(t, "what was changed", got, want)
		hasPasskeys(t, st, u.ID, want, other)
		p = want
	}
	refused := errors.New("refused")
	_, err := st.UpdatePasskey(t.Context(), u.ID, other.ID, moment(61), func(r *postern.PasskeyRecord) error {
		r.FriendlyName = "refused"
		return refused
	})
	isError(t, "an update that is refused", err, refused)
	hasPasskeys(t, st, u.ID, p, other)
}

func passkeyUpdatesAtOnce(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	p := withPasskey(t, st, u.ID, 1)
	for _, err := range atOnce(20, func(int) error {
		_, err := st.UpdatePasskey(t.Context(), u.ID, p.ID, moment(9), func(r *postern.PasskeyRecord) error {
			r.SignCount++
			return nil
		})
		return err
	}) {
		ok(t, err)
	}
	p.SignCount += 20
	p.UpdatedAt = moment(9)
	hasPasskeys(t, st, u.ID, p)
}

// passkeysAreTheUsers has a passkey changed and deleted by another user, and then
// deleted by all who may.
func passkeysAreTheUsers(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	first, second, third := withPasskey(t, st, u.ID, 1), withPasskey(t, st, u.ID, 2), withPasskey(t, st, u.ID, 3)
	others := withPasskey(t, st, other.ID, 4)
	_, err := st.UpdatePasskey(t.Context(), other.ID, first.ID, moment(60), func(r *postern.PasskeyRecord) error {
		t.Error("got a passkey of another user to change, want none")
		return nil
	})
	isError(t, "an update as if it were another's", err, postern.ErrNoRow)
	isError(t, "a deletion as if it were another's", st.DeletePasskey(t.Context(), other.ID, first.ID), postern.ErrNoRow)
	hasPasskeys(t, st, u.ID, first, second, third)

	ok(t, st.DeletePasskey(t.Context(), u.ID, second.ID))
	isError(t, "it again", st.DeletePasskey(t.Context(), u.ID, second.ID), postern.ErrNoRow)
	hasPasskeys(t, st, u.ID, first, third)
	ok(t, st.AddPasskey(t.Context(), second)) // its credential is free again
	ok(t, st.DropFactors(t.Context(), u.ID))
	hasPasskeys(t, st, u.ID)
	ok(t, st.DeleteUser(t.Context(), other.ID))
	hasPasskeys(t, st, other.ID)
	others.UserID = u.ID
	ok(t, st.AddPasskey(t.Context(), others))
}

func ceremonyRoundTrip(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	full := fullCeremony(u.ID)
	bare := postern.CeremonyRecord{
		ID: newID(), Kind: postern.CeremonyAuthentication, SessionData: postern.Metadata(`{}`), CreatedAt: moment(1), ExpiresAt: moment(2),
	}
	gone := fullCeremony(u.ID)
	for _, c := range []postern.CeremonyRecord{full, bare, gone} {
		ok(t, st.AddCeremony(t.Context(), c))
	}
	again := bare
	again.ID = full.ID
	isError(t, "its id again", st.AddCeremony(t.Context(), again), postern.ErrRowTaken)
	again.ID, again.Kind = newID(), "another"
	isError(t, "a kind that there is not", st.AddCeremony(t.Context(), again), postern.ErrUnstorable)
	takes(t, st, full)
	takesNot(t, st, full)
	takes(t, st, bare)
	ok(t, st.DeleteUser(t.Context(), u.ID))
	takesNot(t, st, gone)
}

func takeCeremony(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	c, second, other := fullCeremony(u.ID), fullCeremony(u.ID), fullCeremony(u.ID)
	for _, c := range []postern.CeremonyRecord{c, second, other} {
		ok(t, st.AddCeremony(t.Context(), c))
	}
	for _, kind := range append(odd[:], "", string(postern.CeremonyAuthentication), string(c.Kind)+" ") {
		_, err := st.TakeCeremony(t.Context(), c.ID, postern.CeremonyKind(kind))
		isError(t, fmt.Sprintf("as if its kind were %q", kind), err, postern.ErrNoRow)
	}
	oneWins(t, atOnce(20, func(int) error {
		got, err := st.TakeCeremony(t.Context(), c.ID, c.Kind)
		if err == nil {
			same(t, "what the winner got", *got, c)
		}
		return err
	}), postern.ErrNoRow)
	// In transactions, too, which read first.
	oneWins(t, atOnce(20, func(int) error {
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			if _, err := tx.Passkeys(t.Context(), u.ID); err != nil {
				return err
			}
			_, err := tx.TakeCeremony(t.Context(), second.ID, second.Kind)
			return err
		})
	}), postern.ErrNoRow)
	refused := errors.New("refused")
	isError(t, "a transaction that fails", st.InTx(t.Context(), func(tx postern.Tx) error {
		_, err := tx.TakeCeremony(t.Context(), other.ID, other.Kind)
		ok(t, err)
		_, err = tx.TakeCeremony(t.Context(), other.ID, other.Kind)
		isError(t, "it again", err, postern.ErrNoRow)
		return refused
	}), refused)
	takesNot(t, st, c)
	takesNot(t, st, second)
	takes(t, st, other)
}

func dropCeremonies(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	early, late := fullCeremony(u.ID), fullCeremony(u.ID)
	early.ExpiresAt, late.ExpiresAt = moment(19), moment(20)
	ok(t, st.AddCeremony(t.Context(), early))
	ok(t, st.AddCeremony(t.Context(), late))
	dropsOneByOne(t, 1, moment(20), st.DropCeremonies)
	takesNot(t, st, early)
	takes(t, st, late)
}
