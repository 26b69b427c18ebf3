//go:build unix

package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/pgtest"
)

// Bouncer is a PgBouncer before one database, in transaction mode. It ends with the
// process, however that ends.
type Bouncer struct {
	dsn   string
	dir   string
	cmd   *exec.Cmd
	leash io.Closer // it ends when this is closed
}

// attend runs a program until standard input ends, which it does when the process
// that holds its other end is gone.
const attend = `"$@" & trap "kill -9 $!; wait" EXIT; read -r _`

// port names the socket; nobody listens on a network.
const port = "6432"

// startTimeout is how long it may take to answer.
const startTimeout = 30 * time.Second

// Start starts a PgBouncer before the database that dsn names, with so many connections
// to it, and returns when it answers. ErrNone, if there is no such program.
func Start(dsn string, pool int) (*Bouncer, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // where Debian puts it, which is not on everybody's PATH
	}
	if _, err := os.Stat(path); err != nil {
		return nil, ErrNone
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "postern-bouncer-") // a socket's path has to be short
	if err != nil {
		return nil, err
	}
	b := &Bouncer{dir: dir}
	b.dsn = pgtest.With(pgtest.With(pgtest.With(dsn, "host", dir), "port", port), "dbname", "postern")
	err = b.configure(config, pool)
	if err == nil {
		err = b.run(path, config.Host)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := b.awaitAnswer(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// DSN returns the database's address behind the PgBouncer.
func (b *Bouncer) DSN() string { return b.dsn }

// PID returns the number of the process whose only child the PgBouncer is.
func (b *Bouncer) PID() int { return b.cmd.Process.Pid }

// Close ends it and removes what it kept.
func (b *Bouncer) Close() {
	b.leash.Close()
	_ = b.cmd.Wait() // the shell's status says nothing
	os.RemoveAll(b.dir)
}

func (b *Bouncer) ini() string { return filepath.Join(b.dir, "pgbouncer.ini") }

func (b *Bouncer) log() string { return filepath.Join(b.dir, "log") }

func (b *Bouncer) configure(config *pgx.ConnConfig, pool int) error {
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
`, config.Host, config.Port, config.Database, config.User, login, b.dir, port, pool)
	return errors.Join(
		os.Chmod(b.dir, 0o777), // whoever runs it makes a socket there
		os.WriteFile(b.ini(), []byte(ini), 0o644))
}

func (b *Bouncer) run(path, host string) error {
	args := []string{"-c", attend, "sh", path}
	if os.Geteuid() == 0 {
		args = append(args, "-u", socketOwner(host)) // it refuses to be run by root
	}
	b.cmd = exec.Command("/bin/sh", append(args, b.ini())...)
	log, err := os.Create(b.log())
	if err != nil {
		return err
	}
	defer log.Close()
	b.cmd.Stdout, b.cmd.Stderr = log, log
	if b.leash, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	return b.cmd.Start()
}

// socketOwner is a user who can reach the socket of a server.
func socketOwner(host string) string {
	info, err := os.Stat(host)
	if err != nil { // a host on the network
		return "nobody"
	}
	owner, err := user.LookupId(strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)))
	if err != nil {
		return "nobody"
	}
	return owner.Username
}

func (b *Bouncer) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.dsn)
	for ; err != nil && ctx.Err() == nil; conn, err = pgx.Connect(ctx, b.dsn) {
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil {
		err = conn.Close(ctx)
	}
	if err != nil {
		said, _ := os.ReadFile(b.log())
		return fmt.Errorf("PgBouncer does not answer: %w\n%s", err, said)
	}
	return nil
}
