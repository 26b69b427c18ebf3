package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-auth/postern"
)

// plainUser returns a full user whom every method finds.
func plainUser(t *testing.T, st postern.Store, seed string) *postern.UserRecord {
	t.Helper()
	u := fullUser(seed)
	u.IsSSOUser = false
	ok(t, st.AddUser(t.Context(), u))
	return u
}

// put stores a token of its own kind and seed.
func put(t *testing.T, st postern.Tx, u *postern.UserRecord, kind postern.OneTimeKind, seed string) postern.OneTimeToken {
	t.Helper()
	one := token(u.ID, kind, seed)
	ok(t, st.PutOneTimeToken(t.Context(), one))
	return one
}

// outstanding fails the test unless these are the user's tokens, and no others,
// wherever they are seen.
func outstanding(t *testing.T, st postern.Store, u *postern.UserRecord, want ...postern.OneTimeToken) {
	t.Helper()
	var hashes map[postern.OneTimeKind]string // nil if there are none
	for _, one := range want {
		if hashes == nil {
			hashes = make(map[postern.OneTimeKind]string)
		}
		hashes[one.Kind] = one.CodeHash
		got, _, err := st.FindOneTimeToken(t.Context(), []string{one.LinkHash})
		if err != nil {
			t.Errorf("%s: got error %v", one.LinkHash, err)
			continue
		}
		same(t, "FindOneTimeToken", *got, one)
	}
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	same(t, "FindUser.CodeHashes", got.CodeHashes, hashes)
}

// void fails the test unless a token can be neither found nor taken.
func void(t *testing.T, st postern.Store, one postern.OneTimeToken) {
	t.Helper()
	_, _, err := st.FindOneTimeToken(t.Context(), []string{one.LinkHash})
	isError(t, "the link of "+one.LinkHash, err, postern.ErrNoRow)
	isError(t, "the code of "+one.CodeHash, take(t, st, one), postern.ErrNoRow)
}

func take(t *testing.T, st postern.Tx, one postern.OneTimeToken) error {
	t.Helper()
	return st.TakeOneTimeToken(t.Context(), one.UserID, one.Kind, one.CodeHash)
}

func tokenRoundTrip(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	s := fullSession(u.ID)
	ok(t, st.AddSession(t.Context(), s))
	outstanding(t, st, u)
	var all []postern.OneTimeToken
	u.CodeHashes = make(map[postern.OneTimeKind]string)
	for _, kind := range allKinds {
		one := put(t, st, u, kind, "a")
		all, u.CodeHashes[kind] = append(all, one), one.CodeHash
		outstanding(t, st, u, all...)
	}
	outstanding(t, st, other)
	isStored(t, st, u, s)
	byEmail, err := st.FindUserByEmail(t.Context(), u.Email, u.Aud)
	ok(t, err)
	same(t, "FindUserByEmail", byEmail, u)
	byPhone, err := st.FindUserByPhone(t.Context(), u.Phone, u.Aud)
	ok(t, err)
	same(t, "FindUserByPhone", byPhone, u)
}

func tokenReplaced(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	older := put(t, st, u, postern.OneTimeRecovery, "older")
	kept, others := put(t, st, u, postern.OneTimeConfirmation, "older"), put(t, st, other, postern.OneTimeRecovery, "older")
	newer := token(u.ID, postern.OneTimeRecovery, "newer")
	newer.CreatedAt = moment(2)
	ok(t, st.PutOneTimeToken(t.Context(), newer))

	void(t, st, older)
	outstanding(t, st, u, newer, kept)
	outstanding(t, st, other, others)
	ok(t, take(t, st, newer))
	outstanding(t, st, u, kept)
}

func tokenTaken(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	one, second := put(t, st, u, postern.OneTimeRecovery, "a"), put(t, st, u, postern.OneTimeEmailChangeNew, "a")
	others := put(t, st, other, postern.OneTimeRecovery, "a")
	for what, wrong := range map[string]postern.OneTimeToken{
		"another kind":           {UserID: u.ID, Kind: postern.OneTimeConfirmation, CodeHash: one.CodeHash},
		"another kind, in place": {UserID: u.ID, Kind: second.Kind, CodeHash: one.CodeHash},
		"another user":           {UserID: other.ID, Kind: one.Kind, CodeHash: one.CodeHash},
		"another code":           {UserID: u.ID, Kind: one.Kind, CodeHash: others.CodeHash},
		"the link's hash":        {UserID: u.ID, Kind: one.Kind, CodeHash: one.LinkHash},
		"no code":                {UserID: u.ID, Kind: one.Kind},
		"a pattern":              {UserID: u.ID, Kind: one.Kind, CodeHash: "%"},
	} {
		isError(t, what, take(t, st, wrong), postern.ErrNoRow)
	}
	outstanding(t, st, u, one, second)

	ok(t, take(t, st, one))
	void(t, st, one)
	isError(t, "what is taken, as no code", st.TakeOneTimeToken(t.Context(), u.ID, one.Kind, ""), postern.ErrNoRow)
	outstanding(t, st, u, second)
	outstanding(t, st, other, others)
	outstanding(t, st, u, second, put(t, st, u, one.Kind, "b")) // the place is free
}

