package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
)

// stamp is at, some hours later, as both databases read it.
func stamp(hours int) string { return later(hours).Format("2006-01-02T15:04:05.000000Z") }

func later(hours int) time.Time { return at.Add(time.Duration(hours) * time.Hour) }

func TestFactorsAreReadWhole(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		want := []postern.Factor{{
			ID: uuid.New(), CreatedAt: later(1), UpdatedAt: later(2), Status: "verified", FriendlyName: "key 'one'",
			FactorType: "webauthn", Phone: "15550100", LastChallengedAt: new(later(3)), WebAuthnAAGUID: new(uuid.New()),
			LastWebAuthnChallengeData: postern.Metadata(`{"n": 12345678901234567890}`),
		}, {
			ID: uuid.New(), CreatedAt: later(5), UpdatedAt: later(6), Status: "unverified", FactorType: "totp",
		}}
		execute(t, st.DB(), `INSERT INTO auth.mfa_factors (id, user_id, created_at, updated_at, status, factor_type, secret)
			VALUES (?, ?, ?, ?, 'unverified', 'totp', 'SECRET')`, want[1].ID, u.ID, stamp(5), stamp(6))
		execute(t, st.DB(), `INSERT INTO auth.mfa_factors (id, user_id, created_at, updated_at, status, friendly_name,
			factor_type, phone, last_challenged_at, web_authn_aaguid, last_webauthn_challenge_data)
			VALUES (?, ?, ?, ?, 'verified', ?, 'webauthn', ?, ?, ?, ?)`,
			want[0].ID, u.ID, stamp(1), stamp(2), want[0].FriendlyName, want[0].Phone, stamp(3), want[0].WebAuthnAAGUID,
			string(want[0].LastWebAuthnChallengeData))
		if v := reflect.ValueOf(want[0]); slices.ContainsFunc(fieldsOf(v), reflect.Value.IsZero) {
			t.Fatalf("the fixture has a zero field: %+v", want[0])
		}

		got, err := st.FindUser(t.Context(), u.ID)
		ok(t, err)
		if !reflect.DeepEqual(got.Factors, want) {
			t.Errorf("got %+v, want %+v", got.Factors, want)
		}
		execute(t, st.DB(), `INSERT INTO auth.webauthn_credentials (id, user_id, credential_id, public_key, attestation_type,
			sign_count, transports, backup_eligible, backed_up, friendly_name, created_at, updated_at)
			VALUES (?, ?, ?, ?, '', 0, '[]', FALSE, FALSE, '', ?, ?)`, uuid.New(), u.ID, []byte{1}, []byte{2}, stamp(1), stamp(1))
		ok(t, st.DropFactors(t.Context(), u.ID))
		left := value(t, st.DB(), `SELECT (SELECT count(*) FROM auth.mfa_factors) + (SELECT count(*) FROM auth.webauthn_credentials)`)
		if left != "0" {
			t.Errorf("got %s factors and passkeys after DropFactors, want 0", left)
		}
	})
}

func fieldsOf(v reflect.Value) (all []reflect.Value) {
	for i := range v.NumField() {
		all = append(all, v.Field(i))
	}
	return all
}

func TestSessionOfAnOAuthClientRoundTrips(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		client := uuid.New()
		execute(t, st.DB(), `INSERT INTO auth.oauth_clients (id, registration_type, redirect_uris, grant_types, client_type,
			token_endpoint_auth_method, created_at, updated_at) VALUES (?, 'manual', '', '', 'public', 'none', ?, ?)`, client, stamp(0), stamp(0))
		u := sample("a@example.com")
		s := sampleSession(u.ID)
		s.OAuthClientID = &client
		ok(t, st.AddUser(t.Context(), u))
		ok(t, st.AddSession(t.Context(), s))
		got, _, err := st.FindSession(t.Context(), s.ID)
		ok(t, err)
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
	})
}

// legacy stores a legacy refresh token, and returns its number.
func legacy(t *testing.T, st *store.Store, token, parent string, session uuid.UUID, revoked bool) int64 {
	t.Helper()
	var id int64
	var sessionID *uuid.UUID
	if session != uuid.Nil {
		sessionID = &session
	}
	query := inDialectOf(st.DB(), `INSERT INTO auth.refresh_tokens (token, parent, session_id, revoked, updated_at)
		VALUES (?, ?, ?, ?, ?) RETURNING id`)
	ok(t, st.DB().NewRaw(query, token, bun.NullZero(parent), sessionID, revoked, stamp(1)).Scan(t.Context(), &id))
	return id
}

