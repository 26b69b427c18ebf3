package storetest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// withFactor stores a full factor of a user.
func withFactor(t *testing.T, st postern.Store, userID uuid.UUID, n int) *postern.FactorRecord {
	t.Helper()
	f := fullFactor(userID, n)
	ok(t, st.AddFactor(t.Context(), f))
	return f
}

// withFactors stores a user and two full factors of it.
func withFactors(t *testing.T, st postern.Store) (u *postern.UserRecord, first, second *postern.FactorRecord) {
	t.Helper()
	u = plainUser(t, st, "a")
	return u, withFactor(t, st, u.ID, 1), withFactor(t, st, u.ID, 2)
}

// hasFactor fails the test unless a factor is found, by itself and at its user.
func hasFactor(t *testing.T, st postern.Store, want *postern.FactorRecord) {
	t.Helper()
	got, err := st.FindFactor(t.Context(), want.UserID, want.ID)
	ok(t, err)
	same(t, want.FriendlyName, got, want)
	u, err := st.FindUser(t.Context(), want.UserID)
	ok(t, err)
	for _, f := range u.Factors {
		if f.ID == want.ID {
			same(t, "the user's "+want.FriendlyName, f, want.Factor)
			return
		}
	}
	t.Errorf("%s: got a user without it", want.FriendlyName)
}

func hasNoFactor(t *testing.T, st postern.Store, f *postern.FactorRecord) {
	t.Helper()
	_, err := st.FindFactor(t.Context(), f.UserID, f.ID)
	isError(t, f.FriendlyName, err, postern.ErrNoRow)
}

// withChallenge stores a challenge of a factor that was not used yet.
func withChallenge(t *testing.T, st postern.Store, factorID uuid.UUID) postern.ChallengeRecord {
	t.Helper()
	c := fullChallenge(factorID)
	c.VerifiedAt = nil
	ok(t, st.AddChallenge(t.Context(), &c))
	return c
}

func hasChallenge(t *testing.T, st postern.Store, want postern.ChallengeRecord) {
	t.Helper()
	got, err := st.FindChallenge(t.Context(), want.FactorID, want.ID)
	ok(t, err)
	same(t, "FindChallenge", *got, want)
}

func hasNoChallenge(t *testing.T, st postern.Store, c postern.ChallengeRecord) {
	t.Helper()
	_, err := st.FindChallenge(t.Context(), c.FactorID, c.ID)
	isError(t, "FindChallenge", err, postern.ErrNoRow)
}

func factorRoundTrip(t *testing.T, st postern.Store) {
	u, f, second := withFactors(t, st)
	hasFactor(t, st, f)
	hasFactor(t, st, second)
	again := fullFactor(u.ID, 3)
	again.ID = f.ID
	isError(t, "its id again", st.AddFactor(t.Context(), again), postern.ErrRowTaken)
	other := plainUser(t, st, "b")
	_, err := st.FindFactor(t.Context(), other.ID, f.ID)
	isError(t, "as if it were another's", err, postern.ErrNoRow)
}

func factorRoundTripBare(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	// Two of them: what is absent is not unique. An id of zeros is an id.
	for _, aaguid := range []*uuid.UUID{nil, new(uuid.Nil)} {
		f := &postern.FactorRecord{UserID: u.ID, Factor: postern.Factor{
			ID: newID(), Status: "unverified", FactorType: "totp", CreatedAt: moment(1), UpdatedAt: moment(2), WebAuthnAAGUID: aaguid,
		}}
		ok(t, st.AddFactor(t.Context(), f))
		hasFactor(t, st, f)
	}
}

func factorTaken(t *testing.T, st postern.Store) {
	u, first, second := withFactors(t, st)
	other := plainUser(t, st, "b")
	n := 10
	add := func(userID uuid.UUID, name, phone string) error {
		n++
		f := fullFactor(userID, n)
		f.FriendlyName, f.Phone = name, phone
		return st.AddFactor(t.Context(), f)
	}
	isError(t, "its name", add(u.ID, first.FriendlyName, "1"), postern.ErrRowTaken)
	isError(t, "its number", add(u.ID, "another", first.Phone), postern.ErrRowTaken)
	ok(t, add(other.ID, first.FriendlyName, first.Phone))
	for _, name := range []string{"", "", " ", " "} {
		ok(t, add(u.ID, name, ""))
	}
	for what, change := range map[string]func(*postern.FactorRecord){
		"update to its name":   func(f *postern.FactorRecord) { f.FriendlyName = first.FriendlyName },
		"update to its number": func(f *postern.FactorRecord) { f.Phone = first.Phone },
	} {
		_, err := st.UpdateFactor(t.Context(), second.ID, moment(9), func(f *postern.FactorRecord) error {
			change(f)
			return nil
		})
		isError(t, what, err, postern.ErrRowTaken)
	}
	hasFactor(t, st, second)
	oneWins(t, atOnce(20, func(i int) error {
		f := fullFactor(u.ID, 100+i)
		f.FriendlyName = "wanted"
		return st.AddFactor(t.Context(), f)
	}), postern.ErrRowTaken)
}

