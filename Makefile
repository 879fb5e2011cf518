# What a person types and what CI runs. `make` alone lists the targets.

# The newest of the supported Pythons on this machine; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
  && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install demo test check format bench soak docs lock clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 12

$(VENV)/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Hogline needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/installed  ## set up .venv from the locked, hashed list

demo: install  ## a small shop's events become people in a sandbox Customer.io
	@$(BIN)/hogline demo $(ARGS)

test: install  ## all tests; the pure rooms must be covered branch by branch
	$(BIN)/python -m pytest --cov --cov-report= $(ARGS)
	$(BIN)/coverage report

check: install  ## style, types, the direction of imports, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/audit.py

format: install  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## figures of speed and memory, sandbox beside it
	$(BIN)/python -m bench $(ARGS)

soak: install  ## the long runs of docs/reliability.md, about half an hour; ARGS=kills for one of them
	$(BIN)/python -m bench.soak $(ARGS)

docs: install  ## write what is generated in docs/
	$(BIN)/python docs/generate.py

lock: install  ## choose the newest versions again
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --extra demo --group dev pyproject.toml -o requirements.lock

clean:  ## remove what was installed and made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist
