//go:build unix

package pgtest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/internal/pgtest"
)

// childEnv makes the test binary start a cluster, print its DSN, and stay.
const childEnv = "PGTEST_CHILD"

func TestClusterEndsWithKilledProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(childEnv) != "" {
		fmt.Println("DSN", pgtest.New(t))
		select {}
	}

	child := exec.Command(os.Args[0], "-test.run=^TestClusterEndsWithKilledProcess$")
	child.Env = append(os.Environ(), childEnv+"=1", "POSTERN_TEST_POSTGRES=")
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir := clusterDirOf(t, bufio.NewScanner(stdout))
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()

	for range 600 {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s is still there, want it removed", dir)
}

// clusterDirOf reads the child's DSN and returns the directory of its socket.
func clusterDirOf(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		dsn, found := strings.CutPrefix(lines.Text(), "DSN ")
		if !found {
			continue
		}
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("host")
	}
	t.Skip("skipped: no initdb and postgres")
	return ""
}
