# Three commands: `make demo`, `make test` and `make docs`. Each makes its own virtual environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find src -name '*.py')
KERNELS := $(wildcard src/streamgmm/kernels/*.py src/streamgmm/kernels/*/*.py)

.PHONY: demo test format lint types imports unit uncompiled bench docs clean

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

bench: .venv/dev .venv/kernels
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/gradients.py
	$(BIN)/python benchmarks/categories.py

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

# numba's cache looks at the file of a function, not at the files of the functions it calls.
.venv/kernels: .venv/python $(KERNELS)
	find src -name '*.nb[ci]' -delete
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info demo-output docs/_build docs/api docs/gallery
	find . -name __pycache__ -prune -exec rm -rf {} +
