package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// scenario is a kind of request. begin is called for each worker before anything
// is measured, and returns what the worker repeats.
type scenario struct {
	name      string
	peer      peer
	inProcess bool
	begin     func(ctx context.Context, b *bed) (step, error)
}

// peer is what GoTrue 2.196 takes for the same, zero when that is not known: on two
// shared AMD EPYC cores, with PostgreSQL 15 on the same machine, a pool of 16 that
// keeps its connections, 16 connections to it, limits off, no mail server. Two
// figures of different runs or machines do not compare; their proportions to what
// else was measured there do.
type peer struct {
	cpu       time.Duration // of server and database together, for a request
	perSecond float64
}

// scenarios are measured in this order: those that add users come last.
var scenarios = []scenario{
	{"health", peer{35 * time.Microsecond, 30_500}, false, beginHealth},
	{"user", peer{1040 * time.Microsecond, 1670}, false, beginUser},
	{"refresh", peer{3880 * time.Microsecond, 430}, false, beginRefresh}, // its version 2 of tokens: 2650, 688
	{"authenticate", peer{}, true, beginAuthenticate},
	{"list", peer{3300 * time.Microsecond, 551}, false, beginList("page=1&per_page=50")}, // of 1800
	{"list-last", peer{}, false, beginListLast},
	{"list-filter", peer{}, false, beginList("page=1&per_page=50&filter=seed-7@example.com")},
	{"admin-create", peer{62700 * time.Microsecond, 31}, false, beginAdminCreate},
	{"password", peer{61500 * time.Microsecond, 31.8}, false, beginPassword},
	{"signup", peer{65300 * time.Microsecond, 30}, false, beginSignUp},
}

func scenarioNames() (names []string) {
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// measure runs a scenario once, with workers of its own.
func (s scenario) measure(ctx context.Context, b *bed) (sample, error) {
	pid := b.server.PID()
	if s.inProcess {
		pid = os.Getpid()
	}
	steps, err := b.workers(ctx, s.begin)
	if err != nil {
		return sample{}, err
	}
	return b.meter.measure(ctx, steps, processClock(pid), b.db.clock)
}

// bed is a running server with users in its database.
type bed struct {
	options
	server *standalone.Server
	db     *database
	admin  string // an operator's token
	serial atomic.Int64

	inProcess func() (*postern.Auth, error)
}

func newBed(ctx context.Context, server *standalone.Server, db *database, o options) (*bed, error) {
	b := &bed{options: o, server: server, db: db}
	b.inProcess = sync.OnceValues(func() (*postern.Auth, error) { return openInProcess(ctx, db) })
	var err error
	b.admin, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"role": "service_role", "exp": time.Now().Add(24 * time.Hour).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		return nil, err
	}
	return b, b.seed(ctx)
}

// workers begins one worker for each connection, all at the same time.
func (b *bed) workers(ctx context.Context, begin func(context.Context, *bed) (step, error)) ([]step, error) {
	steps, errs := make([]step, b.meter.connections), make([]error, b.meter.connections)
	var all sync.WaitGroup
	for i := range steps {
		all.Go(func() { steps[i], errs[i] = begin(ctx, b) })
	}
	all.Wait()
	return steps, errors.Join(errs...)
}

// seed fills the database up to the number of users that was asked for.
func (b *bed) seed(ctx context.Context) error {
	var next atomic.Int64
	_, err := b.workers(ctx, func(ctx context.Context, b *bed) (step, error) {
		c, err := dial(ctx, b.server.URL)
		if err != nil {
			return nil, err
		}
		for n := next.Add(1); n <= int64(b.users) && err == nil && ctx.Err() == nil; n = next.Add(1) {
			err = c.do(b.createUser(fmt.Sprintf("seed-%d@example.com", n)), nil)
		}
		return nil, errors.Join(err, c.conn.Close())
	})
	return err
}

