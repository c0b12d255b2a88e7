# Every target does all it needs on a Debian 12 that has Swift.
SWIFT_FLAGS := --explicit-target-dependency-import-check error
CONSOLE := Sources/Console
DENO := $(CURDIR)/.build/python/bin/deno
RUFF_FLAGS := --no-cache --line-length 120
PYTHON_SOURCES := Tests/Console Tests/Nemesis scripts/deploy_trial scripts/count-instructions scripts/sbom \
	scripts/compare-openapi scripts/test_compare_openapi.py scripts/mutants scripts/test_mutants.py \
	scripts/check-releases scripts/test_check_releases.py scripts/loading.py scripts/licences.py \
	scripts/test_licences.py scripts/check-dependencies
SWIFT_SOURCES := Package.swift Plugins Sources Tests migrations Benchmarks/Parts Fuzz/Package.swift Fuzz/Readers

MINUTES := 3

.PHONY: run test docs test-console test-faults test-threads test-nemesis try-failover fuzz mutants build release binary deb archive sbom check-deploy check-api check-dependencies try-deploy bench bench-parts instructions lint format setup setup-tests clean

# What is there is run without Swift: its libraries, what it starts, and what it then says to type.
PACKAGES_TO_RUN := libpq5 libmosquitto1 libcurl4 zlib1g postgresql mosquitto mosquitto-clients openssl curl ca-certificates

run: ## Try it: a private database and broker, a demo thing, and what to type next; BINARY=… builds nothing
	@scripts/say-run $(BINARY)
	@$(if $(BINARY),scripts/setup --only $(PACKAGES_TO_RUN),$(MAKE) --no-print-directory setup)
	$(if $(BINARY),,swift build $(SWIFT_FLAGS) --product hookline)
	$(or $(BINARY),.build/debug/hookline) dev

test: setup setup-tests ## All tests, on a real PostgreSQL, mosquitto and browser that they start themselves
	scripts/build-previous $(SWIFT_FLAGS)
	swift build $(SWIFT_FLAGS) --build-tests
	scripts/run-all-tests $(SWIFT_FLAGS) --skip-build

test-console: setup setup-tests ## The console in a browser, with pictures of its pages in .build/console
	swift build $(SWIFT_FLAGS) --product hookline
	PICTURES=1 scripts/run-console-tests

# What is installed is not what `make test` runs: the release build is optimized across modules, and looks for no
# overlapping accesses.
FAULT_TESTS := FaultTests|ReplicaTests|PolicyTests|BrokerAccountTests|HostileReceiverTests|DatabaseLossTests|LostBrokerTests
FAULT_SCALE ?= 5

test-faults: setup setup-tests binary ## Every fault on the release build, under larger loads than `make test`, and a table of what it did
	swift build $(SWIFT_FLAGS) --build-tests
	@rm -f .build/faults.txt
	HOOKLINE_BINARY=$(CURDIR)/.build/release/hookline FAULT_SCALE=$(FAULT_SCALE) \
		FAULT_REPORT=$(CURDIR)/.build/faults.txt scripts/run-tests $(SWIFT_FLAGS) --skip-build --filter '$(FAULT_TESTS)'
	@cat .build/faults.txt

test-threads: setup setup-tests ## The rooms with threads of their own, by ThreadSanitizer: make test-threads FILTER=PostgresTests
	FILTER='$(FILTER)' scripts/test-threads $(SWIFT_FLAGS)

test-nemesis: setup ## Whatever may fail does, by a seed: make test-nemesis SEED=7 MINUTES=10 BINARY=… REPORT=…
	@[ -n "$(BINARY)" ] || $(MAKE) binary
	@python3 -m unittest discover --quiet --start-directory Tests/Nemesis
	@python3 Tests/Nemesis/nemesis.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
		$(if $(BINARY),--binary $(BINARY)) $(if $(REPORT),--report $(REPORT)) \
		$(if $(WITHOUT),--without "$(WITHOUT)")

try-failover: setup setup-tests ## PostgreSQL with a standby, switched, killed, stopped and cut off under load (10 minutes): WAY=haproxy BINARY=…
	@scripts/setup patroni etcd-server haproxy
	@[ -n "$(BINARY)" ] || $(MAKE) binary
	@.build/python/bin/python Tests/Nemesis/failover.py $(if $(WAY),--way $(WAY)) $(if $(BINARY),--binary $(BINARY))

fuzz: setup ## What reads bytes of others, with bytes that nobody thought of: make fuzz MINUTES=10 READER=template
	@MINUTES=$(MINUTES) READER=$(READER) scripts/fuzz

LEAST := 90

