# The commands of millstream; `make` alone lists them. Needs make and Python 3.11 to 3.13, nothing else.
PYTHON ?= python3
VENV ?= .venv
# For `make lock`: --upgrade, or --upgrade-package NAME.
UPGRADE ?=
# For `make benchmark`: a folder with the data sets that benchmarks/quality.py describes.
DATA ?= data
# For `make speed`: a folder of web pages.
PAGES ?= pages

BIN := $(VENV)/bin
# One stamp an environment: the runtime for `run`, the tools as well for everything else.
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools
PEERS := $(VENV)/.peers
DATATROVE := $(VENV)/datatrove

# A lock is complete: nothing is left to resolve.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check benchmark speed lock clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: $(RUNTIME) ## the default job: the texts of seeds/ into out/
	$(BIN)/millstream run 'seeds/*.txt' --output out

test: $(TOOLS) ## all tests, doctests included
	$(BIN)/python -m pytest

check: $(TOOLS) ## format, lint, types, direction of imports, Dockerfile
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

benchmark: $(PEERS) ## quality beside the peers, into README.md; DATA=folder of the data sets
	$(BIN)/python -m benchmarks.quality "$(DATA)" --write README.md --results benchmarks/results/quality.json

speed: $(PEERS) $(DATATROVE)/.installed ## speed and memory beside plain scripts and datatrove, into README.md; PAGES=folder of web pages
	$(BIN)/python -m benchmarks.speed "$(PAGES)" --datatrove $(DATATROVE)/bin/python --write README.md

lock: $(TOOLS) ## remake the locks from pyproject.toml; UPGRADE=--upgrade takes newer releases
	$(call compile,requirements.lock,--group build)
	$(call compile,requirements-dev.lock,--group dev --constraints requirements.lock)
	$(call compile,benchmarks/requirements.txt,--constraints requirements.lock,benchmarks/requirements.in)
	$(call compile,benchmarks/datatrove.txt,,benchmarks/datatrove.in)

clean: ## remove the environment, the output and all caches
	rm -rf "$(VENV)" out build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find benchmarks pipeline transforms schemas tests -type d -name __pycache__ -prune -exec rm -rf {} +

# One lock for all supported Pythons: the same versions on each of them, so the same rows.
compile = $(BIN)/uv pip compile --quiet $(UPGRADE) --python $(BIN)/python --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
	$(2) --output-file $(1) $(or $(3),--extra analyst --extra office --extra s3 pyproject.toml)

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo 'millstream needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not: name one with make PYTHON=...' >&2; exit 1; }
	"$(PYTHON)" -m venv "$(VENV)"

$(RUNTIME): pyproject.toml requirements.lock | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(TOOLS): requirements-dev.lock $(RUNTIME)
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

$(PEERS): benchmarks/requirements.txt $(RUNTIME)
	$(INSTALL) --require-hashes -r benchmarks/requirements.txt
	@touch $@

# In an environment of its own: it wants a trafilatura of long ago.
$(DATATROVE)/.installed: benchmarks/datatrove.txt | $(BIN)/python
	"$(BIN)/python" -m venv "$(DATATROVE)"
	$(DATATROVE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@
