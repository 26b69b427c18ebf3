package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

func userRoundTrip(t *testing.T, st postern.Store) {
	want := fullUser("a")
	ok(t, st.AddUser(t.Context(), want))
	got, err := st.FindUser(t.Context(), want.ID)
	ok(t, err)
	same(t, "FindUser", got, want)
	got, session, err := st.FindCaller(t.Context(), want.ID, uuid.Nil)
	ok(t, err)
	same(t, "FindCaller", got, want)
	if session != nil {
		t.Errorf("FindCaller without a session id: got session %v", session.ID)
	}
}

func userRoundTripBare(t *testing.T, st postern.Store) {
	// Two of them: what is absent is not unique.
	for _, want := range []*postern.UserRecord{user(""), user("")} {
		ok(t, st.AddUser(t.Context(), want))
		got, err := st.FindUser(t.Context(), want.ID)
		ok(t, err)
		want.Identities = []postern.Identity{} // loaded, and none
		same(t, "FindUser", got, want)
	}
}

func identitiesInOrder(t *testing.T, st postern.Store) {
	u := user("a@example.com")
	for _, n := range []int{2, 3, 1} {
		u.Identities = append(u.Identities, fullIdentity(u.ID, fmt.Sprint("provider", n), "a@example.com", n))
	}
	ok(t, st.AddUser(t.Context(), u))
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	for i, identity := range got.Identities {
		if want := fmt.Sprint("provider", i+1); identity.Provider != want {
			t.Errorf("identity %d: got %s, want %s", i, identity.Provider, want)
		}
	}
}

func metadataRoundTrip(t *testing.T, st postern.Store) {
	for _, doc := range []string{
		`{}`,
		`{"n": 12345678901234567890123, "f": 0.1234567890123456789, "neg": -9007199254740993}`,
		`{"text": "quote \" backslash \\ slash / newline \n 'single' ? {} emoji 😀 escaped \ud83d\ude00 \u00e9"}`,
		`{"": null, "deep": [[{"a": [1, [2, {"b": {}}]]}], true, false], "key 'with' \"quotes\"": []}`,
	} {
		u := user("")
		u.AppMetadata, u.UserMetadata = postern.Metadata(doc), postern.Metadata(doc)
		u.Identities = []postern.Identity{fullIdentity(u.ID, "email", u.ID.String(), 1)}
		u.Identities[0].IdentityData = postern.Metadata(doc)
		u.Identities[0].Email = ""
		ok(t, st.AddUser(t.Context(), u))
		got, err := st.FindUser(t.Context(), u.ID)
		ok(t, err)
		same(t, "FindUser", got, u)
	}
}

func metadataNoObject(t *testing.T, st postern.Store) {
	for _, doc := range []string{``, `null`, `[1, 2]`, `"text"`, `7`} {
		u := user("")
		u.UserMetadata = postern.Metadata(doc)
		ok(t, st.AddUser(t.Context(), u))
		got, err := st.FindUser(t.Context(), u.ID)
		ok(t, err)
		if canonical(got.UserMetadata) != `{}` {
			t.Errorf("metadata %s: got %s, want {}", doc, got.UserMetadata)
		}
	}
}

func findByEmail(t *testing.T, st postern.Store) {
	a := user("someone@example.com")
	other := user("someone@example.net")
	other.Aud = "other"
	sso := user("sso@example.com")
	sso.IsSSOUser = true
	for _, u := range []*postern.UserRecord{a, other, sso} {
		ok(t, st.AddUser(t.Context(), u))
	}
	for _, c := range []struct {
		email, aud string
		want       *postern.UserRecord
	}{
		{"someone@example.com", "authenticated", a},
		{"SomeOne@EXAMPLE.com", "authenticated", a},
		{"someone@example.com", "other", nil},
		{"someone@example.net", "authenticated", nil},
		{"someone@example.net", "other", other},
		{"sso@example.com", "authenticated", nil},
		{"someone@example", "authenticated", nil},
		{"%", "authenticated", nil},
		{"", "authenticated", nil},
	} {
		got, err := st.FindUserByEmail(t.Context(), c.email, c.aud)
		isFound(t, fmt.Sprintf("%q of %s", c.email, c.aud), got, err, c.want)
	}
}