func (b *bed) createUser(email string) request {
	return request{method: "POST", path: "/admin/users", bearer: b.admin, body: map[string]any{
		"email": email, "email_confirm": true, "user_metadata": map[string]any{"full_name": "Ada Lovelace", "plan": 3},
	}}
}

// email returns an address that nobody has.
func (b *bed) email() string { return fmt.Sprintf("bench-%d@example.com", b.serial.Add(1)) }

const password = "correct horse battery"

func signUp(email string) request {
	return request{method: "POST", path: "/signup", body: map[string]any{
		"email": email, "password": password, "data": map[string]any{"full_name": "Ada Lovelace", "plan": 3},
	}}
}

// session is what answers of sign-up and token have in common.
type session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// member returns a connection and the first session of a new account.
func (b *bed) member(ctx context.Context) (*client, string, session, error) {
	var s session
	c, err := dial(ctx, b.server.URL)
	if err != nil {
		return nil, "", s, err
	}
	email := b.email()
	return c, email, s, c.do(signUp(email), &s)
}

// repeatRequest sends the same request again and again.
func repeatRequest(c *client, r request) step {
	return func(context.Context) error { return c.do(r, nil) }
}

func beginHealth(ctx context.Context, b *bed) (step, error) {
	c, err := dial(ctx, b.server.URL)
	return repeatRequest(c, request{method: "GET", path: "/health"}), err
}

func beginUser(ctx context.Context, b *bed) (step, error) {
	c, _, s, err := b.member(ctx)
	return repeatRequest(c, request{method: "GET", path: "/user", bearer: s.AccessToken}), err
}

func beginRefresh(ctx context.Context, b *bed) (step, error) {
	c, _, s, err := b.member(ctx)
	return func(context.Context) error {
		return c.do(request{method: "POST", path: "/token?grant_type=refresh_token", body: map[string]string{"refresh_token": s.RefreshToken}}, &s)
	}, err
}

func beginPassword(ctx context.Context, b *bed) (step, error) {
	c, email, _, err := b.member(ctx)
	return repeatRequest(c, request{method: "POST", path: "/token?grant_type=password", body: map[string]string{"email": email, "password": password}}), err
}

func beginSignUp(ctx context.Context, b *bed) (step, error) {
	c, err := dial(ctx, b.server.URL)
	return func(context.Context) error { return c.do(signUp(b.email()), nil) }, err
}

func beginAdminCreate(ctx context.Context, b *bed) (step, error) {
	c, err := dial(ctx, b.server.URL)
	return func(context.Context) error { return c.do(b.createUser(b.email()), nil) }, err
}

func beginList(query string) func(ctx context.Context, b *bed) (step, error) {
	return func(ctx context.Context, b *bed) (step, error) {
		c, err := dial(ctx, b.server.URL)
		return repeatRequest(c, request{method: "GET", path: "/admin/users?" + query, bearer: b.admin}), err
	}
}

func beginListLast(ctx context.Context, b *bed) (step, error) {
	last := (b.users + 49) / 50
	return beginList(fmt.Sprintf("page=%d&per_page=50", last))(ctx, b)
}

// openInProcess opens the server's database in this process. It stays open until
// the process ends.
func openInProcess(ctx context.Context, db *database) (*postern.Auth, error) {
	st, err := db.open(ctx)
	if err != nil {
		return nil, err
	}
	return newAuth(st)
}

func newAuth(st *store.Store) (*postern.Auth, error) {
	return postern.New(st, postern.Config{
		Email:  postern.EmailConfig{Autoconfirm: true},
		JWT:    postern.JWTConfig{Secret: secret},
		Logger: slog.New(slog.DiscardHandler),
	})
}

func beginAuthenticate(ctx context.Context, b *bed) (step, error) {
	a, err := b.inProcess()
	if err != nil {
		return nil, err
	}
	c, _, s, err := b.member(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := a.Authenticate(ctx, s.AccessToken)
		return err
	}, c.conn.Close()
}
