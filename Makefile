# What the project is worked on with. .ci/run is all of what must pass.

.PHONY: test race lint fuzz faults e2e bench bench-growth bench-storm bench-mix standalone

test:
	go test ./...

race:
	.ci/run race

lint:
	.ci/run format vet tidy staticcheck

# A minute for each fuzz target that there is.
fuzz:
	FUZZTIME=1m .ci/run fuzz

# The tests that kill, cut off and fill up what a server stands on, as often as the
# promises say, with what they counted: rounds, faults, what was acknowledged and what
# of that is lost.
faults:
	FAULTS=full go test -v -count=1 -timeout 3h ./test/faults
	FAULTS=full go test -count=1 -timeout 3h ./test/adversarial

e2e:
	.ci/run e2e

# What requests cost, beside what they cost GoTrue. FLAGS has more flags for the program:
# servers that run already, versions to compare, scenarios.
bench:
	go run ./test/bench $(FLAGS)

# The same as the database grows to a million users; with so many sign-ins at the same
# time; with three processes of which one dies.
bench-growth:
	go run ./test/bench -growth 10000,100000,1000000 -runs 1 $(FLAGS)
bench-storm:
	go run ./test/bench -storm $(FLAGS)
bench-mix:
	go run ./test/bench -mix $(FLAGS)

standalone:
	go run ./examples/standalone