func findByPhone(t *testing.T, st postern.Store) {
	a, other := user(""), user("")
	a.Phone, other.Phone, other.Aud = "15550100", "15550101", "other"
	for _, u := range []*postern.UserRecord{a, other, user("")} {
		ok(t, st.AddUser(t.Context(), u))
	}
	for _, c := range []struct {
		phone, aud string
		want       *postern.UserRecord
	}{
		{"15550100", "authenticated", a},
		{"15550101", "other", other},
		{"15550101", "authenticated", nil},
		{"1555010", "authenticated", nil},
		{"", "authenticated", nil},
	} {
		got, err := st.FindUserByPhone(t.Context(), c.phone, c.aud)
		isFound(t, fmt.Sprintf("%q of %s", c.phone, c.aud), got, err, c.want)
	}
}

// isFound fails the test unless want was found, or ErrNoRow where it is nil.
func isFound(t *testing.T, what string, got *postern.UserRecord, err error, want *postern.UserRecord) {
	t.Helper()
	switch {
	case want == nil:
		isError(t, what, err, postern.ErrNoRow)
	case err != nil:
		t.Errorf("%s: got error %v, want %v", what, err, want.ID)
	case got.ID != want.ID:
		t.Errorf("%s: got %v, want %v", what, got.ID, want.ID)
	}
}

func uniqueUsers(t *testing.T, st postern.Store) {
	first := fullUser("first")
	first.IsSSOUser = false
	ok(t, st.AddUser(t.Context(), first))
	for _, c := range []struct {
		what string
		take func(u *postern.UserRecord)
		want error
	}{
		{"the address", func(u *postern.UserRecord) { u.Email = first.Email }, postern.ErrEmailTaken},
		{"the number", func(u *postern.UserRecord) { u.Phone = first.Phone }, postern.ErrPhoneTaken},
		{"the id", func(u *postern.UserRecord) { u.ID = first.ID }, postern.ErrIDTaken},
		{"an identity's subject", func(u *postern.UserRecord) { u.Identities[1].ID = first.Identities[1].ID }, postern.ErrIdentityTaken},
		{"an identity's id", func(u *postern.UserRecord) { u.Identities[1].IdentityID = first.Identities[1].IdentityID }, postern.ErrRowTaken},
	} {
		u := fullUser("second")
		u.IsSSOUser = false
		c.take(u)
		isError(t, c.what, st.AddUser(t.Context(), u), c.want)
		if u.ID != first.ID {
			_, err := st.FindUser(t.Context(), u.ID)
			isError(t, "the user who wanted "+c.what, err, postern.ErrNoRow)
		}
	}
	second := fullUser("second")
	second.IsSSOUser = false
	ok(t, st.AddUser(t.Context(), second)) // nothing of the attempts is in the way
}

func ssoAddressesRepeat(t *testing.T, st postern.Store) {
	plain := user("same@example.com")
	for _, u := range []*postern.UserRecord{plain, user("same@example.com"), user("same@example.com")} {
		u.IsSSOUser = u != plain
		ok(t, st.AddUser(t.Context(), u))
	}
	got, err := st.FindUserByEmail(t.Context(), "same@example.com", "authenticated")
	isFound(t, "the address", got, err, plain)
}

