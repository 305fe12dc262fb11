# Everything runs in a virtual environment made from requirements.lock, whose hashes pip verifies.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
JOBS ?= 2
READY := $(VENV)/.ready

.PHONY: help demo demo-sim test test-fast check lint types imports bench bench-board removals lock clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml .ci/setup
	@.ci/setup $(PYTHON) $(VENV)
	@touch $@

demo: $(READY) ## the main job on an emulated Raspberry Pi, told step by step
	@$(BIN)/python -m tests.system.demo

demo-sim: $(READY) ## the same with three apps on a simulated board, in half a minute
	@$(BIN)/python -m tests.system.demo_sim

check: lint types imports ## format, lint, types and import rules

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy
	$(BIN)/basedpyright

imports: $(READY)
	$(BIN)/lint-imports

test: check ## everything that proves the project
	@.ci/packages skopeo dosfstools mtools
	$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder $(PYTEST_FLAGS)

test-fast: $(READY) ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not qemu" -x -q

bench: $(READY) ## speed and memory, beside a peer where there is one
	$(BIN)/python -m tests.bench

bench-board: $(READY) ## memory, boot and image of an emulated board
	$(BIN)/python -m tests.bench board board-trust flash firmware firmware-update

removals: $(READY) ## take each protection away, and see its test fail
	@$(BIN)/python -m tests.removals

lock: $(READY) ## refresh requirements.lock
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-emit-options --extra edge --extra cloud --extra boards --extra hsm --extra apps --extra dev \
	  -o requirements.lock pyproject.toml

clean: ## remove the environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
