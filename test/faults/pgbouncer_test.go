//go:build unix

package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
)

// Guarantee G34.
func TestServerWorksThroughPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	s := start(t, pgBouncer(t, pgtest.New(t), 5))
	operator := operatorKey(t)
	var all sync.WaitGroup
	var lived atomic.Int64
	const clients = 16
	for i := range clients {
		c := newClient(t, s.URL)
		all.Go(func() {
			for n := range rounds(5, 100) {
				if err := live(t.Context(), c, operator, fmt.Sprintf("user-%d-%d@example.com", i, n)); err != nil {
					t.Error(err)
					continue
				}
				lived.Add(1)
			}
		})
	}
	all.Wait()
	y := tally{rounds: clients * rounds(5, 100), acknowledged: int(lived.Load())}
	y.lost = y.rounds - y.acknowledged
	y.log(t)
}

// live is an account's life: it is made, used, changed and deleted.
func live(ctx context.Context, c *client, operator, email string) error {
	var id, access, refresh string
	for _, r := range []struct {
		name string
		send func() (*answer, error)
		want int
	}{
		{"sign-up", func() (*answer, error) { return c.signUp(ctx, email) }, http.StatusOK},
		{"sign-up for the same address", func() (*answer, error) { return c.signUp(ctx, email) }, http.StatusUnprocessableEntity},
		{"refresh", func() (*answer, error) { return c.refresh(ctx, refresh) }, http.StatusOK},
		{"refresh with a wrong token", func() (*answer, error) { return c.refresh(ctx, refresh+"x") }, http.StatusBadRequest},
		{"user", func() (*answer, error) { return c.do(ctx, "GET", "/user", access, nil) }, http.StatusOK},
		{"new password", func() (*answer, error) {
			return c.do(ctx, "PUT", "/user", access, map[string]any{"password": "battery staple", "data": map[string]any{"name": "O'Brien \\ \"x\""}})
		}, http.StatusOK},
		{"sign-in", func() (*answer, error) { return c.signIn(ctx, email, "battery staple") }, http.StatusOK},
		{"sign-in with the old password", func() (*answer, error) { return c.signIn(ctx, email, password) }, http.StatusBadRequest},
		{"ban", func() (*answer, error) {
			return c.do(ctx, "PUT", "/admin/users/"+id, operator, map[string]any{"ban_duration": "1h", "user_metadata": map[string]any{"n": 1}})
		}, http.StatusOK},
		{"user while it is banned", func() (*answer, error) { return c.do(ctx, "GET", "/user", access, nil) }, http.StatusForbidden},
		{"list", func() (*answer, error) { return c.do(ctx, "GET", "/admin/users?per_page=5", operator, nil) }, http.StatusOK},
		{"deletion", func() (*answer, error) { return c.do(ctx, "DELETE", "/admin/users/"+id, operator, nil) }, http.StatusOK},
		{"user that is gone", func() (*answer, error) { return c.do(ctx, "GET", "/admin/users/"+id, operator, nil) }, http.StatusNotFound},
	} {
		a, err := r.send()
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if a.status != r.want {
			return fmt.Errorf("%s: got %s, want %d", r.name, a, r.want)
		}
		if token := a.text("refresh_token"); token != "" {
			id, access, refresh = a.header.Get("Sb-Auth-User-Id"), a.text("access_token"), token
		}
	}
	return nil
}

// attend runs a program until standard input ends, which it does when the process
// that holds its other end is gone.
const attend = `"$@" & trap "kill -9 $!; wait" EXIT; read -r _`

// pgBouncer starts a PgBouncer before a database and returns the database's
// address there. It ends with the test.
func pgBouncer(t *testing.T, dsn string, pool int) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // where Debian puts it, which is not on everybody's PATH
	}
	if _, err := os.Stat(path); err != nil {
		envtest.LeaveOut(t, "there is no pgbouncer")
	}
	dir := pgBouncerDir(t, dsn, pool)
	args := []string{"-c", attend, "sh", path}
	if os.Geteuid() == 0 {
		args = append(args, "-u", socketOwner(dsn)) // it refuses to be run by root
	}
	cmd := exec.Command("/bin/sh", append(args, filepath.Join(dir, "pgbouncer.ini"))...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	leash, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		leash.Close()
		_ = cmd.Wait() // the shell's status says nothing
	})
	through := pgtest.With(pgtest.With(pgtest.With(dsn, "host", dir), "port", bouncerPort), "dbname", "postern")
	awaitPgBouncer(t, through, log.Name())
	return through
}

// socketOwner is a user who can reach a server's socket.
func socketOwner(dsn string) string {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "nobody"
	}
	info, err := os.Stat(config.Host)
	if err != nil { // a host on the network
		return "nobody"
	}
	owner, err := user.LookupId(strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)))
	if err != nil {
		return "nobody"
	}
	return owner.Username
}

// bouncerPort names the socket; nobody listens on a network.
const bouncerPort = "6432"

func pgBouncerDir(t *testing.T, dsn string, pool int) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "postern-bouncer-") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // whoever runs it makes a socket there
		t.Fatal(err)
	}
	login := ""
	if config.Password != "" { // an empty one is a mistake there
		login = " password=" + config.Password
	}
	ini := fmt.Sprintf(`[databases]
postern = host=%s port=%d dbname=%s user=%s%s
[pgbouncer]
listen_addr =
unix_socket_dir = %s
listen_port = %s
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 100
`, config.Host, config.Port, config.Database, config.User, login, dir, bouncerPort, pool)
	if err := os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func awaitPgBouncer(t *testing.T, dsn, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	for ; err != nil && ctx.Err() == nil; conn, err = pgx.Connect(ctx, dsn) {
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil {
		err = conn.Close(ctx)
	}
	if err != nil {
		said, _ := os.ReadFile(log)
		t.Fatalf("PgBouncer does not answer: %v\n%s", err, said)
	}
}
