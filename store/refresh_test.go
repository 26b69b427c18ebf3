package store_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

var tokenKey = []byte("\x00\x7f\x80\xff of which no byte is like another")[:32]

// presented is the rotation of a session whose token 0 is presented.
func presented(s *postern.SessionRecord) postern.SessionRotation {
	signed := append([]byte{0}, s.ID[:]...)
	mac := hmac.New(sha256.New, tokenKey)
	mac.Write(signed)
	return postern.SessionRotation{ID: s.ID, At: at, UserAgent: "Agent/2.0", Signed: signed, MAC: mac.Sum(nil)[:16]}
}

// withTokenKey stores a user with a session of which token 0 is the newest.
func withTokenKey(t *testing.T, st *store.Store) *postern.SessionRecord {
	t.Helper()
	u := sample(uuid.NewString() + "@example.com")
	s := sampleSession(u.ID)
	s.RefreshTokenKey = postern.Secret(base64.RawURLEncoding.EncodeToString(tokenKey))
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	return s
}

// The database decides only what it can be sure of; the rest is left as it is.
func TestRefreshRotatesInOneStep(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		for name, c := range map[string]struct {
			sql     string // on the session $1 and its user
			change  func(*postern.SessionRotation)
			refused bool
		}{
			"newest token":      {},
			"another signature": {change: func(r *postern.SessionRotation) { r.MAC[15] ^= 1 }, refused: true},
			"no signature":      {change: func(r *postern.SessionRotation) { r.MAC = []byte{} }, refused: true},
			"half a signature":  {change: func(r *postern.SessionRotation) { r.MAC = r.MAC[:8] }, refused: true},
			"other text":        {change: func(r *postern.SessionRotation) { r.Signed[3] ^= 1 }, refused: true},
			"a token to come":   {change: func(r *postern.SessionRotation) { r.From = 1 }, refused: true},
			"an older token":    {sql: `UPDATE auth.sessions SET refresh_token_counter = 1`, refused: true},
			"an end":            {sql: `UPDATE auth.sessions SET not_after = :now`, refused: true},
			"a ban":             {sql: `UPDATE auth.users SET banned_until = :now`, refused: true},
			"an encrypted key":  {sql: `UPDATE auth.sessions SET refresh_token_hmac_key = '{"alg":"aes-gcm-hkdf"}'`, refused: true},
			"a broken key":      {sql: `UPDATE auth.sessions SET refresh_token_hmac_key = '===='`, refused: true},
			"no key":            {sql: `UPDATE auth.sessions SET refresh_token_hmac_key = NULL, refresh_token_counter = NULL`, refused: true},
		} {
			t.Run(name, func(t *testing.T) {
				s := withTokenKey(t, st)
				if c.sql != "" {
					execute(t, st.DB(), inDialect(st, c.sql))
				}
				before, _, err := st.FindSession(t.Context(), s.ID)
				ok(t, err)
				r := presented(s)
				if c.change != nil {
					c.change(&r)
				}
				got, user, rotated, err := st.RefreshSession(t.Context(), r)
				ok(t, err)
				if want := isPostgres(st) && !c.refused; rotated != want {
					t.Errorf("got rotated %v, want %v", rotated, want)
				}
				if rotated {
					before.RefreshTokenCounter, before.RefreshedAt, before.UpdatedAt = new(int64(1)), &at, at
					before.UserAgent, before.IP = r.UserAgent, r.IP
				}
				after, _, err := st.FindSession(t.Context(), s.ID)
				ok(t, err)
				if user.ID != s.UserID || !reflect.DeepEqual(got, before) || !reflect.DeepEqual(after, before) {
					t.Errorf("got %+v of %s, stored %+v, want %+v of %s", got, user.ID, after, before, s.UserID)
				}
			})
		}
		if _, _, _, err := st.RefreshSession(t.Context(), postern.SessionRotation{ID: uuid.New()}); !errors.Is(err, postern.ErrNoRow) {
			t.Errorf("no session: got %v, want ErrNoRow", err)
		}
		if _, _, _, err := st.RefreshSession(t.Context(), postern.SessionRotation{UserAgent: "\x00"}); !errors.Is(err, postern.ErrUnstorable) {
			t.Errorf("NUL: got %v, want ErrUnstorable", err)
		}
	})
}

func TestRefreshesAtOnceRotateOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		s := withTokenKey(t, st)
		moved := make([]bool, 20)
		var all sync.WaitGroup
		for i := range moved {
			all.Go(func() {
				got, _, rotated, err := st.RefreshSession(t.Context(), presented(s))
				if err == nil && !rotated && *got.RefreshTokenCounter == 0 {
					err = st.RotateSession(t.Context(), presented(s))
					rotated = err == nil
				}
				if err != nil && !errors.Is(err, postern.ErrNoRow) {
					t.Error(err)
				}
				moved[i] = rotated
			})
		}
		all.Wait()
		n := 0
		for _, rotated := range moved {
			if rotated {
				n++
			}
		}
		after, _, err := st.FindSession(t.Context(), s.ID)
		ok(t, err)
		if n != 1 || *after.RefreshTokenCounter != 1 {
			t.Errorf("got %d rotations, counter %d, want one", n, *after.RefreshTokenCounter)
		}
	})
}