func takesAtOnce(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	one := put(t, st, u, postern.OneTimeRecovery, "a")
	oneWins(t, atOnce(20, func(int) error { return take(t, st, one) }), postern.ErrNoRow)
	// In transactions, too, which read first.
	one = put(t, st, u, postern.OneTimeRecovery, "b")
	oneWins(t, atOnce(20, func(int) error {
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			if _, err := tx.FindUser(t.Context(), u.ID); err != nil {
				return err
			}
			return take(t, tx, one)
		})
	}), postern.ErrNoRow)
	outstanding(t, st, u)
}

func takeAndPutAtOnce(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	for i := range 10 {
		older := put(t, st, u, postern.OneTimeRecovery, fmt.Sprint("older", i))
		newer := token(u.ID, postern.OneTimeRecovery, fmt.Sprint("newer", i))
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return take(t, st, older)
			}
			return st.PutOneTimeToken(t.Context(), newer)
		})
		ok(t, errs[1])
		if errs[0] != nil { // it came too late
			isError(t, "the older", errs[0], postern.ErrNoRow)
		}
		outstanding(t, st, u, newer)
		void(t, st, older)
	}
}

func tokensDropped(t *testing.T, st postern.Store) {
	u, other := plainUser(t, st, "a"), plainUser(t, st, "b")
	var all, others []postern.OneTimeToken
	for _, kind := range allKinds {
		all, others = append(all, put(t, st, u, kind, "a")), append(others, put(t, st, other, kind, "a"))
	}
	ok(t, st.DropOneTimeTokens(t.Context(), u.ID))
	outstanding(t, st, u)
	for _, one := range all {
		void(t, st, one)
	}
	outstanding(t, st, other, others...)
	ok(t, st.DeleteUser(t.Context(), other.ID))
	for _, one := range others {
		void(t, st, one)
	}
}

func tokensNotUpdated(t *testing.T, st postern.Store) {
	u := fullUser("a")
	u.CodeHashes = map[postern.OneTimeKind]string{postern.OneTimeRecovery: "not to be stored"}
	ok(t, st.AddUser(t.Context(), u))
	outstanding(t, st, u)
	one := put(t, st, u, postern.OneTimeRecovery, "a")
	want := map[postern.OneTimeKind]string{one.Kind: one.CodeHash}
	for what, change := range map[string]func(*postern.UserRecord){
		"edited":   func(r *postern.UserRecord) { r.CodeHashes[one.Kind] = "edited" },
		"removed":  func(r *postern.UserRecord) { delete(r.CodeHashes, one.Kind) },
		"added":    func(r *postern.UserRecord) { r.CodeHashes[postern.OneTimeConfirmation] = "added" },
		"replaced": func(r *postern.UserRecord) { *r = *fullUser("b") },
	} {
		got, err := st.UpdateUser(t.Context(), u.ID, moment(60), func(r *postern.UserRecord) error {
			same(t, "what is to be changed", r.CodeHashes, want)
			change(r)
			return nil
		})
		ok(t, err)
		same(t, what, got.CodeHashes, want)
		outstanding(t, st, u, one)
	}
}

func newestLink(t *testing.T, st postern.Store) {
	var all []postern.OneTimeToken
	for i, age := range []int{2, 3, 1} {
		u := plainUser(t, st, fmt.Sprint("user", i))
		one := token(u.ID, allKinds[i], "a")
		one.LinkHash, one.CreatedAt = "the same", moment(age)
		ok(t, st.PutOneTimeToken(t.Context(), one))
		all = append(all, one)
	}
	for _, hashes := range [][]string{{"the same"}, {"the same", "no"}, {"no", "", "the same"}} {
		got, _, err := st.FindOneTimeToken(t.Context(), hashes)
		ok(t, err)
		same(t, fmt.Sprint(hashes), *got, all[1])
	}
}

