package postern_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/logtest"
)

// delivering returns a service on the same database whose one subscriber deliver is,
// for sign-ins.
func (s service) delivering(t *testing.T, deliver func(context.Context, postern.Event) error, edit ...func(*postern.Config)) service {
	t.Helper()
	return s.with(t, func(c *postern.Config) {
		c.Subscribers = []postern.Subscriber{{Name: "test", Types: []postern.EventType{postern.EventSignedIn}, Deliver: deliver}}
		for _, e := range edit {
			e(c)
		}
	})
}

// waiting counts the deliveries that are not done.
func (s service) waiting(t *testing.T) int {
	t.Helper()
	return s.count(t, "SELECT count(*) FROM auth.postern_deliveries") + s.count(t, "SELECT count(*) FROM auth.postern_events")
}

func TestDeliveryThatFailsIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func() error{
		"with an error": func() error { return errors.New("not now") },
		"by a panic":    func() error { panic("not now") },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, nil, func(t *testing.T, s service) {
				var log logtest.Buffer
				var attempts atomic.Int32
				got := make(chan postern.Event, 9)
				s = s.delivering(t, func(_ context.Context, e postern.Event) error {
					defer func() { got <- e }()
					if attempts.Add(1) < 3 {
						return fail()
					}
					return nil
				}, func(c *postern.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				u := s.signUp(t).User.ID
				stop := s.run(t)
				first := <-got
				for range 2 {
					s.Advance(time.Hour) // until the next attempt is due
					if again := <-got; again.ID != first.ID || !bytes.Equal(again.Data, first.Data) || again.UserID != u {
						t.Errorf("got %+v, want the same event as before, %+v", again, first)
					}
				}
				stop()
				if len(got) > 0 || s.waiting(t) != 0 {
					t.Errorf("got %d more and %d rows left, want none", len(got), s.waiting(t))
				}
				if said := log.String(); strings.Count(said, "could not be delivered") != 2 || !strings.Contains(said, "not now") {
					t.Errorf("got %s, want both failures in the log", said)
				}
			})
		})
	}
}

func TestNothingIsLeftOfWhatWasDelivered(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		got := make(chan postern.Event, 100)
		s = s.delivering(t, func(_ context.Context, e postern.Event) error { got <- e; return nil })
		u := s.signUp(t).User.ID
		stop := s.run(t)
		for range 40 { // more than a batch, also while it runs
			s.signIn(t, goodPassword)
		}
		times := map[uuid.UUID]int{}
		for range 41 {
			e := <-got
			times[e.ID]++
			if e.UserID != u || e.Type != postern.EventSignedIn || e.ID.Version() != 7 {
				t.Errorf("got %+v, want that %v signed in", e, u)
			}
		}
		stop()
		if len(times) != 41 || len(got) > 0 || s.waiting(t) != 0 {
			t.Errorf("got %d different events, %d more, and %d rows left, want 41, none and none", len(times), len(got), s.waiting(t))
		}
	})
}

// Several processes share what there is, and none delivers what another has.
func TestThreeProcessesShareTheEvents(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		const n = 90
		got := make(chan string, 2*n)
		var processes [3]service
		for i := range processes {
			processes[i] = s.delivering(t, func(_ context.Context, e postern.Event) error {
				got <- e.ID.String()
				return nil
			})
		}
		processes[0].signUp(t)
		for range n - 1 {
			processes[0].signIn(t, goodPassword)
		}
		for _, p := range processes {
			p.run(t)
		}
		var all []string
		for range n {
			all = append(all, <-got)
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != n || len(got) > 0 {
			t.Errorf("got %d different events and %d more, want each of %d once", len(slices.Compact(all)), len(got), n)
		}
	})
}

// dying is the store of a process that dies before it can write down what came of a
// delivery.
type dying struct {
	postern.Store
	dead atomic.Bool
}

func (d *dying) EndDelivery(ctx context.Context, id uuid.UUID, subscriber string) error {
	if d.dead.CompareAndSwap(false, true) {
		return postern.ErrStoreDown
	}
	return d.Store.EndDelivery(ctx, id, subscriber)
}

