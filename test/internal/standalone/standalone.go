// Package standalone runs examples/standalone as a process of its own, for what
// can only be seen from outside: what a request costs, and what is left when the
// process is killed.
package standalone

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/postern-auth/postern/internal/logtest"
)

// Build builds the program into dir, without what only debuggers need, and returns
// its path. It has to be called inside the module. Flags are further ones for go
// build.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "standalone")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := slices.Concat([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", path}, flags,
		[]string{"github.com/postern-auth/postern/examples/standalone"})
	build := exec.CommandContext(ctx, "go", args...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// Server is a process that serves. It ends when this process does.
type Server struct {
	// URL is where it listens, without a slash at the end.
	URL string

	cmd   *exec.Cmd
	said  logtest.Buffer
	ended chan struct{} // closed when the process is gone
	err   error         // how it ended; to be read then
}

// startTimeout is how long a program may take to say where it listens.
const startTimeout = 30 * time.Second

var apiLine = regexp.MustCompile(`API +(http://[^\s,]+)`)

// Start starts the program at path, with args, on a free port of loopback and
// returns when it has said where that is. Its environment is environ and nothing
// else. Any program that greets like examples/standalone will do.
func Start(path string, args []string, environ ...string) (*Server, error) {
	s := &Server{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	s.cmd.Env = append([]string{"PORT=0", "GOTRUE_API_HOST=127.0.0.1"}, environ...)
	s.cmd.SysProcAttr = endWithParent()
	s.cmd.Stderr = &s.said
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go s.attend(stdout, address)

	select {
	case s.URL = <-address:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("%s ended: %w\n%s", path, errors.Join(s.err, io.EOF), &s.said)
	case <-time.After(startTimeout):
		return nil, errors.Join(fmt.Errorf("%s does not say where it listens\n%s", path, &s.said), s.Kill())
	}
}

// attend looks for the address in what the program says, and waits for its end.
func (s *Server) attend(stdout io.Reader, address chan<- string) {
	lines := bufio.NewScanner(io.TeeReader(stdout, &s.said))
	for lines.Scan() {
		if found := apiLine.FindStringSubmatch(lines.Text()); found != nil {
			select {
			case address <- found[1]:
			default:
			}
		}
	}
	_, _ = io.Copy(&s.said, stdout) // a line that was too long, if there is anything
	s.err = s.cmd.Wait()
	close(s.ended)
}

// PID returns the number of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Output returns what the program has written until now.
func (s *Server) Output() string { return s.said.String() }

// Ended returns a channel that is closed when the process has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Kill ends the process as kill -9 does and waits until it is gone.
func (s *Server) Kill() error {
	err := s.cmd.Process.Kill()
	<-s.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Terminate asks the process to end, with SIGTERM, without waiting for it.
func (s *Server) Terminate() error { return s.cmd.Process.Signal(syscall.SIGTERM) }

// stopTimeout is more than the program needs for the requests in flight.
const stopTimeout = 20 * time.Second

// Wait waits for the end of a process that was told to end, and returns an error
// unless its status is 0.
func (s *Server) Wait() error {
	select {
	case <-s.ended:
		return s.err
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("the server does not stop"), s.Kill())
	}
}

// Stop is Terminate and Wait.
func (s *Server) Stop() error {
	if err := s.Terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, s.Kill())
	}
	return s.Wait()
}