// legacySession stores a session that lives on legacy tokens.
func legacySession(t *testing.T, st *store.Store, email string) *postern.SessionRecord {
	t.Helper()
	u := sample(email)
	s := sampleSession(u.ID)
	s.RefreshTokenKey, s.RefreshTokenCounter = "", nil
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	return s
}

func TestSpentLegacyTokensAreDropped(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		alive, fresh, moved, over := legacySession(t, st, "a@example.com"), legacySession(t, st, "b@example.com"), legacySession(t, st, "c@example.com"), legacySession(t, st, "d@example.com")
		legacy(t, st, "alive-1", "", alive.ID, true) // goes
		legacy(t, st, "alive-2", "alive-1", alive.ID, true)
		legacy(t, st, "alive-3", "alive-2", alive.ID, false)
		legacy(t, st, "fresh-1", "", fresh.ID, true) // goes
		legacy(t, st, "fresh-2", "fresh-1", fresh.ID, true)
		legacy(t, st, "moved-1", "", moved.ID, true)        // goes
		legacy(t, st, "moved-2", "moved-1", moved.ID, true) // goes
		legacy(t, st, "over-1", "", over.ID, true)          // goes
		legacy(t, st, "alone", "", uuid.Nil, true)          // goes
		legacy(t, st, "late", "", over.ID, true)
		execute(t, st.DB(), `UPDATE auth.refresh_tokens SET updated_at = ? WHERE token = 'late'`, stamp(2))
		execute(t, st.DB(), `UPDATE auth.sessions SET refresh_token_counter = 0 WHERE id = ?`, fresh.ID)
		execute(t, st.DB(), `UPDATE auth.sessions SET refresh_token_counter = 1 WHERE id = ?`, moved.ID)
		for i, want := range []bool{true, true, false} {
			if more, err := st.DropLegacyTokens(t.Context(), later(2), 3-i/2); err != nil || more != want {
				t.Errorf("call %d: got more %v and error %v, want %v", i, more, err, want)
			}
		}
		got := value(t, st.DB(), `SELECT count(*) FROM auth.refresh_tokens WHERE token IN ('alive-2', 'alive-3', 'fresh-2', 'late')`)
		if all := value(t, st.DB(), `SELECT count(*) FROM auth.refresh_tokens`); got != "4" || all != "4" {
			t.Errorf("got %s of the 4 tokens that stay, of %s", got, all)
		}
	})
}

func TestLegacyTokensKnowTheirNeighbours(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		chain, fork, ended := legacySession(t, st, "a@example.com"), legacySession(t, st, "b@example.com"), legacySession(t, st, "c@example.com")
		legacy(t, st, "chain-1", "", chain.ID, true)
		legacy(t, st, "fork-1", "", fork.ID, true)
		legacy(t, st, "chain-2", "chain-1", chain.ID, true)
		legacy(t, st, "chain-3", "chain-2", chain.ID, false)
		legacy(t, st, "fork-2", "fork-1", fork.ID, false) // two of one parent, both active
		legacy(t, st, "fork-3", "fork-1", fork.ID, false)
		legacy(t, st, "ended-1", "", ended.ID, true)
		legacy(t, st, "ended-2", "ended-1", ended.ID, true)
		legacy(t, st, "loose-1", "", uuid.Nil, true)
		legacy(t, st, "loose-2", "loose-1", uuid.Nil, false)
		for _, want := range []postern.LegacyToken{
			{Token: "chain-1", SessionID: chain.ID, Revoked: true},
			{Token: "chain-2", SessionID: chain.ID, Revoked: true, Successor: "chain-3"},
			{Token: "chain-3", SessionID: chain.ID, Newest: true},
			{Token: "fork-1", SessionID: fork.ID, Revoked: true, Successor: "fork-3"},
			{Token: "fork-2", SessionID: fork.ID},
			{Token: "fork-3", SessionID: fork.ID, Newest: true},
			{Token: "ended-1", SessionID: ended.ID, Revoked: true},
			{Token: "ended-2", SessionID: ended.ID, Revoked: true, Newest: true},
			{Token: "loose-1", Revoked: true, Newest: true},
			{Token: "loose-2", Newest: true},
		} {
			got, err := st.FindLegacyToken(t.Context(), string(want.Token))
			ok(t, err)
			want.ID, want.UpdatedAt = got.ID, later(1)
			if got.ID == 0 || *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		}
	})
}

func TestOneOfManyUpgradesWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := legacySession(t, st, "a@example.com")
		first, second := legacy(t, st, "first", "", s.ID, false), legacy(t, st, "second", "first", s.ID, false)
		upgrade := postern.SessionUpgrade{SessionID: s.ID, Key: "key", At: later(2), UserAgent: "Agent/2.0", IP: s.IP}
		var won, lost int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				u := upgrade
				u.TokenID = []int64{first, second}[i%2] // either will do, but not both
				err := st.UpgradeSession(t.Context(), u)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, postern.ErrNoRow):
					lost++
				default:
					t.Errorf("got error %v", err)
				}
			})
		}
		all.Wait()
		if won != 1 || lost != 19 {
			t.Errorf("got %d winners and %d losers, want 1 and 19", won, lost)
		}
		if got := value(t, st.DB(), `SELECT count(*) FROM auth.refresh_tokens WHERE revoked`); got != "1" {
			t.Errorf("got %s tokens spent, want 1", got)
		}
		s.RefreshTokenKey, s.RefreshTokenCounter = "key", new(int64(0))
		s.UserAgent, s.RefreshedAt, s.UpdatedAt = "Agent/2.0", new(later(2)), later(2)
		got, _, err := st.FindSession(t.Context(), s.ID)
		ok(t, err)
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
	})
}

func TestUpgradeOfAnotherSessionsTokenIsRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		mine, other := legacySession(t, st, "a@example.com"), legacySession(t, st, "b@example.com")
		spent, others := legacy(t, st, "spent", "", mine.ID, true), legacy(t, st, "others", "", other.ID, false)
		for what, token := range map[string]int64{"a token that was spent": spent, "another session's": others} {
			err := st.UpgradeSession(t.Context(), postern.SessionUpgrade{TokenID: token, SessionID: mine.ID, Key: "key", At: later(1)})
			if !errors.Is(err, postern.ErrNoRow) {
				t.Errorf("%s: got error %v, want ErrNoRow", what, err)
			}
		}
		if got := value(t, st.DB(), `SELECT count(*) FROM auth.refresh_tokens WHERE revoked`); got != "1" {
			t.Errorf("got %s tokens spent, want the one from before", got)
		}
	})
}

func TestOnlySessionlessLegacyTokensAreDropped(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := legacySession(t, st, "a@example.com")
		ok(t, st.DropLegacyToken(t.Context(), legacy(t, st, "kept", "", s.ID, false)))
		ok(t, st.DropLegacyToken(t.Context(), legacy(t, st, "dropped", "", uuid.Nil, false)))
		if got := value(t, st.DB(), `SELECT token FROM auth.refresh_tokens`); got != "kept" {
			t.Errorf("got %s, want kept", got)
		}
	})
}

func TestDeletedUserLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := legacySession(t, st, "a@example.com")
		legacy(t, st, "of the session", "", s.ID, false)
		execute(t, st.DB(), `INSERT INTO auth.refresh_tokens (token, user_id, instance_id) VALUES ('without a session', ?, ?)`,
			s.UserID.String(), uuid.Nil)
		execute(t, st.DB(), `INSERT INTO auth.refresh_tokens (token, user_id) VALUES ('without an instance', ?)`, s.UserID.String())
		oneTimeToken(t, st, s.UserID)
		execute(t, st.DB(), `INSERT INTO auth.flow_state (id, user_id, provider_type, authentication_method, provider_access_token)
			VALUES (?, ?, 'google', 'oauth', 'secret')`, uuid.New(), s.UserID)
		ok(t, st.DeleteUser(t.Context(), s.UserID))
		for _, table := range []string{"users", "identities", "sessions", "mfa_amr_claims", "refresh_tokens", "one_time_tokens", "flow_state"} {
			if got := value(t, st.DB(), `SELECT count(*) FROM auth.`+table); got != "0" {
				t.Errorf("%s: got %s rows, want 0", table, got)
			}
		}
	})
}

