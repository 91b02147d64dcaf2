# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installed first, by its exact version: what is installed after it then takes the torch that is there. Another build of
# it, with CUDA or without, is a matter of pip's index: make test PIP_INDEX_URL=…
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check format docs docs-output clean

# Makes a virtual environment, installs vstore without torch, indexes the sample pictures, searches them.
demo: $(VENV)/demo.stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/tour.sh

# Everything that must hold before a commit, as .ci/run does it.
test: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=store:cli $(BIN)/lint-imports
	$(BIN)/python -m pytest -q

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site, in docs/_build/html: warnings are errors. The console blocks of its pages are run by tests/docs.
docs: $(VENV)/docs.stamp
	PYTHONPATH=store:cli:docs $(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html

# After a change of messages, options or help: what the pages show, and the man pages.
docs-output: $(VENV)/dev.stamp
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.man
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.console

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

$(VENV)/docs.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,docs]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist docs/_build
