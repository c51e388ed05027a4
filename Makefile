# make plan   sets up .venv (once) and plans a packaged example into out/
# make test   the tests          make lint   ruff, mypy, import-linter
# make bench  the benchmarks     make docs   out/docs
# make lock   pins again (UPGRADE=--upgrade for new versions)
# Another Python: make plan PYTHON=python3.13

EXAMPLE ?= one-model
PYTEST_ARGS ?=
UPGRADE ?=
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/sh
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c '$(FITS)' 2>/dev/null && echo $(p))))

# A set-up is good for one place, one project file and one set of pins; any change of these makes a new stamp.
KEY := $(shell { pwd; cat pyproject.toml requirements/run.txt requirements/dev.txt; } | cksum | cut -d' ' -f1)
RUN := $(VENV)/set-up-run-$(KEY)
DEV := $(VENV)/set-up-dev-$(KEY)
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps
PINNED := $(INSTALL) --require-hashes --only-binary=:all:

.PHONY: plan test test-pandas2 lint format bench docs lock clean set-up
.DELETE_ON_ERROR:

plan: $(RUN)
	$(BIN)/autoparallel plan @$(EXAMPLE) --out out

set-up: $(DEV)

test: $(DEV)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The same tests on the oldest pandas supported, in an environment of their own.
test-pandas2:
	$(MAKE) test VENV=.venv-pandas2 PINS_LAST=requirements/pandas2.txt

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(DEV)
	$(BIN)/python -m benchmarks

docs: $(DEV)
	$(BIN)/mkdocs build --quiet --strict
	$(BIN)/pdoc --docformat google --output-directory out/docs/api solver costdata
	@echo "out/docs/index.html"

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	PATH="$(VENV)-lock/bin:$$PATH" $(VENV)-lock/bin/python requirements/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) $(VENV)-lock $(VENV)-pandas2 out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found ($$(python3 --version 2>&1)). Install one, or name it: make plan PYTHON=/path/to/python3.13" >&2; exit 1; }
	@$(PYTHON) -c '$(FITS)' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); this project needs 3.11, 3.12 or 3.13: make plan PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(PINNED) -r requirements/run.txt
	$(BIN)/python $(INSTALL) --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN)
	$(BIN)/python $(PINNED) -r requirements/dev.txt
	$(if $(PINS_LAST),$(BIN)/python $(PINNED) -r $(PINS_LAST))
	@touch $@