mutants: setup setup-tests ## Whether tests notice small mistakes, tried one by one (hours): make mutants ROOM=Queue ONLY=401,402 JOBS=2
	scripts/mutants $(addprefix --flag=,$(SWIFT_FLAGS)) $(addprefix --room=,$(ROOM)) --only=$(ONLY) \
		--jobs=$(or $(JOBS),1) --least=$(LEAST)

build: setup
	swift build $(SWIFT_FLAGS)

docs: setup ## What Threads, Postgres and MQTT are for and how they are used, by docc, in .build/docs
	scripts/build-docs $(SWIFT_FLAGS)

# One binary without the Swift runtime beside it. Much of what a message costs lies in small functions of other modules,
# which are specialized and inlined only across their boundaries; and in checks for overlapping access to class
# properties, which the debug build that all tests run on keeps. Together about a fifth less CPU per message.
RELEASE_FLAGS := -c release --static-swift-stdlib -Xswiftc -cross-module-optimization \
	-Xswiftc -enforce-exclusivity=unchecked

release: setup binary ## The binary to install: .build/release/hookline

# For who has the packages already, such as an image.
binary:
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS) --product hookline

# A binary that is there is taken as it is: make deb BINARY=…
PACKAGED := $(or $(BINARY),.build/release/hookline)

deb: ## A Debian 12 package in .build/dist; REVISION=2 tells a second one of the same version apart
	@[ -n "$(BINARY)" ] || $(MAKE) release sbom
	@scripts/setup --only debhelper lintian chrpath libmosquitto1 libpq5 libcurl4 zlib1g
	scripts/package deb $(PACKAGED)

archive: ## The binary with unit, settings, documents and licence as a tar.gz in .build/dist, and its sha256
	@[ -n "$(BINARY)" ] || $(MAKE) release sbom
	@scripts/setup --only binutils chrpath
	scripts/package archive $(PACKAGED)

sbom: ## What is in a binary that was built here: .build/dist/hookline.spdx.json
	scripts/sbom .build/release .build/dist/hookline.spdx.json
	@scripts/setup --only python3-venv
	@scripts/setup-python
	.build/python/bin/pyspdxtools --infile .build/dist/hookline.spdx.json

bench: release ## What this machine can do, e.g. make bench LOAD='--fan-out 4 --rounds 3'; --help says what else
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS) --product hookline-load
	.build/release/hookline-load --binary .build/release/hookline $(LOAD)

bench-parts: setup ## The time that the parts of a message's way take, without I/O
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS) --product hookline-parts
	.build/release/hookline-parts

instructions: setup ## The instructions that they take, beside those that are checked in; CHANGE=1 checks in what is counted now
	@scripts/setup valgrind
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS) --product hookline-parts
	scripts/count-instructions .build/release/hookline-parts $(if $(CHANGE),--change)

lint: setup setup-tests
	swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	cd $(CONSOLE) && $(DENO) fmt --check && $(DENO) lint && $(DENO) check assets/*.js
	.build/python/bin/ruff format --check $(RUFF_FLAGS) $(PYTHON_SOURCES)
	.build/python/bin/ruff check $(RUFF_FLAGS) $(PYTHON_SOURCES)
	scripts/mutants --check

try-deploy: setup-tests ## As root: what deploy/ says, carried out in clean Debian roots, and tried (about 20 minutes; with BINARY=… ten)
	@scripts/setup debootstrap docker-compose iproute2 debhelper lintian chrpath
	.build/python/bin/python scripts/deploy_trial/trial.py $(if $(BINARY),--binary $(BINARY)) $(TRIAL)

check-deploy: setup setup-tests ## The files of deploy/, by the tools that read them
	@scripts/setup docker-compose prometheus systemd
	scripts/check-deploy

check-api: ## What of openapi.json breaks who calls the release before, or another tag or commit by REF=
	@PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover --quiet --start-directory scripts
	scripts/compare-openapi $(REF)

check-dependencies: setup ## Whether all that goes into hookline has a licence that is known and may be in it
	@PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover --quiet --start-directory scripts --pattern 'test_licences.py'
	swift package resolve
	PYTHONDONTWRITEBYTECODE=1 scripts/check-dependencies

format: setup setup-tests
	swift format --in-place --recursive $(SWIFT_SOURCES)
	cd $(CONSOLE) && $(DENO) fmt
	.build/python/bin/ruff format $(RUFF_FLAGS) $(PYTHON_SOURCES)

setup:
	@scripts/setup

setup-tests: setup
	@scripts/setup chromium-headless-shell fonts-liberation libfaketime pgbouncer
	@scripts/setup-python

clean:
	rm -rf .build .hookline
