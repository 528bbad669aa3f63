# The commands of this repository; `make help` lists them. CI calls only these.
#
# Nothing here calls sudo or starts a service of the system. What is built or
# downloaded goes to the target directory. `run`, `test` and `bench` start
# programs in a clean environment (infra/scripts/clean-env.sh); building and
# downloading keep yours, which may name a proxy.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Where cargo builds, as an absolute path.
TARGET := $(or $(CARGO_TARGET_DIR),target)
ifeq ($(filter /%,$(firstword $(TARGET))),)
TARGET := $(CURDIR)/$(TARGET)
endif
export CARGO_TARGET_DIR := $(TARGET)

SCRIPTS := infra/scripts
CLEAN_ENV := $(SCRIPTS)/clean-env.sh
CARGO ?= cargo
ORDERS ?= examples/orders/sample.jsonl
STARTER := examples/starter/Cargo.toml

.PHONY: help
help: ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

##### Running

.PHONY: run
run: quick ## Builds the fleet and sends the sample orders through it, to the last penny.
	$(CLEAN_ENV) "$(TARGET)/quick/fleet" dev --orders "$(ORDERS)" --drain

.PHONY: dev
dev: quick ## Builds the fleet and keeps all of it running on this machine, until Ctrl-C.
	"$(TARGET)/quick/fleet" dev

.PHONY: observe
observe: quick prometheus ## Runs the fleet and a Prometheus that watches it with the alerts, until Ctrl-C.
	$(CLEAN_ENV) $(SCRIPTS)/observe.sh "$(TARGET)/quick/fleet" "$(TARGET)"

.PHONY: quick
quick: preflight postgres
	$(CARGO) build --profile quick --locked -p fleet-workers

##### Testing

.PHONY: test
test: preflight postgres python prometheus containers test-rust simulate test-starter ## Runs every test; databases and queues are private ones.

# What CI runs of the experiments, beside the tests.
.PHONY: proof
proof: chaos-short chaos-teeth fuzz-short ## Kills a fleet, finds five broken ones out, and fuzzes, for about five minutes.

# Tests mostly wait, for leases, processes and databases: three at a time a core
# take less than half as long as one.
TEST_THREADS ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN))))

# Built first with your environment, which may name a proxy for downloads, then
# run without it.
.PHONY: test-rust
test-rust:
	$(CARGO) test --workspace --locked --no-run
	$(CLEAN_ENV) env RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --workspace --locked --offline --no-fail-fast

# Of the same build as the other tests. 10,000 stories take about a minute on two
# quiet cores.
.PHONY: simulate
simulate: preflight ## Tells 10,000 stories (SEEDS=n) of a simulated storm; SEED=n replays one.
	$(CARGO) test --workspace --locked --no-run --test simulation
	$(CLEAN_ENV) env SEED='$(SEED)' SEEDS='$(or $(SEEDS),10000)' $(CARGO) test --workspace --locked --offline --test simulation -- --nocapture whatever

# Of the same build as the other tests, which include it; about a million states.
.PHONY: model
model: preflight ## Looks at every state of a model of the fleet; refutes five designs that look right.
	$(CARGO) test --workspace --locked --no-run --test model
	$(CLEAN_ENV) $(CARGO) test --workspace --locked --offline --test model -- --nocapture --test-threads=1

# Of the same build, too. About five minutes on two quiet cores.
LONG_STORIES := --test relay_kills --test outages --test two_builds

.PHONY: long-stories
long-stories: preflight postgres ## Kills relays (SEED=n), and lives through long outages and a rolled-back deploy.
	$(CARGO) test --workspace --locked --no-run $(LONG_STORIES)
	$(CLEAN_ENV) env FLEET_TEST_LARGE=1 SEED='$(SEED)' RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --workspace --locked --offline $(LONG_STORIES) -- --nocapture

.PHONY: test-starter
test-starter:
	@if [ -f $(STARTER) ]; then $(MAKE) starter; fi

