package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

func TestDeliveriesAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		for _, statement := range []string{
			`INSERT INTO auth.postern_events (id, type, user_id, payload, created_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
				SELECT gen(), 'user.created', :alice, '{}', :now FROM n`,
			`INSERT INTO auth.postern_deliveries (event_id, subscriber, attempts, due_at)
				SELECT id, 'a', 1, '2030-01-02T03:04:05.000006Z' FROM auth.postern_events`,
			`ANALYZE`,
		} {
			execute(t, st.DB(), inDialect(st, statement))
		}
		e := postern.Event{ID: uuid.New(), Type: postern.EventUserCreated, UserID: uuid.New(), CreatedAt: at}
		ok(t, st.AddEvents(t.Context(), []postern.EventRecord{{Event: e, Subscribers: []string{"a"}}}))
		plans := plansOf(t, st, func(joined *store.Store) {
			taken, err := joined.TakeDeliveries(t.Context(), "a", at, at.Add(time.Minute), 10)
			ok(t, err)
			if len(taken) != 1 {
				t.Fatalf("got %d events, want the one that is due", len(taken))
			}
			ok(t, joined.PutOffDelivery(t.Context(), taken[0], "a", at))
			ok(t, joined.EndDelivery(t.Context(), e.ID, "a"))
		})
		want := 6
		if isPostgres(st) { // which locks the event first
			want = 7
		}
		readNoWholeTable(t, plans, want, wholeTable)
	})
}
