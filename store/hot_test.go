package store_test

import (
	"database/sql"
	"fmt"
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

// at is when things happen in these tests.
var at = time.Date(2024, 5, 17, 10, 20, 30, 123456000, time.UTC)

// sample returns a user with an identity as sign-up makes it.
func sample(email string) *postern.UserRecord {
	id := uuid.New()
	return &postern.UserRecord{
		User: postern.User{
			ID: id, Aud: "authenticated", Role: "authenticated", Email: email, EmailConfirmedAt: &at, LastSignInAt: &at,
			AppMetadata:  postern.Metadata(`{"provider":"email","providers":["email"]}`),
			UserMetadata: postern.Metadata(`{"email":"` + email + `","email_verified":true,"full_name":"Some One","sub":"` + id.String() + `"}`),
			CreatedAt:    at, UpdatedAt: at,
			Identities: []postern.Identity{{
				IdentityID: uuid.New(), ID: id.String(), UserID: id, Provider: "email", LastSignInAt: &at, CreatedAt: at, UpdatedAt: at,
				IdentityData: postern.Metadata(`{"email":"` + email + `","email_verified":true,"sub":"` + id.String() + `"}`),
			}},
		},
		PasswordHash: "$2a$10$abcdefghijklmnopqrstuuWVAPqtLVtin2RXKqhKo6QOHEnSpGy2S",
	}
}

// sampleSession returns a session as sign-in makes it.
func sampleSession(userID uuid.UUID) *postern.SessionRecord {
	return &postern.SessionRecord{
		ID: uuid.New(), UserID: userID, CreatedAt: at, UpdatedAt: at, AAL: "aal1",
		AMR:       []postern.AMREntry{{Method: "password", At: at}},
		UserAgent: "Mozilla/5.0", IP: netip.MustParseAddr("192.0.2.1"),
		RefreshTokenKey: "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE", RefreshTokenCounter: new(int64(0)),
	}
}

// withSessions stores n users with a session each.
func withSessions(t testing.TB, st *store.Store, n int) []*postern.SessionRecord {
	t.Helper()
	sessions := make([]*postern.SessionRecord, n)
	for i := range sessions {
		u := sample(fmt.Sprintf("user%d@example.com", i))
		sessions[i] = sampleSession(u.ID)
		if err := st.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if err := st.AddSession(t.Context(), sessions[i]); err != nil {
			t.Fatal(err)
		}
	}
	return sessions
}

// An application may open its database as it likes.
func TestHotStatementsRunInEveryQueryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol", "describe_exec", "cache_describe", "cache_statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.New(t)
			migrate(t, dsn)
			db, err := sql.Open("pgx", pgtest.With(dsn, "default_query_exec_mode", mode))
			ok(t, err)
			st := ready(t, store.New(bun.NewDB(db, pgdialect.New())))
			u := sample("a@example.com")
			u.Phone = "15550100"
			s := sampleSession(u.ID)
			ok(t, st.AddUser(t.Context(), u))
			ok(t, st.AddSession(t.Context(), s))
			ok(t, st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 0, At: at, UserAgent: s.UserAgent, IP: s.IP}))
			s.RefreshTokenCounter, s.RefreshedAt = new(int64(1)), &at
			user, session, err := st.FindCaller(t.Context(), u.ID, s.ID)
			ok(t, err)
			if user.ID != u.ID || len(user.Identities) != 1 || !reflect.DeepEqual(session, s) {
				t.Errorf("FindCaller: got %+v, %+v", user, session)
			}
			_, err = st.FindUserByEmail(t.Context(), u.Email, u.Aud)
			ok(t, err)
			_, err = st.FindUserByPhone(t.Context(), u.Phone, u.Aud)
			ok(t, err)
			_, _, err = st.FindSession(t.Context(), s.ID)
			ok(t, err)
			for _, q := range []postern.UserQuery{
				{}, {Filter: "a@"}, {Email: u.Email}, {Ascending: true, After: &postern.UserCursor{CreatedAt: at.Add(-time.Hour)}}, {Offset: 1000},
			} {
				q.Aud, q.Limit, q.Count = u.Aud, 1, true
				page, err := st.ListUsers(t.Context(), q)
				ok(t, err)
				if len(page.Users) != 1 && q.Offset == 0 || page.Total != 1 {
					t.Errorf("ListUsers %+v: got %+v", q, page)
				}
			}
		})
	}
}

// benchmark runs on both databases, one call at a time and sixteen at once, with
// a session for each of those that call.
func benchmark(b *testing.B, call func(st *store.Store, s *postern.SessionRecord, n int64) error) {
	for name, open := range map[string]func(testing.TB) *store.Store{"sqlite": openFile, "postgres": dbtest.Postgres} {
		for _, at := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", name, at), func(b *testing.B) {
				st := open(b)
				sessions := withSessions(b, st, 2*at)
				var callers atomic.Int64
				b.SetParallelism(at)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					s := sessions[(callers.Add(1)-1)%int64(len(sessions))]
					for n := int64(0); pb.Next(); n++ {
						if err := call(st, s, n); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func BenchmarkFindCaller(b *testing.B) {
	benchmark(b, func(st *store.Store, s *postern.SessionRecord, _ int64) error {
		_, _, err := st.FindCaller(b.Context(), s.UserID, s.ID)
		return err
	})
}

func BenchmarkFindSession(b *testing.B) {
	benchmark(b, func(st *store.Store, s *postern.SessionRecord, _ int64) error {
		_, _, err := st.FindSession(b.Context(), s.ID)
		return err
	})
}

func BenchmarkRotateSession(b *testing.B) {
	benchmark(b, func(st *store.Store, s *postern.SessionRecord, n int64) error {
		return st.RotateSession(b.Context(), postern.SessionRotation{ID: s.ID, From: n, At: at, UserAgent: s.UserAgent, IP: s.IP})
	})
}