.PHONY: starter
starter: preflight postgres ## Builds, tests and runs examples/starter, a team's own repository.
	$(CARGO) test --manifest-path $(STARTER) --locked --no-run
	$(CLEAN_ENV) $(CARGO) test --manifest-path $(STARTER) --locked --offline
	$(CLEAN_ENV) $(CARGO) run --manifest-path $(STARTER) --locked --offline --quiet -- --version

# A build of its own: optimised, and without link-time optimisation.
.PHONY: chaos-build
chaos-build: preflight postgres
	$(CARGO) build --profile quick --locked -p fleet-chaos -p sqs-local

ATTACK = $(CLEAN_ENV) "$(TARGET)/quick/fleet-chaos" attack $(if $(SEED),--seed '$(SEED)') --report "$(TARGET)/chaos/report.json" \
	--make '$@$(if $(MESSAGES), MESSAGES=$(MESSAGES))'

.PHONY: chaos
chaos: chaos-build ## Kills processes of a fleet 300 times while they do 100,000 jobs; SEED=n repeats a run.
	$(ATTACK) --messages $(or $(MESSAGES),100000) --seconds 120 --kills 320 --crashes 5

.PHONY: chaos-short
chaos-short: chaos-build ## The same with 10,000 jobs and 30 kills, in a minute.
	$(ATTACK) --messages $(or $(MESSAGES),10000) --seconds 24 --kills 32 --crashes 1

.PHONY: chaos-million
chaos-million: chaos-build ## The same with a million jobs and 2,500 kills, in some ten minutes.
	$(ATTACK) --messages $(or $(MESSAGES),1000000) --seconds 540 --kills 2600 --crashes 22

.PHONY: chaos-long
chaos-long: chaos-million long-stories ## The long form of everything: a million jobs, then long outages, killed relays, two builds.

# Hours on a busy machine, and so not in CI; FILES='a.rs b.rs' narrows it.
.PHONY: mutants
mutants: preflight postgres ## Breaks the code in 300 places and tells which breaks no test notices.
	RUST_TEST_THREADS=$(TEST_THREADS) $(SCRIPTS)/mutants.sh "$(TARGET)" $(FILES)

# Of the same build as the other tests.
.PHONY: crash-points
crash-points: preflight postgres ## Kills a process at every step of its way (POINT=settle: those of that name), in 156 cases.
	$(CARGO) test --workspace --locked --no-run --test crash_points
	$(CLEAN_ENV) env CRASH_POINT='$(POINT)' $(CARGO) test --workspace --locked --offline --test crash_points -- --nocapture

# What reached new code is kept, so that each run begins where the last one ended.
.PHONY: fuzz
fuzz: preflight ## Feeds each fuzz target 1,000,000 inputs (RUNS=n, SEED=n); docs/fuzzing.md says more.
	$(SCRIPTS)/fuzz.sh "$(TARGET)" build
	$(CLEAN_ENV) env SEED='$(SEED)' $(SCRIPTS)/fuzz.sh "$(TARGET)" $(or $(RUNS),1000000)

# What CI does: some 10 s a target, the same each time.
.PHONY: fuzz-short
fuzz-short: preflight ## The same with 50,000 inputs each, from a fixed seed.
	$(SCRIPTS)/fuzz.sh "$(TARGET)" build
	$(CLEAN_ENV) env SEED=6 $(SCRIPTS)/fuzz.sh "$(TARGET)" 50000

# Five runs of about twenty seconds and one of a minute, with real processes.
.PHONY: chaos-teeth
chaos-teeth: chaos-build ## Attacks five broken fleets, which the checker has to find out; SEED=n repeats it.
	$(CLEAN_ENV) "$(TARGET)/quick/fleet-chaos" teeth $(if $(SEED),--seed '$(SEED)') --report "$(TARGET)/chaos/teeth.json"

