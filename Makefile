# The two commands of the README are `make demo` and `make test`; everything else is for work on
# splitbrain itself. `make CAMPAIGN=1 test` adds the slow campaigns.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
SOURCES := harness checkers nemeses systems workloads reports
KERNEL := $(wildcard checkers/linearizability/*.py checkers/linearizability/kernel/*)

.PHONY: demo test lint lint-scripts format bench porcupine clean

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto $(if $(CAMPAIGN),,-m "not slow")

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The scripts of the reports: needs npm, which fetches the linter into build/.
lint-scripts: $(INSTALLED) build/eslint/node_modules
	$(BIN)/python -c "from reports import design, page; print(design.script(*page.SCRIPTS))" \
		> build/eslint/page.js
	cd build/eslint && node_modules/.bin/eslint -c ../../reports/scripts/eslint.config.mjs page.js

build/eslint/node_modules:
	npm install --silent --no-fund --no-audit --prefix build/eslint eslint@9

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/history.py
	$(BIN)/python benchmarks/checker.py
	$(BIN)/python benchmarks/gossip.py --nodes 64
	$(BIN)/python benchmarks/report.py

# The Go library Porcupine, as a second opinion (`--engine porcupine`): optional, needs Go.
porcupine: $(INSTALLED)
	@$(BIN)/python -m checkers.porcupine.build

clean:
	rm -rf .venv build *.egg-info

$(INSTALLED): pyproject.toml setup.py $(KERNEL)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "splitbrain needs Python 3.11 or newer; set PYTHON=/path/to/it"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@
