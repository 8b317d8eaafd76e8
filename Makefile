# Two commands on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests of servers wait more than they work.
JOBS ?= 3

.PHONY: demo demo-console test torture bench lint check format picture screenshots clean

demo: $(VENV)/.installed
	$(BIN)/thaniya demo $(if $(SOURCE),"$(SOURCE)")

demo-console: $(VENV)/.installed-console
	$(BIN)/thaniya demo --console

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

torture: $(VENV)/.installed-dev
	THANIYA_TORTURE=1 $(BIN)/pytest -n $(JOBS) tests/torture $(PYTEST_ARGS)

bench: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/full_backup.py
	$(BIN)/python tests/bench/side_by_side.py
	$(BIN)/python tests/bench/large_archive.py
	$(BIN)/python tests/bench/console.py
	$(BIN)/python tests/bench/screen_delay.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: $(VENV)/.installed-dev
	rm -rf /tmp/thaniya-demo
	PATH="$(CURDIR)/$(BIN):$$PATH" thaniya demo --directory /tmp/thaniya-demo | $(BIN)/python docs/render_demo.py
	rm -rf /tmp/thaniya-demo

screenshots: $(VENV)/.installed-dev
	$(BIN)/python docs/render_console.py

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[server]'
	touch $@

$(VENV)/.installed-console: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[all]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-console
