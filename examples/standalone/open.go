package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun/dialect"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

// open opens the database, brings its schema up to date, and makes the service.
// around stands between the two.
func open(ctx context.Context, settings *goenv.Settings, around func(*store.Store) postern.Store) (*store.Store, *postern.Auth, error) {
	st, err := openDatabase(ctx, string(settings.DatabaseURL))
	if err != nil {
		return nil, nil, err
	}
	if err := bound(ctx, st, settings.Pool); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	if err := st.Migrate(ctx); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	for _, f := range settings.HookFunctions {
		f.Run = postgres.Function(st, f.Schema, f.Name)
	}
	auth, err := postern.New(around(st), settings.Config)
	if err != nil {
		return nil, nil, errors.Join(mistake{err}, st.Close())
	}
	return st, auth, nil
}

func openDatabase(ctx context.Context, url string) (*store.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, url)
}

// bound limits the connections to PostgreSQL. How many SQLite has is not for
// anybody to choose: one writes.
func bound(ctx context.Context, st *store.Store, pool goenv.Pool) error {
	db := st.DB()
	if db.Dialect().Name() == dialect.SQLite {
		return nil
	}
	if pool.Percentage > 0 {
		var most int
		if err := db.QueryRowContext(ctx, "SELECT current_setting('max_connections')::int").Scan(&most); err != nil {
			return fmt.Errorf("asking how many connections the server allows: %w", err)
		}
		pool.MaxOpen = max(1, most*pool.Percentage/100)
	}
	if pool.MaxOpen > 0 {
		db.SetMaxOpenConns(pool.MaxOpen)
	}
	if pool.MaxIdle > 0 {
		db.SetMaxIdleConns(pool.MaxIdle)
	}
	if pool.MaxLifetime > 0 {
		db.SetConnMaxLifetime(pool.MaxLifetime)
	}
	if pool.MaxIdleTime > 0 {
		db.SetConnMaxIdleTime(pool.MaxIdleTime)
	}
	return nil
}

const year = 365 * 24 * time.Hour

// token prints a token for a role that needs no user.
func token(ctx context.Context, words []string, ttl time.Duration, settings *goenv.Settings, stdout io.Writer) error {
	roles := append([]string{"anon"}, settings.Config.AdminRoles...)
	if len(words) != 1 || !slices.Contains(roles, words[0]) {
		return mistake{fmt.Errorf("token needs one role: %s", strings.Join(roles, ", "))}
	}
	if ttl < time.Second {
		return mistake{fmt.Errorf("-ttl is %v; a token has to live for a second at least", ttl)}
	}
	st, auth, err := open(ctx, settings, func(st *store.Store) postern.Store { return st })
	if err != nil {
		return err
	}
	defer st.Close()
	text, err := auth.MintToken(ctx, words[0], ttl)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, text)
	return err
}
