package storetest

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// recoveryCodes is a set of three codes.
func recoveryCodes(userID uuid.UUID) *postern.RecoveryCodesRecord {
	return &postern.RecoveryCodesRecord{
		ID: newID(), UserID: userID, FriendlyName: "on paper", CreatedAt: moment(3), UpdatedAt: moment(4),
		Hashes: []string{"first", "second", "third"},
	}
}

// withRecoveryCodes returns a user and its set, both stored.
func withRecoveryCodes(t *testing.T, st postern.Store, seed string) (*postern.UserRecord, *postern.RecoveryCodesRecord) {
	t.Helper()
	u := plainUser(t, st, seed)
	r := recoveryCodes(u.ID)
	ok(t, st.AddRecoveryCodes(t.Context(), r))
	return u, r
}

func hasRecoveryCodes(t *testing.T, st postern.Store, want *postern.RecoveryCodesRecord) {
	t.Helper()
	got, err := st.FindRecoveryCodes(t.Context(), want.UserID)
	ok(t, err)
	same(t, "FindRecoveryCodes", got, want)
}

func hasNoRecoveryCodes(t *testing.T, st postern.Store, userID uuid.UUID) {
	t.Helper()
	_, err := st.FindRecoveryCodes(t.Context(), userID)
	isError(t, "FindRecoveryCodes", err, postern.ErrNoRow)
}

func recoveryCodesRoundTrip(t *testing.T, st postern.Store) {
	u, r := withRecoveryCodes(t, st, "a")
	other, others := withRecoveryCodes(t, st, "b") // with the same hashes
	hasRecoveryCodes(t, st, r)
	hasRecoveryCodes(t, st, others)
	isError(t, "a second set", st.AddRecoveryCodes(t.Context(), recoveryCodes(u.ID)), postern.ErrRowTaken)
	isError(t, "nobody's", st.AddRecoveryCodes(t.Context(), recoveryCodes(newID())), postern.ErrNoRow)
	for _, bad := range []string{"nul\x00", "\xff"} {
		unstorable := recoveryCodes(newID())
		unstorable.FriendlyName = bad
		isError(t, "a bad name", st.AddRecoveryCodes(t.Context(), unstorable), postern.ErrUnstorable)
		isError(t, "a bad hash", st.ReplaceRecoveryCodes(t.Context(), u.ID, []string{bad}, moment(9)), postern.ErrUnstorable)
		isError(t, "a bad hash to take", st.TakeRecoveryCode(t.Context(), r.ID, bad, moment(9)), postern.ErrUnstorable)
	}
	hasRecoveryCodes(t, st, r)
	ok(t, st.DeleteUser(t.Context(), other.ID))
	hasNoRecoveryCodes(t, st, other.ID)
}

// recoveryCodesAreAFactor looks for a set where factors are.
func recoveryCodesAreAFactor(t *testing.T, st postern.Store) {
	u, r := withRecoveryCodes(t, st, "a")
	app := fullFactor(u.ID, 1)
	app.CreatedAt = moment(1)
	ok(t, st.AddFactor(t.Context(), app))
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	same(t, "factors, oldest first", got.Factors, []postern.Factor{app.Factor, {
		ID: r.ID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Status: "verified", FriendlyName: r.FriendlyName, FactorType: "recovery_code",
	}})
	_, err = st.FindFactor(t.Context(), u.ID, r.ID)
	isError(t, "FindFactor", err, postern.ErrNoRow)
	ok(t, st.DropFactors(t.Context(), u.ID))
	hasNoRecoveryCodes(t, st, u.ID)
}

func takeRecoveryCode(t *testing.T, st postern.Store) {
	_, r := withRecoveryCodes(t, st, "a")
	_, others := withRecoveryCodes(t, st, "b")
	oneWins(t, atOnce(20, func(int) error { return st.TakeRecoveryCode(t.Context(), r.ID, "second", moment(9)) }), postern.ErrNoRow)
	for _, hash := range []string{"second", "none", ""} {
		isError(t, "hash "+hash, st.TakeRecoveryCode(t.Context(), r.ID, hash, moment(10)), postern.ErrNoRow)
	}
	isError(t, "of no set", st.TakeRecoveryCode(t.Context(), newID(), "first", moment(10)), postern.ErrNoRow)
	r.Hashes, r.Used = []string{"first", "third"}, 1
	hasRecoveryCodes(t, st, r)
	hasRecoveryCodes(t, st, others)
}

func replaceRecoveryCodes(t *testing.T, st postern.Store) {
	_, r := withRecoveryCodes(t, st, "a")
	_, others := withRecoveryCodes(t, st, "b")
	ok(t, st.TakeRecoveryCode(t.Context(), r.ID, "first", moment(9)))
	r.Hashes, r.UpdatedAt = []string{"first", "fourth"}, moment(10) // the first once more
	ok(t, st.ReplaceRecoveryCodes(t.Context(), r.UserID, r.Hashes, moment(10)))
	hasRecoveryCodes(t, st, r)
	sets := [][]string{{"a1", "a2", "a3"}, {"b1", "b2", "b3"}}
	for _, err := range atOnce(10, func(i int) error {
		return st.ReplaceRecoveryCodes(t.Context(), r.UserID, sets[i%2], moment(11))
	}) {
		ok(t, err)
	}
	got, err := st.FindRecoveryCodes(t.Context(), r.UserID)
	ok(t, err)
	if all := strings.Join(got.Hashes, ""); all != "a1a2a3" && all != "b1b2b3" {
		t.Errorf("got %s, want one whole set", all)
	}
	hasRecoveryCodes(t, st, others)
	ok(t, st.DropRecoveryCodes(t.Context(), r.UserID))
	hasNoRecoveryCodes(t, st, r.UserID)
	isError(t, "drop again", st.DropRecoveryCodes(t.Context(), r.UserID), postern.ErrNoRow)
	isError(t, "replace none", st.ReplaceRecoveryCodes(t.Context(), r.UserID, r.Hashes, moment(12)), postern.ErrNoRow)
	hasRecoveryCodes(t, st, others)
}
