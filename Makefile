# The two commands of the README, each with all its set-up. PYTHON is any Python from 3.11 on.
# On Windows, run them in Git Bash: the commands below are for sh.
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN = .venv/Scripts
else
PYTHON ?= python3
BIN = .venv/bin
endif

.PHONY: mnist test coverage lint types format clean

mnist: .venv/bench
	$(BIN)/python -m benchmarks mnist

# The tests start some hundred processes, which would compile everything anew without files of byte code.
test: .venv/test
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

coverage: .venv/test
	$(BIN)/python -m pytest -n auto --cov --cov-report=term --cov-report=html

lint: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test .venv/lint
	$(BIN)/mypy

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv results build htmlcov .coverage* *.egg-info

# This file stands at the same place on every system.
.venv/pyvenv.cfg:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minigrad needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# A stamp for each set of extras: made anew when setup.cfg changes.
.venv/%: setup.cfg | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
