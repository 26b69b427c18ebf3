package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/bench/internal/fill"
)

// scenario is a kind of request.
type scenario struct {
	name      string
	peer      peer
	inProcess bool // it is this process that is measured
	begin     begin
}

// begin is called for each worker before anything is measured, and returns what the
// worker repeats, or errNotThere for a target that cannot be measured so.
type begin func(ctx context.Context, w *worker) (step, error)

var errNotThere = errors.New("the server does not have it, or not so that it can be measured")

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
	{"verify", peer{7500 * time.Microsecond, 235}, false, beginVerify},
	{"authenticate", peer{}, true, beginAuthenticate},
	{"list", peer{3300 * time.Microsecond, 551}, false, beginList}, // of 1800
	{"list-cursor", peer{}, false, beginListCursor},
	{"list-last", peer{}, false, beginListLast},
	{"list-filter", peer{}, false, beginListFilter},
	{"by-id", peer{}, false, beginByID},
	{"by-phone", peer{}, true, beginByPhone},
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

func scenarioNamed(name string) scenario {
	return scenarios[slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })]
}

// measure runs a scenario once, with workers of its own.
func (s scenario) measure(ctx context.Context, t *target, m meter) (sample, error) {
	server := t.server
	if s.inProcess {
		server = processClock(os.Getpid())
	}
	all, err := t.team(ctx, m.connections, s.begin)
	if err != nil {
		return sample{}, err
	}
	result, err := m.measure(ctx, all.steps, server, t.database)
	return result, errors.Join(err, all.close())
}

// repeat sends the same request again and again.
func (w *worker) repeat(r request) step {
	return func(context.Context) error { return w.c.do(r, nil) }
}

func beginHealth(_ context.Context, w *worker) (step, error) {
	return w.repeat(request{method: "GET", path: "/health"}), nil
}

// session is what all answers have in common that begin or prolong one.
type session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// enter signs a user in by a link, which is cheaper than by a password, and is the
// pair of requests that the scenario verify measures.
func (w *worker) enter(user int, s *session) error {
	var link struct {
		HashedToken string `json:"hashed_token"`
	}
	if err := w.c.do(request{method: "POST", path: "/admin/generate_link", bearer: w.admin, body: map[string]string{
		"type": "magiclink", "email": fill.Email(user),
	}}, &link); err != nil {
		return err
	}
	return w.c.do(request{method: "POST", path: "/verify", body: map[string]string{
		"type": "magiclink", "token_hash": link.HashedToken,
	}}, s)
}

// perSession repeats something with one session of a worker's after the other.
func (w *worker) perSession(do func(s *session) error) (step, error) {
	all := make([]session, w.sessions)
	for i := range all {
		if err := w.enter(w.user(), &all[i]); err != nil {
			return nil, err
		}
	}
	next := 0
	return func(context.Context) error {
		s := &all[next]
		next = (next + 1) % len(all)
		return do(s)
	}, nil
}

func beginUser(_ context.Context, w *worker) (step, error) {
	return w.perSession(func(s *session) error {
		return w.c.do(request{method: "GET", path: "/user", bearer: s.AccessToken}, nil)
	})
}

func beginRefresh(_ context.Context, w *worker) (step, error) {
	return w.perSession(func(s *session) error {
		return w.c.do(request{method: "POST", path: "/token?grant_type=refresh_token", body: map[string]string{"refresh_token": s.RefreshToken}}, s)
	})
}

func beginVerify(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error { return w.enter(w.user(), &session{}) }, nil
}

func beginPassword(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error {
		return w.c.do(request{method: "POST", path: "/token?grant_type=password", body: map[string]string{
			"email": fill.Email(w.user()), "password": fill.Password,
		}}, nil)
	}, nil
}

func beginSignUp(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error {
		return w.c.do(request{method: "POST", path: "/signup", body: map[string]any{
			"email": w.email(), "password": fill.Password, "data": profile,
		}}, nil)
	}, nil
}

func beginAdminCreate(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error {
		return w.c.do(request{method: "POST", path: "/admin/users", bearer: w.admin, body: map[string]any{
			"email": w.email(), "email_confirm": true, "user_metadata": profile,
		}}, nil)
	}, nil
}

