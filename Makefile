# What the project is worked on with. .ci/run is all of what must pass.

.PHONY: test race lint fuzz faults e2e bench standalone

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

bench:
	go run ./test/bench

standalone:
	go run ./examples/standalone
