# Every target that needs the environment makes it first; `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first Python on the PATH that Airflow runs on.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
  && echo $$python && break; done)
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' couture_workflow/__init__.py)
TEMPLATES := couture_workflow/templates

.DEFAULT_GOAL := help
.PHONY: help install install-for-tests run demo test test-suites check format bench image bundle clean \
  test-compose test-compose-short test-cluster test-cluster-short \
  test-backup test-databases test-eda test-jupyter-kills test-notebook-sessions test-sandbox test-serving test-standalone

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 31

install: $(STAMP) ## make .venv with everything that the workbench needs, and the runtimes of jobs in it

$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard couture_workflow/runtimes/*.txt)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is missing. Type: sudo apt-get install --yes python3"; exit 1; }
	@$(PYTHON) tools/install.py $(VENV)
	@touch $@

# No file: what it looks for can go at any time. Once for all targets that are called together.
install-for-tests: install
	@$(BIN)/couture-workflow install --tests

run: install ## start the workbench at http://localhost:8080 (COUTURE_PORT), until Ctrl-C
	@$(BIN)/couture-workflow run

demo: install ## do a first day's work through the public interfaces, in a temporary home, and check the result
	@$(BIN)/couture-workflow demo

test: install-for-tests ## run every test: unit, real Spark, real browser; of some suites a part, unless they changed
	@$(BIN)/python -m tests.support.jupyterhub
	@$(BIN)/python -m tests.services.s3_server
	@$(BIN)/python -m tests.services.s3_provider
	@$(BIN)/python -m tests.services.mysql_driver
	@$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test-compose: install-for-tests ## run the stack of containers, with real workers, faults and a browser (needs Docker or root)
	@$(BIN)/python tools/suites.py run compose

test-compose-short: install-for-tests ## run the part of it that always runs: first start, demo, pages, one kill
	@$(BIN)/python tools/suites.py short compose

test-cluster: install-for-tests ## run the tests against real HDFS, YARN and Kerberos (needs a JDK, Maven and a KDC)
	@$(BIN)/python tools/suites.py run cluster

test-cluster-short: install-for-tests ## run the part of them that always runs: a log-in, a job in each mode
	@$(BIN)/python tools/suites.py short cluster

test-backup: install-for-tests ## run all tests of backup and restore: damaged, killed, on full disks
	@$(BIN)/python tools/suites.py run backup

test-databases: install-for-tests ## run all tests with PostgreSQL and MariaDB in the place of SQLite
	@$(BIN)/python -m tests.services.mysql_driver
	@$(BIN)/python tools/suites.py run databases

test-eda: install-for-tests ## run all tests of data analysis in its runtime, with real SQL servers
	@$(BIN)/python tools/suites.py run eda

test-jupyter-kills: install-for-tests ## kill each process around an open kernel, in a workbench
	@$(BIN)/python tools/suites.py run jupyter-kills

test-notebook-sessions: install-for-tests ## run all tests of the sessions that notebooks have in a real Spark
	@$(BIN)/python tools/suites.py run notebook-sessions

test-sandbox: install-for-tests ## run every attack of a DAG file on the machine that checks it
	@$(BIN)/python tools/suites.py run sandbox

test-serving: install-for-tests ## run all tests of the model server in its runtime
	@$(BIN)/python tools/suites.py run serving

test-standalone: install-for-tests ## run all tests on a real Spark standalone cluster
	@$(BIN)/python tools/suites.py run standalone

test-suites: install-for-tests ## run of each long suite its short part, or the whole if what it covers has changed
	@$(BIN)/python tools/suites.py ci

check: install ## formatting, linting, types, architecture, templates, scripts, changelog
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet $(TEMPLATES)
	$(BIN)/python tools/check_scripts.py
	$(BIN)/python tools/check_changelog.py

format: install ## format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## compare the speed with what it is measured against
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,benchmarks]'
	$(BIN)/python -m benchmarks

image: ## build the image of docker-compose.yml (IMAGE=NAME:TAG)
	@docker build --file docker/Dockerfile --tag $(or $(IMAGE),couture-workflow:$(VERSION)) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) --build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) .

bundle: install ## write one file that installs everything on a machine without internet (BUNDLE=FOLDER)
	@$(BIN)/python tools/bundle.py --output $(or $(BUNDLE),dist)

clean: ## remove what was built and cached; the environment and the home stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
