package store_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// samplePasskey returns a passkey without what is optional, of a user who is stored
// with it.
func samplePasskey(t *testing.T, st *store.Store, email string) *postern.PasskeyRecord {
	t.Helper()
	u := sample(email)
	p := &postern.PasskeyRecord{
		ID: uuid.New(), UserID: u.ID, CreatedAt: at, UpdatedAt: at, CredentialID: []byte(email), PublicKey: []byte("key"),
	}
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddPasskey(t.Context(), p))
	return p
}

// hasPasskey fails the test unless a user has this passkey and no other.
func hasPasskey(t *testing.T, st *store.Store, want *postern.PasskeyRecord) {
	t.Helper()
	got, err := st.Passkeys(t.Context(), want.UserID)
	if err != nil || !reflect.DeepEqual(got, []postern.PasskeyRecord{*want}) {
		t.Errorf("got %+v, %v, want %+v", got, err, *want)
	}
}

func TestPasskeysAndCeremoniesAreSuchThatGoTrueReadsThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		p := samplePasskey(t, st, "a@example.com")
		ok(t, st.AddCeremony(t.Context(), postern.CeremonyRecord{
			ID: uuid.New(), Kind: postern.CeremonyAuthentication, CreatedAt: at, ExpiresAt: later(1),
		}))
		for column, want := range map[string]string{
			"credential_id": "a@example.com", "public_key": "key", "attestation_type": "", "aaguid": "NULL", "sign_count": "0",
			"transports": "[]", "friendly_name": "", "last_used_at": "NULL",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.webauthn_credentials`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
		for column, want := range map[string]string{"user_id": "NULL", "challenge_type": "authentication", "session_data": "{}"} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.webauthn_challenges`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
		_, err := st.UpdatePasskey(t.Context(), p.UserID, p.ID, later(1), func(p *postern.PasskeyRecord) error {
			p.Transports = []string{"usb", "nfc"}
			return nil
		})
		ok(t, err)
		got := value(t, st.DB(), `SELECT transports FROM auth.webauthn_credentials`)
		if got = strings.ReplaceAll(got, " ", ""); got != `["usb","nfc"]` {
			t.Errorf("transports: got %s, want an array", got)
		}
	})
}

// Transports that are no list of texts do not keep a passkey from being used.
func TestPasskeysOfOtherFormsAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		for _, c := range []struct {
			transports string
			want       []string
		}{
			{`[]`, nil}, {`null`, nil}, {`{"a": 1}`, nil}, {`["usb", 1]`, nil}, {`"usb"`, nil}, {`[ "usb" , "\u006efc" ]`, []string{"usb", "nfc"}},
		} {
			u := sample(uuid.NewString() + "@example.com")
			ok(t, st.AddUser(t.Context(), u))
			want := &postern.PasskeyRecord{
				ID: uuid.New(), UserID: u.ID, CreatedAt: later(1), UpdatedAt: later(2), CredentialID: []byte(u.Email), PublicKey: []byte{0, 0xff},
				Transports: c.want,
			}
			execute(t, st.DB(), `INSERT INTO auth.webauthn_credentials (id, user_id, credential_id, public_key, transports, created_at, updated_at)
				VALUES (?, ?, ?, ?, ?, ?, ?)`, want.ID, u.ID, want.CredentialID, want.PublicKey, c.transports, stamp(1), stamp(2))
			hasPasskey(t, st, want)
			const query = `SELECT transports FROM auth.webauthn_credentials WHERE id = ?`
			before := value(t, st.DB(), query, want.ID)
			_, err := st.UpdatePasskey(t.Context(), u.ID, want.ID, later(3), func(p *postern.PasskeyRecord) error { p.SignCount = 7; return nil })
			ok(t, err)
			want.SignCount, want.UpdatedAt = 7, later(3)
			hasPasskey(t, st, want)
			if after := value(t, st.DB(), query, want.ID); after != before {
				t.Errorf("transports after an update of the counter: got %s, want %s", after, before)
			}
		}
	})
}

