package store_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// sampleFactor returns an unverified factor as enrolling makes it, of a user who is
// stored with it.
func sampleFactor(t *testing.T, st *store.Store, email string) *postern.FactorRecord {
	t.Helper()
	u := sample(email)
	f := &postern.FactorRecord{UserID: u.ID, Secret: "SECRET", Factor: postern.Factor{
		ID: uuid.New(), CreatedAt: at, UpdatedAt: at, Status: "unverified", FriendlyName: "app", FactorType: "totp",
	}}
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddFactor(t.Context(), f))
	return f
}

func TestFactorsAndChallengesAreSuchThatGoTrueReadsThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		f := &postern.FactorRecord{UserID: u.ID, Factor: postern.Factor{
			ID: uuid.New(), CreatedAt: at, UpdatedAt: at, Status: "unverified", FactorType: "phone", Phone: "15550100",
		}}
		ok(t, st.AddUser(t.Context(), u))
		ok(t, st.AddFactor(t.Context(), f))
		_, err := st.UpdateFactor(t.Context(), f.ID, later(1), func(f *postern.FactorRecord) error { f.Phone = ""; return nil })
		ok(t, err)
		ok(t, st.AddChallenge(t.Context(), &postern.ChallengeRecord{ID: uuid.New(), FactorID: f.ID, CreatedAt: later(2)}))
		for column, want := range map[string]string{
			"friendly_name": "", "secret": "", "phone": "NULL", "web_authn_credential": "NULL", "web_authn_aaguid": "NULL",
			"last_webauthn_challenge_data": "NULL", "factor_type": "phone",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.mfa_factors`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
		for column, want := range map[string]string{
			"ip_address": "0.0.0.0", "otp_code": "", "verified_at": "NULL", "web_authn_session_data": "NULL",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.mfa_challenges`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
	})
}

func TestFactorsAndChallengesFullOfNullsAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		want := &postern.FactorRecord{UserID: u.ID, Factor: postern.Factor{
			ID: uuid.New(), CreatedAt: later(1), UpdatedAt: later(2), Status: "verified", FactorType: "totp",
		}}
		challenge := postern.ChallengeRecord{ID: uuid.New(), FactorID: want.ID, CreatedAt: later(3)}
		execute(t, st.DB(), `INSERT INTO auth.mfa_factors (id, user_id, created_at, updated_at, status, factor_type)
			VALUES (?, ?, ?, ?, 'verified', 'totp')`, want.ID, u.ID, stamp(1), stamp(2))
		execute(t, st.DB(), `INSERT INTO auth.mfa_challenges (id, factor_id, created_at, ip_address) VALUES (?, ?, ?, '::')`,
			challenge.ID, want.ID, stamp(3))
		got, err := st.FindFactor(t.Context(), u.ID, want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		found, err := st.FindChallenge(t.Context(), want.ID, challenge.ID)
		if err != nil || !reflect.DeepEqual(*found, challenge) {
			t.Errorf("got %+v, %v, want %+v", found, err, challenge)
		}
		_, err = st.UpdateFactor(t.Context(), want.ID, later(4), func(f *postern.FactorRecord) error { f.Secret = "SECRET"; return nil })
		ok(t, err)
		for column, want := range map[string]string{"secret": "SECRET", "friendly_name": "NULL", "phone": "NULL"} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.mfa_factors`); got != want {
				t.Errorf("%s after an update of the secret: got %q, want %q", column, got, want)
			}
		}
	})
}

// What is read of an adopted database, and written again as it is, has not changed.
func TestGoTruesFactorsAndChallengesAreRead(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	const sums = `SELECT string_agg(md5(f::text), '' ORDER BY id) FROM (SELECT id, user_id, friendly_name, factor_type, status,
		created_at, secret, phone, last_challenged_at, web_authn_credential, web_authn_aaguid, last_webauthn_challenge_data
		FROM auth.mfa_factors) f`
	before := value(t, st.DB(), sums)
	var factors []struct{ ID, UserID uuid.UUID }
	var challenges []struct{ ID, FactorID uuid.UUID }
	ok(t, st.DB().NewRaw(`SELECT id, user_id FROM auth.mfa_factors`).Scan(t.Context(), &factors))
	ok(t, st.DB().NewRaw(`SELECT id, factor_id FROM auth.mfa_challenges`).Scan(t.Context(), &challenges))
	if len(factors) == 0 || len(challenges) == 0 {
		t.Fatalf("got %d factors and %d challenges", len(factors), len(challenges))
	}
	var types []string
	for _, f := range factors {
		got, err := st.FindFactor(t.Context(), f.UserID, f.ID)
		ok(t, err)
		types = append(types, got.FactorType)
		for what, wrong := range map[string]bool{
			"secret":     (got.FactorType == "totp") != (got.Secret != ""),
			"number":     (got.FactorType == "phone") != (got.Phone != ""),
			"credential": got.FactorType != "webauthn" && !got.WebAuthnCredential.IsZero(),
			"name":       got.FriendlyName == "",
		} {
			if wrong {
				t.Errorf("%s of factor %s: got %+v", what, f.ID, got)
			}
		}
		_, err = st.UpdateFactor(t.Context(), f.ID, at, func(f *postern.FactorRecord) error {
			if !f.WebAuthnCredential.IsZero() {
				f.WebAuthnCredential = append(postern.Metadata(" "), f.WebAuthnCredential...) // another text of the same value
			}
			return nil
		})
		ok(t, err)
	}
	for _, want := range []string{"totp", "phone", "webauthn"} {
		if !slices.Contains(types, want) {
			t.Errorf("got no factor of type %s", want)
		}
	}
	if after := value(t, st.DB(), sums); after != before {
		t.Error("GoTrue's factors changed")
	}
	local := netip.MustParseAddr("127.0.0.1")
	for _, c := range challenges {
		got, err := st.FindChallenge(t.Context(), c.FactorID, c.ID)
		if err != nil || got.CreatedAt.IsZero() || got.IP != local {
			t.Errorf("challenge %s: got %+v, %v", c.ID, got, err)
			continue
		}
		err = st.TakeChallenge(t.Context(), c.ID, at)
		if used := got.VerifiedAt != nil; used != errors.Is(err, postern.ErrNoRow) || !used && err != nil {
			t.Errorf("challenge %s, used %v: got error %v", c.ID, used, err)
		}
	}
}

func TestUpdateOfAFactorWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		f := sampleFactor(t, st, "a@example.com")
		seen := recorder{verb: "UPDATE"}
		_, err := store.New(st.DB().WithQueryHook(&seen)).UpdateFactor(t.Context(), f.ID, later(1), func(f *postern.FactorRecord) error {
			f.Status = "verified"
			return nil
		})
		ok(t, err)
		if len(seen.texts) != 1 {
			t.Fatalf("got %d updates, want 1: %q", len(seen.texts), seen.texts)
		}
		if got := strings.Count(seen.texts[0], "="); got != 3 { // two columns, and the id
			t.Errorf("got %s, want status and updated_at alone", seen.texts[0])
		}
	})
}

// A statement fails when two factors are challenged in one microsecond. That must
// not be the end of a transaction, whoever began it.
func TestChallengesAtTheSameTimeInOneTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		first, second, third := sampleFactor(t, st, "a@example.com"), sampleFactor(t, st, "b@example.com"), sampleFactor(t, st, "c@example.com")
		challenge := func(tx postern.Tx, f *postern.FactorRecord) error {
			return tx.AddChallenge(t.Context(), &postern.ChallengeRecord{ID: uuid.New(), FactorID: f.ID, CreatedAt: at})
		}
		tx := begin(t, st)
		ok(t, challenge(st.Join(tx), first))
		ok(t, challenge(st.Join(tx), second))
		ok(t, st.Join(tx).AddSession(t.Context(), sampleSession(first.UserID)))
		ok(t, tx.Commit())
		ok(t, st.InTx(t.Context(), func(tx postern.Tx) error {
			ok(t, challenge(tx, third))
			return tx.AddSession(t.Context(), sampleSession(first.UserID))
		}))
		for i, f := range []*postern.FactorRecord{first, second, third} {
			got, err := st.FindFactor(t.Context(), f.UserID, f.ID)
			ok(t, err)
			want := at.Add(time.Duration(i) * time.Microsecond)
			if !got.LastChallengedAt.Equal(want) || !got.UpdatedAt.Equal(want) {
				t.Errorf("factor %d: challenged at %v and updated at %v, want %v", i, got.LastChallengedAt, got.UpdatedAt, want)
			}
		}
		for table, want := range map[string]string{"mfa_challenges": "3", "sessions": "2"} {
			if got := value(t, st.DB(), `SELECT count(*) FROM auth.`+table); got != want {
				t.Errorf("%s: got %s rows, want %s", table, got, want)
			}
		}
	})
}

func TestRaiseRemovesLegacyTokens(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s, other := legacySession(t, st, "a@example.com"), legacySession(t, st, "b@example.com")
		legacy(t, st, "spent", "", s.ID, true)
		legacy(t, st, "active", "spent", s.ID, false)
		legacy(t, st, "other's", "", other.ID, false)
		legacy(t, st, "loose", "", uuid.Nil, false)
		factor := uuid.New()
		got, err := st.RaiseSession(t.Context(), postern.SessionRaise{
			ID: s.ID, FactorID: &factor, AAL: "aal2", Method: "totp", Key: "key", At: later(1),
		})
		ok(t, err)
		s.FactorID, s.AAL, s.RefreshTokenKey, s.RefreshTokenCounter, s.UpdatedAt = &factor, "aal2", "key", new(int64(2)), later(1)
		s.AMR = append([]postern.AMREntry{{Method: "totp", At: later(1)}}, s.AMR...)
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
		for token, want := range map[string]string{"spent": "0", "active": "0", "other's": "1", "loose": "1"} {
			if got := value(t, st.DB(), `SELECT count(*) FROM auth.refresh_tokens WHERE token = ?`, token); got != want {
				t.Errorf("%s: got %s rows, want %s", token, got, want)
			}
		}
	})
}

// GoTrue gives AMR entries ids of their own, which stay.
func TestRaiseRenewsAnEntryThatIsThere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := legacySession(t, st, "a@example.com")
		id := uuid.New()
		execute(t, st.DB(), `INSERT INTO auth.mfa_amr_claims (id, session_id, authentication_method, created_at, updated_at)
			VALUES (?, ?, 'totp', ?, ?)`, id, s.ID, stamp(1), stamp(1))
		_, err := st.RaiseSession(t.Context(), postern.SessionRaise{ID: s.ID, AAL: "aal2", Method: "totp", Key: "key", At: later(2)})
		ok(t, err)
		const query = `SELECT count(*) FROM auth.mfa_amr_claims WHERE id = ? AND created_at = ? AND updated_at = ?`
		if got := value(t, st.DB(), query, id, stamp(1), stamp(2)); got != "1" {
			t.Errorf("got %s entries with id and creation of the old and the new time, want 1", got)
		}
	})
}

func TestFactorsAndTheirSessionsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		manyRows(t, st)
		f := sampleFactor(t, st, "a@example.com")
		s := sampleSession(f.UserID)
		s.FactorID = &f.ID
		ok(t, st.AddSession(t.Context(), s))
		manyFactors(t, st)
		plans := plansOf(t, st, func(joined *store.Store) {
			_, err := joined.FindFactor(t.Context(), f.UserID, f.ID)
			ok(t, err)
			c := postern.ChallengeRecord{ID: uuid.New(), FactorID: f.ID, CreatedAt: later(9)}
			ok(t, joined.AddChallenge(t.Context(), &c))
			_, err = joined.FindChallenge(t.Context(), f.ID, c.ID)
			ok(t, err)
			ok(t, joined.TakeChallenge(t.Context(), c.ID, at))
			_, err = joined.RaiseSession(t.Context(), postern.SessionRaise{ID: s.ID, FactorID: &f.ID, AAL: "aal2", Method: "totp", Key: "key", At: at})
			ok(t, err)
			ok(t, joined.LowerSessions(t.Context(), f.UserID, f.ID, []string{"totp"}, at))
			_, err = joined.DropChallenges(t.Context(), later(-9), 100)
			ok(t, err)
			_, err = joined.EndLowSessions(t.Context(), f.UserID)
			ok(t, err)
		})
		readNoWholeTable(t, plans, 10, wholeTable)
	})
}

// manyFactors gives every user a factor, a challenge of it, and a session that it
// raised.
func manyFactors(t *testing.T, st *store.Store) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
			SELECT gen(), id, 'totp', 'verified', :now, :now FROM auth.users`,
		`INSERT INTO auth.mfa_challenges (id, factor_id, created_at, ip_address) SELECT gen(), id, :now, '127.0.0.1' FROM auth.mfa_factors`,
		`INSERT INTO auth.sessions (id, user_id, factor_id, aal) SELECT gen(), user_id, id, 'aal2' FROM auth.mfa_factors`,
		`INSERT INTO auth.mfa_amr_claims (id, session_id, authentication_method, created_at, updated_at)
			SELECT gen(), id, 'totp', :now, :now FROM auth.sessions`,
		`INSERT INTO auth.refresh_tokens (token, session_id) SELECT gen(), id FROM auth.sessions`,
		`ANALYZE`,
	} {
		execute(t, st.DB(), inDialect(st, statement))
	}
}
