//go:build unix

package pgtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// supervise runs a cluster in the directory $1 with the initdb $2, the postgres $3
// and the arguments that follow, until its standard input ends, which it does
// when the process that holds the other end is gone. Lines that say "stop" and
// "start" are orders. To stop is what pg_ctl calls immediate: nothing is finished
// or written, and the next start recovers.
const supervise = `
dir=$1 initdb=$2 postgres=$3 server=
shift 3
start() {
	"$postgres" -D "$dir/data" -k "$dir" -p 5432 -c listen_addresses= -c max_connections=200 \
		-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 \
		-c timezone='<+0545>-05:45' "$@" >>"$dir/log" 2>&1 &
	server=$!
}
stop() {
	test -n "$server" && kill -QUIT $server && wait $server
	server=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
"$initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
start "$@"
while read -r order; do
	case $order in
	start) start "$@" ;;
	stop) stop ;;
	esac
done
`

// startTimeout is how long initdb and the start may take together.
const startTimeout = time.Minute

// startCluster starts a cluster in a directory below parent and returns when it
// answers. Its time zone is an odd one, so that whoever forgets to ask for UTC
// notices.
func startCluster(parent string, settings []string) (*Cluster, error) {
	initdb, postgres, err := binaries()
	if err != nil {
		return nil, err
	}
	owner, err := clusterOwner()
	if err != nil {
		return nil, err
	}
	dir, err := clusterDir(parent, owner)
	if err != nil {
		return nil, err
	}
	held, leash, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer held.Close()

	var output bytes.Buffer
	args := []string{"-c", supervise, "sh", dir, initdb, postgres}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stdin = held
	cmd.Stdout = &output
	// A group of its own: Ctrl-C at the terminal is for the tests, and ends the
	// cluster through them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}

	ended := make(chan error, 1)
	go func() {
		if err := cmd.Wait(); err != nil {
			ended <- fmt.Errorf("initdb: %w\n%s", err, &output)
		}
		close(ended)
	}()
	c := &Cluster{dsn: clusterDSN(dir), dir: dir, leash: leash, ended: ended}
	return c, c.awaitAnswer(true)
}

func clusterDSN(dir string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User("postgres"),
		Path:     "/postgres",
		RawQuery: url.Values{"host": {dir}, "port": {"5432"}}.Encode(),
	}
	return u.String()
}

// awaitAnswer waits until the cluster takes connections, or until it does not. It
// returns with what the server said when it takes too long.
func (c *Cluster) awaitAnswer(want bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn)
		if err == nil {
			conn.Close(ctx)
		}
		if (err == nil) == want {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case err := <-c.ended:
			return cmp.Or(err, errors.New("the cluster is gone"))
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("the cluster does not do as it is told: %w\n%s", err, log)
		}
	}
}

func clusterDir(parent string, owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp(parent, "postern-pg-")
	if err != nil || owner == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// clusterOwner is the user to run as, nil for the one we are. PostgreSQL
// refuses to be run by root.
func clusterOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// binaries finds initdb and postgres: on PATH, else the newest version among
// those that Debian keeps off it.
func binaries() (initdb, postgres string, err error) {
	initdb, err = exec.LookPath("initdb")
	if err == nil {
		postgres, err = exec.LookPath("postgres")
	}
	if err == nil {
		return initdb, postgres, nil
	}

	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(dirs) == 0 {
		return "", "", errNone
	}
	newest := slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) })
	return filepath.Join(newest, "initdb"), filepath.Join(newest, "postgres"), nil
}

// version returns the number in /usr/lib/postgresql/N/bin.
func version(bin string) int {
	n, _, _ := strings.Cut(filepath.Base(filepath.Dir(bin)), ".")
	v, _ := strconv.Atoi(n)
	return v
}
