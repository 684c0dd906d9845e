# Everything a person or a CI job does with this project. Needs make and Python 3.10 or later; the rest it installs itself.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first interpreter that runs and is new enough; `make PYTHON=/path/to/python test` takes another.
NEW_ENOUGH := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	if command -v $$name >/dev/null 2>&1 && $$name -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then command -v $$name; break; fi; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RETRY := tools/retry
# Tests are shared between this many processes; `make WORKERS=0 test` runs them in one, as a debugger needs it.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
INPUTS := pyproject.toml setup.py constraints/test.txt

.PHONY: help demo test test-all lint format generate frontend bench soak nightly compatibility clean

help: ## says what there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo ## trains a small network on digits and shows it live in TensorBoard, beside demo_logdir
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/tb-featuremap demo --serve build/demo --beside demo_logdir

test: $(VENV)/.test ## runs every test: Python, frontend units, HTTP, browser
	@tools/chromium
	@tools/frontend test
	$(PYTEST) $(PYTEST_ARGUMENTS)

test-all: $(VENV)/.test ## the same with the long ones: ten applications, more examples for every property
	@tools/chromium
	@tools/frontend test
	$(PYTEST) --exhaustive $(PYTEST_ARGUMENTS)

lint: $(VENV)/.test ## checks style and types, Python and TypeScript; warnings are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@tools/frontend check

format: $(VENV)/.test ## rewrites the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@tools/frontend format

generate: $(VENV)/.test ## writes what follows from the facts of schema/: types and columns of the dashboard, tables in docs/
	$(BIN)/python tools/generate.py

frontend: $(VENV)/.test ## builds the dashboard into tb_featuremap_plugin/static
	@tools/frontend build

compatibility: $(VENV)/.test ## tests the wheel with other Pythons, the oldest TensorBoard and NumPy, and without TensorFlow
	$(BIN)/python tools/compatibility.py

bench: $(VENV)/.bench ## measures what logging and reading cost, and writes it into docs/performance.md
	@tools/chromium
	$(BIN)/python -m benchmarks --write

soak: $(VENV)/.test ## the runs of many minutes: 100,000 steps, 10,000 clicks, mutation
	@tools/chromium
	$(BIN)/python -m pytest --soak -m soak $(PYTEST_ARGUMENTS)

nightly: $(VENV)/.test ## what is too long for every change, in three hours at most; goes on where it was stopped
	@tools/chromium
	$(BIN)/python tools/nightly.py

clean: ## removes everything that was made here
	rm -rf $(VENV) .venv-* build dist test-results *.egg-info frontend/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "There is no Python from 3.10 to 3.13 here; say which one with: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp a purpose: to look at the demo takes less than to test.
$(VENV)/.demo: $(VENV)/bin/python $(INPUTS)
	$(RETRY) $(PIP) install --quiet --constraint constraints/test.txt --editable ".[demo]"
	@touch $@

$(VENV)/.test: $(VENV)/bin/python $(INPUTS)
	$(RETRY) $(PIP) install --quiet --constraint constraints/test.txt $$(tools/torch-index $(BIN)/python) --editable ".[test]"
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.test
	$(RETRY) $(PIP) install --quiet --constraint constraints/test.txt $$(tools/torch-index $(BIN)/python) --editable ".[test,bench]"
	@touch $@
