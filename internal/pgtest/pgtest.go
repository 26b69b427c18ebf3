// Package pgtest gives tests PostgreSQL databases of their own.
//
// They are on the server that the environment variable POSTERN_TEST_POSTGRES
// names: a DSN of a role that may create databases. Without it each test binary
// starts a cluster for itself, with the initdb and postgres that it finds on PATH
// or where Debian puts them, on a socket in a temporary directory; the cluster
// ends, and the directory goes, when the binary ends, however it ends.
//
// Where there is neither, a test that asks for a database is skipped, or fails
// when CI is "true": a run that counts leaves nothing out.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/envtest"
)

// New returns the DSN of an empty database that is dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	s := get(t)
	return s.database(t, "template1")
}

// NewMigrated is New with the schema that migrate makes in an empty database. It
// runs once in a test binary for each key; what it left is copied from then on,
// which is several times quicker. It has to close its connections.
//
// A test that only added rows, and has not failed, leaves its database to the next,
// which finds it as new. It should close what it has opened: what is connected when
// it ends is cut off.
//
// (On a server that was named migrate runs each time, and nothing is left to others.)
func NewMigrated(t testing.TB, key string, migrate func(dsn string) error) string {
	t.Helper()
	s := get(t)
	if s.own == nil {
		return s.migrated(t, migrate)
	}
	d, err := s.lend(key, migrate)
	if err != nil {
		t.Fatalf("pgtest: database like %s: %v", key, err)
	}
	t.Cleanup(func() {
		if err := s.takeBack(key, d, t.Failed()); err != nil {
			t.Error("pgtest:", err)
		}
	})
	return withDatabase(s.dsn, d.name)
}

// Connect connects to a database until the test ends.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Exec runs a script of statements.
func Exec(t testing.TB, conn *pgx.Conn, script string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), script); err != nil {
		t.Fatal(err)
	}
}

// server is a PostgreSQL server on which databases can be made.
type server struct {
	dsn      string   // of its database postgres
	own      *Cluster // started by this process; nil for a server that was named
	strategy string   // how CREATE DATABASE shall copy

	templates sync.Map // key to func() (string, error), which returns the name

	mu   sync.Mutex
	idle map[string][]*reusable // by key; that are lent to no test
}

// errNone says that there is no PostgreSQL, which is not the test's fault.
var errNone = errors.New("no PostgreSQL: neither is POSTERN_TEST_POSTGRES set nor are initdb and postgres found")

// shared is the one server of a test binary.
var shared = sync.OnceValues(func() (*server, error) {
	if dsn := os.Getenv("POSTERN_TEST_POSTGRES"); dsn != "" {
		return &server{dsn: dsn}, nil
	}
	// What autovacuum has been at is not as new.
	c, err := startCluster(roomyTempDir(), []string{"autovacuum=off"})
	if err != nil {
		return nil, err
	}
	s := &server{dsn: c.dsn, own: c, idle: map[string][]*reusable{}}
	s.strategy, err = fileCopy(c.dsn)
	return s, err
})

func get(t testing.TB) *server {
	t.Helper()
	s, err := shared()
	refuse(t, err)
	return s
}

// refuse ends a test that cannot have what it asked for.
func refuse(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNone) {
		envtest.LeaveOut(t, "%v", err)
	}
	if err != nil {
		t.Fatal("pgtest:", err)
	}
}

// fileCopy is the strategy of copying files. From version 15 CREATE DATABASE
// writes all pages to the log instead, which is dearer where a checkpoint costs
// nothing.
func fileCopy(dsn string) (string, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 15 {
		return "", nil
	}
	return " STRATEGY FILE_COPY", nil
}

// database makes a database for one test.
func (s *server) database(t testing.TB, template string) string {
	t.Helper()
	name, err := s.create(template)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	t.Cleanup(func() {
		if err := s.drop(name); err != nil {
			t.Error("pgtest:", err)
		}
	})
	return withDatabase(s.dsn, name)
}

// migrated is NewMigrated on a server that outlives the process: a template
// would stay there for ever, so every database is migrated for itself.
func (s *server) migrated(t testing.TB, migrate func(dsn string) error) string {
	t.Helper()
	dsn := s.database(t, "template1")
	if err := migrate(dsn); err != nil {
		t.Fatal("pgtest:", err)
	}
	return dsn
}

// template returns the name of the database that migrate was run in.
func (s *server) template(key string, migrate func(dsn string) error) (string, error) {
	build, _ := s.templates.LoadOrStore(key, sync.OnceValues(func() (string, error) {
		name, err := s.create("template1")
		if err != nil {
			return "", err
		}
		return name, migrate(withDatabase(s.dsn, name))
	}))
	return build.(func() (string, error))()
}

// create makes a database of a new name.
func (s *server) create(template string) (string, error) {
	name := "postern_test_" + strings.ToLower(rand.Text())
	return name, s.exec("CREATE DATABASE " + name + " TEMPLATE " + template + s.strategy)
}

func (s *server) drop(name string) error {
	return s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}

// exec runs one statement in the server's own database.
func (s *server) exec(statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// withDatabase returns the DSN of another database on the same server.
func withDatabase(dsn, name string) string { return With(dsn, "dbname", name) }

// With returns dsn with one more parameter, or with another value for it: one of
// pgx's, such as default_query_exec_mode, or a setting of the session.
func With(dsn, parameter, value string) string {
	u, err := url.Parse(dsn)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return dsn + " " + parameter + "='" + keywordEscaper.Replace(value) + "'"
	}
	if parameter == "dbname" {
		u.Path = "/" + value
		return u.String()
	}
	q := u.Query()
	q.Set(parameter, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// keywordEscaper is for values in single quotes of a DSN that is no URL, in which
// the last of two equal keywords counts.
var keywordEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
