package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-auth/postern/test/internal/pgbouncer"
)

// ingredients are the scenarios of the mix, and how many of a hundred requests each is.
var ingredients = []struct {
	name  string
	share int
}{{"user", 70}, {"refresh", 20}, {"verify", 5}, {"list", 5}}

const (
	mixProcesses = 3
	mixPool      = 16 // PgBouncer's connections to the database
	mixSessions  = 20 // of each worker
)

// mix is several processes on one PostgreSQL, and who sends them requests.
type mix struct {
	*bench
	servers  []*target // the last is killed
	database clock     // with PgBouncer
	ends     []func()

	mu      sync.Mutex
	workers []*mixer

	killed atomic.Bool
	broken atomic.Int64 // requests that the kill broke off
}

// mixed measures with all processes, and then from just before one is killed.
func (b *bench) mixed(ctx context.Context, w io.Writer) (err error) {
	m := &mix{bench: b}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return err
	}
	all, err := newTeam(ctx, m.servers, b.meter.connections, m.begin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	rows, err := m.measure(ctx, all.steps)
	if err != nil {
		return err
	}
	m.report(w, rows)
	return nil
}

// open starts a PostgreSQL, a PgBouncer before it and the processes behind that.
func (m *mix) open(ctx context.Context) error {
	db, err := m.openDatabase(ctx, "postgres")
	if err != nil {
		return err
	}
	m.ends = append(m.ends, db.close)
	bouncer, err := pgbouncer.Start(db.url, mixPool)
	if err != nil {
		return err
	}
	m.ends = append(m.ends, bouncer.Close)
	m.database = together(db.clock, familyClock(bouncer.PID()))
	through := *db
	through.url = bouncer.DSN()
	for i := range mixProcesses {
		t, err := m.start(ctx, m.bench.servers[0], &through, m.users)
		if err != nil {
			return err
		}
		t.name, t.sessions = "process "+strconv.Itoa(i+1), mixSessions
		m.servers = append(m.servers, t)
	}
	fmt.Fprintf(m.progress, "creating %d users\n", m.users)
	return m.servers[0].seed(ctx, m.meter.connections)
}

// close ends what open started, PgBouncer before the cluster.
func (m *mix) close() error {
	if m.killed.Load() {
		m.servers = m.servers[:mixProcesses-1]
	}
	err := closeAll(m.servers)
	for _, end := range slices.Backward(m.ends) {
		end()
	}
	return err
}

// mixer is a worker who sends requests of all kinds.
type mixer struct {
	*mix
	*worker
	steps []step            // of each ingredient
	took  [][]time.Duration // the latencies of each
}

func (m *mix) begin(ctx context.Context, w *worker) (step, error) {
	x := &mixer{mix: m, worker: w, took: make([][]time.Duration, len(ingredients))}
	for _, i := range ingredients {
		s, err := scenarioNamed(i.name).begin(ctx, w)
		if err != nil {
			return nil, err
		}
		x.steps = append(x.steps, s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workers = append(m.workers, x)
	return x.step, nil
}

// step sends a request of any kind. One that was broken off because its server was
// killed is sent again to another server: all of them can be.
func (x *mixer) step(ctx context.Context) error {
	kind, began := anyKind(), time.Now()
	err := x.steps[kind](ctx)
	if err != nil && x.onVictim() && x.killed.Load() && !errors.As(err, new(*refusal)) {
		x.broken.Add(1)
		if err = x.move(ctx); err == nil {
			err = x.steps[kind](ctx)
		}
	}
	x.took[kind] = append(x.took[kind], time.Since(began))
	return err
}

// anyKind returns the number of an ingredient, each as often as its share says.
func anyKind() int {
	n := rand.IntN(100)
	for kind, i := range ingredients {
		if n -= i.share; n < 0 {
			return kind
		}
	}
	panic("the shares are not a hundred in all")
}

func (x *mixer) victim() *target { return x.mix.servers[mixProcesses-1] }

func (x *mixer) onVictim() bool { return x.target == x.victim() }

// move connects to one of the servers that are left.
func (x *mixer) move(ctx context.Context) error {
	_ = x.c.conn.Close() // it is broken
	x.target = x.mix.servers[x.index%(mixProcesses-1)]
	c, err := dial(ctx, x.url)
	if err == nil {
		x.c = c
	}
	return err
}

// measure returns the rows of the time with all processes and of that with one killed.
func (m *mix) measure(ctx context.Context, steps []step) ([]row, error) {
	if _, _, err := drive(ctx, steps, m.meter.warmUp); err != nil {
		return nil, err
	}
	before, err := m.phase(ctx, steps, m.servers)
	if err != nil {
		return nil, err
	}
	death := make(chan error, 1)
	time.AfterFunc(m.meter.duration/20, func() { death <- m.kill() }) // in the midst of requests
	after, err := m.phase(ctx, steps, m.servers[:mixProcesses-1])
	if err := errors.Join(err, <-death, ctx.Err()); err != nil {
		return nil, err
	}
	var rows []row
	for i := range before {
		rows = append(rows, before[i], after[i])
	}
	return rows, nil
}

func (m *mix) kill() error {
	m.killed.Store(true)
	return m.servers[mixProcesses-1].process.Kill()
}

// phase measures once and returns a row for all requests and one for each kind.
func (m *mix) phase(ctx context.Context, steps []step, servers []*target) ([]row, error) {
	fmt.Fprintf(m.progress, "mix, %d processes\n", len(servers))
	for _, x := range m.workers {
		clear(x.took)
	}
	var clocks []clock
	for _, t := range servers {
		clocks = append(clocks, t.server)
	}
	all, err := m.meter.count(ctx, steps, together(clocks...), m.database)
	if err != nil {
		return nil, err
	}
	variant := strconv.Itoa(len(servers))
	rows := []row{{name: "all", variant: variant, figures: all.figures()}}
	for kind, i := range ingredients {
		s := sample{elapsed: all.elapsed}
		for _, x := range m.workers {
			s.latencies = append(s.latencies, x.took[kind]...)
		}
		slices.Sort(s.latencies)
		rows = append(rows, row{name: i.name, variant: variant, figures: s.figures()})
	}
	return rows, nil
}

func (m *mix) report(w io.Writer, rows []row) {
	fmt.Fprintf(w, "A mix of requests to %d processes on one PostgreSQL, through PgBouncer in transaction mode with %d connections,\n"+
		"whose processor time is the database's here: %v with all of them, and %[3]v from just before one is killed.\n"+
		"%d connections, %d users.\n\n",
		mixProcesses, mixPool, m.meter.duration, m.meter.connections, m.users)
	table{variants: "processes", rows: rows}.print(w)
	fmt.Fprintf(w, "\nThe kill broke off %d requests. They were sent again to another process, which is in their latency.\n", m.broken.Load())
}
