package store

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// ListUsers implements postern.Store. Like GoTrue it lists the rows of its only
// instance; rows without a time of creation count as the newest.
func (s *Store) ListUsers(ctx context.Context, q postern.UserQuery) (page *postern.UserPage, err error) {
	if err := storable(q.Aud, q.Filter); err != nil {
		return nil, explain("list users", err)
	}
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		page, err = c.listUsers(ctx, q)
		return c.fault("list users", err)
	})
	return page, err
}

func (c conn) listUsers(ctx context.Context, q postern.UserQuery) (*postern.UserPage, error) {
	page := &postern.UserPage{}
	if q.Count {
		total, err := c.selectUsers((*userRow)(nil), q).Count(ctx)
		if err != nil {
			return nil, err
		}
		page.Total = int(total)
	}
	limit := int64(max(q.Limit, 0))
	var rows []userRow
	// One more than asked for tells whether others follow.
	list := after(c.selectUsers(&rows, q), q).ColumnExpr(columnList[userRow]("u")).Limit(limit + 1)
	if err := inOrder(list, q).Scan(ctx); err != nil {
		return nil, err
	}
	page.More = int64(len(rows)) > limit
	page.Users = make([]postern.User, min(int64(len(rows)), limit))
	for i := range page.Users {
		page.Users[i] = rows[i].user()
	}
	return page, nil
}

// selectUsers selects all that the query matches. A filter is compared without
// patterns, so that % and _ stand for themselves.
func (c conn) selectUsers(model any, q postern.UserQuery) *bun.SelectQuery {
	list := c.NewSelect().Model(model).ModelTableExpr("? AS u", c.table("users")).
		Where("u.instance_id = ?", uuid.Nil).Where("u.aud = ?", q.Aud)
	if q.Filter == "" {
		return list
	}
	position := bun.Safe("strpos")
	if c.sqlite {
		position = "instr" // the same under another name
	}
	return list.Where("(?(u.email, ?) > 0 OR ?(lower(u.raw_user_meta_data ->> 'full_name'), ?) > 0)",
		position, q.Filter, position, strings.ToLower(q.Filter))
}

func inOrder(list *bun.SelectQuery, q postern.UserQuery) *bun.SelectQuery {
	if q.Ascending {
		return list.OrderExpr("u.created_at ASC NULLS LAST, u.id ASC")
	}
	return list.OrderExpr("u.created_at DESC NULLS FIRST, u.id DESC")
}

// after leaves out what comes before the page.
func after(list *bun.SelectQuery, q postern.UserQuery) *bun.SelectQuery {
	if q.After == nil {
		return list.Offset(int64(max(q.Offset, 0)))
	}
	at, id := newInstant(q.After.CreatedAt), q.After.ID
	switch {
	case at.IsZero() && q.Ascending:
		return list.Where("u.created_at IS NULL").Where("u.id > ?", id)
	case at.IsZero():
		return list.Where("(u.created_at IS NOT NULL OR u.id < ?)", id)
	case q.Ascending:
		return list.Where("((u.created_at, u.id) > (?, ?) OR u.created_at IS NULL)", at, id)
	}
	return list.Where("(u.created_at, u.id) < (?, ?)", at, id)
}
