package postern_test

import (
	"path/filepath"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
)

// onBoth runs a benchmark on both databases, with somebody who is signed in. What whole
// requests cost, to many at once, test/bench measures.
func onBoth(b *testing.B, run func(b *testing.B, s *authtest.Service, session *postern.Session)) {
	for name, open := range map[string]func(testing.TB) *store.Store{"sqlite": sqliteFile, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			s := authtest.On(b, open(b))
			session := s.SignedIn(b, ada)
			b.ReportAllocs()
			run(b, s, session)
		})
	}
}

// sqliteFile returns a migrated database in a file, whose writes wait for the disk.
func sqliteFile(t testing.TB) *store.Store {
	t.Helper()
	st := must(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "auth.db")))
	t.Cleanup(func() { st.Close() })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func BenchmarkAuthenticate(b *testing.B) {
	onBoth(b, func(b *testing.B, s *authtest.Service, session *postern.Session) {
		for b.Loop() {
			must(s.Authenticate(b.Context(), session.AccessToken))
		}
	})
}

// What GET /user calls.
func BenchmarkUser(b *testing.B) {
	onBoth(b, func(b *testing.B, s *authtest.Service, session *postern.Session) {
		for b.Loop() {
			c := must(s.Authenticate(b.Context(), session.AccessToken))
			must(s.User(b.Context(), c, ""))
		}
	})
}

func BenchmarkRefreshToken(b *testing.B) {
	onBoth(b, func(b *testing.B, s *authtest.Service, session *postern.Session) {
		for b.Loop() {
			session = must(s.RefreshToken(b.Context(), session.RefreshToken))
		}
	})
}

func BenchmarkGenerateLink(b *testing.B) {
	onBoth(b, func(b *testing.B, s *authtest.Service, _ *postern.Session) {
		for b.Loop() {
			must(s.GenerateLink(b.Context(), magicLink))
		}
	})
}

func BenchmarkVerifyOTP(b *testing.B) {
	onBoth(b, func(b *testing.B, s *authtest.Service, _ *postern.Session) {
		for b.Loop() {
			b.StopTimer()
			link := must(s.GenerateLink(b.Context(), magicLink))
			b.StartTimer()
			must(s.VerifyOTP(b.Context(), postern.VerifyOTPParams{Type: postern.VerifyMagicLink, TokenHash: link.HashedToken}))
		}
	})
}

var magicLink = postern.GenerateLinkParams{Type: postern.LinkMagicLink, Email: ada}
