package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	meter     meter
	runs      int
	users     int
	databases []string
	scenarios []string
	postgres  string

	servers, urls []named
	processes     map[string]processes // of those in urls
	secret        string

	growth     []int
	storm, mix bool
	fill       int
	into       string
}

// named is a program or a base URL, and what it is called in the tables.
type named struct{ name, value string }

// processes are whose processor time is counted, 0 for none that is known.
type processes struct{ server, postmaster int }

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{processes: map[string]processes{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.meter.duration, "duration", 8*time.Second, "of each run of a scenario")
	flags.DurationVar(&o.meter.warmUp, "warmup", time.Second, "before it, which is not counted")
	flags.IntVar(&o.meter.connections, "connections", 16, "at once")
	flags.IntVar(&o.runs, "runs", 3, "of each scenario; the median is printed")
	flags.IntVar(&o.users, "users", 1800, "in the database before the scenarios begin")
	flags.StringVar(&o.postgres, "postgres", "", "`DSN` of a server on this machine (default: a cluster that is started for the run)")
	flags.Func("server", "`[name=]path` of a built examples/standalone, once for each version that is compared (default: it is built)", o.addServer)
	flags.Func("url", "`[name=]URL` of the API of a server that runs already, once for each", o.addURL)
	flags.Func("pid", "`[name=]server[,postmaster]`: the process of a server that -url names, and that of its PostgreSQL, for the processor time", o.addProcesses)
	flags.StringVar(&o.secret, "secret", ownSecret, "GOTRUE_JWT_SECRET of the servers that -url names")
	databases := flags.String("database", "sqlite,postgres", "`names` of the databases to measure on; with -url they have to be named")
	scenarios := flags.String("scenario", "", "`names` of the scenarios to measure (default: all)")
	growth := flags.String("growth", "", "measure how figures grow with so many users: `numbers`, such as 10000,100000,1000000")
	flags.BoolVar(&o.storm, "storm", false, "measure GET /user while others sign in with passwords")
	flags.BoolVar(&o.mix, "mix", false, "measure three processes on one PostgreSQL through PgBouncer, of which one is killed")
	flags.IntVar(&o.fill, "fill", 0, "fill the database that -into names up to so many users, and measure nothing")
	flags.StringVar(&o.into, "into", "", "`DATABASE_URL`, as examples/standalone understands it, that -fill fills")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.databases = names(*databases); len(o.urls) > 0 && !given["database"] {
		o.databases = nil
	}
	o.scenarios = names(*scenarios)
	var err error
	if o.growth, err = sizes(*growth); err != nil {
		return o, err
	}
	return o, o.check(flags.Args())
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// sizes reads numbers of users, each larger than the one before: the same database
// grows.
func sizes(list string) (all []int, err error) {
	for _, text := range names(list) {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 || len(all) > 0 && n <= all[len(all)-1] {
			return nil, fmt.Errorf("-growth needs numbers that grow, not %q", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// cutName separates the name from what may have one before it.
func cutName(text, otherwise string) named {
	if name, value, found := strings.Cut(text, "="); found && !strings.ContainsAny(name, "/:") {
		return named{name, value}
	}
	return named{otherwise, text}
}

func (o *options) addServer(text string) error {
	s := cutName(text, filepath.Base(text))
	o.servers = append(o.servers, s)
	return nil
}

func (o *options) addURL(text string) error {
	s := cutName(text, "")
	u, err := url.Parse(s.value)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
		return fmt.Errorf("%q is no URL of the form http://host:port/prefix", s.value)
	}
	if s.name == "" {
		s.name = u.Host
	}
	o.urls = append(o.urls, s)
	return nil
}

// addProcesses keeps processes without a name under "", which check sees to.
func (o *options) addProcesses(text string) error {
	name, numbers, found := strings.Cut(text, "=")
	if !found {
		name, numbers = "", text
	}
	server, postmaster, both := strings.Cut(numbers, ",")
	var p processes
	var err, err2 error
	p.server, err = strconv.Atoi(server)
	if both {
		p.postmaster, err2 = strconv.Atoi(postmaster)
	}
	if err != nil || err2 != nil {
		return fmt.Errorf("%q is no number of a process, nor two with a comma", numbers)
	}
	o.processes[name] = p
	return nil
}

func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	if o.meter.duration <= 0 || o.meter.warmUp < 0 || o.meter.connections < 1 || o.runs < 1 || o.users < 1 {
		return errors.New("durations and numbers have to be positive")
	}
	if least := slices.Min(append(o.growth, o.users)); least < o.meter.connections {
		return fmt.Errorf("%d users are fewer than the %d connections, of which each needs its own", least, o.meter.connections)
	}
	for _, name := range o.databases {
		if name != "sqlite" && name != "postgres" {
			return fmt.Errorf("there is no database %q, only sqlite and postgres", name)
		}
	}
	known := scenarioNames()
	for _, name := range o.scenarios {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no scenario %q, only %s", name, strings.Join(known, ", "))
		}
	}
	return errors.Join(o.checkTargets(), o.checkModes())
}

func (o *options) checkTargets() error {
	if p, ok := o.processes[""]; ok && len(o.urls) == 1 {
		delete(o.processes, "")
		o.processes[o.urls[0].name] = p
	}
	if len(o.databases)+len(o.urls) == 0 {
		return errors.New("there is nothing to measure: neither -database nor -url names anything")
	}
	seen := map[string]bool{}
	for _, s := range slices.Concat(o.urls, o.servers) {
		if seen[s.name] {
			return fmt.Errorf("two servers are called %q: give them names, as in new=%s", s.name, s.value)
		}
		seen[s.name] = true
	}
	for name := range o.processes {
		if !slices.ContainsFunc(o.urls, func(s named) bool { return s.name == name }) {
			return fmt.Errorf("-pid names the server %q, which -url does not", name)
		}
	}
	return nil
}

func (o *options) checkModes() error {
	modes := 0
	for _, on := range []bool{len(o.growth) > 0, o.storm, o.mix, o.fill != 0} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return errors.New("-growth, -storm, -mix and -fill are for runs of their own")
	case (len(o.growth) > 0 || o.mix) && len(o.urls) > 0:
		return errors.New("-growth and -mix start their servers themselves, so there can be no -url")
	case o.fill < 0 || (o.fill > 0) != (o.into != ""):
		return errors.New("-fill needs a positive number and -into a database, each the other")
	case len(o.urls) > 0 && len(o.servers) > 0 && len(o.databases) == 0:
		return errors.New("-server beside -url needs -database, for where to start it")
	}
	return nil
}
