# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installed first, by its exact version: what is installed after it then takes the torch that is there. Another build of
# it, with CUDA or without, is a matter of pip's index: make test PIP_INDEX_URL=…
TORCH := $(shell grep '^torch==' constraints.txt)
# What the tests compare with. Without what they need: torchvision, whose place a stub takes in the tests.
REFERENCES := open_clip_torch timm

.PHONY: demo test lanes lane-user lane-newest lane-lowest lane-pythons format docs docs-output clean

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

# Installations as others have them, in fresh virtual environments that need network access; KEEP=1 leaves them behind.
lanes: lane-user lane-newest lane-lowest lane-pythons

# pip install '.[cpu]' with nothing else: the tour, doctor; then with the page.
lane-user:
	PYTHON='$(PYTHON)' bash tests/install/user.sh

# The newest that pyproject.toml allows: models with adapters.
lane-newest:
	PYTHON='$(PYTHON)' TORCH='$(TORCH)' bash tests/install/newest.sh

# The lowest that pyproject.toml allows: the tests of the core, models with adapters.
lane-lowest:
	PYTHON='$(PYTHON)' TORCH='$(TORCH)' bash tests/install/lowest.sh

# The tests of the core under the newest Python that is there, a choice of them under each other one from 3.12 on.
lane-pythons:
	bash tests/install/pythons.sh

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site, in docs/_build/html: warnings are errors. The console blocks of its pages are run by tests/docs.
docs: $(VENV)/docs.stamp
	PYTHONPATH=store:cli:docs $(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html

# After a change of messages, options or help: what the pages show, and the man pages.
docs-output: $(VENV)/dev.stamp
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.man
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.options
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.console
	PYTHONPATH=store:cli:docs $(BIN)/python -m docs_tools.notebook

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(REFERENCES)
	touch $@

$(VENV)/docs.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,docs]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* demo build dist docs/_build