func taken(t *testing.T, st postern.Store) {
	a, b, sso := user("a@example.com"), user("b@example.com"), user("sso@example.com")
	a.Phone, sso.IsSSOUser = "15550100", true
	b.Identities = []postern.Identity{fullIdentity(b.ID, "google", "b.google@example.com", 1)}
	sso.Identities = []postern.Identity{fullIdentity(sso.ID, "sso:x", "sso.identity@example.com", 1)}
	for _, u := range []*postern.UserRecord{a, b, sso} {
		ok(t, st.AddUser(t.Context(), u))
	}
	for _, c := range []struct {
		address string
		is      func(address string, except uuid.UUID) (bool, error)
		except  uuid.UUID
		want    bool
	}{
		{"a@example.com", emailTaken(t, st), uuid.Nil, true},
		{"A@Example.com", emailTaken(t, st), uuid.Nil, true},
		{"a@example.com", emailTaken(t, st), b.ID, true},
		{"a@example.com", emailTaken(t, st), a.ID, false},
		{"b.google@example.com", emailTaken(t, st), uuid.Nil, true},
		{"B.Google@example.com", emailTaken(t, st), a.ID, true},
		{"b.google@example.com", emailTaken(t, st), b.ID, false},
		{"sso@example.com", emailTaken(t, st), uuid.Nil, false},
		{"sso.identity@example.com", emailTaken(t, st), uuid.Nil, false},
		{"nobody@example.com", emailTaken(t, st), uuid.Nil, false},
		{"15550100", phoneTaken(t, st), uuid.Nil, true},
		{"15550100", phoneTaken(t, st), b.ID, true},
		{"15550100", phoneTaken(t, st), a.ID, false},
		{"15550101", phoneTaken(t, st), uuid.Nil, false},
	} {
		got, err := c.is(c.address, c.except)
		if err != nil || got != c.want {
			t.Errorf("%s except %v: got %v, %v, want %v", c.address, c.except, got, err, c.want)
		}
	}
}

func emailTaken(t *testing.T, st postern.Store) func(string, uuid.UUID) (bool, error) {
	return func(email string, except uuid.UUID) (bool, error) { return st.EmailTaken(t.Context(), email, except) }
}

func phoneTaken(t *testing.T, st postern.Store) func(string, uuid.UUID) (bool, error) {
	return func(phone string, except uuid.UUID) (bool, error) { return st.PhoneTaken(t.Context(), phone, except) }
}

func updateEverything(t *testing.T, st postern.Store) {
	u, want := fullUser("before"), fullUser("after")
	ok(t, st.AddUser(t.Context(), u))
	want.ID = u.ID
	shift(want)
	want.IsSSOUser, want.IsAnonymous, want.EmailChangeConfirmStatus = false, false, 0
	for i := range want.Identities {
		want.Identities[i].UserID = u.ID
	}
	now := moment(500)
	got, err := st.UpdateUser(t.Context(), u.ID, now, func(r *postern.UserRecord) error {
		same(t, "what is to be changed", r, u)
		*r = *want
		return nil
	})
	ok(t, err)
	want.UpdatedAt, want.ConfirmedAt = now, u.ConfirmedAt
	same(t, "what UpdateUser returns", got, want)

	want.ConfirmedAt = want.EmailConfirmedAt
	got, err = st.FindUser(t.Context(), u.ID)
	ok(t, err)
	same(t, "FindUser", got, want)
}

// shift moves all times of a user.
func shift(u *postern.UserRecord) {
	for _, at := range []**time.Time{
		&u.EmailConfirmedAt, &u.InvitedAt, &u.PhoneConfirmedAt, &u.ConfirmationSentAt, &u.RecoverySentAt,
		&u.EmailChangeSentAt, &u.PhoneChangeSentAt, &u.ReauthenticationSentAt, &u.LastSignInAt, &u.BannedUntil, &u.DeletedAt,
	} {
		*at = new((*at).Add(1000 * time.Hour))
	}
	u.CreatedAt = u.CreatedAt.Add(1000 * time.Hour)
}

func updateToNothing(t *testing.T, st postern.Store) {
	u := fullUser("a")
	ok(t, st.AddUser(t.Context(), u))
	want := user("")
	want.ID = u.ID
	_, err := st.UpdateUser(t.Context(), u.ID, moment(0), func(r *postern.UserRecord) error {
		*r = *want
		return nil
	})
	ok(t, err)
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	want.Identities = []postern.Identity{}
	same(t, "FindUser", got, want)
}

