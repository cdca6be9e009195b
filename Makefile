# Everything a person needs: `make demo`, `make test`. The rest is for those who work here.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help setup packages demo test check format bench golden clean

help:
	@echo "make demo    set up and replay the DJ walkthrough (ARGS=--once: end afterwards)"
	@echo "make test    set up and run every test"
	@echo "make check   format, lint, types, layers, clippy"
	@echo "make bench   compare with peers, print ratios"
	@echo "make golden  rewrite the expected translations"

setup: $(VENV)/.ready
	@$(BIN)/python -m generate

$(VENV)/.ready: pyproject.toml constraints.txt packages.txt
	@$(MAKE) --no-print-directory packages
	@echo "setup: virtual environment" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

# Installs only what is missing, so that a prepared machine needs neither root nor a network.
packages:
	@if ! command -v apt-get >/dev/null; then \
		echo "setup: no apt here: see that the like of packages.txt is installed" >&2; exit 0; \
	fi; \
	missing=$$(comm -23 <(sort packages.txt) <(dpkg-query -W -f '$${db:Status-Status} $${Package}\n' | sed -n 's|^installed ||p' | sort)); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	echo "setup: Debian packages:" $$missing >&2; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing >/dev/null

demo: setup
	@$(BIN)/crossfade demo $(ARGS)

test: setup
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)
	@cargo test --quiet --locked

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@cargo fmt --check
	@cargo clippy --quiet --locked --all-targets -- -D warnings

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@cargo fmt

golden: setup
	@$(BIN)/pytest tests/translation --update-golden

bench: setup
	@$(BIN)/python -m benchmarks.gateway_policies
	@$(BIN)/python -m benchmarks.apply_to_route
	@$(BIN)/python -m benchmarks.demo_start
	@$(BIN)/python -m benchmarks.push_resources

clean:
	rm -rf $(VENV) target src/*/_generated