// What is read of an adopted database, and written again as it is, has not changed.
func TestGoTruesPasskeysAndCeremoniesAreRead(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	const sums = `SELECT string_agg(md5(p::text), '' ORDER BY id) FROM (SELECT id, user_id, credential_id, public_key, attestation_type,
		aaguid, sign_count, transports, backup_eligible, backed_up, friendly_name, created_at, last_used_at
		FROM auth.webauthn_credentials) p`
	before := value(t, st.DB(), sums)
	var users []uuid.UUID
	ok(t, st.DB().NewRaw(`SELECT DISTINCT user_id FROM auth.webauthn_credentials`).Scan(t.Context(), &users))
	if len(users) == 0 {
		t.Fatal("got no passkeys")
	}
	for _, userID := range users {
		passkeys, err := st.Passkeys(t.Context(), userID)
		ok(t, err)
		if len(passkeys) == 0 {
			t.Errorf("user %s: got no passkeys", userID)
		}
		for _, p := range passkeys {
			const query = `SELECT encode(credential_id, 'hex') || ' ' || encode(public_key, 'hex') FROM auth.webauthn_credentials WHERE id = ?`
			want := value(t, st.DB(), query, p.ID)
			if got := hex.EncodeToString(p.CredentialID) + " " + hex.EncodeToString(p.PublicKey); got != want {
				t.Errorf("passkey %s: got credential and key %s, want %s", p.ID, got, want)
			}
			if p.FriendlyName == "" || p.AAGUID == nil || p.LastUsedAt == nil || len(p.Transports) == 0 || p.SignCount == 0 {
				t.Errorf("passkey %s: got %+v", p.ID, p)
			}
			_, err := st.UpdatePasskey(t.Context(), userID, p.ID, at, func(p *postern.PasskeyRecord) error {
				p.Transports = slices.Clone(p.Transports)
				return nil
			})
			ok(t, err)
		}
	}
	if after := value(t, st.DB(), sums); after != before {
		t.Error("GoTrue's passkeys changed")
	}

	var ceremonies []struct {
		ID            uuid.UUID
		UserID        *uuid.UUID
		ChallengeType string
	}
	ok(t, st.DB().NewRaw(`SELECT id, user_id, challenge_type FROM auth.webauthn_challenges`).Scan(t.Context(), &ceremonies))
	if len(ceremonies) == 0 {
		t.Fatal("got no ceremonies")
	}
	for _, c := range ceremonies {
		got, err := st.TakeCeremony(t.Context(), c.ID, postern.CeremonyKind(c.ChallengeType))
		ok(t, err)
		var session struct{ Challenge string }
		ok(t, got.SessionData.Decode(&session))
		if session.Challenge == "" || !got.ExpiresAt.After(got.CreatedAt) || !reflect.DeepEqual(got.UserID, c.UserID) {
			t.Errorf("ceremony %s: got %+v", c.ID, got)
		}
	}
	if left := value(t, st.DB(), `SELECT count(*) FROM auth.webauthn_challenges`); left != "0" {
		t.Errorf("got %s ceremonies left, want 0", left)
	}
}

func TestUpdateOfAPasskeyWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		p := samplePasskey(t, st, "a@example.com")
		seen := recorder{verb: "UPDATE"}
		_, err := store.New(st.DB().WithQueryHook(&seen)).UpdatePasskey(t.Context(), p.UserID, p.ID, later(1), func(p *postern.PasskeyRecord) error {
			p.SignCount = 1
			p.PublicKey = []byte("another")
			return nil
		})
		ok(t, err)
		if len(seen.texts) != 1 {
			t.Fatalf("got %d updates, want 1: %q", len(seen.texts), seen.texts)
		}
		if got := strings.Count(seen.texts[0], "="); got != 3 { // two columns, and the id
			t.Errorf("got %s, want sign_count and updated_at alone", seen.texts[0])
		}
	})
}

func TestPasskeysAndCeremoniesAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		manyRows(t, st)
		p := samplePasskey(t, st, "a@example.com")
		for _, statement := range []string{
			`INSERT INTO auth.webauthn_credentials (id, user_id, credential_id, public_key, created_at, updated_at)
				SELECT gen(), id, CAST(CAST(id AS text) AS bytea), CAST('key' AS bytea), :now, :now FROM auth.users WHERE email LIKE 'mail%'`,
			`INSERT INTO auth.webauthn_challenges (id, user_id, challenge_type, session_data, created_at, expires_at)
				SELECT gen(), id, 'registration', '{}', :now, :now FROM auth.users`,
			`ANALYZE`,
		} {
			statement = inDialect(st, statement)
			if !isPostgres(st) {
				statement = strings.ReplaceAll(statement, "bytea", "blob")
			}
			execute(t, st.DB(), statement)
		}
		plans := plansOf(t, st, func(joined *store.Store) {
			_, err := joined.Passkeys(t.Context(), p.UserID)
			ok(t, err)
			_, err = joined.UpdatePasskey(t.Context(), p.UserID, p.ID, later(1), func(*postern.PasskeyRecord) error { return nil })
			ok(t, err)
			ok(t, joined.DeletePasskey(t.Context(), p.UserID, p.ID))
			if _, err = joined.TakeCeremony(t.Context(), uuid.New(), postern.CeremonyRegistration); !errors.Is(err, postern.ErrNoRow) {
				t.Errorf("got error %v, want ErrNoRow", err)
			}
			_, err = joined.DropCeremonies(t.Context(), later(-9), 100)
			ok(t, err)
		})
		readNoWholeTable(t, plans, 6, wholeTable)
	})
}
