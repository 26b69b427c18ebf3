package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/postern-auth/postern/store/sqlite"
)

type sqliteBulk struct{ db *sql.DB }

func openSQLite(ctx context.Context, path string) (bulk, error) {
	st, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(st.Migrate(ctx), st.Close()); err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	// A connection that need not survive a power cut, with room for all inner pages of
	// the indexes: the ids come in no order.
	pragmas := url.Values{"_pragma": {"journal_mode(wal)", "synchronous(0)", "foreign_keys(1)", "cache_size(-500000)"}}
	file := url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &sqliteBulk{db}, nil
}

func (s *sqliteBulk) count(ctx context.Context, query string) (n int, err error) {
	return n, s.db.QueryRowContext(ctx, strings.ReplaceAll(query, "auth.", "auth_")).Scan(&n)
}

func (s *sqliteBulk) add(ctx context.Context, members []*member) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, t := range tables {
		if err := insert(ctx, tx, t, members); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return tx.Commit()
}

func insert(ctx context.Context, tx *sql.Tx, t table, members []*member) error {
	places := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	statement, err := tx.PrepareContext(ctx, fmt.Sprintf("INSERT INTO auth_%s (%s) VALUES (%s)", t.name, strings.Join(t.columns, ", "), places))
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, m := range members {
		for _, row := range t.rows(m) {
			if _, err := statement.ExecContext(ctx, row...); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle writes what is in the log into the database. It does not ANALYZE, which no
// server does: SQLite would prepare statements anew for each value.
func (s *sqliteBulk) settle(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

func (s *sqliteBulk) close(context.Context) error { return s.db.Close() }
