# Every target does all it needs on a Debian 12 that has Swift.
SWIFT_FLAGS := --explicit-target-dependency-import-check error

.PHONY: run test build release lint format setup clean

run: setup ## Try it: a private database and broker, a demo thing, and what to type next
	swift build $(SWIFT_FLAGS) --product hookline
	.build/debug/hookline dev

test: setup ## All tests, on a real PostgreSQL and a real mosquitto that they start themselves
	@scripts/setup-python
	swift build $(SWIFT_FLAGS) --build-tests
	swift test $(SWIFT_FLAGS) --skip-build

build: setup
	swift build $(SWIFT_FLAGS)

release: setup ## The binary to install: .build/release/hookline
	swift build $(SWIFT_FLAGS) -c release --product hookline

lint:
	swift format lint --strict --recursive Package.swift Sources Tests migrations

format:
	swift format --in-place --recursive Package.swift Sources Tests migrations

setup:
	@scripts/setup

clean:
	rm -rf .build .hookline
