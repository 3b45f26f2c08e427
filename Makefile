# `make` lists the targets. Everything is installed into .venv; nothing outside the project is changed.
PYTHON ?= python3
# `lock` installs the versions pinned in requirements.lock, `cpu` the CPU builds of torch. The last choice is remembered.
TORCH ?= $(patsubst .venv/.torch-%,%,$(firstword $(wildcard .venv/.torch-*) .venv/.torch-lock))
CORES ?= all

UV_VERSION := 0.13.8
UV := .venv/bin/uv
# A stamp is set last: without it, nothing that an interrupted `make` left is believed.
UV_STAMP := .venv/.uv-$(UV_VERSION)
WHOLE := .venv/bin/python .ci/whole.py
PIP_OPTIONS := --quiet --python .venv/bin/python
INSTALLED := .venv/.torch-$(TORCH)
# Where it was made. The programs of a copied or moved .venv would still run what lies there.
MADE_AS := $(shell sed -n 's/^command = .* -m venv \(--[^ ]* \)*//p' .venv/pyvenv.cfg 2>/dev/null)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The last things that `venv` writes; the first is also the first to go, so that half an environment is never believed.
ACTIVATE := activate activate.csh activate.fish Activate.ps1
IS_MADE := $(foreach name,$(ACTIVATE),test -s .venv/bin/$(name) &&) .venv/bin/python -m pip --version >/dev/null 2>&1
MAKE_ANEW := { rm -f .venv/bin/activate && $(PYTHON) -m venv --clear .venv; }
NOTEBOOK := jupytext --quiet --to ipynb --set-kernel python3 docs/tutorial.md
INSTALL_UV := .venv/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall uv==$(UV_VERSION)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-slurm bench lint docs docs-site tutorial lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED) ## install into .venv; TORCH=cpu for CPU builds of torch, PYTHON=... for another Python

demo: $(INSTALLED) ## train three small models on generated scenes; the report is results/demo/report.html
	satseg run demo --cores $(CORES)

test: $(INSTALLED) ## run the tests; SATSEG_SLURM=1 for those on SLURM, too, which mostly wait
	pytest --numprocesses 3 --no-loadscope-reorder

test-faults: $(INSTALLED) ## cause every fault and bad input; rewrite the tables of docs/faults.md
	pytest tests/faults --record

test-slurm: $(INSTALLED) ## run the workflow on a one-node SLURM cluster; needs root and the packages slurm-wlm and munge
	SATSEG_SLURM=1 pytest tests/slurm

bench: .venv/.bench ## compare every stage with the alternatives, in an hour; ROWS="tiling start" for only some
	python -m benchmarks $(ROWS)
	python -m benchmarks.page

lint: $(INSTALLED) ## check style and workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

docs: $(INSTALLED) .venv/.docs ## regenerate config/README.md, config/schema.json and docs/tutorial.ipynb
	python -m satseg.config.docs
	$(NOTEBOOK) --output docs/tutorial.ipynb
	python docs/site/notebook.py docs/tutorial.ipynb

docs-site: .venv/.docs ## build the documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 mkdocs build --config-file docs/site/mkdocs.yml
	@echo "The site: build/site/index.html"

tutorial: .venv/.docs ## run the cells of docs/tutorial.md, after `make demo`; what they say is in build/tutorial.ipynb
	$(NOTEBOOK) --output build/tutorial.ipynb --execute --run-path .

lock: $(UV_STAMP) ## regenerate both requirements.lock from pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --constraint requirements.lock --group docs -o docs/site/requirements.lock

clean: ## remove logs and caches; data, results and .venv stay
	rm -rf logs build .pytest_cache .ruff_cache src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

ifneq ($(or $(MADE_AS),$(CURDIR)/.venv),$(CURDIR)/.venv)
.PHONY: anew
$(INSTALLED) $(UV_STAMP): anew
anew:
	@echo "This .venv is a copy of $(MADE_AS); it is made anew."
	rm -rf .venv
endif

$(UV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with PYTHON=python3.12")'
	rm -f .venv/.torch-* .venv/.uv-*
	@echo "Making .venv with $(PYTHON), and uv, which installs into it ..."
	$(IS_MADE) || $(MAKE_ANEW)
	$(INSTALL_UV) || { $(MAKE_ANEW) && $(INSTALL_UV); }
	$(UV) --version >/dev/null
	touch $@

.venv/.torch-lock: requirements.lock pyproject.toml | $(UV_STAMP)
	rm -f .venv/.torch-*
	-@$(WHOLE)
	@echo "Installing into .venv: about 6 GB, two minutes and more with a slow network ..."
	$(UV) pip sync $(PIP_OPTIONS) --compile-bytecode --require-hashes requirements.lock
	$(UV) pip install $(PIP_OPTIONS) --no-deps --editable .
	$(WHOLE)
	touch $@

# The libraries to compare with, on top of the locked packages, which stay as they are.
.venv/.bench: $(INSTALLED)
	-@$(WHOLE)
	@echo "Installing what is compared with into .venv: a minute or two ..."
	$(UV) pip install $(PIP_OPTIONS) --constraint requirements.lock --editable .[bench]
	$(WHOLE)
	touch $@

.venv/.docs: docs/site/requirements.lock $(INSTALLED)
	-@$(WHOLE)
	@echo "Installing what makes the documentation into .venv: about 0.2 GB, half a minute ..."
	$(UV) pip install $(PIP_OPTIONS) --require-hashes --requirement docs/site/requirements.lock
	$(WHOLE)
	touch $@

# The lock's hashes do not cover the CPU builds: same versions, but unverified and without the CUDA packages.
.venv/.torch-cpu: requirements.lock pyproject.toml | $(UV_STAMP)
	rm -f .venv/.torch-*
	-@$(WHOLE)
	@echo "Installing into .venv: about 2 GB, a minute or two ..."
	$(UV) pip compile --quiet --torch-backend cpu --python .venv/bin/python --constraint requirements.lock --group dev pyproject.toml -o .venv/requirements-cpu.txt
	$(UV) pip sync $(PIP_OPTIONS) --compile-bytecode --torch-backend cpu .venv/requirements-cpu.txt
	$(UV) pip install $(PIP_OPTIONS) --no-deps --editable .
	$(WHOLE)
	touch $@