func tokenTxFails(t *testing.T, st postern.Store) {
	u, refused := plainUser(t, st, "a"), errors.New("refused")
	one, second := put(t, st, u, postern.OneTimeRecovery, "a"), put(t, st, u, postern.OneTimeConfirmation, "a")
	err := st.InTx(t.Context(), func(tx postern.Tx) error {
		put(t, tx, u, postern.OneTimeRecovery, "b")
		isError(t, "the older", take(t, tx, one), postern.ErrNoRow)
		ok(t, take(t, tx, second)) // which goes on after ErrNoRow
		return refused
	})
	if err != refused {
		t.Errorf("got error %v, want the one of fn itself", err)
	}
	outstanding(t, st, u, one, second)
}

// waiting returns a user who waits for an address and a number, and since when.
func waiting(seed, email, phone string, since int) *postern.UserRecord {
	u := fullUser(seed)
	u.IsSSOUser, u.NewEmail, u.NewPhone = false, email, phone
	u.EmailChangeSentAt, u.PhoneChangeSentAt = momentPtr(since), momentPtr(since)
	return u
}

// sendTokens stores a user and the tokens that were sent to these addresses.
func sendTokens(t *testing.T, st postern.Store, u *postern.UserRecord, email, phone string) {
	t.Helper()
	ok(t, st.AddUser(t.Context(), u))
	u.CodeHashes = make(map[postern.OneTimeKind]string)
	for kind, to := range map[postern.OneTimeKind]string{
		postern.OneTimeEmailChangeNew:     email,
		postern.OneTimeEmailChangeCurrent: u.Email,
		postern.OneTimePhoneChange:        phone,
	} {
		one := token(u.ID, kind, "a")
		one.RelatesTo = to
		ok(t, st.PutOneTimeToken(t.Context(), one))
		u.CodeHashes[kind] = one.CodeHash
	}
}

// withWaiting stores users of whom two wait for the address and the number. It
// returns them in the order in which they are to be found.
func withWaiting(t *testing.T, st postern.Store, email, phone string) []*postern.UserRecord {
	t.Helper()
	older, newer := waiting("older", email, phone, 1), waiting("newer", email, phone, 2)
	other, sso := waiting("other", email, phone, 3), waiting("sso", email, phone, 4)
	other.Aud, sso.IsSSOUser = "other", true
	for _, u := range []*postern.UserRecord{older, newer, other, sso} {
		sendTokens(t, st, u, email, phone)
	}
	sendTokens(t, st, waiting("elsewhere", "elsewhere@example.com", "1666", 5), "elsewhere@example.com", "1666")
	sendTokens(t, st, waiting("moved on", "elsewhere@example.com", "1666", 6), email, phone)
	sendTokens(t, st, waiting("gave up", "", "", 7), email, phone)
	owner := waiting("owner", "", "", 8)
	owner.Email, owner.Phone = email, phone
	sendTokens(t, st, owner, email, phone)
	return []*postern.UserRecord{newer, older}
}

// findWaiting fails the test unless these users, whole, wait for an address.
func findWaiting(t *testing.T, find func(ctx context.Context, address, aud string) ([]*postern.UserRecord, error),
	address string, want ...*postern.UserRecord) {
	t.Helper()
	got, err := find(t.Context(), address, "authenticated")
	ok(t, err)
	if len(got) != len(want) {
		t.Errorf("%q: got %d users, want %d", address, len(got), len(want))
		return
	}
	for i := range want {
		same(t, fmt.Sprintf("%q[%d]", address, i), got[i], want[i])
	}
}

func findByNewEmail(t *testing.T, st postern.Store) {
	want := withWaiting(t, st, "o'new_%@example.com", "1555")
	findWaiting(t, st.UsersByNewEmail, "o'new_%@example.com", want...)
	findWaiting(t, st.UsersByNewEmail, "O'New_%@EXAMPLE.com", want...)
	for _, address := range []string{"", "%", "o'new", "1555", "older@example.com"} {
		findWaiting(t, st.UsersByNewEmail, address)
	}
	got, err := st.UsersByNewEmail(t.Context(), "o'new_%@example.com", "other")
	if err != nil || len(got) != 1 || got[0].Aud != "other" {
		t.Errorf("of another audience: got %d users, %v, want its one", len(got), err)
	}
}

func findByNewPhone(t *testing.T, st postern.Store) {
	want := withWaiting(t, st, "new@example.com", "1555")
	findWaiting(t, st.UsersByNewPhone, "1555", want...)
	for _, number := range []string{"", "%", "155", "new@example.com", want[0].Phone} {
		findWaiting(t, st.UsersByNewPhone, number)
	}
}
