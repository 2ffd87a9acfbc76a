# `make demo` and `make test` need Python 3.11 or newer and nothing else. ARGS goes to pytest: make test ARGS='tests/unit -k name'
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo run test lint format types schema migrations recall clean

BIN := .venv/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# The tests start many processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make demo     a conversation goes in, is reasoned over, and comes back; then it ends by itself"
	@echo "make run      web and worker, with an admin login, until Ctrl-C (PORT, HONCHO_DATA_DIR)"
	@echo "make test     all tests; a part of them: make test ARGS='tests/unit -k name'"
	@echo "make lint     ruff and the rule of which app may import which (make format mends what can be)"
	@echo "make types    mypy"
	@echo "make schema   write docs/openapi.yaml; a warning is an error"
	@echo "make recall   measure recall on the project's own data, beside naive RAG (ARGS goes to the suite: see benchmarks/recall)"
	@echo "make clean    remove .venv and what builds leave behind, but no data (they are in var/)"

demo: .venv/site
	@$(BIN)/python manage.py demo

run: .venv/site
	@exec $(BIN)/python manage.py run

test: .venv/dev
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev
	$(BIN)/mypy .
	$(BIN)/mypy --config-file sdks/python/pyproject.toml sdks/python/src
	$(BIN)/mypy --config-file integrations/mypy.ini

schema: .venv/dev
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

migrations: .venv/dev
	$(BIN)/python manage.py makemigrations --check --dry-run

recall: .venv/dev
	$(BIN)/python -m benchmarks.recall run --data own $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the site runs on; installed again when requirements.txt changes.
.venv/site: requirements.txt | .venv/bin/python
	@echo "Installing what the site needs"
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

# And what it is developed with. The pins of requirements.txt hold here too.
.venv/dev: pyproject.toml .venv/site
	@echo "Installing the tools of development"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt --group dev
	@touch $@

# The first Python that is new enough and works: a name on the path may be one that cannot run.
.venv/bin/python:
	@for python in python3.11 python3 python3.12 python3.13 python3.14; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making .venv with $$($$python --version)"; \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed, and none was found. Install it (on Debian: python3 and python3-venv)." >&2; \
	exit 1
