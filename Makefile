# Two commands matter: `make demo` runs the main job on simulated brains, `make test` passes the tests.
# Both set up what they need in .venv from the exact versions of requirements.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
NPROCS ?= $(shell nproc 2>/dev/null || echo 1)
PEOPLE ?= 6
BIN := .venv/bin

.PHONY: help setup demo test test-slow test-container smoke-current test-current test-oldest lint docs lock clean

help:
	@echo "make demo        simulate a small cohort and run both levels on it, into demo/"
	@echo "make test        run the tests"
	@echo "make test-slow   run the slow tests too (about an hour)"
	@echo "make test-container  build the image, run it, as a SIF and through Slurm, as far as their programs are here"
	@echo "make smoke-current   one simulated person on Python 3.13 with the newest dependencies, if it is installed"
	@echo "make test-current    the whole suite there"
	@echo "make test-oldest     the whole suite on the oldest versions that setup.cfg allows"
	@echo "make lint        ruff, codespell, mypy, import-linter, hadolint, shellcheck, and schemas"
	@echo "make docs        the documentation as a site, into build/docs; warnings are errors"

setup: .venv/ready

.venv/ready: requirements.lock setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 is needed, this is " + sys.version) if sys.version_info[:2] != (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/bids_brainage_simulate cohort demo/bids --n $(PEOPLE) --seed 11 --voxel-size 2 --nprocs $(NPROCS)
	$(BIN)/bids_brainage demo/bids demo/derivatives participant group --nprocs $(NPROCS) -w demo/work
	@echo "Pages: demo/derivatives/sub-*.html and group.html   Estimates: demo/derivatives/sub-*/anat/*_brainage.json"

test: setup
	$(BIN)/python -m pytest -n $(NPROCS) --dist loadfile

test-slow: setup
	RUN_SLOW=1 $(BIN)/python -m pytest -n $(NPROCS) --dist loadfile

test-container: setup
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m pytest -n 0 -m container -v -rs --durations 10 tests/container

smoke-current:
	.ci/smoke-current

test-current:
	NPROCS=$(NPROCS) .ci/test-current

test-oldest:
	NPROCS=$(NPROCS) .ci/test-oldest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/* container/install singularity/slurm/*.sh
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/fault.yml .github/ISSUE_TEMPLATE/wish.yml

docs: setup
	$(BIN)/python -m sphinx -E -W --keep-going --quiet -b html docs build/docs
	@echo "The site: build/docs/index.html"

lock: setup
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^bids_brainage' > requirements.lock

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
