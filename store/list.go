package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/postern-auth/postern"
)

// ListUsers implements postern.Store. Like GoTrue it lists the rows of its only
// instance; rows without a time of creation count as the newest.
//
// A Total of more than 10,000 may be up to a minute old, but for those who were added
// meanwhile: who was deleted still counts. In a transaction it is exact.
func (s *Store) ListUsers(ctx context.Context, q postern.UserQuery) (page *postern.UserPage, err error) {
	if err := storable(q.Aud, q.Filter, q.Email); err != nil {
		return nil, explain("list users", err)
	}
	q.Limit, q.Offset = max(q.Limit, 0), max(q.Offset, 0)
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		page, err = c.listUsers(ctx, q)
		return c.fault("list users", err)
	})
	return page, err
}

func (c conn) listUsers(ctx context.Context, q postern.UserQuery) (*postern.UserPage, error) {
	all := c.matching(q)
	switch {
	case q.After != nil:
		return c.listAfter(ctx, all, q)
	case q.Count && q.Offset >= far:
		return c.listFar(ctx, all, q)
	}
	return c.listNear(ctx, all, q)
}

// listNear reads a page that is not far from the start. All users of an audience are
// counted on the same way to the database, unless they are known to be many; of others
// a page often has all.
func (c conn) listNear(ctx context.Context, all listing, q postern.UserQuery) (*postern.UserPage, error) {
	counted := 0
	read := all.page(q.Ascending, q.Offset, q.Limit+1) // one more tells whether others follow
	if q.Count && q.Filter == "" && q.Email == "" && !c.isLong(q) {
		read = all.counting(read, &counted)
	}
	users, err := c.users(ctx, read)
	if err != nil {
		return nil, err
	}
	page := pageOf(users, q.Limit)
	switch last := !page.More && (len(users) > 0 || q.Offset == 0); {
	case last:
		page.Total = q.Offset + len(users)
	case counted > 0:
		page.Total = counted
		c.noteTotal(q, counted)
	case q.Count:
		page.Total, err = c.total(ctx, all, q)
	}
	return page, err
}

func pageOf(users []postern.User, limit int) *postern.UserPage {
	return &postern.UserPage{Users: users[:min(len(users), limit)], More: len(users) > limit}
}

// listAfter reads the page that follows a user, whose place an index knows.
func (c conn) listAfter(ctx context.Context, all listing, q postern.UserQuery) (*postern.UserPage, error) {
	var users []postern.User
	for _, stretch := range all.after(*q.After, q.Ascending) {
		next, err := c.users(ctx, stretch.page(q.Ascending, 0, q.Limit+1-len(users)))
		if err != nil {
			return nil, err
		}
		if users = append(users, next...); len(users) > q.Limit {
			break
		}
	}
	page := pageOf(users, q.Limit)
	if !q.Count {
		return page, nil
	}
	var err error
	page.Total, err = c.total(ctx, all, q)
	return page, err
}

// listFar reads a page far from the start, or rather from the end where that is nearer.
// Of a list with the newest first the end does not move: a total of a moment ago still
// leads to those who were there then, and nobody is passed over. Of one with the oldest
// first it does, and there a page is always found from the start.
func (c conn) listFar(ctx context.Context, all listing, q postern.UserQuery) (*postern.UserPage, error) {
	total, err := c.total(ctx, all, q)
	if err != nil {
		return nil, err
	}
	var users []postern.User
	behind := total - q.Offset - q.Limit // so many follow the page
	if q.Ascending || q.Offset < total/2 {
		users, err = c.users(ctx, all.page(q.Ascending, q.Offset, q.Limit))
	} else {
		users, err = c.users(ctx, all.page(true, max(behind, 0), max(q.Limit+min(behind, 0), 0)))
		slices.Reverse(users)
	}
	return &postern.UserPage{Users: users, Total: total, More: behind > 0}, err
}

// users returns those whom a query lists.
func (c conn) users(ctx context.Context, q listQuery) ([]postern.User, error) {
	rows, err := c.list(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	users := make([]postern.User, 0, min(q.limit, 100))
	var row userRow
	columns := listedFields(&row)
	if q.total != nil {
		columns = slices.Insert(columns, 0, any(q.total))
	}
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return nil, err
		}
		users = append(users, row.user())
	}
	return users, rows.Err()
}

// count returns how many users there are in a listing.
func (c conn) count(ctx context.Context, l listing) (int, error) {
	rows, err := c.list(ctx, l.count())
	n, err := onlyNumber(rows, err)
	return int(n), err
}

// list runs a query. Those that are common are prepared where others are (hot.go).
func (c conn) list(ctx context.Context, q listQuery) (*sql.Rows, error) {
	if id, ok := commonLists[q.text]; ok {
		return c.query(ctx, id, q.args...)
	}
	text := q.text
	if c.sqlite {
		text = sqliteText.Replace(text)
	}
	return c.raw.QueryContext(ctx, text, plain(q.args)...)
}
