# make demo   the main job: train, publish to a local Hub, verify, open the app (PORT=8501)
# make test   all tests
# make lint   formatting, imports, types
# make bench  speed on this machine (slow): RUN=demo names a run, IMDB=imdb.parquet real reviews; docs/performance.md
# make pins   requirements.txt anew from requirements.in; `make pins PINS=--upgrade` takes the newest versions
# make audit  are there known vulnerabilities in what is pinned? (asks pypi.org)
# make sbom   what the project is made of, as CycloneDX: build/sbom.json

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PORT ?= 8501
RUN ?= demo
IMDB ?=
BIN := $(VENV)/bin
# Python keeps what it has compiled: else every process compiles anew what it imports, which takes seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint format bench pins audit sbom screens browser clean

demo: $(VENV)/.app
	exec env PORT=$(PORT) $(BIN)/python -m train demo

test: $(VENV)/.dev browser
	$(BIN)/python -m pytest -n 3 --durations 15

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# One misses its bar with exit status 1, which the others do not mind.
bench: $(VENV)/.dev
	-$(BIN)/python -m bench.parts
	-$(BIN)/python -m bench.single $(RUN)
	-$(BIN)/python -m bench.cold $(RUN)
	-$(BIN)/python -m bench.growth $(RUN)
	-$(BIN)/python -m bench.million
	-$(if $(IMDB),$(BIN)/python -m bench.bulk $(RUN) $(IMDB),@echo 'IMDB=imdb.parquet measures many reviews and training, too.')
	-$(if $(IMDB),$(BIN)/python -m bench.training $(IMDB))
	$(BIN)/python -m bench.performance
	@echo 'By themselves: python -m bench.stream; bench.generalise imdb.parquet; bench.memory mrpc.parquet;'
	@echo 'bench.trust RUN; bench.warm RUN; bench.confidence RUN; bench.concurrency'

# PyPI knows a build without CUDA under the plain version, its own index as +cpu: the file names the first.
pins: $(VENV)/.supply
	CUSTOM_COMPILE_COMMAND='make pins' $(VENV)/supply/bin/pip-compile --quiet --strip-extras --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --annotation-style=line $(PINS) --output-file=requirements.txt requirements.in
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt

# Strict: a package that could not be looked up is no package without vulnerabilities.
audit: $(VENV)/.supply
	@$(VENV)/supply/bin/pip-audit --strict --disable-pip --no-deps -r requirements.txt \
	  || { echo '*** Not passed: either something was found (listed above), or the database could not be asked. ***'; exit 1; }

sbom: $(VENV)/.supply
	mkdir -p build
	$(VENV)/supply/bin/cyclonedx-py requirements requirements.txt --output-reproducible --output-file build/sbom.json

screens: $(VENV)/.dev browser
	$(BIN)/python -m tests.browser.screens

# Where Debian's chromium can be had it is fetched; where it cannot, the tests that need it say so.
browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-core; } >/dev/null 2>&1 \
	  || echo "*** No chromium here, and it could not be installed: the browser tests will be SKIPPED. ***"

$(VENV)/.app: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/.supply: $(VENV)/.app requirements-supply.txt
	$(PYTHON) -m venv $(VENV)/supply
	$(VENV)/supply/bin/pip install --quiet --disable-pip-version-check -r requirements-supply.txt
	touch $@

clean:
	rm -rf $(VENV) .localhub .mypy_cache .ruff_cache .pytest_cache
