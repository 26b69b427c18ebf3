package store

import (
	"context"

	"github.com/uptrace/bun"
)

// dropSome deletes up to limit rows t of a table for which a condition is true, and
// reports whether there were so many. Rows that somebody is busy with are left for the
// next time, so that nobody waits for anybody. The rows are chosen once: PostgreSQL
// might otherwise do so again and again.
func (s *Store) dropSome(ctx context.Context, table, key string, limit int, condition string, args ...any) (full bool, err error) {
	const query = `WITH old AS MATERIALIZED (?) DELETE FROM ? WHERE ? IN (SELECT ? FROM old)`
	column := bun.Ident(key)
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		old := c.NewSelect().TableExpr("? AS t", c.table(table)).ColumnExpr("t.?", column).Where(condition, args...).Limit(int64(limit))
		if !c.sqlite {
			old.For("UPDATE SKIP LOCKED")
		}
		result, err := c.NewRaw(query, old, c.table(table), column, column).Exec(ctx)
		if err != nil {
			return c.fault("drop from "+table, err)
		}
		n, err := result.RowsAffected()
		full = n >= int64(limit)
		return c.fault("drop from "+table, err)
	})
	return full, err
}