func updateIdentities(t *testing.T, st postern.Store) {
	u := user("a@example.com")
	kept, altered := fullIdentity(u.ID, "kept", "a@example.com", 1), fullIdentity(u.ID, "altered", "a@example.com", 2)
	removed, added := fullIdentity(u.ID, "removed", "a@example.com", 3), fullIdentity(u.ID, "added", "b@example.com", 4)
	// The same subject, under another id: one goes before the other comes.
	replaced, replacement := fullIdentity(u.ID, "same", "a@example.com", 5), fullIdentity(u.ID, "same", "a@example.com", 6)
	u.Identities = []postern.Identity{kept, altered, removed, replaced}
	ok(t, st.AddUser(t.Context(), u))

	altered.IdentityData, altered.Email = postern.Metadata(`{"email": "C@example.com"}`), "c@example.com"
	altered.LastSignInAt, altered.UpdatedAt = momentPtr(50), moment(51)
	want := []postern.Identity{kept, altered, added, replacement}
	_, err := st.UpdateUser(t.Context(), u.ID, moment(60), func(r *postern.UserRecord) error {
		r.Identities = []postern.Identity{replacement, added, altered, kept}
		return nil
	})
	ok(t, err)
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	same(t, "identities", got.Identities, want)
}

func updateRefused(t *testing.T, st postern.Store) {
	u := fullUser("a")
	ok(t, st.AddUser(t.Context(), u))
	refused := errors.New("refused")
	_, err := st.UpdateUser(t.Context(), u.ID, moment(60), func(r *postern.UserRecord) error {
		*r = *user("b@example.com")
		return refused
	})
	if err != refused {
		t.Errorf("got error %v, want the one of change itself", err)
	}
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	same(t, "FindUser", got, u)
}

func updateTaken(t *testing.T, st postern.Store) {
	first, second := fullUser("first"), fullUser("second")
	first.IsSSOUser, second.IsSSOUser = false, false
	ok(t, st.AddUser(t.Context(), first))
	ok(t, st.AddUser(t.Context(), second))
	for _, c := range []struct {
		what string
		take func(u *postern.UserRecord)
		want error
	}{
		{"the address", func(u *postern.UserRecord) { u.Email = first.Email }, postern.ErrEmailTaken},
		{"the number", func(u *postern.UserRecord) { u.Phone = first.Phone }, postern.ErrPhoneTaken},
		{"an identity's subject", func(u *postern.UserRecord) { u.Identities[0].ID = first.Identities[0].ID }, postern.ErrIdentityTaken},
		{"a new identity's subject", func(u *postern.UserRecord) {
			identity := first.Identities[0]
			identity.IdentityID = newID()
			u.Identities = append(u.Identities, identity)
		}, postern.ErrIdentityTaken},
	} {
		_, err := st.UpdateUser(t.Context(), second.ID, moment(60), func(u *postern.UserRecord) error {
			u.Role = "changed"
			c.take(u)
			return nil
		})
		isError(t, c.what, err, c.want)
	}
	got, err := st.FindUser(t.Context(), second.ID)
	ok(t, err)
	same(t, "FindUser", got, second)
}

func updatesAtOnce(t *testing.T, st postern.Store) {
	const n = 20
	u := user("a@example.com")
	ok(t, st.AddUser(t.Context(), u))
	for i, err := range atOnce(n, func(i int) error {
		_, err := st.UpdateUser(t.Context(), u.ID, moment(60), func(r *postern.UserRecord) error {
			r.Role += "+"
			r.Identities = append(r.Identities, fullIdentity(u.ID, fmt.Sprint("provider", len(r.Identities)), "a@example.com", i))
			return nil
		})
		return err
	}) {
		if err != nil {
			t.Errorf("update %d: got error %v", i, err)
		}
	}
	got, err := st.FindUser(t.Context(), u.ID)
	ok(t, err)
	if len(got.Role) != n || len(got.Identities) != n {
		t.Errorf("got %d changes and %d identities, want %d of each", len(got.Role), len(got.Identities), n)
	}
}

func deleteUser(t *testing.T, st postern.Store) {
	u, other := fullUser("a"), fullUser("b")
	session, others := fullSession(u.ID), fullSession(other.ID)
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddUser(t.Context(), other))
	ok(t, st.AddSession(t.Context(), session))
	ok(t, st.AddSession(t.Context(), others))
	ok(t, st.DeleteUser(t.Context(), u.ID))

	_, err := st.FindUser(t.Context(), u.ID)
	isError(t, "the user", err, postern.ErrNoRow)
	_, _, err = st.FindSession(t.Context(), session.ID)
	isError(t, "its session", err, postern.ErrNoRow)
	ok(t, st.AddUser(t.Context(), u)) // none of its identities is in the way
	_, _, err = st.FindSession(t.Context(), others.ID)
	ok(t, err)
}

