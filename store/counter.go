package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// counterArgs are what the statements on postern_counters have in common. That is
// a table that GoTrue does not have.
type counterArgs struct {
	Table    bun.Ident
	Key      string
	At, Past instant
}

func (c conn) counterArgs(key string, at, past time.Time) counterArgs {
	return counterArgs{c.table("postern_counters"), key, newInstant(at), newInstant(past)}
}

// Count implements postern.Store. Calls at once each get a number of their own.
func (s *Store) Count(ctx context.Context, key string, at, since time.Time) (n int, err error) {
	const query = `INSERT INTO ?table AS c (key, value, started_at) VALUES (?key, 1, ?at)
		ON CONFLICT (key) DO UPDATE SET
			value = CASE WHEN c.started_at < ?past THEN 1 ELSE c.value + 1 END,
			started_at = CASE WHEN c.started_at < ?past THEN excluded.started_at ELSE c.started_at END
		RETURNING value`
	if err := storable(key); err != nil {
		return 0, explain("count", err)
	}
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		return c.fault("count", c.NewRaw(query, c.counterArgs(key, at, since)).Scan(ctx, &n))
	})
	return n, err
}

// Claim implements postern.Store. It returns the time that the counter has in the
// end, also when it is the caller's. The count is left as it is, and is 0 in a new
// counter.
func (s *Store) Claim(ctx context.Context, key string, at, before time.Time) (time.Time, error) {
	if err := storable(key); err != nil {
		return time.Time{}, explain("claim", err)
	}
	var stored instant
	// Nobody can come in between the two statements: PostgreSQL locks a row that
	// is in the way of an insertion, even if it is not to be updated.
	err := s.transact(ctx, func(ctx context.Context, c conn) (err error) {
		if stored, err = c.claim(ctx, key, at, before); !errors.Is(err, sql.ErrNoRows) {
			return c.fault("claim", err)
		}
		err = c.NewSelect().TableExpr("?", c.table("postern_counters")).Column("started_at").
			Where("key = ?", key).Scan(ctx, &stored)
		if err != nil {
			return c.fault("look who claimed", err)
		}
		return explain("claim", postern.ErrRowTaken)
	})
	return stored.Time, err
}

// claim answers sql.ErrNoRows when it has to leave the counter alone.
func (c conn) claim(ctx context.Context, key string, at, before time.Time) (stored instant, err error) {
	const query = `INSERT INTO ?table AS c (key, value, started_at) VALUES (?key, 0, ?at)
		ON CONFLICT (key) DO UPDATE SET started_at = excluded.started_at WHERE c.started_at <= ?past
		RETURNING started_at`
	err = c.NewRaw(query, c.counterArgs(key, at, before)).Scan(ctx, &stored)
	return stored, err
}

// DropCounter implements postern.Store.
func (s *Store) DropCounter(ctx context.Context, key string) error {
	if err := storable(key); err != nil {
		return explain("drop a counter", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.change(ctx, dropCounter, key)
		return c.fault("drop a counter", err)
	})
}

// DropCounters implements postern.Store.
func (s *Store) DropCounters(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "postern_counters", "key", limit, "t.started_at < ?", newInstant(before))
}
