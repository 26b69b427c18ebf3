package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // pgx's own driver, which applications may have
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// broken is a database that answers every statement with an error.
type broken struct{ err error }

func (b broken) Connect(context.Context) (driver.Conn, error) { return b, nil }
func (b broken) Driver() driver.Driver                        { return nil }
func (b broken) Prepare(string) (driver.Stmt, error)          { return nil, b.err }
func (b broken) Close() error                                 { return nil }
func (b broken) Begin() (driver.Tx, error)                    { return nil, b.err }

// state is an error as pgx has them, code one of modernc's.
type (
	state string
	code  int
)

func (s state) Error() string    { return `ERROR: told about constraint "x" (SQLSTATE ` + string(s) + `)` }
func (s state) SQLState() string { return string(s) }
func (c code) Error() string     { return "told about auth_x.y (" + fmt.Sprint(int(c)) + ")" }
func (c code) Code() int         { return int(c) }

func TestErrorsOfTheDatabaseHaveAMeaning(t *testing.T) {
	t.Parallel()
	none := postern.StoreError("")
	for _, c := range []struct {
		dialect schema.Dialect
		err     error
		want    postern.StoreError
	}{
		{pgdialect.New(), state("23505"), postern.ErrRowTaken},
		{pgdialect.New(), state("23503"), postern.ErrReferenced},
		{pgdialect.New(), state("23001"), postern.ErrReferenced},
		{pgdialect.New(), state("23514"), postern.ErrUnstorable},
		{pgdialect.New(), state("22001"), postern.ErrUnstorable},
		{pgdialect.New(), state("22021"), postern.ErrUnstorable},
		{pgdialect.New(), state("22P05"), postern.ErrUnstorable},
		{pgdialect.New(), state("54000"), postern.ErrUnstorable},
		{pgdialect.New(), state("08006"), postern.ErrStoreDown},
		{pgdialect.New(), state("08P01"), postern.ErrStoreDown},
		{pgdialect.New(), state("25006"), postern.ErrStoreDown},
		{pgdialect.New(), state("40001"), postern.ErrStoreDown},
		{pgdialect.New(), state("40P01"), postern.ErrStoreDown},
		{pgdialect.New(), state("53100"), postern.ErrStoreDown},
		{pgdialect.New(), state("53300"), postern.ErrStoreDown},
		{pgdialect.New(), state("55P03"), postern.ErrStoreDown},
		{pgdialect.New(), state("57014"), postern.ErrStoreDown},
		{pgdialect.New(), state("57P01"), postern.ErrStoreDown},
		{pgdialect.New(), state("57P03"), postern.ErrStoreDown},
		{pgdialect.New(), state("58030"), postern.ErrStoreDown},
		{pgdialect.New(), state("42P01"), none},
		{pgdialect.New(), state("23502"), none},
		{pgdialect.New(), state(""), none},
		{pgdialect.New(), driver.ErrBadConn, postern.ErrStoreDown},
		{pgdialect.New(), io.ErrUnexpectedEOF, postern.ErrStoreDown},
		{pgdialect.New(), &net.OpError{Op: "dial", Err: errors.New("connection refused")}, postern.ErrStoreDown},
		{pgdialect.New(), context.DeadlineExceeded, postern.ErrStoreDown},
		{pgdialect.New(), context.Canceled, none},
		{pgdialect.New(), errors.New("something else"), none},
		{sqlitedialect.New(), code(2067), postern.ErrRowTaken},
		{sqlitedialect.New(), code(1555), postern.ErrRowTaken},
		{sqlitedialect.New(), code(787), postern.ErrReferenced},
		{sqlitedialect.New(), code(1811), postern.ErrReferenced},
		{sqlitedialect.New(), code(275), postern.ErrUnstorable},
		{sqlitedialect.New(), code(3091), postern.ErrUnstorable},
		{sqlitedialect.New(), code(18), postern.ErrUnstorable},
		{sqlitedialect.New(), code(5), postern.ErrStoreDown},
		{sqlitedialect.New(), code(517), postern.ErrStoreDown},
		{sqlitedialect.New(), code(6), postern.ErrStoreDown},
		{sqlitedialect.New(), code(13), postern.ErrStoreDown},
		{sqlitedialect.New(), code(778), postern.ErrStoreDown},
		{sqlitedialect.New(), code(14), postern.ErrStoreDown},
		{sqlitedialect.New(), code(1299), none},
		{sqlitedialect.New(), code(1), none},
	} {
		st := store.New(bun.NewDB(sql.OpenDB(broken{c.err}), c.dialect))
		_, read := st.FindUser(t.Context(), uuid.Nil)
		_, write := st.EndSession(t.Context(), uuid.Nil)
		for what, err := range map[string]error{
			"read":        read,
			"write":       write,
			"transaction": st.DeleteUser(t.Context(), uuid.Nil),
		} {
			var got postern.StoreError
			errors.As(err, &got)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %v: got %v, want %q around the cause", what, c.err, err, string(c.want))
			}
		}
	}
}

func TestUnreachableServerIsDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	ok(t, l.Close()) // nobody listens there now
	db, err := sql.Open("pgx", "postgres://nobody@"+l.Addr().String()+"/none?sslmode=disable")
	ok(t, err)
	st := store.New(bun.NewDB(db, pgdialect.New()))
	if _, err := st.FindUser(t.Context(), uuid.New()); !errors.Is(err, postern.ErrStoreDown) {
		t.Errorf("got error %v, want ErrStoreDown", err)
	}
	ok(t, st.Close())
}

func TestConnectionThatIsCutIsDown(t *testing.T) {
	t.Parallel()
	st := dbtest.Postgres(t)
	u := sample("a@example.com")
	tx := begin(t, st)
	execute(t, st.DB(), "SELECT pg_terminate_backend(?::int)", value(t, tx, "SELECT pg_backend_pid()"))
	if err := st.Join(tx).AddUser(t.Context(), u); !errors.Is(err, postern.ErrStoreDown) {
		t.Errorf("got error %v, want ErrStoreDown", err)
	}
	_ = tx.Rollback()
	ok(t, st.AddUser(t.Context(), u))
}

func TestLockedFileIsDown(t *testing.T) {
	t.Parallel()
	dsn := "file:" + filepath.Join(t.TempDir(), "app.db")
	st := ready(t, store.New(openPool(t, dsn, 2)))
	u := sample("a@example.com")
	other := openPool(t, dsn+"?_txlock=immediate", 1) // another program
	t.Cleanup(func() { other.Close() })
	tx, err := other.BeginTx(t.Context(), nil)
	ok(t, err)
	if err := st.AddUser(t.Context(), u); !errors.Is(err, postern.ErrStoreDown) {
		t.Errorf("got error %v, want ErrStoreDown", err)
	}
	ok(t, tx.Rollback())
	ok(t, st.AddUser(t.Context(), u))
}

func TestFullDiskIsDownAndRecovers(t *testing.T) {
	t.Parallel()
	st := openFile(t)
	u, big := sample("a@example.com"), sample("b@example.com")
	ok(t, st.AddUser(t.Context(), u))
	var pages int
	ok(t, st.DB().NewRaw("PRAGMA page_count").Scan(t.Context(), &pages))
	execute(t, st.DB(), "PRAGMA max_page_count = ?", pages+2) // the writer's one connection keeps it
	big.UserMetadata = postern.Metadata(`{"a": "` + strings.Repeat("x", 100_000) + `"}`)
	if err := st.AddUser(t.Context(), big); !errors.Is(err, postern.ErrStoreDown) {
		t.Errorf("got error %v, want ErrStoreDown", err)
	}
	if !exists(t, st, u) || exists(t, st, big) {
		t.Error("got not what was there before")
	}
	execute(t, st.DB(), "PRAGMA max_page_count = 1000000")
	ok(t, st.AddUser(t.Context(), big))
}

func TestValuesThatDoNotFitAreUnstorable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		long := strings.Repeat("x", 256)
		for what, change := range map[string]func(u *postern.UserRecord){
			"address":  func(u *postern.UserRecord) { u.Email = long },
			"role":     func(u *postern.UserRecord) { u.Role = long },
			"password": func(u *postern.UserRecord) { u.PasswordHash = postern.Secret(long) },
			"status":   func(u *postern.UserRecord) { u.EmailChangeConfirmStatus = 3 },
		} {
			u := sample("a@example.com")
			change(u)
			if err := st.AddUser(t.Context(), u); !errors.Is(err, postern.ErrUnstorable) {
				t.Errorf("%s: got error %v, want ErrUnstorable", what, err)
			}
		}
	})
}