.PHONY: bench
bench: preflight postgres ## Measures; ratios within one run are what counts.
	$(CARGO) build --release --locked -p fleet-tests --bin bench
	$(CARGO) build --release --locked -p fleet-workers
	$(CARGO) build --release --locked -p sqs-local
	$(CLEAN_ENV) "$(TARGET)/release/bench"

##### Checking

.PHONY: check
check: preflight ## Checks format, lints, docs, scripts and dependencies.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) check -p fleet-workers --no-default-features --locked
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --lib --no-deps --locked
	@if [ -f $(STARTER) ]; then set -x; \
		$(CARGO) fmt --manifest-path $(STARTER) --check && \
		$(CARGO) clippy --manifest-path $(STARTER) --all-targets --locked -- -D warnings; fi
	$(SCRIPTS)/fuzz.sh "$(TARGET)" check
	$(SCRIPTS)/shellcheck.sh "$(TARGET)"
	$(SCRIPTS)/deny.sh "$(TARGET)"
	$(SCRIPTS)/prometheus-check.sh "$(TARGET)"
	$(SCRIPTS)/locked.sh "$(TARGET)"
	$(SCRIPTS)/sbom.sh "$(TARGET)"
	$(SCRIPTS)/terraform.sh "$(TARGET)"
	$(SCRIPTS)/checkov.sh "$(TARGET)"
	$(SCRIPTS)/hadolint.sh "$(TARGET)"
	$(SCRIPTS)/manifests.sh "$(TARGET)"
	$(SCRIPTS)/systemd.sh
	$(SCRIPTS)/compose.sh "$(TARGET)"
	@if command -v python3 >/dev/null; then set -x; python3 -B examples/orders/generate.py --check; \
		else echo 'SKIP sample orders: no python3'; [ -z "$$CI" ]; fi

.PHONY: sbom
sbom: ## Lists what ships as CycloneDX, below the target directory.
	$(SCRIPTS)/sbom.sh "$(TARGET)"
	@echo "$(TARGET)/sbom/fleet-workers.cdx.json"

.PHONY: fmt
fmt: ## Formats the sources.
	$(CARGO) fmt --all

.PHONY: doc
doc: ## Builds the documentation of the libraries.
	$(CARGO) doc --workspace --lib --no-deps --locked
	@echo "$(TARGET)/doc/fleet/index.html"

##### Preparing

.PHONY: preflight
preflight: ## Checks the compiler and the disk space.
	@$(SCRIPTS)/preflight.sh "$(TARGET)"

.PHONY: postgres
postgres: ## Finds a Postgres for private clusters, or unpacks one below the target directory.
	@bin=$$($(SCRIPTS)/postgres.sh "$(TARGET)") && echo "postgres: $$bin"

# boto3 drives sqs-local from the Rust tests, shellcheck checks the scripts.
.PHONY: python
python:
	@$(SCRIPTS)/venv.sh "$(TARGET)" >/dev/null || { echo 'SKIP boto3: see above'; [ -z "$$CI" ]; }

# They make the container's image and run it, for one of the Rust tests.
.PHONY: containers
containers:
	@$(SCRIPTS)/containers.sh "$(TARGET)" >/dev/null || { echo 'SKIP image: see above'; [ -z "$$CI" ]; }

# Watches the fleet in tests and in `make observe`; promtool tests the alerts.
.PHONY: prometheus
prometheus:
	@$(SCRIPTS)/prometheus.sh "$(TARGET)" >/dev/null || { echo 'SKIP prometheus: see above'; [ -z "$$CI" ]; }

.PHONY: sample
sample: ## Makes the sample orders and what they add up to anew.
	python3 -B examples/orders/generate.py

.PHONY: clean
clean: ## Removes everything that was built or unpacked.
	$(CARGO) clean

# What the programs of run, test and bench see; a test looks at it.
.PHONY: print-env
print-env:
	@$(CLEAN_ENV) env
