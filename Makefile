# make figures    every notebook on the built-in miniature: figures, tables and index.html in outputs/
#                 FIGURES="ID ..." picks some, ARGS="-p name=value" and OUTPUT=DIR go to `zsris reproduce`
# make test       the test suite without the slow tests; PYTEST_ARGS="tests/models -k trace" picks some
# make test-slow  the slow tests
# make test-oldest  the tests on the oldest versions that pyproject.toml allows, on Python 3.11; needs uv
# make coverage   the unit tests and the share of lines that they run
# make lab        JupyterLab on notebooks/
# make docs       the book in docs/_build/html: executed notebooks of outputs/, how-to pages, references
# make lint       ruff (notebooks too) and mypy;  make format: ruff's formatter
# make constraints  constraints.txt from what is installed, with hashes
# make clean      remove .venv, outputs and caches
# PYTHON=python3.12 names the interpreter that .venv is made with.

PYTHON ?= python3
VENV ?= .venv
OLDEST ?= .venv-oldest
WORKERS ?= 2
OUTPUT ?= outputs
FIGURES ?=
ARGS ?=
PYTEST_ARGS ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# uv where it is installed, else pip: the same versions, checked by the same hashes.
INSTALL = $(if $(shell uv --version 2>/dev/null),uv pip install --quiet --compile-bytecode --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

.PHONY: help env figures test test-slow test-oldest coverage lab docs lint format constraints clean

help:
	@sed -n '/^\#/!q; s/^\# \{0,1\}//p' Makefile

env: $(STAMP)

# Installs again only when what is wanted has changed. CUDA's libraries come with torch: 7.5 GB in all.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "zsris_viz needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V); say which: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --requirement constraints.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

figures: env
	$(BIN)/zsris reproduce $(FIGURES) --output $(OUTPUT) $(ARGS)

test: env
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-slow: env
	$(BIN)/python -m pytest -m slow --timeout 1800 $(PYTEST_ARGS) || test $$? -eq 5  # 5: there is no slow test

$(OLDEST)/.installed: pyproject.toml
	@command -v uv >/dev/null || { echo "uv resolves the oldest versions: pip install uv" >&2; exit 1; }
	uv venv --quiet --clear --seed --python 3.11 $(OLDEST)
	uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[test,cluster]'
	@touch $@

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

coverage: env
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "unit and not slow" --cov zsris_viz --cov-report term:skip-covered $(PYTEST_ARGS)

lab: env
	$(BIN)/jupyter lab notebooks $(ARGS)

docs: env
	ZSRIS_OUTPUT=$(abspath $(OUTPUT)) $(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html
	@echo "docs/_build/html/index.html"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: env
	$(BIN)/python .ci/pin.py

clean:
	rm -rf $(VENV) $(OLDEST) outputs build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