func factorUpdate(t *testing.T, st postern.Store) {
	_, f, other := withFactors(t, st)
	for _, want := range []*postern.FactorRecord{fullFactor(newID(), 5), {}} {
		want.Status = "unverified"
		got, err := st.UpdateFactor(t.Context(), f.ID, moment(60), func(r *postern.FactorRecord) error {
			same(t, "what is to be changed", r, f)
			*r = *want
			return nil
		})
		ok(t, err)
		// These stay.
		want.ID, want.UserID, want.FactorType, want.CreatedAt = f.ID, f.UserID, f.FactorType, f.CreatedAt
		want.UpdatedAt = moment(60)
		same(t, "what was changed", got, want)
		hasFactor(t, st, want)
		hasFactor(t, st, other)
		f = want
	}
	refused := errors.New("refused")
	_, err := st.UpdateFactor(t.Context(), other.ID, moment(61), func(r *postern.FactorRecord) error {
		r.Status = "unverified"
		return refused
	})
	isError(t, "an update that is refused", err, refused)
	hasFactor(t, st, other)
}

func factorUpdatesAtOnce(t *testing.T, st postern.Store) {
	_, f, _ := withFactors(t, st)
	f.FriendlyName = ""
	_, err := st.UpdateFactor(t.Context(), f.ID, moment(9), func(r *postern.FactorRecord) error { r.FriendlyName = ""; return nil })
	ok(t, err)
	for _, err := range atOnce(20, func(int) error {
		_, err := st.UpdateFactor(t.Context(), f.ID, moment(9), func(r *postern.FactorRecord) error {
			r.FriendlyName += "x"
			return nil
		})
		return err
	}) {
		ok(t, err)
	}
	got, err := st.FindFactor(t.Context(), f.UserID, f.ID)
	ok(t, err)
	if len(got.FriendlyName) != 20 {
		t.Errorf("got %d updates, want 20", len(got.FriendlyName))
	}
}

func deleteFactor(t *testing.T, st postern.Store) {
	u, f, other := withFactors(t, st)
	c, others := withChallenge(t, st, f.ID), fullChallenge(other.ID)
	others.CreatedAt = moment(50)
	ok(t, st.AddChallenge(t.Context(), &others))
	ok(t, st.DeleteFactor(t.Context(), f.ID))
	hasNoFactor(t, st, f)
	hasNoChallenge(t, st, c)
	hasChallenge(t, st, others)
	isError(t, "it again", st.DeleteFactor(t.Context(), f.ID), postern.ErrNoRow)
	ok(t, st.DeleteUser(t.Context(), u.ID))
	hasNoFactor(t, st, other)
	hasNoChallenge(t, st, others)
}

func dropUnverifiedFactors(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	early, late, verified := fullFactor(u.ID, 1), fullFactor(u.ID, 2), fullFactor(u.ID, 3)
	early.Status, late.Status = "unverified", "unverified"
	early.CreatedAt, late.CreatedAt, verified.CreatedAt = moment(19), moment(20), moment(1)
	for _, f := range []*postern.FactorRecord{early, late, verified} {
		ok(t, st.AddFactor(t.Context(), f))
	}
	dropsOneByOne(t, 1, moment(20), st.DropUnverifiedFactors)
	hasNoFactor(t, st, early)
	hasFactor(t, st, late)
	hasFactor(t, st, verified)
}

func challengeRoundTrip(t *testing.T, st postern.Store) {
	_, f, other := withFactors(t, st)
	full := fullChallenge(f.ID)
	ok(t, st.AddChallenge(t.Context(), &full))
	hasChallenge(t, st, full)
	f.LastChallengedAt, f.UpdatedAt = &full.CreatedAt, full.CreatedAt
	hasFactor(t, st, f)
	hasFactor(t, st, other)

	bare := postern.ChallengeRecord{ID: newID(), FactorID: f.ID, CreatedAt: moment(70)}
	ok(t, st.AddChallenge(t.Context(), &bare))
	hasChallenge(t, st, bare)
	hasChallenge(t, st, full)
	_, err := st.FindChallenge(t.Context(), other.ID, full.ID)
	isError(t, "as if it were another factor's", err, postern.ErrNoRow)

	f.LastChallengedAt, f.UpdatedAt = &bare.CreatedAt, bare.CreatedAt
	again := fullChallenge(f.ID)
	again.ID, again.CreatedAt = full.ID, moment(80)
	isError(t, "its id again", st.AddChallenge(t.Context(), &again), postern.ErrRowTaken)
	hasFactor(t, st, f) // nothing is noted of one that is not stored
}

