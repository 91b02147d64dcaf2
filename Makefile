# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installed first, by its exact version: what is installed after it then takes the torch that is there. Another build of
# it, with CUDA or without, is a matter of pip's index: make test PIP_INDEX_URL=…
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check format clean

# Makes a virtual environment, installs vstore without torch, indexes the sample pictures, searches them.
demo: $(VENV)/demo.stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/tour.sh

# Everything that must hold before a commit, as .ci/run does it.
test: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=store:cli $(BIN)/lint-imports
	$(BIN)/cog --check README.md
	$(BIN)/python -m pytest -q

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/cog -r README.md

$(VENV)/pip.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vstore needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/demo.stamp: pyproject.toml constraints.txt $(VENV)/pip.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(VENV)/pip.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist
