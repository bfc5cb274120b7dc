# The two commands of the README, each with all its set-up. PYTHON is any Python from 3.11 on.
PYTHON ?= python3

.PHONY: mnist test lint format clean

mnist: .venv/bench
	.venv/bin/python -m benchmarks mnist

test: .venv/test
	.venv/bin/python -m pytest -n auto

lint: .venv/test .venv/lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/lint
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv results build *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minigrad needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# A stamp for each set of extras: made anew when setup.cfg changes.
.venv/%: setup.cfg | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