// challengesAtOnce has factors challenged in the same microsecond, also inside
// transactions that go on, and one of them twice.
func challengesAtOnce(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	var factors []*postern.FactorRecord
	for i := range 10 {
		factors = append(factors, withFactor(t, st, u.ID, i))
	}
	challenges := make([]postern.ChallengeRecord, 20)
	for i := range challenges {
		challenges[i] = fullChallenge(factors[i%len(factors)].ID)
	}
	for _, err := range atOnce(len(challenges), func(i int) error {
		if i%2 == 0 {
			return st.AddChallenge(t.Context(), &challenges[i])
		}
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			if err := tx.AddChallenge(t.Context(), &challenges[i]); err != nil {
				return err
			}
			_, err := tx.FindChallenge(t.Context(), challenges[i].FactorID, challenges[i].ID)
			return err
		})
	}) {
		ok(t, err)
	}
	for _, c := range challenges {
		hasChallenge(t, st, c)
	}
	for _, f := range factors {
		got, err := st.FindFactor(t.Context(), u.ID, f.ID)
		ok(t, err)
		newest := moment(0)
		for _, c := range challenges {
			if c.FactorID == f.ID && c.CreatedAt.After(newest) {
				newest = c.CreatedAt
			}
		}
		if at := got.LastChallengedAt; !at.Equal(newest) {
			t.Errorf("%s: last challenged at %v, want the time of its newest challenge, %v", f.FriendlyName, at, newest)
		}
	}
}

func takeChallenge(t *testing.T, st postern.Store) {
	_, f, _ := withFactors(t, st)
	c := withChallenge(t, st, f.ID)
	other := fullChallenge(f.ID)
	other.CreatedAt, other.VerifiedAt = moment(50), nil
	ok(t, st.AddChallenge(t.Context(), &other))
	oneWins(t, atOnce(20, func(int) error { return st.TakeChallenge(t.Context(), c.ID, moment(60)) }), postern.ErrNoRow)
	c.VerifiedAt = momentPtr(60)
	hasChallenge(t, st, c)
	hasChallenge(t, st, other)
	// In transactions, too, which read first.
	oneWins(t, atOnce(20, func(int) error {
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			if _, err := tx.FindChallenge(t.Context(), f.ID, other.ID); err != nil {
				return err
			}
			return tx.TakeChallenge(t.Context(), other.ID, moment(61))
		})
	}), postern.ErrNoRow)
	other.VerifiedAt = momentPtr(61)
	hasChallenge(t, st, other)
	isError(t, "a later one", st.TakeChallenge(t.Context(), c.ID, moment(62)), postern.ErrNoRow)
	hasChallenge(t, st, c)
}

func dropChallenges(t *testing.T, st postern.Store) {
	_, f, _ := withFactors(t, st)
	early, late := fullChallenge(f.ID), fullChallenge(f.ID)
	early.CreatedAt, late.CreatedAt = moment(19), moment(20)
	ok(t, st.AddChallenge(t.Context(), &early))
	ok(t, st.AddChallenge(t.Context(), &late))
	dropsOneByOne(t, 1, moment(20), st.DropChallenges)
	hasNoChallenge(t, st, early)
	hasChallenge(t, st, late)
}

// raise is what a factor changes in a session.
func raise(s *postern.SessionRecord, factorID uuid.UUID, method string, n int) postern.SessionRaise {
	return postern.SessionRaise{ID: s.ID, FactorID: &factorID, AAL: "aal2", Method: method, Key: "another key", At: moment(n)}
}

