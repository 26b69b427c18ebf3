// Package authtest gives tests a whole authentication service: in memory, made
// in milliseconds, gone with the test.
//
//	auth := authtest.New(t)
//	res, err := auth.SignUp(ctx, postern.SignUpParams{Email: "ada@example.com", Password: "correct horse"})
package authtest

import (
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/devbox"
	"github.com/postern-auth/postern/store/sqlite"
)

// Service is an Auth for a test, with the clock that it goes by.
type Service struct {
	*postern.Auth
	// Store is what the Auth stands on.
	Store postern.Store
	// Outbox has the mails and text messages that were sent.
	Outbox *devbox.Box

	ahead atomic.Int64 // of the real time, in nanoseconds
}

// New returns a service on a database of its own, in memory. Addresses need no
// confirmation, passwords are hashed cheaply and nothing is limited; edit changes
// that and all else before the service is made. Mistakes end the test.
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
	s.Outbox = devbox.New(devbox.Config{Now: s.Now})
	cfg := postern.Config{
		Mailer:   s.Outbox,
		SMS:      s.Outbox,
		Email:    postern.EmailConfig{Autoconfirm: true},
		Password: postern.PasswordConfig{BcryptCost: bcrypt.MinCost},
		Limits:   postern.LimitConfig{Off: true},
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

// LastCode returns the code of the newest message to an address or number. There
// has to be one.
func (s *Service) LastCode(t testing.TB, to string) string {
	t.Helper()
	return s.last(t, to).Code
}

// LastLink returns the link of the newest mail to an address. There has to be one.
func (s *Service) LastLink(t testing.TB, to string) string {
	t.Helper()
	return s.last(t, to).Link
}

func (s *Service) last(t testing.TB, to string) devbox.Message {
	t.Helper()
	m, ok := s.Outbox.Last(to)
	if !ok {
		t.Fatalf("authtest: nothing was sent to %s", to)
	}
	return m
}

// SignedIn makes an account with a confirmed address and returns its session.
func (s *Service) SignedIn(t testing.TB, email string) *postern.Session {
	t.Helper()
	password := rand.Text()
	_, err := s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: email, Password: &password, EmailConfirm: true})
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	session, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: email, Password: password})
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	return &session.Session
}

// Now is the service's time: the real one, plus what Advance added.
func (s *Service) Now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// Advance moves the service's clock: tokens expire, bans end, windows close.
func (s *Service) Advance(d time.Duration) { s.ahead.Add(int64(d)) }
