package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/bench/internal/fill"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// target is a server that is measured. In its database are the first users of package
// fill, filled in or made by the API.
type target struct {
	name             string
	url              string // of its API, without a slash at the end
	pid              int    // of the server; 0 where it is not known
	server, database clock
	users            int
	sessions         int    // that each worker goes round
	admin            string // an operator's token

	inProcess *inProcess // nil for a server whose database is not ours

	names  string // what keeps new addresses apart from those of earlier runs
	serial atomic.Int64

	process *standalone.Server // nil for a server that was running before
	memory  memory
}

// memory is what a server takes before it has done anything.
type memory struct {
	firstStart, start time.Duration // to the first answer: on an empty database, and later
	idle              int64         // resident bytes
}

func newTarget(name, url, key string, users int) (*target, error) {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"role": "service_role", "aud": "authenticated", "exp": time.Now().Add(24 * time.Hour).Unix(),
	}).SignedString([]byte(key))
	return &target{
		name: name, url: strings.TrimSuffix(url, "/"), server: none, database: none, users: users, sessions: 1, admin: token,
		names: strings.ToLower(rand.Text()[:8]),
	}, err
}

// running is a server that somebody else has started.
func (b *bench) running(s named) (*target, error) {
	t, err := newTarget(s.name, s.value, b.secret, b.users)
	if err != nil {
		return nil, err
	}
	p := b.processes[s.name]
	if p.server != 0 {
		t.pid, t.server = p.server, processClock(p.server)
	}
	if p.postmaster != 0 {
		t.database = familyClock(p.postmaster)
	}
	return t, nil
}

// start starts a server on a database.
func (b *bench) start(ctx context.Context, s named, db *database, users int) (*target, error) {
	process, err := standalone.Start(s.value, nil, b.environ(db.url)...)
	if err != nil {
		return nil, err
	}
	t, err := newTarget(s.name, process.URL, b.secret, users)
	if err == nil {
		err = answer(ctx, t.url)
	}
	if err != nil {
		return nil, errors.Join(err, process.Kill())
	}
	t.process, t.pid, t.server, t.database = process, process.PID(), processClock(process.PID()), db.clock
	t.inProcess = &inProcess{open: db.open, secret: b.secret}
	return t, nil
}

// environ is what a server is told that is measured.
func (b *bench) environ(databaseURL string) []string {
	return []string{
		"DATABASE_URL=" + databaseURL, "GOTRUE_JWT_SECRET=" + b.secret, "GOTRUE_LOG_LEVEL=error", "GOTRUE_MAILER_AUTOCONFIRM=true",
		"GOTRUE_EXPERIMENTAL_CURSOR_PAGINATION_ENABLED=true", "POSTERN_RATE_LIMITS=off",
	}
}

// close stops the server, if it was started here.
func (t *target) close() error {
	var err error
	if t.inProcess != nil {
		err = t.inProcess.close()
	}
	if t.process != nil {
		err = errors.Join(err, t.process.Stop())
	}
	return err
}

func closeAll(targets []*target) (err error) {
	for _, t := range targets {
		err = errors.Join(err, t.close())
	}
	return err
}

// answer gets one answer.
func answer(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// startTime returns the median time from the start of a process to its first answer.
func (b *bench) startTime(ctx context.Context, s named, db *database, times int) (time.Duration, error) {
	var took []time.Duration
	for range times {
		began := time.Now()
		t, err := b.start(ctx, s, db, 0)
		if err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
		if err := t.close(); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// seed creates the users by the API, but for those that are there already.
func (t *target) seed(ctx context.Context, connections int) error {
	var next atomic.Int64
	all, err := t.team(ctx, connections, func(_ context.Context, w *worker) (step, error) {
		for n := int(next.Add(1)); n <= t.users && ctx.Err() == nil; n = int(next.Add(1)) {
			if err := w.c.do(t.createFilled(n), nil); err != nil && !refused(err, http.StatusUnprocessableEntity) {
				return nil, err
			}
		}
		return nil, ctx.Err()
	})
	if err != nil {
		return err
	}
	return all.close()
}

// profile is what people say of themselves that the API makes. GoTrue's figures were
// taken with as much.
var profile = map[string]any{"full_name": "Ada Lovelace", "plan": 3}

// createFilled makes user n of package fill, but for the profile.
func (t *target) createFilled(n int) request {
	body := map[string]any{
		"id": fill.ID(n), "email": fill.Email(n), "email_confirm": true, "password_hash": fill.PasswordHash, "user_metadata": profile,
	}
	if phone := fill.Phone(n); phone != "" {
		body["phone"], body["phone_confirm"] = phone, true
	}
	return request{method: "POST", path: "/admin/users", bearer: t.admin, body: body}
}

// email returns an address that nobody has.
func (t *target) email() string {
	return fmt.Sprintf("bench-%s-%d@example.com", t.names, t.serial.Add(1))
}

// inProcess is a server's database, opened by this process when it is needed.
type inProcess struct {
	open   func(ctx context.Context) (*store.Store, error)
	secret string

	mu   sync.Mutex
	st   *store.Store
	auth *postern.Auth
}

func (p *inProcess) get(ctx context.Context) (*store.Store, *postern.Auth, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.auth != nil {
		return p.st, p.auth, nil
	}
	var err error
	if p.st, err = p.open(ctx); err != nil {
		return nil, nil, err
	}
	p.auth, err = newAuth(p.st, p.secret)
	return p.st, p.auth, err
}

func (p *inProcess) close() error {
	if p.st == nil {
		return nil
	}
	return p.st.Close()
}