func TestUserWhomTheApplicationNeedsStays(t *testing.T) {
	t.Parallel()
	for _, deferred := range []string{"", " DEFERRABLE INITIALLY DEFERRED"} {
		t.Run(deferred, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, st *store.Store) {
				column := "TEXT"
				if isPostgres(st) {
					column = "uuid"
				}
				execute(t, st.DB(), `CREATE TABLE notes (user_id `+column+` REFERENCES auth.users (id)`+deferred+`)`)
				u := sample("a@example.com")
				s := sampleSession(u.ID)
				ok(t, st.AddUser(t.Context(), u))
				ok(t, st.AddSession(t.Context(), s))
				execute(t, st.DB(), `INSERT INTO notes VALUES (?)`, u.ID)
				if err := st.DeleteUser(t.Context(), u.ID); !errors.Is(err, postern.ErrReferenced) {
					t.Errorf("got error %v, want ErrReferenced", err)
				}
				if _, _, err := st.FindSession(t.Context(), s.ID); err != nil {
					t.Errorf("its session: got error %v", err)
				}
				execute(t, st.DB(), `DELETE FROM notes`)
				ok(t, st.DeleteUser(t.Context(), u.ID))
			})
		})
	}
}

func TestTransactionsThatPostgresGivesUpRunAgain(t *testing.T) {
	t.Parallel()
	st := dbtest.Postgres(t)
	for _, c := range []struct {
		fails int
		state state
		runs  int
	}{
		{0, "40001", 1}, {1, "40001", 2}, {4, "40P01", 5}, {9, "40P01", 5}, {1, "55P03", 1},
	} {
		runs := 0
		err := st.InTx(t.Context(), func(postern.Tx) error {
			if runs++; runs <= c.fails {
				return fmt.Errorf("in the middle: %w", c.state)
			}
			return nil
		})
		if wantErr := c.runs <= c.fails; runs != c.runs || (err != nil) != wantErr {
			t.Errorf("%d times %s: got %d runs, error %v, want %d runs", c.fails, c.state, runs, err, c.runs)
		}
	}
}

// Two transactions that update two users in opposite order wait for each other.
func TestDeadlocksAreSurvived(t *testing.T) {
	t.Parallel()
	st := dbtest.Postgres(t)
	users := []*postern.UserRecord{sample("a@example.com"), sample("b@example.com")}
	for _, u := range users {
		ok(t, st.AddUser(t.Context(), u))
	}
	var both atomic.Int32
	met := make(chan struct{})
	done := make(chan error)
	mark := func(u *postern.UserRecord) error { u.Role += "+"; return nil }
	for i := range 2 {
		go func() {
			done <- st.InTx(t.Context(), func(tx postern.Tx) error {
				if _, err := tx.UpdateUser(t.Context(), users[i].ID, at, mark); err != nil {
					return err
				}
				if both.Add(1) == 2 {
					close(met)
				}
				<-met
				_, err := tx.UpdateUser(t.Context(), users[1-i].ID, at, mark)
				return err
			})
		}()
	}
	for range 2 {
		ok(t, <-done)
	}
	for _, u := range users {
		got, err := st.FindUser(t.Context(), u.ID)
		ok(t, err)
		if got.Role != u.Role+"++" {
			t.Errorf("got role %q, want %q", got.Role, u.Role+"++")
		}
	}
}

// What the message repeats of a value cannot pass for the name of a constraint.
func TestOtherColumnsAreNotTakenForTheAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		first, second := sample("a@example.com"), sample("b@example.com")
		for _, u := range []*postern.UserRecord{first, second} {
			ok(t, st.AddUser(t.Context(), u))
		}
		execute(t, st.DB(), `CREATE UNIQUE INDEX one_change ON auth.users (email_change) WHERE email_change <> ''`)
		_, err := st.UpdateUser(t.Context(), first.ID, at, func(u *postern.UserRecord) error { u.NewEmail = "users_pkey"; return nil })
		ok(t, err)
		_, err = st.UpdateUser(t.Context(), second.ID, at, func(u *postern.UserRecord) error { u.NewEmail = "users_pkey"; return nil })
		if !errors.Is(err, postern.ErrRowTaken) {
			t.Errorf("got error %v, want ErrRowTaken", err)
		}
	})
}
