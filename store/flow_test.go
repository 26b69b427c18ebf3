package store_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

func TestFlowsAreSuchThatGoTrueReadsThem(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		f := postern.FlowRecord{ID: uuid.New(), ProviderType: "email", AuthenticationMethod: "magiclink", CreatedAt: at, UpdatedAt: at}
		ok(t, st.AddFlow(t.Context(), f))
		for column, want := range map[string]string{
			"id": f.ID.String(), "provider_access_token": "", "provider_refresh_token": "", "user_id": "NULL", "auth_code": "NULL",
			"code_challenge": "NULL", "code_challenge_method": "NULL", "auth_code_issued_at": "NULL", "invite_token": "NULL",
			"CASE WHEN email_optional THEN 1 ELSE 0 END": "0",
		} {
			if got := value(t, st.DB(), `SELECT `+column+` FROM auth.flow_state`); got != want {
				t.Errorf("%s: got %q, want %q", column, got, want)
			}
		}
	})
}

func TestFlowsFullOfNullsAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		id, user := uuid.New(), uuid.New()
		execute(t, st.DB(), `INSERT INTO auth.flow_state (id, user_id, auth_code, provider_type, authentication_method) VALUES (?, ?, 'code', 'x', 'oauth')`, id, user)
		got, err := st.FindFlowByCode(t.Context(), "code")
		if err != nil || got.ID != id || got.CodeChallenge != "" || !got.CreatedAt.IsZero() || got.AuthCodeIssuedAt != nil {
			t.Errorf("got %+v, %v", got, err)
		}
		f := postern.FlowRecord{ID: uuid.New(), UserID: user, ProviderType: "x", AuthenticationMethod: "oauth", CreatedAt: at, UpdatedAt: at}
		ok(t, st.AddFlow(t.Context(), f))
		got, err = st.NewestFlow(t.Context(), user, "oauth")
		if err != nil || got.ID != f.ID {
			t.Errorf("got %+v, %v, want the one with a time", got, err)
		}
	})
}

func TestGoTruesFlowsAreRead(t *testing.T) {
	t.Parallel()
	st := adopted(t)
	var codes []string
	ok(t, st.DB().NewRaw(`SELECT auth_code FROM auth.flow_state WHERE auth_code IS NOT NULL`).Scan(t.Context(), &codes))
	if len(codes) == 0 {
		t.Fatal("got no flows")
	}
	for _, code := range codes {
		f, err := st.FindFlowByCode(t.Context(), code)
		if err != nil || f.AuthCode != code || f.CodeChallengeMethod != "s256" || f.CodeChallenge == "" || f.CreatedAt.IsZero() {
			t.Errorf("%s: got %+v, %v", code, f, err)
			continue
		}
		if newest, err := st.NewestFlow(t.Context(), f.UserID, f.AuthenticationMethod); f.UserID != uuid.Nil && (err != nil || newest.ID != f.ID) {
			t.Errorf("newest of user %s: got %+v, %v, want %s", f.UserID, newest, err, f.ID)
		}
		ok(t, st.TakeFlow(t.Context(), f.ID))
	}
}
