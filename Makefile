# Coracle: one door to everything. `make` alone explains itself.
#
# Nothing here downloads at build time but `npm ci` (which brings Node itself) and, where apt is,
# the few Debian packages that the tests run against.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=
SYSTEMD_UNITS ?= $(PREFIX)/lib/systemd/system
CC ?= cc
NODE := node_modules/.bin/node

NATIVE_SOURCES := $(wildcard native/*.c)
NATIVE_HEADERS := $(wildcard native/*.h native/*.def)
NATIVE_FLAGS := -std=gnu11 -Wall -Wextra -Werror -Wvla
SOURCES := $(shell find src -name '*.ts' ! -name '*.test.ts')

NATIVE := build/coracle-native
NATIVE_ASAN := build/coracle-native-asan
BUNDLE := dist/coracle.mjs
IMAGE := dist/busybox.tar
LAUNCHERS := bin/coracle bin/coracled

.DEFAULT_GOAL := help

## help: this list
.PHONY: help
help:
	@echo 'Coracle, a container engine that you can read. Targets:'
	@sed -n 's/^## \([a-z0-9-]*\): \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

## setup: bring Node 26, the npm packages and (with apt, as root) the Debian packages
.PHONY: setup
setup: node_modules/.package-lock.json build/.packages

node_modules/.package-lock.json: package-lock.json
	@# npm ci would empty the folder behind a link, which another work tree is using.
	@if test -L node_modules; then \
	  cmp -s package-lock.json "$$(readlink -f node_modules)/../package-lock.json" || \
	  { echo "setup: node_modules leads to packages of another package-lock.json; remove the link" >&2; exit 1; }; \
	else npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	@test -x $(NODE) || { echo "setup: npm brought no Node for $$(uname -m); linux x64 and arm64 are served" >&2; exit 1; }
	@touch $@

build/.packages: tools/setup-packages.sh
	@mkdir -p build
	@bash tools/setup-packages.sh
	@touch $@

## build: compile the C program, bundle the TypeScript, make the busybox image; leaves bin/coracle
.PHONY: build
build: $(NATIVE) $(BUNDLE) $(IMAGE) $(LAUNCHERS)

$(NATIVE): $(NATIVE_SOURCES) $(NATIVE_HEADERS)
	@mkdir -p build
	$(CC) $(NATIVE_FLAGS) -O2 -static -fstack-protector-strong -D_FORTIFY_SOURCE=2 -s -o $@ $(NATIVE_SOURCES)

# The same program for tests: every out-of-bounds access and undefined shift ends it with a report.
$(NATIVE_ASAN): $(NATIVE_SOURCES) $(NATIVE_HEADERS)
	@mkdir -p build
	$(CC) $(NATIVE_FLAGS) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $(NATIVE_SOURCES)

$(BUNDLE): $(SOURCES) tools/bundle.ts package.json node_modules/.package-lock.json
	$(NODE) tools/bundle.ts

$(IMAGE): tools/build-busybox-image.ts src/image/builtin.ts build/.packages node_modules/.package-lock.json
	@mkdir -p dist
	$(NODE) tools/build-busybox-image.ts $@

bin/%: packaging/launcher.sh
	@mkdir -p bin
	@sed 's|@COMMAND@|$(if $(filter coracled,$*), daemon,)|' $< > $@
	@chmod 755 $@

## run: set up, build, then start an engine on private paths and show the main job in it (root)
.PHONY: run
run: setup
	@$(MAKE) --no-print-directory build
	@$(NODE) tools/run-demo.ts

## test: set up, build, check, and every test; the last line is "N passed, N failed" (root)
.PHONY: test
test: setup
	@$(MAKE) --no-print-directory build $(NATIVE_ASAN)
	@$(NODE) tools/test.ts

## check: types, linter, and the style rules as tests; no root
.PHONY: check
check: setup
	@$(NODE) tools/test.ts check

## unit: the tests beside the code; no root
.PHONY: unit
unit: setup
	@$(NODE) tools/test.ts check unit

## test-cgroup2: the tests of limits in two kernels that have cgroup v2 alone (root)
.PHONY: test-cgroup2
test-cgroup2: setup
	@$(MAKE) --no-print-directory build
	@$(NODE) tools/test.ts cgroup2

## bench: start, exec, streams and memory, beside the floor and (where it is) dockerd (root)
.PHONY: bench
bench: setup build/floor build/net-floor build/stopwatch
	@$(MAKE) --no-print-directory build
	@$(NODE) bench/bench.ts $(BENCH_FLAGS)

## bench-crowd: what a start costs beside many containers that run (root)
.PHONY: bench-crowd
bench-crowd: setup build/floor
	@$(MAKE) --no-print-directory build
	@$(NODE) bench/crowd.ts $(BENCH_FLAGS)

build/floor build/net-floor build/stopwatch: build/%: bench/%.c
	@mkdir -p build
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -static -o $@ $<

## golden: write the expected files of the golden tests anew; the diff is the review
.PHONY: golden
golden: setup
	$(NODE) --test --test-update-snapshots 'src/**/*.test.ts' 'test/golden/**/*.test.ts'

## format: every file in the one layout: comments wrapped, then biome
.PHONY: format
format: setup
	$(NODE) tools/wrap-comments.ts
	node_modules/@biomejs/cli-linux-*/biome format --write

## install: put the engine under PREFIX (/usr/local), DESTDIR honoured; with systemd units where it is
.PHONY: install
install: build
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSTEMD_UNITS='$(SYSTEMD_UNITS)' bash packaging/install.sh install

## uninstall: take all of that away again; data under /var/lib/coracle stays
.PHONY: uninstall
uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSTEMD_UNITS='$(SYSTEMD_UNITS)' bash packaging/install.sh uninstall

## clean: remove what build made
.PHONY: clean
clean:
	rm -rf bin dist build