// tokens are the columns of users with one-time tokens.
var tokens = []string{
	"confirmation_token", "recovery_token", "email_change_token_new",
	"email_change_token_current", "phone_change_token", "reauthentication_token",
}

func oneTimeToken(t *testing.T, st *store.Store, userID uuid.UUID) {
	t.Helper()
	execute(t, st.DB(), `INSERT INTO auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
		VALUES (?, ?, 'recovery_token', 'hash', 'a@example.com', ?, ?)`, uuid.New(), userID, stamp(0), stamp(0))
}

func TestDroppedOneTimeTokensAreGoneFromBothPlaces(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u, other := sample("a@example.com"), sample("b@example.com")
		for _, u := range []*postern.UserRecord{u, other} {
			ok(t, st.AddUser(t.Context(), u))
			oneTimeToken(t, st, u.ID)
			for _, column := range tokens {
				execute(t, st.DB(), `UPDATE auth.users SET `+column+` = ? WHERE id = ?`, "hash-"+column+u.Email, u.ID)
			}
		}
		ok(t, st.DropOneTimeTokens(t.Context(), u.ID))
		if got := value(t, st.DB(), `SELECT `+strings.Join(tokens, " || ")+` FROM auth.users WHERE id = ?`, u.ID); got != "" {
			t.Errorf("got columns %q, want all empty", got)
		}
		if got := value(t, st.DB(), `SELECT user_id FROM auth.one_time_tokens`); got != other.ID.String() {
			t.Errorf("got a row of %s, want only the other's", got)
		}
		if got := value(t, st.DB(), `SELECT count(*) FROM auth.users WHERE recovery_token <> ''`); got != "1" {
			t.Errorf("got %s users with tokens, want the other", got)
		}
	})
}

func TestRowsAreSuchThatGoTrueReadsThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := &postern.UserRecord{User: postern.User{ID: uuid.New(), CreatedAt: at, UpdatedAt: at}}
		ok(t, st.AddUser(t.Context(), u))
		_, err := st.UpdateUser(t.Context(), u.ID, later(1), func(u *postern.UserRecord) error {
			u.Email, u.Phone = "a@example.com", "15550100"
			return nil
		})
		ok(t, err)
		_, err = st.UpdateUser(t.Context(), u.ID, later(2), func(u *postern.UserRecord) error {
			u.Email, u.Phone = "", ""
			return nil
		})
		ok(t, err)
		for column, want := range map[string]string{
			"instance_id": uuid.Nil.String(), "aud": "", "role": "", "encrypted_password": "", "email_change": "", "phone_change": "",
			"email": "NULL", "phone": "NULL", "email_confirmed_at": "NULL", "banned_until": "NULL", "raw_app_meta_data": "{}", "raw_user_meta_data": "{}",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.users`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
		for _, column := range tokens {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.users`); got != "" {
				t.Errorf("%s: got %q, want \"\"", column, got)
			}
		}
	})
}