func TestEventOfAProcessThatDiedIsDeliveredAgain(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		got := make(chan postern.Event, 3)
		on := authtest.On(t, &dying{Store: s.st}, func(c *postern.Config) {
			c.Subscribers = []postern.Subscriber{{Name: "test", Types: []postern.EventType{postern.EventUserCreated}, Deliver: func(_ context.Context, e postern.Event) error {
				got <- e
				return nil
			}}}
		})
		process := service{on, s.st}
		process.signUp(t)
		stop := process.run(t)
		first := <-got
		process.Advance(2 * time.Minute) // the lease is over
		if second := <-got; second.ID != first.ID || !bytes.Equal(second.Data, first.Data) {
			t.Errorf("got %+v, want the event again, %+v", second, first)
		}
		stop()
		if len(got) > 0 || s.waiting(t) != 0 {
			t.Errorf("got %d more and %d rows left, want none", len(got), s.waiting(t))
		}
	})
}

func TestSlowSubscriberHoldsUpNobodyAndEndsWithRun(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		slow, quick := make(chan postern.Event, 1), make(chan postern.Event, 9)
		s = s.with(t, func(c *postern.Config) {
			c.Subscribers = []postern.Subscriber{
				{Name: "slow", Types: []postern.EventType{postern.EventUserCreated}, Deliver: func(ctx context.Context, e postern.Event) error {
					slow <- e
					<-ctx.Done()
					return ctx.Err()
				}},
				{Name: "test", Deliver: func(_ context.Context, e postern.Event) error { quick <- e; return nil }},
			}
		})
		stop := s.run(t)
		s.signUp(t)
		e := <-slow
		for range 2 {
			<-quick
		}
		s.signIn(t, goodPassword)
		<-quick
		stop() // and returns although the slow one would go on
		again := must(s.st.TakeDeliveries(t.Context(), "slow", s.Now(), s.Now().Add(time.Hour), 9))
		if len(again) != 1 || again[0].ID != e.ID || again[0].Attempt != 2 {
			t.Errorf("got %+v, want the event to be there for the next at once", again)
		}
	})
}

func TestEventIsGivenUpInTheEnd(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var log logtest.Buffer
		var attempts atomic.Int32
		s = s.delivering(t, func(context.Context, postern.Event) error {
			attempts.Add(1)
			return errors.New("never")
		}, func(c *postern.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		u := s.signUp(t).User.ID
		s.exec(t, `UPDATE auth.postern_deliveries SET attempts = 80`)
		stop := s.run(t)
		for s.waiting(t) != 0 {
			s.Advance(time.Hour)
			runtime.Gosched()
		}
		stop()
		if got := attempts.Load(); got != 2 {
			t.Errorf("got %d attempts after 80, want 2", got)
		}
		if got := log.String(); !strings.Contains(got, `msg="an event is given up"`) || !strings.Contains(got, u.String()) || strings.Contains(got, ada) {
			t.Errorf("got %s, want that the event of %v was given up, and nothing of what it says", got, u)
		}
	})
}

// A process that kills itself over an event does so for no longer than others fail.
func TestEventThatKillsIsGivenUp(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s = s.delivering(t, func(context.Context, postern.Event) error {
			t.Error("the event was delivered once more")
			return nil
		}, func(c *postern.Config) { c.Logger = slog.New(slog.DiscardHandler) })
		s.signUp(t)
		s.exec(t, `UPDATE auth.postern_deliveries SET attempts = 82`)
		stop := s.run(t)
		for s.waiting(t) != 0 {
			runtime.Gosched()
		}
		stop()
	})
}

func TestAttemptsAreSpread(t *testing.T) {
	t.Parallel()
	var least, most time.Duration
	for attempt := 1; attempt < 82; attempt++ {
		wait := time.Hour
		if attempt <= 10 {
			wait = 5 * time.Second << (attempt - 1)
		}
		least, most = least+wait*3/4, most+wait*5/4
		for range 100 {
			if got := postern.RetryAfter(attempt); got < wait*3/4 || got > wait*5/4 {
				t.Errorf("after attempt %d: got %v, want %v and a quarter more or less", attempt, got, wait)
			}
		}
	}
	if days := 3 * 24 * time.Hour; least > days || most < days {
		t.Errorf("all attempts take from %v to %v, want some three days", least, most)
	}
}

// Many who change one user at once are each told of, once.
func TestChangesAtOnceAreAllToldOf(t *testing.T) {
	each(t, telling, func(t *testing.T, s service) {
		u := s.signUp(t).User.ID
		s.told(t)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				_, err := s.AdminUpdateUser(t.Context(), u, postern.AdminUpdateUserParams{UserMetadata: map[string]any{fmt.Sprint(i): i}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s.wantTold(t, "twelve updates", u, slices.Repeat([]string{"user.updated user_metadata"}, 12)...)
	})
}
