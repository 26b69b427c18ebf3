package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/postgres"
	"github.com/postern-auth/postern/store/sqlite"
)

// database is a new database that a server is measured on.
type database struct {
	url   string // as DATABASE_URL
	clock clock  // of its own processes
	open  func(ctx context.Context) (*store.Store, error)
	close func()
}

// openDatabase makes a new database of a kind. Each has a cluster of its own, so that
// no processor time is another server's.
func (b *bench) openDatabase(ctx context.Context, kind string) (*database, error) {
	if kind == "sqlite" {
		return b.openSQLite()
	}
	return b.openPostgres(ctx)
}

func (b *bench) openSQLite() (*database, error) {
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "auth.db")
	return &database{
		url:   "sqlite:" + path,
		clock: none,
		open:  func(ctx context.Context) (*store.Store, error) { return sqlite.Open(ctx, path) },
		close: func() { os.RemoveAll(dir) },
	}, nil
}

// openPostgres makes a database on the server that was named, or on a cluster with
// the settings that matter as they are by default.
func (b *bench) openPostgres(ctx context.Context) (*database, error) {
	dsn, end := b.postgres, func() {}
	if dsn == "" {
		cluster, err := pgtest.StartCluster("fsync=on", "full_page_writes=on", "synchronous_commit=on", "wal_level=replica")
		if err != nil {
			return nil, err
		}
		dsn, end = cluster.DSN(), cluster.Close
	}
	db, err := createPostgres(ctx, dsn)
	if err != nil {
		end()
		return nil, err
	}
	drop := db.close
	db.close = func() { drop(); end() }
	return db, nil
}

func createPostgres(ctx context.Context, dsn string) (*database, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	postmaster, err := postmasterOf(ctx, conn)
	if err != nil {
		return nil, err
	}
	name := "postern_bench_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	own := pgtest.With(dsn, "dbname", name)
	return &database{
		url:   own,
		clock: familyClock(postmaster),
		open:  func(ctx context.Context) (*store.Store, error) { return postgres.Open(ctx, own) },
		close: func() { dropPostgres(dsn, name) },
	}, nil
}

// postmasterOf returns the parent of all the server's processes.
func postmasterOf(ctx context.Context, conn *pgx.Conn) (int, error) {
	var backend int
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return 0, err
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend))
	if err != nil || !strings.HasPrefix(string(name), "postgres") {
		return 0, errors.New("the processes of PostgreSQL cannot be seen: its server has to be on this machine, outside any container")
	}
	s, err := readStat(backend)
	return s.parent, err
}

// dropPostgres does what it can: the figures have been taken.
func dropPostgres(dsn, name string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: database %s is still there: %v\n", name, err)
	}
}
