package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/dbtest"
)

func TestFiguresAreThoseOfOneRequest(t *testing.T) {
	t.Parallel()
	s := sample{elapsed: 2 * time.Second, server: 300 * time.Millisecond, database: 100 * time.Millisecond}
	for i := range 1000 {
		s.latencies = append(s.latencies, time.Duration(i)*time.Millisecond)
	}
	want := figures{
		perSecond: 500, p50: 500 * time.Millisecond, p95: 950 * time.Millisecond, p99: 990 * time.Millisecond, p999: 999 * time.Millisecond,
		server: 300 * time.Microsecond, database: 100 * time.Microsecond,
	}
	if got := s.figures(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMedianIsOfEachFigureByItself(t *testing.T) {
	t.Parallel()
	one := func(latency, server time.Duration) sample {
		return sample{latencies: []time.Duration{latency}, elapsed: time.Second, server: server}
	}
	got := median([]sample{one(3, 10), one(1, 30), one(2, 20)})
	if want := (figures{perSecond: 1, p50: 2, p95: 2, p99: 2, p999: 2, server: 20}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFailingStepEndsTheRun(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	failing := func(context.Context) error { return broken }
	_, _, err := drive(t.Context(), []step{verifyStep(), failing}, time.Hour)
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want the step's", err)
	}
}

func TestProcessorTimeIsReadWhateverTheProgramIsCalled(t *testing.T) {
	t.Parallel()
	line := "42 (a ) 1 (b)) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 25 75 20 0 1 0 100 1 1"
	got, err := parseStat([]byte(line))
	if want := (stat{parent: 7, own: 2 * time.Second, reaped: time.Second}); err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if _, err := parseStat([]byte("42 (a) S 7")); err == nil {
		t.Error("a line that is too short: got no error")
	}
}

func TestFlagsNameTargets(t *testing.T) {
	t.Parallel()
	o, err := parse(strings.Fields("-url theirs=http://h:1/auth/v1 -url http://h:2 -pid theirs=7,8 -pid h:2=9 -server /tmp/old/standalone -server new=/tmp/a=b -database sqlite"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := []named{{"theirs", "http://h:1/auth/v1"}, {"h:2", "http://h:2"}}; !slices.Equal(o.urls, want) {
		t.Errorf("got the URLs %v, want %v", o.urls, want)
	}
	if want := []named{{"standalone", "/tmp/old/standalone"}, {"new", "/tmp/a=b"}}; !slices.Equal(o.servers, want) {
		t.Errorf("got the servers %v, want %v", o.servers, want)
	}
	if want := map[string]processes{"theirs": {7, 8}, "h:2": {server: 9}}; !maps.Equal(o.processes, want) {
		t.Errorf("got the processes %v, want %v", o.processes, want)
	}
}

func TestServersThatRunNeedNoDatabaseOfOurs(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"":                                   {"sqlite", "postgres"},
		"-url http://h:1 -pid 7":             nil,
		"-url http://h:1 -database postgres": {"postgres"},
	} {
		o, err := parse(strings.Fields(args), io.Discard)
		if err != nil || !slices.Equal(o.databases, want) {
			t.Errorf("%s: got the databases %v and error %v, want %v", args, o.databases, err, want)
		}
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-runs 0":                                "have to be positive",
		"-database oracle":                       `no database "oracle"`,
		"-scenario user,nope":                    `no scenario "nope"`,
		"user":                                   `"user" is no flag`,
		"-users 15":                              "15 users are fewer than the 16 connections",
		"-growth 8,20":                           "8 users are fewer",
		"-growth 200,100":                        "numbers that grow",
		"-growth 1000,many":                      "numbers that grow",
		"-growth 100 -storm":                     "for runs of their own",
		"-mix -url http://h":                     "there can be no -url",
		"-fill 10":                               "-into",
		"-into sqlite:x":                         "-fill needs",
		"-url https://h":                         "http://host:port/prefix",
		"-url a=h:80":                            "http://host:port/prefix",
		"-pid x":                                 "no number of a process",
		"-pid 7":                                 `names the server ""`,
		"-pid a=7":                               `names the server "a"`,
		"-database ,":                            "nothing to measure",
		"-server a -server a":                    `two servers are called "a"`,
		"-url http://h:1 -server a":              "needs -database",
		"-url http://h:1 -url http://h:2 -pid 1": `names the server ""`,
		"-url a=http://h:1 -server a=b -database sqlite": `two servers are called "a"`,
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", args, err, want)
		}
	}
}

func TestTableComparesWithTheFirstOfItsNameAndWithGoTrue(t *testing.T) {
	t.Parallel()
	one := func(name, variant string, perSecond float64, cpu time.Duration) row {
		return row{name: name, variant: variant, figures: figures{perSecond: perSecond, server: cpu / 4, database: cpu - cpu/4}, peer: peer{cpu: 800 * time.Microsecond, perSecond: 50}}
	}
	var text strings.Builder
	table{variants: "users", peers: true, mark: 1.5, rows: []row{
		one("user", "10", 100, 400*time.Microsecond), one("user", "20", 50, 640*time.Microsecond),
		one("list", "10", 10, 0), one("list", "20", 20, 80*time.Microsecond),
		{name: "list", variant: "30", failure: "timeout"},
	}}.print(&text)
	var got [][]string
	for line := range strings.Lines(text.String()) {
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		got = append(got, slices.Concat(cells[1:4], cells[8:len(cells)-1])) // all but the latencies
	}
	want := [][]string{
		{"scenario", "users", "requests/s", "server µs", "database µs", "sum µs", "requests/s ÷ first", "sum ÷ first", "requests/s ÷ GoTrue", "GoTrue µs", "GoTrue ÷ sum"},
		{"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"},
		{"user", "10", "100", "100", "300", "400", "1.00", "1.00", "2.00", "800", "2.00"},
		{"user", "20", "50", "160", "480", "640", "0.50", "1.60 !", "1.00", "800", "1.25"},
		{"list", "10", "10", "", "", "", "1.00", "", "0.20", "800", ""},
		{"list", "20", "20", "20", "60", "80", "2.00", "", "0.40", "800", "10.00"},
		{"list", "30", "timeout", "", "", "", "", "", "", "", ""},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestScenarioThatATargetIsTooSlowForHasNoFigures(t *testing.T) {
	t.Parallel()
	var r runs
	good := sample{elapsed: time.Second}
	slow := errors.Join(&refusal{status: http.StatusGatewayTimeout})
	for _, err := range []error{r.add(good, nil), r.add(sample{}, slow), r.add(good, nil)} {
		if err != nil {
			t.Errorf("got error %v, want none", err)
		}
	}
	if r.failure != "timeout" || len(r.samples) != 0 {
		t.Errorf("got %+v, want nothing but a timeout", r)
	}
	broken := errors.New("broken")
	if err := r.add(sample{}, broken); !errors.Is(err, broken) {
		t.Errorf("got error %v, want the run's", err)
	}
}

func TestSizesOfAScenarioStandTogether(t *testing.T) {
	t.Parallel()
	got := bySize([]row{{name: "user", variant: "1"}, {name: "list", variant: "1"}, {name: "user", variant: "2"}, {name: "list", variant: "2"}})
	want := []row{{name: "user", variant: "1"}, {name: "user", variant: "2"}, {name: "list", variant: "1"}, {name: "list", variant: "2"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestScenariosThatGrowAreThere(t *testing.T) {
	t.Parallel()
	for _, name := range growing {
		if !slices.Contains(scenarioNames(), name) {
			t.Errorf("there is no scenario %q", name)
		}
	}
	for _, i := range ingredients {
		if !slices.Contains(scenarioNames(), i.name) {
			t.Errorf("there is no scenario %q", i.name)
		}
	}
}

func TestNoTwoWorkersAreGivenTheSameUser(t *testing.T) {
	t.Parallel()
	const workers = 4
	for _, users := range []int{workers, 10, 100} {
		given := map[int]int{}
		for index := range workers {
			w := &worker{target: &target{users: users}, index: index, of: workers}
			for range 100 * users {
				n := w.user()
				if by, taken := given[n]; taken && by != index || n < 1 || n > users {
					t.Fatalf("of %d users, worker %d was given %d, which worker %d has", users, index, n, by)
				}
				given[n] = index
			}
		}
		if len(given) != users {
			t.Errorf("%d of %d users were given to somebody", len(given), users)
		}
	}
}

// A mixer whose server is killed goes on with another; what a server refuses ends the run.
func TestRequestsThatAKillBrokeOffAreSentAgain(t *testing.T) {
	t.Parallel()
	living := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(living.Close)
	m := &mix{servers: []*target{{url: living.URL}, {url: living.URL}, {}}}
	c, err := dial(t.Context(), living.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := &mixer{mix: m, worker: &worker{target: m.servers[2], c: c}, took: make([][]time.Duration, len(ingredients))}
	t.Cleanup(func() { x.c.conn.Close() })
	var answer error
	for range ingredients {
		x.steps = append(x.steps, func(context.Context) error {
			if x.onVictim() {
				return answer
			}
			return nil
		})
	}
	answer = io.EOF
	if err := x.step(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("broken off by nobody: got error %v, want that", err)
	}
	m.killed.Store(true)
	answer = &refusal{status: http.StatusBadRequest}
	if err := x.step(t.Context()); !refused(err, http.StatusBadRequest) {
		t.Errorf("refused: got error %v, want the refusal", err)
	}
	answer = io.EOF
	if err := x.step(t.Context()); err != nil || x.onVictim() || m.broken.Load() != 1 {
		t.Errorf("killed: got error %v, still there %v, broken off %d; want to go on elsewhere after 1", err, x.onVictim(), m.broken.Load())
	}
}

// All scenarios do against a server what they say they do: an answer of any other kind
// is an error.
func TestScenariosRunAgainstAServerThatIsThere(t *testing.T) {
	t.Parallel()
	st := dbtest.SQLite(t)
	a, err := newAuth(st, ownSecret)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/v1/", http.StripPrefix("/auth/v1", httpadapter.New(a, httpadapter.Options{CursorPagination: true})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tgt, err := newTarget("here", server.URL+"/auth/v1/", ownSecret, 60)
	if err != nil {
		t.Fatal(err)
	}
	const connections = 2
	for range 2 { // the second time they are there
		if err := tgt.seed(t.Context(), connections); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range scenarios {
		all, err := tgt.team(t.Context(), connections, s.begin)
		if s.inProcess {
			if !errors.Is(err, errNotThere) {
				t.Errorf("%s: got error %v, want that it is not there", s.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		for _, step := range slices.Concat(all.steps, all.steps) {
			if err := step(t.Context()); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
		if err := all.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOperatorThatIsRefusedEndsTheRun(t *testing.T) {
	t.Parallel()
	a, err := newAuth(dbtest.SQLite(t), ownSecret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpadapter.New(a, httpadapter.Options{}))
	t.Cleanup(server.Close)
	stranger, err := newTarget("here", server.URL, "another secret of more than 32 bytes", 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.seed(t.Context(), 2); !refused(err, http.StatusForbidden) {
		t.Errorf("got error %v, want that it is refused", err)
	}
}
