# make venv   an environment of its own with the tested versions (reused while it is current)
# make test   set-up, then all tests
# make demo   set-up, then labels -> classifier -> CAM -> pseudo masks -> DeepLabV2 on drawn images
# make docs   the documentation site, in site/
# make lint   style
# make clean  remove the environment and all caches

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
BIN := $(VENV)/bin
# Another content of these files is another environment.
STAMP := $(VENV)/.current-$(shell cat requirements/*.txt setup.py Makefile | sha1sum | cut -c1-16)
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep '^torch==' requirements/constraints.txt)

.PHONY: venv test demo docs lint clean

venv: $(STAMP)

# torch comes first and alone, so that pip takes a local CPU build where one is offered
# (PIP_FIND_LINKS) and not the newest CUDA build as a dependency of something else.
$(STAMP):
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --progress-bar off $(TORCH)
	$(PIP) install --progress-bar off -c requirements/constraints.txt \
	    -r requirements/runtime.txt -r requirements/optional.txt -r requirements/tests.txt
	$(PIP) install --progress-bar off --no-deps -e .
	rm -f $(VENV)/.current-*
	touch $@

# One process per core, each with one thread: many small tests gain nothing from threads.
test: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'slow or not slow' -n auto --dist worksteal $(PYTEST_ARGS)

demo: venv
	$(BIN)/python tools/run_pipeline.py configs/demo/ktse_shapes.py

docs: venv
	$(BIN)/mkdocs build --strict --quiet

lint: venv
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
