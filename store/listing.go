package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// Lists of users are read in the order of an index: by time of creation, and id. Who
// has no such time counts as the newest, as in PostgreSQL by itself. The index has the
// users of GoTrue's only instance, so that a query has to name it to the letter.
const (
	newestFirst = `u.created_at DESC NULLS FIRST, u.id DESC`
	oldestFirst = `u.created_at ASC NULLS LAST, u.id ASC`

	ofInstance = `u.instance_id = '00000000-0000-0000-0000-000000000000'`

	// In PostgreSQL it has those besides of whom this is true, which it always is: so
	// nothing but a list is read by it. Of tables that nobody has analysed yet the
	// planner thinks that it led to somebody's address as well as any other.
	inLists = ofInstance + ` AND (u.created_at IS NULL) IS NOT NULL`
)

// listing is the users that a query matches, or a stretch of them.
type listing struct {
	where  string
	args   []any
	search bool // no index knows who belongs to it
}

// listQuery reads from a listing. Its text is the same for all arguments.
type listQuery struct {
	text  string
	args  []any
	limit int
	total *int // where the number of all is to go, which comes before the columns of each
}

// everybody are the users of an audience.
func everybody(aud string) listing { return listing{where: inLists}.and("u.aud = ?", aud) }

// matching is all that a query matches. A filter is compared without patterns, so that
// % and _ stand for themselves.
func (d *database) matching(q postern.UserQuery) listing {
	switch {
	case q.Email != "":
		// The audience is compared so that no index of it is used: few have the
		// address.
		return listing{where: ofInstance}.and("lower(u.email) = ?", q.Email).and("u.aud || '' = ?", q.Aud)
	case q.Filter == "":
		return everybody(q.Aud)
	}
	condition := "(strpos(u.email, ?) > 0 OR strpos(lower(u.raw_user_meta_data ->> 'full_name'), ?) > 0)"
	if d.sqlite {
		condition = strings.ReplaceAll(condition, "strpos", "instr") // the same under another name
	}
	found := everybody(q.Aud).and(condition, q.Filter, strings.ToLower(q.Filter))
	found.search = true
	return found
}

// and adds a condition, which has a ? for each argument.
func (l listing) and(condition string, args ...any) listing {
	for _, arg := range args {
		l.args = append(slices.Clip(l.args), arg)
		condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(l.args)), 1)
	}
	l.where += " AND " + condition
	return l
}

// after are the stretches of a listing that follow a user, one after the other. In
// each the index leads to the first.
func (l listing) after(user postern.UserCursor, ascending bool) []listing {
	at, id := newInstant(user.CreatedAt), user.ID
	switch {
	case at.IsZero() && ascending:
		return []listing{l.and("u.created_at IS NULL").and("u.id > ?", id)}
	case at.IsZero():
		return []listing{l.and("u.created_at IS NULL").and("u.id < ?", id), l.and("u.created_at IS NOT NULL")}
	case ascending:
		return []listing{l.and("(u.created_at, u.id) > (?, ?)", at, id), l.and("u.created_at IS NULL")}
	}
	return []listing{l.and("(u.created_at, u.id) < (?, ?)", at, id)}
}

// far is the offset from which on a page is found otherwise than by reading whatever is
// before it.
const far = 1000

// page reads users from an offset on. Of those before a far page only the index is
// read. In a search all are found before the first is returned, since that is for how
// long SQLite's driver heeds the end of a context.
func (l listing) page(ascending bool, offset, limit int) listQuery {
	n := len(l.args)
	text := fmt.Sprintf("FROM auth.users u WHERE %s ORDER BY %s LIMIT $%d OFFSET $%d", l.where, order(ascending), n+1, n+2)
	if offset >= far || l.search {
		text = "FROM auth.users u WHERE u.id IN (SELECT u.id " + text + ") ORDER BY " + order(ascending)
	}
	return listQuery{text: "SELECT " + listedColumns + " " + text, args: append(slices.Clip(l.args), limit, offset), limit: limit}
}

// counting is a query for a page that also counts all.
func (l listing) counting(page listQuery, total *int) listQuery {
	page.text = "SELECT (" + l.count().text + "), " + strings.TrimPrefix(page.text, "SELECT ")
	page.total = total
	return page
}

func order(ascending bool) string {
	if ascending {
		return oldestFirst
	}
	return newestFirst
}

// count counts all of a listing.
func (l listing) count() listQuery {
	return listQuery{text: "SELECT count(*) FROM auth.users u WHERE " + l.where, args: l.args}
}

// since are those of a listing who were made at a time or later, and before all
// others.
func (l listing) since(at time.Time) listing { return l.and("u.created_at >= ?", newInstant(at)) }

func (l listing) before(at time.Time) listing {
	return l.and("(u.created_at < ?) IS NOT FALSE", newInstant(at)) // in one reading, unlike OR … IS NULL
}

// commonLists are the queries that have a statement of their own, which is kept
// prepared (hot.go).
var commonLists = func() map[string]statement {
	all := everybody("")
	first := all.page(false, 0, 0)
	after := all.after(postern.UserCursor{CreatedAt: time.Unix(0, 0)}, false)[0]
	return map[string]statement{
		first.text:                          listUsers,
		all.counting(first, nil).text:       listUsersCounted,
		after.page(false, 0, 0).text:        listUsersAfter,
		all.since(time.Time{}).count().text: countUsersSince,
	}
}()

// listed are a user's columns but for those that no list shows.
var listed = slices.DeleteFunc(slices.Clone(columnsOf(reflect.TypeFor[userRow]())), func(c column) bool {
	return c.name == "encrypted_password" || c.name == "email_change_confirm_status" || slices.Contains(tokenColumns[:], c.name)
})

var listedColumns = func() string {
	var names []string
	for _, c := range listed {
		names = append(names, "u."+c.name)
	}
	return strings.Join(names, ", ")
}()

// listedFields returns where the values of listedColumns belong.
func listedFields(row *userRow) []any {
	v := reflect.ValueOf(row).Elem()
	fields := make([]any, len(listed))
	for i, c := range listed {
		fields[i] = v.FieldByIndex(c.index).Addr().Interface()
	}
	return fields
}
