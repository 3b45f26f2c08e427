# `make` lists the targets. Everything is installed into .venv; nothing outside the project is touched.
PYTHON ?= python3
# `lock` installs what requirements.lock pins; `cpu` the CPU builds of torch. The last choice is kept.
TORCH ?= $(patsubst .venv/.torch-%,%,$(firstword $(wildcard .venv/.torch-*) .venv/.torch-lock))
CORES ?= all

UV_VERSION := 0.13.8
UV := .venv/bin/uv
PIP_OPTIONS := --quiet --python .venv/bin/python
INSTALLED := .venv/.torch-$(TORCH)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-slurm bench lint docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED) ## install into .venv; TORCH=cpu for CPU builds of torch, PYTHON=... for another Python

demo: $(INSTALLED) ## three small models on generated scenes, from nothing to results/demo/report.html
	snakemake --cores $(CORES) demo
	@echo "The report: results/demo/report.html"

test: $(INSTALLED) ## run the tests
	pytest --ignore=tests/slurm --numprocesses auto --maxprocesses 4

test-faults: $(INSTALLED) ## cause every fault and bad input; rewrite the tables of docs/faults.md
	pytest tests/faults --record

test-slurm: $(INSTALLED) ## run the workflow on a one-node SLURM cluster; needs root and: apt-get install slurm-wlm munge
	pytest tests/slurm

bench: .venv/.bench ## measure every stage beside what a user would do instead; an hour; ROWS="tiling start" for a few
	python -m benchmarks $(ROWS)
	python -m benchmarks.page

lint: $(INSTALLED) ## check style and workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

docs: $(INSTALLED) ## write config/README.md and config/schema.json anew
	python -m satseg.config.docs

lock: $(UV) ## write requirements.lock anew, from pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean: ## remove logs and caches; data, results and .venv stay
	rm -rf logs build .pytest_cache .ruff_cache src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.torch-lock: requirements.lock pyproject.toml | $(UV)
	rm -f .venv/.torch-*
	$(UV) pip sync $(PIP_OPTIONS) --compile-bytecode --require-hashes requirements.lock
	$(UV) pip install $(PIP_OPTIONS) --no-deps --editable .
	touch $@

# The peers beside the locked packages, none of which changes.
.venv/.bench: $(INSTALLED)
	$(UV) pip install $(PIP_OPTIONS) --constraint requirements.lock --editable .[bench]
	touch $@

# The lock's hashes do not cover the CPU builds: the same versions, unverified, without the CUDA packages.
.venv/.torch-cpu: requirements.lock pyproject.toml | $(UV)
	rm -f .venv/.torch-*
	$(UV) pip compile --quiet --torch-backend cpu --python .venv/bin/python --constraint requirements.lock --group dev pyproject.toml -o .venv/requirements-cpu.txt
	$(UV) pip sync $(PIP_OPTIONS) --compile-bytecode --torch-backend cpu .venv/requirements-cpu.txt
	$(UV) pip install $(PIP_OPTIONS) --no-deps --editable .
	touch $@
