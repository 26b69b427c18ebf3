# What the project is worked on with. .ci/run is all of what must pass.

.PHONY: test race lint fuzz e2e bench standalone

test:
	go test ./...

race:
	go test -race ./...

lint:
	.ci/run format vet tidy staticcheck

fuzz:
	FUZZTIME=30s .ci/run fuzz

e2e:
	.ci/run e2e

bench:
	go run ./test/bench

standalone:
	go run ./examples/standalone
