package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// event returns an event that these wait for from moment n on.
func event(n int, subscribers ...string) postern.EventRecord {
	return postern.EventRecord{Subscribers: subscribers, Event: postern.Event{
		ID: newID(), Type: postern.EventUserCreated, UserID: newID(), CreatedAt: moment(n),
		Data: postern.Metadata(fmt.Sprintf(`{"z": 12345678901234567890, "a": "\u00fc '\\\" ? ü %d"}`, n)),
	}}
}

// withEvents stores events.
func withEvents(t *testing.T, st postern.Tx, events ...postern.EventRecord) {
	t.Helper()
	ok(t, st.AddEvents(t.Context(), events))
}

// due returns what a subscriber gets at a moment, for a time.
func due(t *testing.T, st postern.Store, subscriber string, at int, lease time.Duration) []postern.Delivery {
	t.Helper()
	got, err := st.TakeDeliveries(t.Context(), subscriber, moment(at), moment(at).Add(lease), 10)
	ok(t, err)
	return got
}

// gets fails the test unless a subscriber gets these events, in this order, each for
// the same time, and has them for an hour.
func gets(t *testing.T, st postern.Store, subscriber string, at, attempt int, want ...postern.EventRecord) {
	t.Helper()
	got := due(t, st, subscriber, at, time.Hour)
	if len(got) != len(want) {
		t.Errorf("%s at %d: got %d events, want %d", subscriber, at, len(got), len(want))
		return
	}
	for i := range want {
		same(t, fmt.Sprint(subscriber, " ", i), got[i], postern.Delivery{Event: want[i].Event, Attempt: attempt})
	}
}

// isGone fails the test unless an event is stored no more: its id is free.
func isGone(t *testing.T, st postern.Store, e postern.EventRecord) {
	t.Helper()
	withEvents(t, st, e)
	isError(t, "an event twice", st.AddEvents(t.Context(), []postern.EventRecord{e}), postern.ErrRowTaken)
}

func eventRoundTrip(t *testing.T, st postern.Store) {
	ok(t, st.AddEvents(t.Context(), nil))
	first, second, third := event(1, "a", "b"), event(2, "b"), event(3, odd[0])
	second.Type, second.Data = postern.EventUserDeleted, postern.Metadata(`{}`)
	withEvents(t, st, second, first)
	withEvents(t, st, third)
	unwanted := event(4)
	withEvents(t, st, unwanted)
	gets(t, st, "a", 9, 1, first)
	gets(t, st, "b", 9, 1, first, second)
	gets(t, st, odd[0], 9, 1, third)
	gets(t, st, "c", 9, 1)
}

func deliveriesDue(t *testing.T, st postern.Store) {
	first, second := event(1, "a"), event(2, "a")
	withEvents(t, st, first, second)
	gets(t, st, "a", 0, 1)
	gets(t, st, "a", 1, 1, first)
	gets(t, st, "a", 1, 1) // somebody has it
	if got := due(t, st, "a", 2, time.Hour); len(got) != 2 || got[0].Attempt != 2 || got[1].Attempt != 1 {
		t.Errorf("got %v, want the first again and the second", got)
	}
	for i := range 3 { // those due longest come first
		withEvents(t, st, event(5+i, "limited"))
	}
	for _, want := range []int{2, 1, 0} {
		got, err := st.TakeDeliveries(t.Context(), "limited", moment(9), moment(99), 2)
		ok(t, err)
		if len(got) != want {
			t.Errorf("got %d events, want %d", len(got), want)
		}
		if want == 2 && (!got[0].CreatedAt.Equal(moment(5)) || !got[1].CreatedAt.Equal(moment(6))) {
			t.Errorf("got events of %v and %v, want the two oldest", got[0].CreatedAt, got[1].CreatedAt)
		}
	}
}

func takeDeliveries(t *testing.T, st postern.Store) {
	const n = 60
	for range n {
		withEvents(t, st, event(1, "a", "b"))
	}
	var mu sync.Mutex
	times := map[uuid.UUID]int{}
	for _, err := range atOnce(12, func(int) error {
		for {
			got, err := st.TakeDeliveries(t.Context(), "a", moment(2), moment(3), 7)
			if err != nil || len(got) == 0 {
				return err
			}
			mu.Lock()
			for _, d := range got {
				times[d.ID]++
			}
			mu.Unlock()
		}
	}) {
		ok(t, err)
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %v was taken %d times, want once", id, n)
		}
	}
	if rest := len(due(t, st, "a", 2, time.Hour)); len(times)+rest != n {
		t.Errorf("got %d events, and %d more, want %d", len(times), rest, n)
	}
}

func endDeliveries(t *testing.T, st postern.Store) {
	e, other := event(1, "a", "b"), event(2, "a")
	withEvents(t, st, e, other)
	ok(t, st.EndDelivery(t.Context(), e.ID, "a"))
	ok(t, st.EndDelivery(t.Context(), e.ID, "a"))
	ok(t, st.EndDelivery(t.Context(), e.ID, "c"))
	isError(t, "its id again", st.AddEvents(t.Context(), []postern.EventRecord{e}), postern.ErrRowTaken)
	gets(t, st, "a", 9, 1, other)
	gets(t, st, "b", 9, 1, e)
	ok(t, st.EndDelivery(t.Context(), e.ID, "b"))
	gets(t, st, "b", 99, 1)
	isGone(t, st, e)
	gets(t, st, "a", 9, 1, e) // and not the other, which is taken

	names := []string{"a", "b", "c", "d", "e", "f"}
	for range 5 { // all at once: one has to be the last
		e := event(100, names...)
		withEvents(t, st, e)
		for _, err := range atOnce(len(names), func(i int) error { return st.EndDelivery(t.Context(), e.ID, names[i]) }) {
			ok(t, err)
		}
		isGone(t, st, e)
	}
}

func putOffDelivery(t *testing.T, st postern.Store) {
	e := event(1, "a", "b")
	withEvents(t, st, e)
	first := due(t, st, "a", 2, time.Hour)[0]
	ok(t, st.PutOffDelivery(t.Context(), first, "a", moment(20)))
	gets(t, st, "a", 19, 0)
	gets(t, st, "b", 19, 1, e)
	ok(t, st.PutOffDelivery(t.Context(), first, "a", moment(10))) // or brought forward
	second := due(t, st, "a", 11, time.Hour)[0]
	ok(t, st.PutOffDelivery(t.Context(), first, "a", moment(0))) // by who has it no more
	gets(t, st, "a", 11, 0)
	ok(t, st.PutOffDelivery(t.Context(), second, "a", moment(11)))
	gets(t, st, "a", 11, 3, e)
}

func dropEvents(t *testing.T, st postern.Store) {
	early, late := event(19, "a", "b"), event(20, "a")
	withEvents(t, st, early, late)
	ok(t, st.DropEvents(t.Context(), moment(20)))
	gets(t, st, "a", 30, 1, late)
	gets(t, st, "b", 30, 1)
	isGone(t, st, early)
}

func eventsInTx(t *testing.T, st postern.Store) {
	kept, lost := event(1, "a"), event(2, "a")
	refused := errors.New("refused")
	for _, c := range []struct {
		e   postern.EventRecord
		err error
	}{{kept, nil}, {lost, refused}} {
		isError(t, "the transaction", st.InTx(t.Context(), func(tx postern.Tx) error {
			withEvents(t, tx, c.e)
			return c.err
		}), c.err)
	}
	gets(t, st, "a", 9, 1, kept)
	isGone(t, st, lost)
}
