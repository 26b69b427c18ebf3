package storetest

import (
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// withFlow stores a full flow of a user.
func withFlow(t *testing.T, st postern.Store, userID uuid.UUID) postern.FlowRecord {
	t.Helper()
	f := fullFlow(userID)
	ok(t, st.AddFlow(t.Context(), f))
	return f
}

// hasFlow fails the test unless a flow is found in each way.
func hasFlow(t *testing.T, st postern.Store, want postern.FlowRecord) {
	t.Helper()
	got, err := st.FindFlow(t.Context(), want.ID)
	ok(t, err)
	same(t, "FindFlow", *got, want)
	want.ClientState, want.Browser, want.ReturnedAt = nil, "", nil
	got, err = st.FindFlowByCode(t.Context(), want.AuthCode)
	ok(t, err)
	same(t, "FindFlowByCode", *got, want)
	got, err = st.NewestFlow(t.Context(), want.UserID, want.AuthenticationMethod)
	ok(t, err)
	same(t, "NewestFlow", *got, want)
}

// hasNoFlow fails the test if a flow is found.
func hasNoFlow(t *testing.T, st postern.Store, f postern.FlowRecord) {
	t.Helper()
	_, err := st.FindFlow(t.Context(), f.ID)
	isError(t, "FindFlow", err, postern.ErrNoRow)
	_, err = st.FindFlowByCode(t.Context(), f.AuthCode)
	isError(t, "FindFlowByCode", err, postern.ErrNoRow)
	_, err = st.NewestFlow(t.Context(), f.UserID, f.AuthenticationMethod)
	isError(t, "NewestFlow", err, postern.ErrNoRow)
}

func flowRoundTrip(t *testing.T, st postern.Store) {
	u := plainUser(t, st, "a")
	f, other := withFlow(t, st, u.ID), withFlow(t, st, newID())
	hasFlow(t, st, f)
	hasFlow(t, st, other)
	isError(t, "its id again", st.AddFlow(t.Context(), f), postern.ErrRowTaken)
	ok(t, st.DeleteUser(t.Context(), u.ID))
	hasNoFlow(t, st, f)
	hasFlow(t, st, other)
}

func flowRoundTripBare(t *testing.T, st postern.Store) {
	// Two of them: what is absent is not unique.
	for _, code := range []string{"first", "second"} {
		want := postern.FlowRecord{
			ID: newID(), AuthCode: code, ProviderType: "email", AuthenticationMethod: "otp", CreatedAt: moment(1), UpdatedAt: moment(1),
		}
		ok(t, st.AddFlow(t.Context(), want))
		got, err := st.FindFlowByCode(t.Context(), code)
		ok(t, err)
		same(t, "FindFlow", *got, want)
		want.ID, want.AuthCode = newID(), ""
		ok(t, st.AddFlow(t.Context(), want))
	}
	_, err := st.FindFlowByCode(t.Context(), "")
	isError(t, "the flows without a code", err, postern.ErrNoRow)
	_, err = st.NewestFlow(t.Context(), uuid.Nil, "otp")
	isError(t, "the flows without a user", err, postern.ErrNoRow)
}

func newestFlow(t *testing.T, st postern.Store) {
	userID := newID()
	older, newest, old := fullFlow(userID), fullFlow(userID), fullFlow(userID)
	method, other := fullFlow(userID), fullFlow(newID())
	older.CreatedAt, newest.CreatedAt, old.CreatedAt = moment(2), moment(3), moment(1)
	method.CreatedAt, other.CreatedAt, method.AuthenticationMethod = moment(9), moment(9), "recovery"
	for _, f := range []postern.FlowRecord{older, newest, old, method, other} {
		ok(t, st.AddFlow(t.Context(), f))
	}
	for _, want := range []postern.FlowRecord{newest, method, other} {
		hasFlow(t, st, want)
	}
	ok(t, st.TakeFlow(t.Context(), newest.ID))
	hasFlow(t, st, older)
}

func issueAuthCode(t *testing.T, st postern.Store) {
	f, other := fullFlow(newID()), withFlow(t, st, newID())
	f.AuthCodeIssuedAt = nil
	ok(t, st.AddFlow(t.Context(), f))
	hasFlow(t, st, f)
	issue := postern.AuthCodeIssue{
		FlowID: f.ID, UserID: newID(), ProviderAccessToken: "their access", ProviderRefreshToken: "their refresh", At: moment(7),
	}
	ok(t, st.IssueAuthCode(t.Context(), issue))
	f.UserID, f.ProviderAccessToken, f.ProviderRefreshToken = issue.UserID, issue.ProviderAccessToken, issue.ProviderRefreshToken
	f.AuthCodeIssuedAt, f.UpdatedAt = momentPtr(7), moment(7)
	hasFlow(t, st, f)
	hasFlow(t, st, other)
	ok(t, st.TakeFlow(t.Context(), f.ID))
	isError(t, "a flow that is gone", st.IssueAuthCode(t.Context(), issue), postern.ErrNoRow)
}

func returnToFlow(t *testing.T, st postern.Store) {
	begun := func(user uuid.UUID) postern.FlowRecord {
		f := fullFlow(user)
		f.ReturnedAt = nil
		ok(t, st.AddFlow(t.Context(), f))
		return f
	}
	f, known, other := begun(uuid.Nil), begun(newID()), begun(uuid.Nil)
	oneWins(t, atOnce(20, func(int) error { return st.ReturnToFlow(t.Context(), f.ID, moment(8)) }), postern.ErrNoRow)
	f.ReturnedAt, f.ClientState = momentPtr(8), nil // what it needed was taken along
	got, err := st.FindFlow(t.Context(), f.ID)
	ok(t, err)
	same(t, "the flow", *got, f)
	ended := begun(uuid.Nil) // by who returned first, while others are about to
	oneWins(t, atOnce(20, func(int) error {
		if err := st.ReturnToFlow(t.Context(), ended.ID, moment(8)); err != nil {
			return err
		}
		return st.TakeFlow(t.Context(), ended.ID)
	}), postern.ErrNoRow)
	isError(t, "a flow with a user", st.ReturnToFlow(t.Context(), known.ID, moment(8)), postern.ErrNoRow)
	hasFlow(t, st, known)
	got, err = st.FindFlow(t.Context(), other.ID)
	ok(t, err)
	same(t, "another flow", *got, other)
}

func takeFlow(t *testing.T, st postern.Store) {
	f, second, other := withFlow(t, st, newID()), withFlow(t, st, newID()), withFlow(t, st, newID())
	oneWins(t, atOnce(20, func(int) error { return st.TakeFlow(t.Context(), f.ID) }), postern.ErrNoRow)
	// In transactions, too, which read first.
	oneWins(t, atOnce(20, func(int) error {
		return st.InTx(t.Context(), func(tx postern.Tx) error {
			f, err := tx.FindFlowByCode(t.Context(), second.AuthCode)
			if err != nil {
				return err
			}
			return tx.TakeFlow(t.Context(), f.ID)
		})
	}), postern.ErrNoRow)
	hasNoFlow(t, st, f)
	hasNoFlow(t, st, second)
	hasFlow(t, st, other)
}

func dropFlows(t *testing.T, st postern.Store) {
	early, late := fullFlow(newID()), fullFlow(newID())
	early.CreatedAt, late.CreatedAt = moment(19), moment(20)
	early.ClientState.CreatedAt, late.ClientState.CreatedAt = moment(19), moment(20)
	ok(t, st.AddFlow(t.Context(), early))
	ok(t, st.AddFlow(t.Context(), late))
	dropsOneByOne(t, 1, moment(20), st.DropFlows)
	hasNoFlow(t, st, early)
	hasFlow(t, st, late)
}
