# The only entry: people and CI run these targets, nothing else.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := node_modules/.bin
INSTALLED := node_modules/.stamp
BUILT := dist/cjs/package.json
# What `make bench` needs, and what it measures beside swarmbus.
MEASURED := gcc libc6-dev redis-server nats-server
# Debian packages without which some tests are skipped, or fail where CI=true.
HELPERS := python3-websockets python3-msgpack chromium tinyproxy gcc libc6-dev
# Tests end themselves in time; should one hang all the same, the whole run ends after this.
TEST_SECONDS := 2700
TEST_LIMIT := $(if $(shell command -v timeout),timeout --foreground --kill-after=10 $(TEST_SECONDS))
# Folders are listed too: their times change when a file in them is deleted.
SOURCES := $(shell find src) package.json tsconfig.json tsconfig.esm.json tsconfig.cjs.json

.PHONY: run build check test sim soak bench bench-quick bench-compare bench-deps clean help helpers node-version

run: build ## start a ring of three nodes, load data, check it through every node
	@node bin/swarmbus demo

build: $(BUILT) ## compile to dist/ (ES modules, CommonJS, browser bundle)

check: $(INSTALLED) ## types, lint, format, and the rules of test/tidy.test.ts
	$(BIN)/tsc --noEmit
	$(BIN)/oxlint --type-aware --deny-warnings
	$(BIN)/prettier --check --log-level warn .
	$(BIN)/jest --silent test/tidy.test.ts

test: check build helpers ## all tests, after check and build (CI=true: nothing may be skipped)
	@$(TEST_LIMIT) $(BIN)/jest $(if $(filter true,$(CI)),--ci) || { status=$$?; \
	if [ $$status = 124 ] || [ $$status = 137 ]; then echo 'the tests were stopped: they took longer than $(TEST_SECONDS) s' >&2; fi; \
	exit $$status; }

sim: build ## simulated swarms: make sim SEED=7 RUNS=100; short ones: OF=probes; databases: OF=replicas
	@node dist/esm/testing/$(if $(filter replicas,$(OF)),replica-,)sim-main.js

soak: build ## real processes under kill -9, SIGSTOP and broken links: make soak SECONDS=120 SEED=1
	@SOAK_SECONDS=$(or $(SECONDS),120) SOAK_SEED=$(or $(SEED),1) $(BIN)/jest test/e2e/real-faults.test.ts

bench: build ## measure beside redis-server, NATS and a bare listener: make bench FLAGS='--sections owner'
	@node bench/main.mjs $(FLAGS)

bench-quick: build ## the same within 3 minutes, with less in it and more noise
	@node bench/main.mjs --quick $(FLAGS)

bench-compare: ## what changed beyond noise: make bench-compare A=bench/results/... B=bench/results/...
	@node bench/compare.mjs $(A) $(B)

bench-deps: ## install what a measurement needs (as root; else say how)
	@if [ "$$(id -u)" = 0 ]; then apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(MEASURED); \
	else echo 'to measure, beside others: apt-get install -y $(MEASURED)'; fi

clean: ## delete what was built and measured
	rm -rf dist coverage bench/results

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18

helpers:
	@missing=$$(for name in $(HELPERS); do dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; done | xargs); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$${CI:-}" = true ] && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else echo "some tests need more; to run all of them: apt-get install $$missing"; fi

node-version:
	@$(if $(shell node -e 'v = process.versions.node.split("."); v[0] > 20 || (v[0] == 20 && v[1] >= 19) ? console.log(1) : 0' 2>/dev/null),,$(error swarmbus needs Node 20.19 or newer, found $(or $(shell node --version 2>/dev/null),none): install it from https://nodejs.org))

$(INSTALLED): package-lock.json | node-version
	@echo 'installing dependencies (once, about a minute)'
	@npm ci --include=dev --include=optional --no-audit --no-fund --loglevel=error
	@touch $@

$(BUILT): $(SOURCES) $(INSTALLED) | node-version
	@rm -rf dist
	$(BIN)/tsc -p tsconfig.esm.json
	@# The same sources once more: their types have been checked just now.
	$(BIN)/tsc -p tsconfig.cjs.json --noCheck
	$(BIN)/esbuild src/client/browser.ts --bundle --minify --target=es2022 --log-level=warning --format=esm --outfile=dist/browser/client.js
	$(BIN)/esbuild src/client/browser.ts --bundle --minify --target=es2022 --log-level=warning --format=cjs --outfile=dist/browser/client.cjs
	@echo '{ "type": "commonjs" }' > $@
