package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/postern-auth/postern"
)

// A bucket is kept as the time when it is full again, which is all that there is to
// know of it: each token that is taken moves it on. A bucket without a row is full.

const (
	// spending takes a token unless that would move the time on too far.
	spending = `INSERT INTO auth.postern_limits AS b (key, full_at) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET full_at = greatest(b.full_at, $3) + $4 WHERE greatest(b.full_at, $3) <= $5
		RETURNING full_at`

	fullAt = `SELECT b.full_at FROM auth.postern_limits b WHERE b.key = $1`

	bucketGone = `DELETE FROM auth.postern_limits WHERE key = $1`
)

// Spend implements postern.Store. Of calls at once each takes a token of its own.
func (s *Store) Spend(ctx context.Context, b postern.Bucket, at time.Time) (wait time.Duration, err error) {
	if err := storable(b.Key); err != nil {
		return 0, explain("spend", err)
	}
	now, every := at.UnixMicro(), b.Every.Microseconds()
	latest := now + every*int64(b.Size-1)
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.number(ctx, spendToken, b.Key, now+every, now, every, latest)
		if !errors.Is(err, sql.ErrNoRows) {
			return c.fault("spend", err)
		}
		full, err := c.number(ctx, bucketFull, b.Key)
		wait = time.Duration(full-latest) * time.Microsecond
		return c.fault("look when a bucket is full", err)
	})
	return wait, err
}

// DropBucket implements postern.Store.
func (s *Store) DropBucket(ctx context.Context, key string) error {
	if err := storable(key); err != nil {
		return explain("drop a bucket", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, dropBucket, key)
		return c.fault("drop a bucket", err)
	})
}

// DropBuckets implements postern.Store.
func (s *Store) DropBuckets(ctx context.Context, at time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "postern_limits", "key", limit, "t.full_at <= ?", at.UnixMicro())
}
