// Package authtest gives tests a whole authentication service: in memory, made
// in milliseconds, gone with the test.
//
//	auth := authtest.New(t)
//	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
package authtest

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store/sqlite"
)

// Service is an Auth for a test, with the clock that it goes by.
type Service struct {
	*postern.Auth
	// Store is what the Auth stands on.
	Store postern.Store

	ahead atomic.Int64 // of the real time, in nanoseconds
}

// New returns a service on a database of its own, in memory. Addresses need no
// confirmation, and passwords are hashed cheaply; edit changes that and all else
// before the service is made. Mistakes end the test.
func New(t testing.TB, edit ...func(*postern.Config)) *Service {
	t.Helper()
	st, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("authtest: closing the database: %v", err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatalf("authtest: %v", err)
	}
	return On(t, st, edit...)
}

// On is New on a store that the test has opened and migrated.
func On(t testing.TB, st postern.Store, edit ...func(*postern.Config)) *Service {
	t.Helper()
	s := &Service{Store: st}
	cfg := postern.Config{
		Email:    postern.EmailConfig{Autoconfirm: true},
		Password: postern.PasswordConfig{BcryptCost: bcrypt.MinCost},
		Now:      s.Now,
	}
	for _, e := range edit {
		e(&cfg)
	}
	var err error
	if s.Auth, err = postern.New(st, cfg); err != nil {
		t.Fatalf("authtest: %v", err)
	}
	return s
}

// Now is the service's time: the real one, plus what Advance added.
func (s *Service) Now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// Advance moves the service's clock: tokens expire, bans end, windows close.
func (s *Service) Advance(d time.Duration) { s.ahead.Add(int64(d)) }
