package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// eventRow is a row of postern_events, which GoTrue does not have.
type eventRow struct {
	bun.BaseModel `bun:"alias:e"`

	ID        uuid.UUID `bun:"id,pk"`
	Type      text      `bun:"type"`
	UserID    uuid.UUID `bun:"user_id"`
	Payload   document  `bun:"payload"`
	CreatedAt instant   `bun:"created_at"`
}

func (r *eventRow) event() postern.Event {
	return postern.Event{
		ID: r.ID, Type: postern.EventType(r.Type), UserID: r.UserID, CreatedAt: r.CreatedAt.Time, Data: r.Payload.metadata(),
	}
}

// deliveryRow is a row of postern_deliveries.
type deliveryRow struct {
	bun.BaseModel

	EventID    uuid.UUID `bun:"event_id,pk"`
	Subscriber text      `bun:"subscriber,pk"`
	Attempts   number    `bun:"attempts"`
	DueAt      instant   `bun:"due_at"`
}

// AddEvents implements postern.Store. ErrRowTaken when there is one of an id.
func (s *Store) AddEvents(ctx context.Context, records []postern.EventRecord) error {
	var events []eventRow
	var deliveries []deliveryRow
	for _, r := range records {
		if len(r.Subscribers) == 0 {
			continue
		}
		at := newInstant(r.CreatedAt)
		events = append(events, eventRow{ID: r.ID, Type: text(r.Type), UserID: r.UserID, Payload: newDocument(r.Data), CreatedAt: at})
		for _, subscriber := range r.Subscribers {
			deliveries = append(deliveries, deliveryRow{EventID: r.ID, Subscriber: text(subscriber), DueAt: at})
		}
	}
	if len(events) == 0 {
		return nil
	}
	if err := storable(events, deliveries); err != nil {
		return explain("add events", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		if err := c.insert(ctx, "postern_events", &events); err != nil {
			return err
		}
		return c.insert(ctx, "postern_deliveries", &deliveries)
	})
}

// TakeDeliveries implements postern.Store. Of several who take at once in PostgreSQL
// each passes over the rows that another is about to take.
func (s *Store) TakeDeliveries(ctx context.Context, subscriber string, now, until time.Time, limit int) ([]postern.Delivery, error) {
	if err := storable(subscriber); err != nil {
		return nil, explain("take deliveries", err)
	}
	if found, err := s.anyDue(ctx, subscriber, now); err != nil || !found {
		return nil, err
	}
	taken, err := s.lease(ctx, subscriber, now, until, limit)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	return s.deliveries(ctx, taken)
}

// anyDue looks first, as in most seconds there is nothing: SQLite's only writer is
// left to those who write.
func (s *Store) anyDue(ctx context.Context, subscriber string, now time.Time) (found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewRaw(`SELECT EXISTS (SELECT 1 FROM ? d WHERE d.subscriber = ? AND d.due_at <= ?)`,
			c.table("postern_deliveries"), subscriber, newInstant(now)).Scan(ctx, &found)
		return c.fault("look for deliveries", err)
	})
	return found, err
}

// lease counts an attempt at the deliveries that are due longest, and has them due
// again when the lease is over.
func (s *Store) lease(ctx context.Context, subscriber string, now, until time.Time, limit int) (taken []deliveryRow, err error) {
	// As a part of its own the choice is made once, and locks no more than it takes.
	const query = `WITH due AS MATERIALIZED (
			SELECT d.event_id FROM ?table d WHERE d.subscriber = ?subscriber AND d.due_at <= ?now
			ORDER BY d.due_at, d.event_id LIMIT ?limit ?lock)
		UPDATE ?table SET attempts = attempts + 1, due_at = ?until
		WHERE subscriber = ?subscriber AND event_id IN (SELECT event_id FROM due)
		RETURNING event_id, subscriber, attempts, due_at`
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		lock := bun.Safe("FOR UPDATE SKIP LOCKED")
		if c.sqlite {
			lock = "" // the transaction itself is the lock
		}
		taken = nil
		return c.fault("take deliveries", c.NewRaw(query, struct {
			Table      bun.Ident
			Subscriber string
			Now, Until instant
			Limit      int
			Lock       bun.Safe
		}{c.table("postern_deliveries"), subscriber, newInstant(now), newInstant(until), limit, lock}).Scan(ctx, &taken))
	})
	return taken, err
}

// deliveries reads the events of what was taken, oldest first. It needs not be in one
// transaction with the taking: who dies in between has taken them in vain, as who
// dies a moment later.
func (s *Store) deliveries(ctx context.Context, taken []deliveryRow) ([]postern.Delivery, error) {
	attempts := map[uuid.UUID]int{}
	ids := make([]uuid.UUID, len(taken))
	for i, row := range taken {
		ids[i], attempts[row.EventID] = row.EventID, int(row.Attempts)
	}
	var events []eventRow
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.NewSelect().Model(&events).ModelTableExpr("? AS e", c.table("postern_events")).
			Where("e.id IN (?)", bun.List(ids)).Order("e.created_at", "e.id").Scan(ctx)
		return c.fault("read events", err)
	})
	if err != nil {
		return nil, err
	}
	found := make([]postern.Delivery, len(events))
	for i := range events {
		found[i] = postern.Delivery{Event: events[i].event(), Attempt: attempts[events[i].ID]}
	}
	return found, nil
}

// EndDelivery implements postern.Store.
func (s *Store) EndDelivery(ctx context.Context, eventID uuid.UUID, subscriber string) error {
	if err := storable(subscriber); err != nil {
		return explain("end a delivery", err)
	}
	return s.transact(ctx, func(ctx context.Context, c conn) error {
		// Of two who end the last two deliveries at once one has to see that it is the
		// last. In SQLite the transaction itself is the lock.
		if !c.sqlite {
			_, err := c.NewRaw(`SELECT 1 FROM ? WHERE id = ? FOR UPDATE`, c.table("postern_events"), eventID).Exec(ctx)
			if err != nil {
				return c.fault("lock an event", err)
			}
		}
		_, err := c.NewDelete().TableExpr("?", c.table("postern_deliveries")).
			Where("event_id = ?", eventID).Where("subscriber = ?", subscriber).Exec(ctx)
		if err != nil {
			return c.fault("end a delivery", err)
		}
		_, err = c.NewDelete().TableExpr("?", c.table("postern_events")).Where("id = ?", eventID).
			Where("NOT EXISTS (SELECT 1 FROM ? d WHERE d.event_id = ?)", c.table("postern_deliveries"), eventID).Exec(ctx)
		return c.fault("remove an event", err)
	})
}

// PutOffDelivery implements postern.Store.
func (s *Store) PutOffDelivery(ctx context.Context, d postern.Delivery, subscriber string, due time.Time) error {
	if err := storable(subscriber); err != nil {
		return explain("put off a delivery", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewUpdate().TableExpr("?", c.table("postern_deliveries")).Set("due_at = ?", newInstant(due)).
			Where("event_id = ?", d.ID).Where("subscriber = ?", subscriber).Where("attempts = ?", d.Attempt).Exec(ctx)
		return c.fault("put off a delivery", err)
	})
}

// DropEvents implements postern.Store. There is no index that leads to them, as there
// are few events at any time: those that wait.
func (s *Store) DropEvents(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewDelete().TableExpr("?", c.table("postern_events")).
			Where("created_at < ?", newInstant(before)).Exec(ctx)
		return c.fault("drop events", err)
	})
}