func missing(t *testing.T, st postern.Store) {
	id := newID()
	u := fullUser("a")
	ok(t, st.AddUser(t.Context(), u))
	legacy := fullSession(u.ID)
	legacy.RefreshTokenCounter = nil
	ok(t, st.AddSession(t.Context(), legacy))
	for what, call := range map[string]func() error{
		"FindUser":        func() error { _, err := st.FindUser(t.Context(), id); return err },
		"FindUserByEmail": func() error { _, err := st.FindUserByEmail(t.Context(), "no@example.com", "a"); return err },
		"FindUserByPhone": func() error { _, err := st.FindUserByPhone(t.Context(), "1", "a"); return err },
		"UpdateUser": func() error {
			_, err := st.UpdateUser(t.Context(), id, moment(0), func(*postern.UserRecord) error { return nil })
			return err
		},
		"DeleteUser":      func() error { return st.DeleteUser(t.Context(), id) },
		"AddSession":      func() error { return st.AddSession(t.Context(), fullSession(id)) },
		"FindCaller":      func() error { _, _, err := st.FindCaller(t.Context(), id, legacy.ID); return err },
		"FindSession":     func() error { _, _, err := st.FindSession(t.Context(), id); return err },
		"RotateSession":   func() error { return st.RotateSession(t.Context(), postern.SessionRotation{ID: id}) },
		"rotate a legacy": func() error { return st.RotateSession(t.Context(), postern.SessionRotation{ID: legacy.ID}) },
		"FindLegacyToken": func() error { _, err := st.FindLegacyToken(t.Context(), "abcdefghijkl"); return err },
		"UpgradeSession": func() error {
			return st.UpgradeSession(t.Context(), postern.SessionUpgrade{TokenID: 1, SessionID: legacy.ID, Key: "key", At: moment(1)})
		},
		"PutOneTimeToken": func() error { return st.PutOneTimeToken(t.Context(), token(id, postern.OneTimeRecovery, "a")) },
		"TakeOneTimeToken": func() error {
			return st.TakeOneTimeToken(t.Context(), u.ID, postern.OneTimeRecovery, "no")
		},
		"take of nobody": func() error { return st.TakeOneTimeToken(t.Context(), id, postern.OneTimeRecovery, "no") },
		"take of \"\"":   func() error { return st.TakeOneTimeToken(t.Context(), u.ID, postern.OneTimeRecovery, "") },
		"FindOneTimeToken": func() error {
			_, _, err := st.FindOneTimeToken(t.Context(), []string{"no", "", "neither"})
			return err
		},
		"FindOneTimeToken, no hash": func() error { _, _, err := st.FindOneTimeToken(t.Context(), nil); return err },
		"NewestFlow":                func() error { _, err := st.NewestFlow(t.Context(), id, "magiclink"); return err },
		"FindFactor":                func() error { _, err := st.FindFactor(t.Context(), u.ID, id); return err },
		"UpdateFactor": func() error {
			_, err := st.UpdateFactor(t.Context(), id, moment(0), func(*postern.FactorRecord) error { return nil })
			return err
		},
		"AddFactor":     func() error { return st.AddFactor(t.Context(), fullFactor(id, 1)) },
		"DeleteFactor":  func() error { return st.DeleteFactor(t.Context(), id) },
		"AddChallenge":  func() error { return st.AddChallenge(t.Context(), new(fullChallenge(id))) },
		"FindChallenge": func() error { _, err := st.FindChallenge(t.Context(), id, id); return err },
		"TakeChallenge": func() error { return st.TakeChallenge(t.Context(), id, moment(1)) },
		"AddPasskey":    func() error { return st.AddPasskey(t.Context(), fullPasskey(id, 1)) },
		"UpdatePasskey": func() error {
			_, err := st.UpdatePasskey(t.Context(), u.ID, id, moment(0), func(*postern.PasskeyRecord) error { return nil })
			return err
		},
		"DeletePasskey": func() error { return st.DeletePasskey(t.Context(), u.ID, id) },
		"AddCeremony":   func() error { return st.AddCeremony(t.Context(), fullCeremony(id)) },
		"TakeCeremony":  func() error { _, err := st.TakeCeremony(t.Context(), id, postern.CeremonyRegistration); return err },
		"RaiseSession": func() error {
			_, err := st.RaiseSession(t.Context(), postern.SessionRaise{ID: id, AAL: "aal2", Method: "totp", At: moment(1)})
			return err
		},
		"FindFlow":                 func() error { _, err := st.FindFlow(t.Context(), id); return err },
		"FindFlowByCode":           func() error { _, err := st.FindFlowByCode(t.Context(), "no"); return err },
		"FindFlowByCode, no code":  func() error { _, err := st.FindFlowByCode(t.Context(), ""); return err },
		"ReturnToFlow":             func() error { return st.ReturnToFlow(t.Context(), id, moment(1)) },
		"IssueAuthCode":            func() error { return st.IssueAuthCode(t.Context(), postern.AuthCodeIssue{FlowID: id, At: moment(1)}) },
		"FindUserByIdentity":       func() error { _, err := st.FindUserByIdentity(t.Context(), "google", "nobody"); return err },
		"FindUserByIdentity, none": func() error { _, err := st.FindUserByIdentity(t.Context(), "", ""); return err },
		"FindCustomProvider":       func() error { _, err := st.FindCustomProvider(t.Context(), "custom:no"); return err },
		"DeleteCustomProvider":     func() error { return st.DeleteCustomProvider(t.Context(), "custom:no") },
		"UpdateCustomProvider": func() error {
			_, err := st.UpdateCustomProvider(t.Context(), "custom:no", func(*postern.CustomProviderRecord) error { return nil })
			return err
		},
		"TakeFlow":  func() error { return st.TakeFlow(t.Context(), id) },
		"RetireKey": func() error { return st.RetireKey(t.Context(), "no", moment(0)) },
	} {
		isError(t, what, call(), postern.ErrNoRow)
	}
	_, got, err := st.FindCaller(t.Context(), u.ID, legacy.ID)
	ok(t, err)
	same(t, "the session that nothing was done to", got, legacy)
}

