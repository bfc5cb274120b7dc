# The two commands of the README, each with all its set-up. PYTHON is any Python from 3.11 on.
PYTHON ?= python3

ifeq ($(OS),Windows_NT)
BIN = .venv/Scripts
else
BIN = .venv/bin
endif

.PHONY: mnist test coverage lint format clean

mnist: .venv/bench
	$(BIN)/python -m benchmarks mnist

test: .venv/test
	$(BIN)/python -m pytest -n auto

# Python 3.12 and later measure this without slowing the tests down much; 3.11 takes ten times as long.
coverage: .venv/test
	COVERAGE_CORE=sysmon $(BIN)/python -m pytest -n auto --cov --cov-report=term --cov-report=html

lint: .venv/test .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv results build htmlcov .coverage *.egg-info

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minigrad needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# A stamp for each set of extras: made anew when setup.cfg changes.
.venv/%: setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
