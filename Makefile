# Needs make, git and Python 3.11 or newer; everything else is installed into .venv.
PYTHON ?= python3

# Tests of one file share a process; each process has its own Kafka and PostgreSQL.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help environment setup fmt lint types imports drift schemas prices docs check unit integration e2e chaos fuzz frameworks bench bench-peers test up down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

up: $(VENV)/.installed-local ## Start everything on this machine; Ctrl-C stops it
	@$(BIN)/tailrace up

down: ## Stop what `.venv/bin/tailrace up --detach` started
	@$(BIN)/tailrace down

test: setup check unit integration e2e ## Set up, then check and test everything

setup: $(VENV)/.installed-dev ## Install tailrace and its development tools into .venv

check: lint types imports drift ## Run every check that needs no test

lint: setup ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## Check the types
	$(BIN)/basedpyright

imports: setup ## Check which package imports which
	$(BIN)/lint-imports

drift: setup ## Check that generated files are what their sources say
	$(BIN)/python -m tailrace.admin.prices --check
	$(BIN)/python -m tailrace.admin.event_schemas --check

unit: setup ## Run the fast tests, which need no network
	$(BIN)/python -m pytest -m "not integration and not e2e" -n $(WORKERS) --dist loadfile

integration: setup ## Run the tests on a real Kafka and a real PostgreSQL
	$(BIN)/python -m pytest -m integration -n $(WORKERS) --dist loadfile

e2e: setup ## Run the tests of the whole stack with real clients
	$(BIN)/python -m pytest -m e2e

fuzz: setup ## Attack the write endpoints of a real stack with bad input for FUZZ_SECONDS (600)
	$(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),600)

frameworks: setup ## Record anew what instrumentation packages send, which it installs into .cache/frameworks; FRAMEWORKS=names
	$(BIN)/python -m tests.frameworks $(if $(FRAMEWORKS),--only $(FRAMEWORKS))

chaos: setup ## Attack a real stack with every fault, about two hours; goes on where it was stopped
	$(BIN)/python -m tests.chaos

bench-peers: setup ## Measure the same load against other tools, which it installs into .cache/peers
	$(BIN)/python -m tests.bench peers

bench: setup ## Measure how fast it is on this machine, about ten minutes, and keep it in docs/benchmarks
	$(BIN)/python -m tests.bench run

schemas: setup ## Write schemas/events from the records in the code
	$(BIN)/python -m tailrace.admin.event_schemas

prices: setup ## Write schemas/prices.json from genai-prices and the supplement
	$(BIN)/python -m tailrace.admin.prices

docs: setup ## Write the table of docs/configuration.md from the settings
	sed '/^| Setting /,$$d' docs/configuration.md > docs/.configuration.new
	$(BIN)/tailrace config --markdown >> docs/.configuration.new
	mv docs/.configuration.new docs/configuration.md

fmt: setup ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove caches and build output; keep .venv and the data in .tailrace
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find services tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-local: pyproject.toml constraints.txt
	$(call install,local)
	@touch $@

# The development extra holds the local one.
$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,dev)
	@touch $(VENV)/.installed-local $@

define install
	@$(PIP) --version >/dev/null 2>&1 || $(MAKE) --no-print-directory environment
	@echo "Installing tailrace[$(1)] into $(VENV); the first time this takes a minute or two."
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation -e '.[$(1)]'
endef

environment:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "tailrace needs Python 3.11 or newer, and there is no $(PYTHON): name one by make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tailrace needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" --version 2>&1): name another by make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $$("$(PYTHON)" --version 2>&1)."
	@"$(PYTHON)" -m venv --clear $(VENV) || \
		{ echo "$(PYTHON) cannot make an environment: install its venv module (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
