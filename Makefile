# One rail for people and CI. Everything is installed from PyPI into .venv; nothing needs root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests at once: three keep two cores busy, for they wait half of their time (8 min 20 s; two: 9 min 50 s). Those that
# measure rates and times run after the others, alone.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install demo test unit lint chaos bench clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  make %-9s %s\n", $$1, $$2}'

# pip 25.1 is the first that reads dependency groups.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: alodial needs Python 3.11 or newer; hint: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $(STAMP)

install: $(STAMP) ## Install alodial and its tools into .venv

demo: $(STAMP) ## Place a varied set of calls through the sandbox and show what became of them
	@$(BIN)/alodial demo

test: $(STAMP) lint ## Lint, types and the whole quick suite, with the fault campaigns shortened
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal -m 'not alone'
	$(BIN)/python -m pytest -m alone

unit: $(STAMP) ## The tests of rules, scripts and workers without slow ones, about half a minute
	$(BIN)/python -m pytest tests/schemas tests/store tests/workers -m 'not slow and not chaos'

lint: $(STAMP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

chaos: $(STAMP) ## The fault campaigns at full length
	ALODIAL_CHAOS=full $(BIN)/python -m pytest -m chaos --timeout 3600 -s

bench: $(STAMP) ## Measure against bare Dramatiq, in one run on this machine
	$(BIN)/python -m benchmarks

clean: ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
