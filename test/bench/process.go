package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc, which is the same on all of Linux's
// architectures that Go knows.
const tick = time.Second / 100

// stat is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type stat struct {
	parent int
	own    time.Duration // used by its threads, in user and kernel mode
	reaped time.Duration // used by children that are gone
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(text)
}

// parseStat reads the fields that follow the name, which is in parentheses and may
// have spaces and parentheses in it.
func parseStat(text []byte) (stat, error) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14
	if len(fields) <= cstime {
		return stat{}, errors.New("a line of /proc that is too short")
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i]) // the kernel writes numbers
		return n
	}
	return stat{
		parent: number(parent),
		own:    time.Duration(number(utime)+number(stime)) * tick,
		reaped: time.Duration(number(cutime)+number(cstime)) * tick,
	}, nil
}

// processClock tells the time of one process.
func processClock(pid int) clock {
	return func() (time.Duration, error) {
		s, err := readStat(pid)
		return s.own, err
	}
}

// familyClock tells the time of a process and its children, with those that are
// gone.
func familyClock(pid int) clock {
	return func() (time.Duration, error) {
		s, err := readStat(pid)
		if err != nil {
			return 0, err
		}
		sum := s.own + s.reaped
		dirs, err := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			child, _ := strconv.Atoi(filepath.Base(dir))
			if c, err := readStat(child); err == nil && c.parent == pid { // others may end meanwhile
				sum += c.own
			}
		}
		return sum, err
	}
}

// resident returns the memory of a process that is in RAM, in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	kilobytes, _, found := strings.Cut(rest, " kB")
	if !found {
		return 0, errors.New("/proc does not tell the resident memory")
	}
	n, err := strconv.ParseInt(strings.TrimSpace(kilobytes), 10, 64)
	return n << 10, err
}
