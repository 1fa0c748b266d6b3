# Headrace. `make` alone lists the targets.
SHELL := /bin/bash
PYTHON ?= $(shell tools/find_python.sh 2>/dev/null)
# another Python has an environment of its own: make test PYTHON=python3.13
VENV ?= $(if $(filter command line,$(origin PYTHON)),.venv-$(notdir $(PYTHON)),.venv)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv leaves compiling to the first import: with this variable, which images of containers set, every import compiles
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all soak check bench ui clean lock code docs browser

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(INSTALLED) ## create .venv from uv.lock; TORCH=cpu: with the small build of torch, for machines without GPU

$(INSTALLED): uv.lock pyproject.toml
	@tools/find_python.sh $(PYTHON) >/dev/null
	$(PYTHON) -m venv $(VENV)
	@TORCH=$(TORCH) tools/setup.sh $(VENV)
	@touch $@

run: setup ## raw data to a registered model: dvc repro, then its results
	@# the sample project's lock differs on every machine: git ignores its changes in this clone (README, Results in git)
	@git update-index --skip-worktree dvc.lock 2>/dev/null || true
	@headrace upgrade --check || headrace upgrade
	dvc repro
	@headrace status

browser: ## Debian's Chromium, in which tests open the pages; needs root where there is none
	command -v chromium chromium-browser google-chrome || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test: setup ## the tests except the slow ones (no network)
	pytest -n auto --dist worksteal -m "not slow and not soak"

test-all: setup ## all tests: the quick ones with coverage, including subprocesses; then real workers, kills, end to end
	coverage erase
	coverage run -m pytest -n auto --dist worksteal -m "not slow and not soak"
	coverage combine --quiet
	coverage report
	@# a file stays in one process: the pipelines that its tests share run once
	pytest -n auto --dist loadfile -m slow

soak: setup ## several machines whose head is lost and whose server is away, for ten minutes; root, Linux; not in CI
	pytest -m soak

check: setup ## style, types, layers, spelling, shell
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	codespell
	shellcheck .ci/run findings/*.sh tools/*.sh cluster/slurm/*.sbatch
	headrace upgrade --check
	python tools/checks_doc.py --check
	python tools/reference_doc.py --check

bench: setup ## benchmarks side by side, medians of several runs, into docs/benchmarks.md (an hour)
	python benchmarks/run.py

ui: setup ## MLflow's pages of this project on this machine
	headrace ui

clean: ## remove what the pipeline wrote (not .venv)
	rm -rf data models metrics plots reports registered.json mlflow.db mlartifacts .headrace .dvc/cache .dvc/tmp

code: setup ## write what is generated from the code: code.json (fingerprints), docs/checks.md, docs/reference/
	headrace upgrade
	python tools/checks_doc.py
	python tools/reference_doc.py

docs: setup ## the documents as a site, in site/: python -m http.server --directory site
	@python -c 'import material' 2>/dev/null || { \
	  uv export --quiet --frozen --no-emit-project --extra docs --no-hashes --output-file $(VENV)/docs.txt && \
	  VIRTUAL_ENV=$(VENV) uv pip install --constraint $(VENV)/docs.txt mkdocs-material; }
	NO_MKDOCS_2_WARNING=1 mkdocs build

lock: setup ## resolve pyproject.toml into uv.lock, with the newest versions that it allows
	uv lock --upgrade
