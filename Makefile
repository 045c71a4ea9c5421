# Three commands: `make demo`, `make test` and `make docs`. They make a virtual environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find src -name '*.py')
KERNELS := $(shell find src/streamgmm/_compat src/streamgmm/kernels src/streamgmm/covariance src/streamgmm/parameterizations src/streamgmm/rules -name '*.py')
# What is run again with other versions: what touches other libraries most. test_cli.py goes through all rules.
PART := $(patsubst %,tests/test_%.py,cli cli_plot compat persistence sources) \
  tests/test_batch.py::test_each_iteration_is_the_same
SMALL_PART := $(filter-out tests/test_cli.py,$(PART))

.PHONY: demo test format lint types imports unit uncompiled lowest other-python other-python-at bench docs clean

demo: .venv/cli
	$(BIN)/python examples/demo.py

test: lint types imports unit uncompiled

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: .venv/dev
	$(BIN)/mypy

imports: .venv/dev
	$(BIN)/lint-imports

unit: .venv/dev .venv/kernels
	$(BIN)/python -m pytest -n auto -q

# The kernels once more without compilation, so that an index past an array's end cannot hide.
uncompiled: .venv/dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n auto -q tests/test_kernels.py tests/test_parameterizations.py
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n auto -q tests/test_state.py -k "written_and_read or what_became"

# A part of the tests with the lowest versions that pyproject.toml allows, and one with another Python.
lowest: .venv-lowest/numba
	$(call part,.venv-lowest,$(PART))

other-python:
	@other=$$(.ci/other-python $(PYTHON)); if [ -n "$$other" ]; then $(MAKE) other-python-at OTHER=$$other; \
	  else echo "no other Python from 3.11 on was found: nothing was run with one"; fi

other-python-at: .venv-other/numba
	$(call part,.venv-other,$(SMALL_PART))

part = NUMBA_CACHE_DIR=$(CURDIR)/$1/numba $1/bin/python -m pytest -n auto -q $2

bench: .venv/dev .venv/kernels
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/gradients.py
	$(BIN)/python benchmarks/categories.py
	$(BIN)/python benchmarks/optimum.py
	$(BIN)/python benchmarks/few_rows.py
	$(BIN)/python benchmarks/streams.py

# Runs every cell and every example; a warning is an error.
docs: .venv/docs .venv/kernels
	$(BIN)/python examples/readme_picture.py
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

.venv/python:
	$(PYTHON) -m venv .venv
	touch $@

.venv/cli: .venv/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli]'
	touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/docs: .venv/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

.venv-lowest/test: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[test]'
	touch $@

.venv-other/test: pyproject.toml constraints.txt
	$(OTHER) -m venv --clear .venv-other
	.venv-other/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

# numba's cache looks at the file of a function, not at the files of the functions it calls.
.venv/kernels: .venv/python $(KERNELS)
	find src -name '*.nb[ci]' -delete
	touch $@

.venv-%/numba: .venv-%/test $(KERNELS)
	rm -rf $@
	mkdir $@

clean:
	rm -rf .venv .venv-lowest .venv-other build dist src/*.egg-info demo-output docs/_build docs/api docs/gallery
	find . -name __pycache__ -prune -exec rm -rf {} +