// perPage is the usual size of a page.
const perPage = 50

func (w *worker) list(query string) request {
	return request{method: "GET", path: "/admin/users?" + query, bearer: w.admin}
}

func beginList(_ context.Context, w *worker) (step, error) {
	return w.repeat(w.list("page=1&per_page=50")), nil
}

func beginListLast(_ context.Context, w *worker) (step, error) {
	if err := w.c.do(w.list("page=1&per_page=1"), nil); err != nil {
		return nil, err
	}
	total, err := strconv.Atoi(w.c.header.Get("X-Total-Count"))
	if err != nil {
		return nil, errNotThere
	}
	return w.repeat(w.list(fmt.Sprintf("page=%d&per_page=%d", (total+perPage-1)/perPage, perPage))), nil
}

// cursor is what one says (contract: endpoints.md, GET /admin/users).
type cursor struct {
	CreatedAt time.Time `json:"created_at"`
	ID        uuid.UUID `json:"id"`
}

// beginListCursor asks for the page of the oldest users, which is the deepest one. Its
// cursor is the user before them.
func beginListCursor(_ context.Context, w *worker) (step, error) {
	var oldest struct {
		Users      []cursor
		Pagination *struct{}
	}
	if err := w.c.do(w.list(fmt.Sprintf("limit=%d&sort=created_at+asc", perPage+1)), &oldest); err != nil {
		return nil, err
	}
	if oldest.Pagination == nil || len(oldest.Users) <= perPage { // cursors are switched off, or there is one page
		return nil, errNotThere
	}
	text, err := json.Marshal(oldest.Users[perPage])
	return w.repeat(w.list(fmt.Sprintf("limit=%d&cursor=%s", perPage, base64.RawURLEncoding.EncodeToString(text)))), err
}

// beginListFilter looks for somebody by the whole address.
func beginListFilter(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error {
		email := fill.Email(w.user())
		var found struct{ Users []struct{ Email string } }
		if err := w.c.do(w.list("page=1&per_page=50&filter="+email), &found); err != nil {
			return err
		}
		if len(found.Users) != 1 || found.Users[0].Email != email {
			return fmt.Errorf("the filter %s found %v", email, found.Users)
		}
		return nil
	}, nil
}

func beginByID(_ context.Context, w *worker) (step, error) {
	return func(context.Context) error {
		return w.c.do(request{method: "GET", path: "/admin/users/" + fill.ID(w.user()).String(), bearer: w.admin}, nil)
	}, nil
}

// beginByPhone looks for somebody by the phone number, as a sign-in does. No request
// does that and nothing else.
func beginByPhone(ctx context.Context, w *worker) (step, error) {
	if w.inProcess == nil || w.users < fill.PhoneEvery {
		return nil, errNotThere
	}
	st, _, err := w.inProcess.get(ctx)
	return func(ctx context.Context) error {
		n := fill.PhoneEvery * (1 + rand.IntN(w.users/fill.PhoneEvery))
		_, err := st.FindUserByPhone(ctx, fill.Phone(n), "authenticated")
		return err
	}, err
}

func beginAuthenticate(ctx context.Context, w *worker) (step, error) {
	if w.inProcess == nil {
		return nil, errNotThere
	}
	_, a, err := w.inProcess.get(ctx)
	if err != nil {
		return nil, err
	}
	return w.perSession(func(s *session) error {
		_, err := a.Authenticate(ctx, s.AccessToken)
		return err
	})
}

func newAuth(st *store.Store, key string) (*postern.Auth, error) {
	return postern.New(st, postern.Config{
		Email:  postern.EmailConfig{Autoconfirm: true},
		JWT:    postern.JWTConfig{Secret: postern.Secret(key)},
		Logger: slog.New(slog.DiscardHandler),
	})
}

// only keeps the scenarios of some names; all, if there are none.
func only(all []scenario, names []string) []scenario {
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool {
		return len(names) > 0 && !slices.Contains(names, s.name)
	})
}
