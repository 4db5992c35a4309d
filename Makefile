# Two commands on a fresh machine: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SHELL := /bin/bash

.PHONY: demo test test-slow check format docs pure browser clean

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) src/akrasia/weights/machine.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -U 'pip>=25.1'
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/python -m pip install -q -e . --group test --group check --group docs
	@touch $@

$(VENV)/pure/.installed: $(VENV)/.installed
	$(PYTHON) -m venv $(VENV)/pure
	$(VENV)/pure/bin/python -m pip install -q numpy scipy msgspec pytest hypothesis
	@touch $@

demo: $(VENV)/.installed ## measure the embedded model and write akrasia-demo/report.html
	$(BIN)/akrasia demo --out akrasia-demo

test: check pure docs browser ## everything that CI runs
	$(BIN)/pytest -n 2

test-slow: $(VENV)/.developing ## the long simulations: coverage of every interval that we promise
	$(BIN)/pytest -n 2 -m slow

check: $(VENV)/.developing ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pure: $(VENV)/pure/.installed ## the pure layers with numpy, scipy and msgspec alone
	PYTHONPATH=src $(VENV)/pure/bin/python -m pytest -q -c tests/pure.ini --rootdir=. tests/stats tests/risk tests/gap tests/values

docs: $(VENV)/.developing
	$(BIN)/mkdocs build --strict --quiet

browser: ## the pages are tested in a real Chromium
	@command -v chromium chromium-browser google-chrome >/dev/null || { [ -n "$$AKRASIA_CHROMIUM" ]; } \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	|| { echo "no Chromium: install one (apt install chromium), or name it in AKRASIA_CHROMIUM"; exit 2; }

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
