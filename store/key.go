package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// keyRow is a row of postern_keys, a table that GoTrue does not have.
type keyRow struct {
	bun.BaseModel `bun:"alias:k"`

	KID       text    `bun:"kid,pk"`
	Purpose   text    `bun:"purpose"`
	Secret    text    `bun:"secret"`
	CreatedAt instant `bun:"created_at"`
	RetiredAt instant `bun:"retired_at"`
}

// Keys implements postern.Store.
func (s *Store) Keys(ctx context.Context) (keys []postern.KeyRecord, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		var rows []keyRow
		err := c.NewSelect().Model(&rows).ModelTableExpr("? AS k", c.table("postern_keys")).
			OrderExpr("k.created_at DESC, k.kid").Scan(ctx)
		for _, row := range rows {
			keys = append(keys, postern.KeyRecord{
				KID:       string(row.KID),
				Purpose:   string(row.Purpose),
				Secret:    postern.Secret(row.Secret),
				CreatedAt: row.CreatedAt.Time,
				RetiredAt: row.RetiredAt.pointer(),
			})
		}
		return c.fault("list keys", err)
	})
	return keys, err
}

// AddKey implements postern.Store.
func (s *Store) AddKey(ctx context.Context, k postern.KeyRecord) error {
	if err := storable(k); err != nil {
		return explain("add a key", err)
	}
	row := &keyRow{
		KID:       text(k.KID),
		Purpose:   text(k.Purpose),
		Secret:    text(k.Secret),
		CreatedAt: newInstant(k.CreatedAt),
		RetiredAt: optionalInstant(k.RetiredAt),
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("postern_keys")).Exec(ctx)
		return c.fault("add a key", err)
	})
}

// RetireKey implements postern.Store.
func (s *Store) RetireKey(ctx context.Context, kid string, at time.Time) error {
	if err := storable(kid); err != nil {
		return explain("retire a key", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		result, err := c.NewUpdate().TableExpr("?", c.table("postern_keys")).Set("retired_at = ?", newInstant(at)).
			Where("kid = ?", kid).Where("retired_at IS NULL").Exec(ctx)
		return c.oneRow("retire a key", result, err)
	})
}

// DropKeys implements postern.Store.
func (s *Store) DropKeys(ctx context.Context, retiredBefore time.Time) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewDelete().TableExpr("?", c.table("postern_keys")).
			Where("retired_at < ?", newInstant(retiredBefore)).Exec(ctx)
		return c.fault("drop keys", err)
	})
}
