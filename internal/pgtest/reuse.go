package pgtest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// reusable is a migrated database that tests have one after the other: to empty it
// takes a tenth of the time of making another.
type reusable struct {
	name string
	conn *pgx.Conn // stays open, since to connect takes longer than what it is for

	look  string // a query for all that is there but for the rows that empty deletes
	asNew string // its answer when the database was new
	empty string // a script that deletes the rows that were added
}

// describe asks a new database for look and empty. A table that never had a row is
// one to empty. Of all others, those of the catalogue among them, every change shows
// in how many rows there are and by which transaction the last was written; only
// VACUUM and ANALYZE write in place. What was deleted remains in a table's file, and
// is let be while the planner takes the table for one that never had a row, which it
// does below ten pages.
const describe = `
	WITH tables AS (
		SELECT oid::regclass AS name, relnamespace <> 'pg_catalog'::regnamespace AND pg_relation_size(oid) = 0 AS to_empty
		FROM pg_class WHERE relkind = 'r' AND NOT relisshared
	)
	SELECT
		'SELECT concat_ws('','', ' || string_agg(format('(SELECT count(*) || ''/'' || max(xmin::text::bigint) FROM %s)', name), ', ') FILTER (WHERE NOT to_empty) || ',
			(SELECT sum(reltuples::bigint) || ''/'' || sum(relpages) || ''/''
				|| bool_and(pg_relation_size(oid) < 10 * current_setting(''block_size'')::int) FILTER (WHERE relkind = ''r'' AND oid >= 16384)
			FROM pg_class))',
		'BEGIN; SET LOCAL session_replication_role = replica; '
			|| coalesce(string_agg(format('DELETE FROM %s; ', name), '') FILTER (WHERE to_empty), '')
			|| coalesce((SELECT string_agg(format('SELECT setval(%L, %s, %L); ', seqrelid::regclass,
				coalesce(pg_sequence_last_value(seqrelid), seqstart), pg_sequence_last_value(seqrelid) IS NOT NULL), '') FROM pg_sequence), '')
			|| 'COMMIT'
	FROM tables`

// lend returns a database with the schema that migrate makes.
func (s *server) lend(key string, migrate func(dsn string) error) (*reusable, error) {
	if d := s.takeIdle(key); d != nil {
		return d, nil
	}
	template, err := s.template(key, migrate)
	if err != nil {
		return nil, err
	}
	name, err := s.create(template)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	d := &reusable{name: name}
	if d.conn, err = pgx.Connect(ctx, withDatabase(s.dsn, name)); err != nil {
		return nil, err
	}
	if err := d.conn.QueryRow(ctx, describe).Scan(&d.look, &d.empty); err != nil {
		return nil, err
	}
	return d, d.conn.QueryRow(ctx, d.look).Scan(&d.asNew)
}

// takeIdle returns nil when all databases are lent.
func (s *server) takeIdle(key string) *reusable {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.idle[key]
	if len(idle) == 0 {
		return nil
	}
	d := idle[len(idle)-1]
	s.idle[key] = idle[:len(idle)-1]
	return d
}

// takeBack keeps a database for another test, unless this one failed or left more
// than can be undone: then it is dropped.
func (s *server) takeBack(key string, d *reusable, failed bool) error {
	if failed || d.renew() != nil {
		d.conn.Close(context.Background())
		return s.drop(d.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle[key] = append(s.idle[key], d)
	return nil
}

// renewTimeout is for a database in which somebody does not let go.
const renewTimeout = 10 * time.Second

// renew ends all other connections and makes the database as it was when it was new.
// It returns an error when it cannot, on servers before version 14 always.
func (d *reusable) renew() error {
	ctx, cancel := context.WithTimeout(context.Background(), renewTimeout)
	defer cancel()
	const end = `SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	for others := 1; others > 0; {
		if err := d.conn.QueryRow(ctx, end).Scan(&others); err != nil {
			return err
		}
	}
	var found string
	if err := d.conn.QueryRow(ctx, d.look).Scan(&found); err != nil {
		return err
	}
	if found != d.asNew {
		return errors.New("more was changed than rows that were added")
	}
	_, err := d.conn.Exec(ctx, d.empty)
	return err
}