func raiseSession(t *testing.T, st postern.Store) {
	u, s := withSession(t, st)
	other := fullSession(u.ID)
	low := &postern.SessionRecord{ // which lives on legacy tokens
		ID: newID(), UserID: u.ID, CreatedAt: moment(1), UpdatedAt: moment(2), UserAgent: "Agent/1.0", IP: netip.MustParseAddr("192.0.2.9"),
	}
	ok(t, st.AddSession(t.Context(), other))
	ok(t, st.AddSession(t.Context(), low))
	for _, c := range []struct {
		s       *postern.SessionRecord
		method  string
		counter int64
		amr     []postern.AMREntry
	}{
		{s, "mfa/phone", 9, []postern.AMREntry{{Method: "mfa/phone", At: moment(60)}, s.AMR[0], s.AMR[1]}},
		{s, "password", 11, []postern.AMREntry{{Method: "password", At: moment(61)}, {Method: "mfa/phone", At: moment(60)}, s.AMR[0]}},
		{low, "totp", 2, []postern.AMREntry{{Method: "totp", At: moment(62)}}},
	} {
		r := raise(c.s, newID(), c.method, 0)
		r.At = c.amr[0].At
		got, err := st.RaiseSession(t.Context(), r)
		ok(t, err)
		c.s.FactorID, c.s.AAL, c.s.RefreshTokenKey, c.s.RefreshTokenCounter = r.FactorID, "aal2", r.Key, &c.counter
		c.s.UpdatedAt, c.s.AMR = r.At, c.amr
		same(t, "RaiseSession with "+c.method, got, c.s)
		isStored(t, st, u, c.s)
		isStored(t, st, u, other)
	}
	isError(t, "a refresh from before", st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 7}), postern.ErrNoRow)
	_, err := st.EndSession(t.Context(), s.ID)
	ok(t, err)
	_, err = st.RaiseSession(t.Context(), raise(s, newID(), "totp", 63))
	isError(t, "a session that is gone", err, postern.ErrNoRow)
}

func raisesAtOnce(t *testing.T, st postern.Store) {
	_, s := withSession(t, st)
	for _, err := range atOnce(20, func(i int) error {
		_, err := st.RaiseSession(t.Context(), raise(s, newID(), "mfa/phone", 60+i))
		return err
	}) {
		ok(t, err)
	}
	got, _, err := st.FindSession(t.Context(), s.ID)
	ok(t, err)
	if *got.RefreshTokenCounter != 47 || len(got.AMR) != 3 {
		t.Errorf("got counter %d and %d AMR entries, want 47 and 3", *got.RefreshTokenCounter, len(got.AMR))
	}
}

func lowerSessions(t *testing.T, st postern.Store) {
	u, factor, another := withFactors(t, st)
	stranger := fullUser("b")
	ok(t, st.AddUser(t.Context(), stranger))
	with := func(userID uuid.UUID, factor *uuid.UUID) *postern.SessionRecord {
		s := fullSession(userID)
		s.FactorID = factor
		s.AMR = []postern.AMREntry{{Method: "mfa/phone", At: moment(5)}, {Method: "totp", At: moment(4)}, {Method: "password", At: moment(3)}}
		ok(t, st.AddSession(t.Context(), s))
		return s
	}
	lowered := []*postern.SessionRecord{with(u.ID, &factor.ID), with(u.ID, &factor.ID)}
	left := []*postern.SessionRecord{with(u.ID, &another.ID), with(u.ID, nil)}
	others := with(stranger.ID, &another.ID)
	u, err := st.FindUser(t.Context(), u.ID) // with its factors
	ok(t, err)

	ok(t, st.LowerSessions(t.Context(), u.ID, factor.ID, []string{"totp", "mfa/phone", "none"}, moment(60)))
	for _, s := range lowered {
		s.FactorID, s.AAL, s.AMR, s.UpdatedAt = nil, "aal1", s.AMR[2:], moment(60)
		isStored(t, st, u, s)
	}
	ok(t, st.LowerSessions(t.Context(), u.ID, factor.ID, []string{"password"}, moment(61))) // no session is the factor's
	for _, s := range append(lowered, left...) {
		isStored(t, st, u, s)
	}
	isStored(t, st, stranger, others)

	ok(t, st.LowerSessions(t.Context(), u.ID, another.ID, nil, moment(62)))
	left[0].FactorID, left[0].AAL, left[0].UpdatedAt = nil, "aal1", moment(62)
	isStored(t, st, u, left[0])
}

func endLowSessions(t *testing.T, st postern.Store) {
	u, second := withSession(t, st)
	other := fullUser("b")
	ok(t, st.AddUser(t.Context(), other))
	with := func(userID uuid.UUID, aal string) *postern.SessionRecord {
		s := fullSession(userID)
		s.AAL = aal
		ok(t, st.AddSession(t.Context(), s))
		return s
	}
	low, unknown, third, others := with(u.ID, "aal1"), with(u.ID, ""), with(u.ID, "aal3"), with(other.ID, "aal1")
	ended, err := st.EndLowSessions(t.Context(), u.ID)
	ok(t, err)
	if len(ended) != 2 || !slices.Contains(ended, low.ID) || !slices.Contains(ended, unknown.ID) {
		t.Errorf("got %v ended, want %v and %v", ended, low.ID, unknown.ID)
	}
	for _, s := range []*postern.SessionRecord{low, unknown} {
		_, _, err := st.FindSession(t.Context(), s.ID)
		isError(t, "a session of level "+s.AAL, err, postern.ErrNoRow)
	}
	isStored(t, st, u, second)
	isStored(t, st, u, third)
	isStored(t, st, other, others)
}
