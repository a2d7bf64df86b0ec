# Each target does its own set-up and is safe to repeat.
PYTHON ?= python3
BIN := .venv/bin
export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-all lint setup tales clean

demo: setup  ## train, judge, steer and show one sparse autoencoder on the built-in model
	$(BIN)/mechlab demo

test: setup lint  ## lint, types, import contracts, tests
	$(BIN)/pytest -m "not slow" -n 2 --nbmake --nbmake-timeout=900 notebooks tests

test-all: setup lint  ## the same with the slow tests
	$(BIN)/pytest -n 2 --nbmake --nbmake-timeout=1800 notebooks tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright

tales: setup  ## re-train the built-in language model from nothing
	$(BIN)/python experiments/000_tales/run.py

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mechlab needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
