# make demo    a worked example with real data, and its report
# make test    the tests (make test ARGS="-m slow" for the long ones)
# make check   style, types, import directions, rules about the source, documentation
# make docs    the documentation, in docs/_build/html
# make clean   remove everything that make created

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --editable
SPHINX := $(BIN)/python -m sphinx -W --keep-going --quiet -b html docs docs/_build/html
SOURCE_RULES := tests/unit/test_source_rules.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without compiled files every start of Python, and of every worker, would compile NumPy and SciPy again.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: demo test check docs clean

demo: $(VENV)/.installed-demo
	$(BIN)/wilks run examples/supernova/config.yaml --resume
	@echo "The report is examples/supernova/run/report.html"

test: $(VENV)/.installed-test
	tools/ensure-chromium.sh
	$(BIN)/python -m pytest -n 2 --ignore=$(SOURCE_RULES) $(ARGS)

check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest --quiet $(SOURCE_RULES)
	$(SPHINX)

docs: $(VENV)/.installed-check
	$(SPHINX)
	@echo "The documentation is docs/_build/html/index.html"

clean:
	rm -rf $(VENV) build dist docs/_build __pycache__ .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf examples/*/run
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# A stamp file says which extras are in the environment; it is renewed when the dependencies change.
$(VENV)/.created:
	tools/create-venv.sh $(PYTHON) $(VENV)
	touch $@

$(VENV)/.installed-demo: $(VENV)/.created pyproject.toml
	$(PIP_INSTALL) ".[report]"
	touch $@

$(VENV)/.installed-test: $(VENV)/.created pyproject.toml
	$(PIP_INSTALL) ".[test,report,parquet]"
	touch $@

$(VENV)/.installed-check: $(VENV)/.created pyproject.toml
	$(PIP_INSTALL) ".[check,docs,test]"
	touch $@
