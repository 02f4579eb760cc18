# The everyday commands of this project. `make` without a target lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup image image-demo image-test image-push demo ui dev test test-all test-debian13 lint format schemas fixtures lock bench mutants faults clean

# The environment's own tools come first; audiowaveform is in .tools/bin.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)

# Arguments for pytest: make test ARGS='-k loudness -x'
ARGS ?=
# The UI's port.
PORT ?= 3000
# Each test process runs tools that are parallel by themselves, so there are few: one more than there are cores, for some
# tests only wait for a limit of time to pass. Neighbours stay together, for what they share is made once in each process.
PROCESSES := -n $(shell expr $$(nproc) + 1) --dist worksteal
PYTEST := python -m pytest $(PROCESSES)

# Without credentials for real stores, objects are files under .local. Tests use their own stores.
ifndef R2_ACCOUNT_ID
demo ui dev: export STORAGE_DIR ?= $(CURDIR)/.local/storage
endif

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## install ffmpeg, .venv and audiowaveform, where they are missing
	@scripts/setup

demo: setup ## run both samples through the whole pipeline on this machine
	@codex-assets demo $(ARGS)

ui: setup ## open Dagster's UI with the demo's media (make ui PORT=3000)
	@scripts/ui $(PORT)

dev: ui

test: setup lint ## check style and types, run every test that takes seconds
	@$(PYTEST) -m 'not slow' $(ARGS)

test-all: setup lint ## the same, with the tests that take minutes
	@$(PYTEST) $(ARGS)

test-debian13: ## run the tests of `make test` on Debian 13 (ffmpeg 7.1), in a root directory that it makes (needs root)
	@scripts/debian13 test $(PROCESSES) -m 'not slow' $(ARGS)

lint: setup ## check with ruff and mypy
	@ruff check --quiet .
	@ruff format --check --quiet .
	@mypy

format: setup ## correct the style with ruff
	@ruff check --fix .
	@ruff format .

schemas: setup ## write the contract's JSON Schemas
	@python -m codex_assets.contract.schema

fixtures: setup ## make the committed samples
	@python fixtures/make_fixtures.py

lock: ## write requirements.lock (make lock ARGS=--upgrade)
	@scripts/lock $(ARGS)

bench: setup ## run every measurement in bench/
	@for script in bench/*.py; do echo "== $$script"; nice python "$$script" $(ARGS); done

mutants: setup ## break published media in every known way and count what the judge finds (make mutants ARGS='-k pictures')
	@PYTHONPATH=tests/mutants nice python tests/mutants/score.py $(ARGS)

faults: setup ## cause every fault at every stage of a job, and count what goes wrong (make faults ARGS='-k master')
	@PYTHONPATH=tests/faults:tests/servers:tests/support nice python tests/faults/fault_score.py $(ARGS)

image: ## build the worker's image with docker or buildah (make image BASE=...)
	@scripts/image build

image-demo: ## run the demonstration in that image, as the image's own user
	@scripts/image demo

image-test: ## run the tests inside the image, with its tools and packages (ARGS as for `make test`)
	@scripts/image test

image-push: ## push that image to its registry (make image-push IMAGE=ghcr.io/your-org/codex-assets:0.1.0)
	@scripts/image push

clean: ## remove environment, tools, local state and caches, which can all be made again
	rm -rf .venv .tools .local .pytest_cache .mypy_cache .ruff_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
