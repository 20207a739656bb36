# `make run` and `make test` set up all that they need in .venv first, and nothing when it is there already.
#
#   PYTHON=python3.12   the Python that .venv is made with
#   TORCH_INDEX=URL     where torch comes from, e.g. https://download.pytorch.org/whl/cpu
#   ARGS="-k graph"     passed on to the command

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
# One stamp for each set of packages in the one environment; each set holds the ones before it.
RUN := $(VENV)/.ready-run
DEV := $(VENV)/.ready-dev
DOCS := $(VENV)/.ready-docs
# Stands while a set-up is under way; found at the start of one, it tells of one that was broken off.
UNFINISHED := $(VENV)/.unfinished

# An environment whose Python is gone (upgraded, say) counts as none.
ifneq ($(shell $(PY) -c 'print("works")' 2>/dev/null),works)
$(shell rm -f $(RUN) $(DEV) $(DOCS))
endif

.PHONY: help run test bench lint format format-check types docs clean
.NOTPARALLEL:

help:
	@echo 'make run           train the demo: a node, an edge and a graph model; table and pictures in runs/'
	@echo 'make test          run the tests'
	@echo 'make bench         a quick look at the speed beside other libraries; ARGS="--all" measures all'
	@echo 'make lint          look for mistakes and style'
	@echo 'make format        put the code into its standard form (format-check: only look)'
	@echo 'make types         check the types'
	@echo 'make docs          build the documentation, tutorials executed, into docs/_build/html'
	@echo 'make clean         remove everything made here, .venv too, but not runs/'

run: $(RUN)
	$(VENV)/bin/graphkit demo $(ARGS)

test: $(DEV)
	$(PY) -m pytest -n auto --dist worksteal $(ARGS)

bench: $(DEV)
	$(PY) benchmarks/speed/bench.py $(ARGS)

lint: $(DEV)
	$(PY) -m ruff check $(ARGS) .

format: $(DEV)
	$(PY) -m ruff check --select I --fix .
	$(PY) -m ruff format .

format-check: $(DEV)
	$(PY) -m ruff format --check .

types: $(DEV)
	$(PY) -m pyright $(ARGS)

docs: $(DOCS)
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/api/generated docs/auto_tutorials
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): EXTRAS :=
$(DEV): EXTRAS := [dev,ogb,mol,image,tune,dgl]
$(DOCS): EXTRAS := [dev,ogb,mol,image,tune,dgl,docs]
$(RUN): COVERS := $(RUN)
$(DEV): COVERS := $(RUN) $(DEV)
$(DOCS): COVERS := $(RUN) $(DEV) $(DOCS)

$(RUN) $(DEV) $(DOCS): pyproject.toml constraints.txt
	@if [ -e $(UNFINISHED) ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 10) or sys.exit("graphkit needs Python 3.10 or newer and this is %d.%d; name another with make PYTHON=python3.12." % v[:2])' \
	  && $(PYTHON) -m venv --clear $(VENV); \
	fi
	@touch $(UNFINISHED)
	$(if $(TORCH_INDEX),$(PIP) install -c constraints.txt --index-url $(TORCH_INDEX) torch)
	$(PIP) install -c constraints.txt -e '.$(EXTRAS)'
	@touch $(COVERS) && rm -f $(UNFINISHED)
