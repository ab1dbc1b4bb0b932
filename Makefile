# Both targets set themselves up on a fresh clone: a virtual environment, the install, the work.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-long lint types imports docs descriptor pytest format clean

demo: $(INSTALLED)
	$(BIN)/synthfmri demo $(DEMO) --overwrite

test: lint types imports docs pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy bidsapp_synthfmri

imports: $(INSTALLED)
	$(BIN)/lint-imports

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# What is committed because others read it from the repository, though the command line says it all.
descriptor: $(INSTALLED)
	$(BIN)/python tools/boutiques_descriptor.py > boutiques/synthfmri.json

# Two processes, each on half of the processors.
pytest: $(INSTALLED)
	$(BIN)/python tools/pytest_halves.py

# What takes minutes each: dozens of kills, whole corpora, clusters, containers.
test-long: $(INSTALLED)
	$(BIN)/pytest -m long

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs,test]'
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
