# `make` alone prints the targets.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
TOOLS := target/tools
BUF := $(TOOLS)/node_modules/.bin/buf
PYTHON ?= python3
PYTHON_BIN := $(TOOLS)/python/bin

.PHONY: help
help: ## Print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | column -t -s $$'\t'

# --- What everybody needs -------------------------------------------------------------------------

.PHONY: demo
demo: ## Build, start a cluster, and show the whole way: remember, ingest, dream, review, adopt
	$(CARGO) build --release --bin reverie --bin reverie-scenario
	PATH="$(CURDIR)/target/release:$$PATH" tests/demo/demo.sh

.PHONY: test
test: ## Run every test
	$(CARGO) build --quiet --bin reverie
	$(CARGO) test --workspace --quiet

.PHONY: build
build: ## Build the reverie binary for use
	$(CARGO) build --release --bin reverie

# --- What a change must pass ----------------------------------------------------------------------

.PHONY: ci
ci: ## All checks of a change: format, lints, protos, tests
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory fmt-check lint proto-lint test; \
	echo "make ci took $$(( $$(date +%s) - start )) s"

.PHONY: fmt
fmt: ## Format the code and the protos
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: proto-lint
proto-lint: $(BUF) ## Lint and format-check the protos (Buf STANDARD)
	$(BUF) lint proto
	$(BUF) format --diff --exit-code proto

$(BUF):
	mkdir -p $(TOOLS)
	npm install --silent --no-fund --no-audit --prefix $(TOOLS) @bufbuild/buf@1.75.0

# --- The Python SDK -------------------------------------------------------------------------------

.PHONY: python
python: $(PYTHON_BIN)/installed ## Generate the Python SDK's code and build its wheel into target/python
	rm -rf target/python
	$(PYTHON_BIN)/python sdk/python/generate.py
	$(PYTHON_BIN)/python -m build --no-isolation --outdir target/python sdk/python

.PHONY: python-test
python-test: python ## Lint, type-check and test the Python SDK against a real cluster (REVERIE_BIN, else a build)
	$(if $(REVERIE_BIN),,$(CARGO) build --quiet --bin reverie)
	cd sdk/python && export PATH="$(CURDIR)/$(PYTHON_BIN):$$PATH"; \
	ruff check && ruff format --check && mypy && pytest

$(PYTHON_BIN)/installed: sdk/python/requirements-dev.txt
	$(PYTHON) -m venv $(TOOLS)/python
	$(PYTHON_BIN)/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# --- Longer suites --------------------------------------------------------------------------------

.PHONY: gate
gate: ## What a release must pass, at most 25 minutes: 50 kills, 200 losses of power, 150 damages. Installs nothing
	@command -v gcc >/dev/null || echo "make gate: gcc is missing: losses of power cannot be simulated"
	@start=$$(date +%s); \
	REVERIE_KILL_ROUNDS=50 $(CARGO) test --quiet -p reverie-storage --test kill -- --nocapture; \
	REVERIE_POWER_LOSS_POINTS=200 $(CARGO) test --quiet -p reverie-storage --test power_loss -- --nocapture; \
	REVERIE_DAMAGE_ROUNDS=150 $(CARGO) test --quiet -p reverie-storage --test damage -- --nocapture; \
	echo "make gate took $$(( $$(date +%s) - start )) s"

.PHONY: soak
soak: ## The crash tests, long: 1,000 kills, 5,000 losses of power, 2,000 damages (hours)
	REVERIE_KILL_ROUNDS=1000 $(CARGO) test --release -p reverie-storage --test kill -- --nocapture
	REVERIE_POWER_LOSS_POINTS=5000 $(CARGO) test --release -p reverie-storage --test power_loss -- --nocapture
	REVERIE_DAMAGE_ROUNDS=2000 $(CARGO) test --release -p reverie-storage --test damage -- --nocapture

.PHONY: bench
bench: ## Measure the release binary beside an echo and, where it is installed, etcd (Debian: etcd-server)
	$(CARGO) build --release --bin reverie --bin reverie-bench
	target/release/reverie-bench --json target/bench.json

.PHONY: release-check
release-check: ## Build the image, render and check the manifests, check bans and licences
	deploy/check.sh

# --- Debugging ------------------------------------------------------------------------------------

.PHONY: grpc
grpc: $(BUF) ## List and call every service of a running cluster through reflection (REVERIE_URL, REVERIE_TOKEN_FILE)
	BUF="$(BUF)" tests/demo/grpc.sh
