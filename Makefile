# Every target does its own set-up: all it needs is Python 3.10-3.12 with pip, and make.
PYTHON ?= python3
VENV ?= .venv
DEMO_ARGS ?=
PYTEST_ARGS ?=
# More than there are cores: tests of what runs elsewhere wait for it.
JOBS ?= 3

BIN := $(VENV)/bin
UV := $(BIN)/uv
# The distributions of this list are what `make demo` and `make test` install beside the base.
TEST_EXTRAS := demo,testing,delta,polars
INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --constraints constraints.txt
# A Fernet key is 32 bytes in base64; everything else is hexadecimal, so that it needs no escaping anywhere.
WRITE_ENV := import base64, secrets; \
	make = lambda name: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() if name == "FERNET_KEY=" \
		else secrets.token_hex(24); \
	print(*(line + make(line) if line.endswith("=") else line for line in open(".env.example").read().splitlines()), \
		sep="\n")

.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit e2e long sagemaker system constraints build env clean

help:  ## say what there is
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: $(VENV)/demo.stamp  ## a real Airflow releases, refuses and rolls back a model; DEMO_ARGS="--keep" leaves it running
	$(BIN)/python -m airflow_mlops.demo $(DEMO_ARGS)

test: lint types unit e2e  ## everything CI runs

lint: $(VENV)/test.stamp  ## ruff (rules, formatting) and import-linter (who may know whom)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/test.stamp  ## mypy, strict
	$(BIN)/mypy

unit: $(VENV)/test.stamp system  ## the fast tests
	$(BIN)/python -m pytest -m "not e2e and not long" -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

e2e: $(VENV)/test.stamp system  ## the tests that drive a real Airflow: the story of the demo, and beside it the others
	$(BIN)/python -m pytest -m "e2e and not whole" -n 2 --dist loadgroup $(PYTEST_ARGS)

long: $(VENV)/test.stamp system  ## what takes too long for every change: simulations of error rates, the whole story
	$(BIN)/python -m pytest -m long -n $(JOBS) $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m "e2e and not long" tests/benchmarks tests/e2e --ignore tests/e2e/test_sagemaker.py $(PYTEST_ARGS)

sagemaker: $(VENV)/test.stamp system  ## all tests of the simulator of SageMaker, then the whole story of the demo on it and a real S3 server
	$(BIN)/python -m pytest tests/testing/sagemaker -n $(JOBS) --dist worksteal $(PYTEST_ARGS)
	$(BIN)/python -m pytest tests/e2e/test_sagemaker.py $(PYTEST_ARGS)

system:
	@.ci/debian

constraints: $(UV)  ## resolve constraints.txt anew, for Python 3.10-3.12 on Linux
	UV_PYTHON_DOWNLOADS=never $(UV) pip compile pyproject.toml --all-extras \
		--group dev --group bench --group compose --universal --python-version 3.10 --upgrade --quiet \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file constraints.txt
	@! grep -nE '(https?|file):|@ |^-|^/' constraints.txt || \
		{ echo "error: constraints.txt names a place, see above; it holds names and versions only" >&2; exit 1; }

build: $(VENV)/test.stamp  ## sdist and wheel into dist/
	$(UV) build --quiet --out-dir dist

env: .env  ## write .env with fresh secrets, for docker compose

.env:
	@umask 077 && $(PYTHON) -c '$(WRITE_ENV)' > $@
	@echo "wrote .env; the password of the user admin is in it"

clean:  ## remove the environment, caches and builds
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 13) else \
		f"error: Python 3.10-3.12 is needed, this is {v[0]}.{v[1]}; choose one: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --constraint constraints.txt uv

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(UV)
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(UV)
	$(INSTALL) --editable '.[$(TEST_EXTRAS)]' --group dev
	@touch $@ $(VENV)/demo.stamp
