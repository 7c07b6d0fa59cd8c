# Everything a person does here starts with one of these. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run dev test check format bench stress clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.local  ## set up what the local profile needs and run the main job on the sample city
	@$(BIN)/crime-assets run

dev: $(VENV)/.local  ## Dagster's UI and daemon on http://127.0.0.1:3000, on the same lake
	@$(BIN)/crime-assets dev

test: $(VENV)/.dev  ## set up for tests and run them
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## format, lint, types, imports, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate -w workspace.yaml

format: $(VENV)/.dev  ## put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## speed as ratios against peers of the same run (Spark too, after pip install -e .[bench-spark])
	$(BIN)/python -m benchmarks

stress: $(VENV)/.dev  ## the longer trials: kills, growth over a year, writers at once
	$(BIN)/python -m pytest -m stress

clean:  ## remove the virtual environment (never the lake)
	rm -rf $(VENV)

# One stamp a profile: a changed requirement or pin installs again, nothing else does.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=24"

$(VENV)/.local: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.local
