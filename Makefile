# make help lists the targets. Everything but record, e2e and bench needs only Go.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s
CHAOS_SEED ?= 1
CHAOS_RUNS ?= 50
CHAOS_STEPS ?= 200

.PHONY: help build demo test race check generate fuzz chaos record replay e2e e2e-packages bench bench-packages pgo clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/pinion
	$(GO) build -o bin/pinion ./cmd/pinion

demo: build ## run the main job: a sticky load balancer with three backends, to play with
	./bin/pinion demo

test: ## run the tests; a few minutes
	$(GO) test ./...

race: ## run the tests under the race detector
	$(GO) test -race ./...

check: ## format, vet, staticcheck, generated files up to date
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./cmd/gendocs -check

generate: ## write the generated files: docs/directives.md
	$(GO) run ./cmd/gendocs

fuzz: ## fuzz every parser of foreign bytes, FUZZTIME each (20s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

chaos: ## members die, files change, pinion restarts: CHAOS_RUNS (50) times CHAOS_STEPS (200), with seeds from CHAOS_SEED (1) on
	@for seed in $$(seq $(CHAOS_SEED) $$(($(CHAOS_SEED) + $(CHAOS_RUNS) - 1))); do \
	  PINION_CHAOS_SEED=$$seed PINION_CHAOS_STEPS=$(CHAOS_STEPS) $(GO) test -race -count=1 -timeout 1h -run '^TestChaos$$' ./reload || exit 1; \
	done

record: ## record the conformance cases anew from a real httpd (Debian's apache2)
	$(GO) run ./cmd/conformance record

replay: build ## compare pinion with every recorded answer of httpd
	$(GO) run ./cmd/conformance replay --target './bin/pinion -X -f {conf}'

e2e-packages: ## install Debian's packages that e2e and record need (as root)
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  apache2 tomcat10 php-fpm nghttp2-client curl openssl chromium

e2e: build ## run the end-to-end tests with real parts: httpd, Tomcat, PHP-FPM, Chromium
	PINION=$(CURDIR)/bin/pinion $(GO) test -count=1 -tags e2e ./examples/... ./runtime/manager

bench-packages: ## install Debian's packages that bench needs (as root)
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  apache2 nginx haproxy wrk nghttp2-client

bench: build ## measure pinion beside httpd, nginx and HAProxy; 20 to 30 minutes; writes docs/benchmarks.md (BENCH="--only a,b": a part, writes nothing)
	$(GO) run ./cmd/bench $(or $(BENCH),--write docs/benchmarks.md)

pgo: ## take the compiler's profile anew (cmd/pinion/default.pgo), which go build uses by itself
	$(GO) test ./cmd/pinion -trimpath -run '^$$' -bench Sticky -benchtime 6s -cpuprofile $(CURDIR)/cmd/pinion/default.pgo
	rm -f pinion.test

clean: ## remove what was built
	rm -rf bin