func TestAuditEntriesAreStored(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := sampleSession(uuid.New())
		ok(t, st.AddAuditEntry(t.Context(), postern.AuditEntry{
			ID: s.ID, Payload: postern.Metadata(`{"action": "login"}`), CreatedAt: at, IPAddress: s.IP.String(),
		}))
		for column, want := range map[string]string{
			"id": s.ID.String(), "instance_id": uuid.Nil.String(), "payload ->> 'action'": "login", "ip_address": "192.0.2.1",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.audit_log_entries`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
	})
}

func TestTimesAreStoredInUTCWithMicroseconds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		u.CreatedAt = time.Date(2024, 3, 31, 1, 30, 0, 123456789, time.FixedZone("", -5*3600))
		s := sampleSession(u.ID)
		s.RefreshedAt, s.CreatedAt = &u.CreatedAt, u.CreatedAt
		ok(t, st.AddUser(t.Context(), u))
		ok(t, st.AddSession(t.Context(), s))
		want := time.Date(2024, 3, 31, 6, 30, 0, 123456000, time.UTC)
		session, user, err := st.FindSession(t.Context(), s.ID)
		ok(t, err)
		listed, err := st.UserSessions(t.Context(), u.ID)
		ok(t, err)
		for what, got := range map[string]time.Time{
			"created_at": user.CreatedAt, "of the session": session.CreatedAt, "refreshed_at": *session.RefreshedAt, "listed": *listed[0].RefreshedAt,
		} {
			if got != want {
				t.Errorf("%s: got %v, want %v", what, got, want)
			}
		}
	})
}

// recorder collects the statements of a kind that a database runs.
type recorder struct {
	verb  string
	mu    sync.Mutex
	texts []string
}

func (r *recorder) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (r *recorder) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.HasPrefix(event.Query, r.verb) {
		r.texts = append(r.texts, event.Query)
	}
}

func TestUpdateWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		seen := recorder{verb: "UPDATE"}
		_, err := store.New(st.DB().WithQueryHook(&seen)).UpdateUser(t.Context(), u.ID, later(1), func(u *postern.UserRecord) error {
			u.LastSignInAt = new(later(1))
			return nil
		})
		ok(t, err)
		if len(seen.texts) != 1 {
			t.Fatalf("got %d updates, want 1: %q", len(seen.texts), seen.texts)
		}
		if got := strings.Count(seen.texts[0], "="); got != 3 { // two columns, and the id
			t.Errorf("got %s, want last_sign_in_at and updated_at alone", seen.texts[0])
		}
	})
}

// bare inserts a user whose row has NULL wherever the schema allows it.
func bare(t *testing.T, st *store.Store, values map[string]any) uuid.UUID {
	t.Helper()
	id := uuid.New()
	columns, marks, args := "id, is_sso_user, is_anonymous", "?, FALSE, FALSE", []any{id}
	for column, v := range values {
		columns, marks, args = columns+", "+column, marks+", ?", append(args, v)
	}
	for _, column := range append(tokens[3:], "phone_change", "email_change_confirm_status") { // those with defaults
		columns, marks = columns+", "+column, marks+", NULL"
	}
	execute(t, st.DB(), `INSERT INTO auth.users (`+columns+`) VALUES (`+marks+`)`, args...)
	return id
}

func TestRowsFullOfNullsAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		id := bare(t, st, nil)
		execute(t, st.DB(), `INSERT INTO auth.identities (id, provider_id, user_id, identity_data, provider) VALUES (?, 'x', ?, 'null', 'email')`, uuid.New(), id)
		session := uuid.New()
		execute(t, st.DB(), `INSERT INTO auth.sessions (id, user_id) VALUES (?, ?)`, session, id)
		execute(t, st.DB(), `INSERT INTO auth.refresh_tokens (token) VALUES ('bare')`)

		user, s, err := st.FindCaller(t.Context(), id, session)
		ok(t, err)
		if user.CodeHashes != nil || user.Aud != "" || user.Email != "" || !user.CreatedAt.IsZero() || user.Identities[0].Provider != "email" || s.AAL != "" || s.IP.IsValid() {
			t.Errorf("got %+v, %+v", user, s)
		}
		if _, err := st.UserSessions(t.Context(), id); err != nil {
			t.Errorf("UserSessions: got error %v", err)
		}
		token, err := st.FindLegacyToken(t.Context(), "bare")
		if err != nil || token.Revoked || token.SessionID != uuid.Nil {
			t.Errorf("FindLegacyToken: got %+v, %v", token, err)
		}
		_, err = st.UpdateUser(t.Context(), id, later(1), func(u *postern.UserRecord) error { u.Role = "changed"; return nil })
		ok(t, err)
		if got := value(t, st.DB(), `SELECT aud FROM auth.users`); got != "NULL" {
			t.Errorf("aud, which was not changed: got %q, want NULL", got)
		}
		ok(t, st.DropOneTimeTokens(t.Context(), id))
		ok(t, st.DeleteUser(t.Context(), id))
	})
}

// What others stored need not pass the checks on what is written here.
func TestOddMetadataIsNoObstacleToOtherChanges(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
		id := bare(t, st, map[string]any{"raw_user_meta_data": deep})
		_, err := st.UpdateUser(t.Context(), id, later(1), func(u *postern.UserRecord) error { u.Role = "changed"; return nil })
		ok(t, err)
		_, err = st.UpdateUser(t.Context(), id, later(2), func(u *postern.UserRecord) error {
			u.AppMetadata = u.UserMetadata
			return nil
		})
		if !errors.Is(err, postern.ErrUnstorable) {
			t.Errorf("the same in another column: got error %v, want ErrUnstorable", err)
		}
	})
}

func TestRowsThatGoTrueDoesNotSeeAreNotFoundByAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		noInstance := bare(t, st, map[string]any{"email": "a@example.com", "phone": "1", "aud": "authenticated"})
		noAudience := bare(t, st, map[string]any{"email": "b@example.com", "phone": "2", "instance_id": uuid.Nil})
		seen := bare(t, st, map[string]any{"email": "Seen@Example.com", "phone": "3", "aud": "authenticated", "instance_id": uuid.Nil})
		for address, want := range map[string]uuid.UUID{"a@example.com": {}, "b@example.com": {}, "seen@example.com": seen, "1": {}, "2": {}, "3": seen} {
			find := st.FindUserByPhone
			if strings.Contains(address, "@") {
				find = st.FindUserByEmail
			}
			got, err := find(t.Context(), address, "authenticated")
			if want == uuid.Nil && !errors.Is(err, postern.ErrNoRow) || want != uuid.Nil && (err != nil || got.ID != want) {
				t.Errorf("%s: got %v, %v, want %v", address, got, err, want)
			}
		}
		for _, id := range []uuid.UUID{noInstance, noAudience, seen} {
			_, err := st.FindUser(t.Context(), id)
			ok(t, err)
		}
		for _, email := range []string{"a@example.com", "b@example.com", "seen@example.com"} {
			if taken, err := st.EmailTaken(t.Context(), email, uuid.Nil); err != nil || !taken {
				t.Errorf("EmailTaken %s: got %v, %v, want true", email, taken, err)
			}
		}
		page, err := st.ListUsers(t.Context(), postern.UserQuery{Aud: "authenticated", Limit: 10})
		if err != nil || len(page.Users) != 1 || page.Users[0].ID != seen {
			t.Errorf("ListUsers: got %+v, %v, want one", page, err)
		}
	})
}

func TestOfSeveralSpellingsTheLowerCaseCounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		visible := map[string]any{"aud": "authenticated", "instance_id": uuid.Nil}
		var want uuid.UUID
		for _, email := range []string{"A@example.com", "a@example.com", "a@EXAMPLE.com"} {
			visible["email"] = email
			if id := bare(t, st, visible); email == "a@example.com" {
				want = id
			}
		}
		got, err := st.FindUserByEmail(t.Context(), "A@EXAMPLE.COM", "authenticated")
		ok(t, err)
		if got.ID != want {
			t.Errorf("got %s, want %s", got.Email, "a@example.com")
		}
	})
}

// Users without a time of creation are listed as the newest, and paging neither
// skips nor repeats one.
func TestListsWithoutTimesOfCreation(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		var want []uuid.UUID
		for i := range 6 {
			values := map[string]any{"aud": "authenticated", "instance_id": uuid.Nil}
			if i < 3 {
				values["created_at"] = stamp(i / 2)
			}
			want = append(want, bare(t, st, values))
		}
		slices.SortFunc(want[:2], byID)
		slices.SortFunc(want[3:], byID)
		for _, ascending := range []bool{true, false} {
			for limit := 1; limit <= 6; limit++ {
				if got := pages(t, st, postern.UserQuery{Aud: "authenticated", Limit: limit, Ascending: ascending}); !slices.Equal(got, want) {
					t.Errorf("ascending %v, pages of %d: got %v, want %v", ascending, limit, got, want)
				}
			}
			slices.Reverse(want)
		}
	})
}

func byID(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

func pages(t *testing.T, st *store.Store, q postern.UserQuery) (ids []uuid.UUID) {
	t.Helper()
	for more := true; more && len(ids) < 20; {
		page, err := st.ListUsers(t.Context(), q)
		ok(t, err)
		for _, u := range page.Users {
			ids = append(ids, u.ID)
			q.After = &postern.UserCursor{CreatedAt: u.CreatedAt, ID: u.ID}
		}
		more = page.More
	}
	return ids
}

func TestAddressesInOtherFormsAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		u := sample("a@example.com")
		ok(t, st.AddUser(t.Context(), u))
		for text, want := range map[string]string{"10.1.2.3/8": "10.1.2.3", "2001:db8::1": "2001:db8::1", "::ffff:1.2.3.4": "::ffff:1.2.3.4"} {
			s := uuid.New()
			execute(t, st.DB(), `INSERT INTO auth.sessions (id, user_id, ip) VALUES (?, ?, ?)`, s, u.ID, text)
			got, _, err := st.FindSession(t.Context(), s)
			if err != nil || got.IP.String() != want {
				t.Errorf("%s: got %v, %v, want %s", text, got, err, want)
			}
		}
	})
}

func TestGoTruesUsersAndSessionsAreRead(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	var users, sessions []struct{ ID, UserID uuid.UUID }
	ok(t, st.DB().NewRaw(`SELECT id, id AS user_id FROM auth.users`).Scan(t.Context(), &users))
	ok(t, st.DB().NewRaw(`SELECT id, user_id FROM auth.sessions`).Scan(t.Context(), &sessions))
	if len(users) == 0 || len(sessions) == 0 {
		t.Fatalf("got %d users and %d sessions", len(users), len(sessions))
	}
	for _, u := range users {
		got, err := st.FindUser(t.Context(), u.ID)
		if err != nil || got.ID != u.ID {
			t.Errorf("user %s: got error %v", u.ID, err)
		}
		_, err = st.UpdateUser(t.Context(), u.ID, at, func(u *postern.UserRecord) error { u.LastSignInAt = &at; return nil })
		if err != nil {
			t.Errorf("update of user %s: got error %v", u.ID, err)
		}
	}
	for _, s := range sessions {
		got, _, err := st.FindSession(t.Context(), s.ID)
		if err != nil || got.UserID != s.UserID || len(got.AMR) == 0 {
			t.Errorf("session %s: got %+v, error %v", s.ID, got, err)
		}
	}
	for _, aud := range []string{"authenticated", "mobile-app"} {
		if _, err := st.ListUsers(t.Context(), postern.UserQuery{Aud: aud, Limit: 1000, Count: true}); err != nil {
			t.Errorf("users of %s: got error %v", aud, err)
		}
	}
}

// What is read of an adopted database, and written again as it is, has not changed.
func TestGoTruesMetadataSurvivesAnUpdate(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	const sums = `SELECT string_agg(md5(u::text), '' ORDER BY id) FROM (SELECT id, raw_user_meta_data, raw_app_meta_data FROM auth.users) u`
	before := value(t, st.DB(), sums)
	var ids []uuid.UUID
	ok(t, st.DB().NewRaw(`SELECT id FROM auth.users WHERE jsonb_typeof(raw_user_meta_data) = 'object' AND jsonb_typeof(raw_app_meta_data) = 'object'`).Scan(t.Context(), &ids))
	for _, id := range ids {
		_, err := st.UpdateUser(t.Context(), id, at, func(u *postern.UserRecord) error {
			u.UserMetadata = append(postern.Metadata(" "), u.UserMetadata...) // another text of the same value
			u.AppMetadata = append(postern.Metadata(" "), u.AppMetadata...)
			return nil
		})
		ok(t, err)
	}
	if after := value(t, st.DB(), sums); after != before {
		t.Error("the metadata of GoTrue's users changed")
	}
}

// adopted returns a store in a database that GoTrue has used.
func adopted(t *testing.T) *store.Store {
	t.Helper()
	dsn := pgtest.New(t)
	load(t, dsn, "schema.sql", "data.sql")
	st := openStore(t, dsn)
	ok(t, st.Migrate(t.Context()))
	return st
}

func ExampleStore_Join() {
	ctx := context.Background()
	st, err := sqlite.OpenMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		panic(err)
	}
	if _, err := st.DB().ExecContext(ctx, `CREATE TABLE notes (user_id TEXT, note TEXT)`); err != nil {
		panic(err)
	}

	tx, err := st.DB().BeginTx(ctx, nil)
	if err != nil {
		panic(err)
	}
	defer tx.Rollback()
	user := &postern.UserRecord{User: postern.User{ID: uuid.New(), Aud: "authenticated", Email: "someone@example.com"}}
	if err := st.Join(tx).AddUser(ctx, user); err != nil {
		panic(err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO notes VALUES (?, 'welcome')`, user.ID); err != nil {
		panic(err)
	}
	if err := tx.Commit(); err != nil { // both rows, or none
		panic(err)
	}

	found, err := st.FindUserByEmail(ctx, "someone@example.com", "authenticated")
	fmt.Println(found.Email, err)
	// Output: someone@example.com <nil>
}