func removedTwice(t *testing.T, st postern.Store) {
	whose, one := st.EndSession(t.Context(), newID())
	ended, all := st.EndSessions(t.Context(), newID(), newID())
	low, allLow := st.EndLowSessions(t.Context(), newID())
	if whose != uuid.Nil || len(ended)+len(low) > 0 {
		t.Errorf("got a session of %v, and %v and %v ended, want none", whose, ended, low)
	}
	for what, err := range map[string]error{
		"EndSession":        one,
		"EndSessions":       all,
		"EndLowSessions":    allLow,
		"LowerSessions":     st.LowerSessions(t.Context(), newID(), newID(), []string{"totp"}, moment(0)),
		"DropOneTimeTokens": st.DropOneTimeTokens(t.Context(), newID()),
		"DropFactors":       st.DropFactors(t.Context(), newID()),
		"DropLegacyToken":   st.DropLegacyToken(t.Context(), 1),
		"DropKeys":          st.DropKeys(t.Context(), moment(0)),
		"DropCounter":       st.DropCounter(t.Context(), "no"),
		"EndDelivery":       st.EndDelivery(t.Context(), newID(), "a"),
		"PutOffDelivery":    st.PutOffDelivery(t.Context(), postern.Delivery{Attempt: 1}, "a", moment(0)),
		"DropEvents":        st.DropEvents(t.Context(), moment(0)),
	} {
		if err != nil {
			t.Errorf("%s: got error %v, want none", what, err)
		}
	}
	for _, drop := range []dropper{
		st.DropUnverifiedFactors, st.DropChallenges, st.DropCeremonies, st.DropFlows, st.DropCounters,
		st.DropOldOneTimeTokens, st.DropLegacyTokens, st.DropAuditEntries,
	} {
		dropsOneByOne(t, 0, moment(0), drop)
	}
}
