package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// HotStatements are the statements that take longer to plan than to run, as a database
// gets them: their texts, with the types of their parameters.
func HotStatements(sqlite bool) map[string]string {
	texts := map[string]string{}
	for _, f := range functions {
		switch {
		case f.text == "":
		case sqlite:
			texts[SQLiteText(cmp.Or(f.sqlite, f.text))] = f.params
		default:
			texts[f.text] = f.params
		}
	}
	return texts
}

// SQLiteText is a statement as SQLite gets it.
func SQLiteText(text string) string { return sqliteText.Replace(text) }

// ListPages are the statements that read the page of users that a query asks for, with
// their arguments in the text.
func ListPages(st *Store, q postern.UserQuery) (texts []string) {
	all := st.matching(q)
	if q.After == nil {
		return []string{st.literal(all.page(q.Ascending, q.Offset, q.Limit))}
	}
	for _, stretch := range all.after(*q.After, q.Ascending) {
		texts = append(texts, st.literal(stretch.page(q.Ascending, 0, q.Limit)))
	}
	return texts
}

// ListCounts are the statements that count the users that a query matches: all, and
// those made before and since a time.
func ListCounts(st *Store, q postern.UserQuery, at time.Time) []string {
	all := st.matching(q)
	return []string{st.literal(all.count()), st.literal(all.before(at).count()), st.literal(all.since(at).count())}
}

func (d *database) literal(q listQuery) string {
	text := q.text
	for i, arg := range plain(q.args) {
		value := fmt.Sprint(arg)
		if _, ok := arg.(int); !ok {
			value = "'" + value + "'"
		}
		text = strings.ReplaceAll(text, fmt.Sprintf("$%d", i+1), value) // there are fewer than ten
	}
	if d.sqlite {
		return sqliteText.Replace(text)
	}
	return text
}

// Total is the number of users in a long list.
type Total = total

// NewTotal returns one that nobody has counted.
func NewTotal() *Total { return newTotal() }

// Get asks for the number.
func (t *total) Get(ctx context.Context, count func(before time.Time) (int, error)) (int, time.Time, error) {
	return t.get(ctx, count)
}
