# Every target does its own set-up on a fresh Debian machine with Python 3.11+ and make.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: help venv dev servers demo test check format docs messages bench soak fuzz clean

help:            ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST)

venv: $(VENV)/.run          ## make .venv with the program installed
dev: $(VENV)/.dev           ## the same with the development tools

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || (rm -rf $(VENV); contrib/setup/apt.sh python3-venv && $(PYTHON) -m venv $(VENV))

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

servers:         ## install the real servers that tests use (as root, with apt)
	@contrib/setup/apt.sh postfix dovecot-imapd dovecot-lmtpd postgresql nginx-light chromium fonts-noto-core fonts-noto-cjk

demo: venv       ## the main job end to end, each step printed
	@$(BIN)/imip-gateway demo

test: dev servers check   ## everything: formatter, linter, types, the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: dev       ## formatter, linter, strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: dev      ## rewrite the code in our form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: dev        ## write the generated pages of docs/ from the code
	@$(BIN)/python -m tests.support.docs

messages: dev   ## bring the message catalogues up to date with the code; say what is untranslated
	@$(BIN)/python -m tests.support.messages

bench: dev       ## speed, side by side with a baseline in the same run, as ratios
	@$(BIN)/python -m bench

soak: dev servers   ## 1,000 mails through a real Postfix while the gateway is killed at random (as root, minutes)
	@$(BIN)/python -m tests.soak

fuzz: dev        ## let atheris look for octets that break a reader, a minute for each
	@$(BIN)/python -m tests.fuzz

clean:           ## remove what was made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
