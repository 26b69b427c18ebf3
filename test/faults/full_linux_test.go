package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// Guarantee G36.
func TestServerOutlivesFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		disk := mount(t, "8m")
		fill(t, disk, "sqlite:"+filepath.Join(disk, "auth.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.NewCluster(t)
		disk := mount(t, "32m")
		fill(t, disk, databaseOn(t, cluster, disk))
	})
}

// mount mounts a small disk, in memory.
func mount(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size="+size); err != nil {
		envtest.LeaveOut(t, "a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// databaseOn makes a database in a tablespace on a disk. The server's own files
// are elsewhere: it does not outlive a full disk under its log.
func databaseOn(t *testing.T, cluster *pgtest.Cluster, disk string) string {
	t.Helper()
	owner, err := os.Stat(cluster.Dir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(disk, "tablespace")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ids := owner.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(ids.Uid), int(ids.Gid)); err != nil {
		t.Fatal(err)
	}
	openUp(t, disk)
	conn, err := pgx.Connect(t.Context(), cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{
		"CREATE TABLESPACE small LOCATION '" + dir + "'", "CREATE DATABASE small TABLESPACE small",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return pgtest.With(cluster.DSN(), "dbname", "small")
}

// openUp lets other users into the directories that lead to a disk.
func openUp(t *testing.T, disk string) {
	t.Helper()
	for dir := filepath.Dir(disk); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// fill fills the disk under a server, and empties it again.
func fill(t *testing.T, disk, url string) {
	t.Helper()
	s := start(t, url)
	c := newClient(t, s.URL)
	a, err := c.signUp(t.Context(), "ada@example.com")
	token := must(t, a, err).text("access_token")

	var y tally
	for i := range rounds(2, 10) {
		ballast := takeSpace(t, disk)
		accounts := signUpUntilRefused(t, c, i)
		a, err = c.do(t.Context(), "GET", "/user", token, nil)
		must(t, a, err)
		a, err = c.do(t.Context(), "GET", "/health", "", nil)
		must(t, a, err)

		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		awaitSignUp(t, c, i)
		for _, email := range accounts {
			a, err := c.signIn(t.Context(), email, password)
			must(t, a, err)
		}
		y.rounds++
		y.faults++
		y.acknowledged += len(accounts)
	}
	y.log(t)
	checkRuns(t, s)
	checkConsistency(t, open(t, url), url)
}

// takeSpace leaves a disk a little space, in which a few rows may find room.
func takeSpace(t *testing.T, disk string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: got error %v, want that it is full", err)
	}
	size, err := f.Seek(0, 1)
	if err == nil {
		err = f.Truncate(max(0, size-128<<10))
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// signUpUntilRefused returns the addresses of the accounts for which there was
// still room, some at least of the last.
func signUpUntilRefused(t *testing.T, c *client, round int) (emails []string) {
	t.Helper()
	for i := range maxAccounts {
		email := fmt.Sprintf("user-%d-%d@example.com", round, i)
		a, err := c.signUp(t.Context(), email)
		if err != nil {
			t.Fatal(err)
		}
		if !a.ok() {
			checkUnavailable(t, a)
			return emails[max(0, len(emails)-100):]
		}
		emails = append(emails, email)
	}
	t.Fatal("the disk does not get full")
	return nil
}

func checkUnavailable(t *testing.T, a *answer) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %s, want 503 with Retry-After", a)
	}
}

// awaitSignUp tries until it succeeds, a few times at most.
func awaitSignUp(t *testing.T, c *client, round int) {
	t.Helper()
	for i := range 20 {
		a, err := c.signUp(t.Context(), fmt.Sprintf("again-%d-%d@example.com", round, i))
		if err != nil {
			t.Fatal(err)
		}
		if a.ok() {
			return
		}
		checkUnavailable(t, a)
	}
	t.Error("the server does not recover when there is space again")
}

// checkRuns fails if the process has ended.
func checkRuns(t *testing.T, s *standalone.Server) {
	t.Helper()
	select {
	case <-s.Ended():
		t.Error("the server has ended")
	default:
	}
}
