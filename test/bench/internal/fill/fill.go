// Package fill fills a database with users by the million, within minutes: each row
// as the server itself would have written it, but past the server.
//
// The users are numbered from 1, and everything about one follows from its number. So
// a database can be filled on later, and whoever measures knows whom to ask for.
package fill

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Fill brings a database, named as DATABASE_URL of examples/standalone names it, up to
// count users. Its schema is migrated first. What earlier calls wrote stays; nobody else
// may use the database meanwhile. A call that fails has written whole batches of users.
func Fill(ctx context.Context, databaseURL string, count int) error {
	db, err := open(ctx, databaseURL)
	if err != nil {
		return err
	}
	err = fillUp(ctx, db, count)
	return errors.Join(err, db.close(ctx))
}

// batch is how many users one transaction adds.
const batch = 20_000

// bulk is a database that takes many rows at once.
type bulk interface {
	// count returns how many rows a query finds, in which tables are named with "auth.".
	count(ctx context.Context, query string) (int, error)
	// add stores the rows of some users in one transaction.
	add(ctx context.Context, members []*member) error
	// settle does what a database would otherwise do behind the back of whoever measures.
	settle(ctx context.Context) error
	close(ctx context.Context) error
}

func open(ctx context.Context, databaseURL string) (bulk, error) {
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		return openSQLite(ctx, path)
	}
	return openPostgres(ctx, databaseURL)
}

func fillUp(ctx context.Context, db bulk, count int) error {
	have, err := db.count(ctx, "SELECT count(*) FROM auth.users WHERE email LIKE '%@"+domain+"'")
	if err != nil {
		return err
	}
	for have < count {
		next := min(have+batch, count)
		var members []*member
		for n := have + 1; n <= next; n++ {
			members = append(members, newMember(n))
		}
		if err := db.add(ctx, members); err != nil {
			return fmt.Errorf("users %d to %d: %w", have+1, next, err)
		}
		have = next
	}
	return db.settle(ctx)
}
