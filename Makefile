# Everything starts from Python 3.11 or newer, pip and make; `make demo` and `make test` set themselves up.

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.PHONY: help demo test check lint bench bench-long accuracy fuzz samples docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'Python 3.11 or newer is needed'"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.developer: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) -e '.[dev,em,excel]'
	touch $@ $(VENV)/.user

$(VENV)/.docs: $(VENV)/.user pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) -e '.[docs]'
	touch $@

demo: $(VENV)/.user  ## Set up and measure the bundled movie
	$(BIN)/tem-track run configs/nanorod_compression.toml --output demo_results
	@echo "Open demo_results/report.html in a browser."

test: $(VENV)/.developer  ## Set up and run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -q --durations 20

lint: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test  ## Style, types and tests: what people and CI run

bench: $(VENV)/.developer  ## Measure speed and memory beside bare decode and a naive script: one table, 7 to 11 minutes
	$(BIN)/python -m benchmarks.speed --page docs/performance.md

bench-long: $(VENV)/.developer  ## The same for a few long movies: 15 minutes and 10 GB of disk
	$(BIN)/python -m benchmarks.speed --long --page docs/performance.md

accuracy: $(VENV)/.developer  ## Measure everything else side by side with other methods, 70 minutes
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.developer  ## Read a few thousand damaged movies
	$(BIN)/python -m tests.frames.fuzz --seconds 60

docs: $(VENV)/.docs  ## Build the pages into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html
	@echo "Open docs/_build/html/index.html in a browser."

samples: $(VENV)/.user  ## Draw the movies in sample_frames/ again
	$(BIN)/python -m tem_track.simulate.samples

clean:
	rm -rf $(VENV) build dist *.egg-info demo_results docs/_build .pytest_cache .mypy_cache .ruff_cache
