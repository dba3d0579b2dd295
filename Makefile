# Each target makes its own virtual environment under .venv/ and installs what it needs; only make and Python 3.11+
# are asked for. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/run
DEV := $(VENV)/dev
INTEROP := $(VENV)/interop
BENCH := $(VENV)/bench
PIP := -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: demo test check lint types interop prove bench hunt seeded channels mutation pythons pins clean
.DEFAULT_GOAL := test

$(RUN)/.done: requirements/run.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	rm -rf $(RUN) && $(PYTHON) -m venv $(RUN)
	$(RUN)/bin/python $(PIP) -r requirements/run.txt
	touch $@

$(DEV)/.done: requirements/run.txt requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	rm -rf $(DEV) && $(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) -r requirements/dev.txt
	touch $@

$(INTEROP)/.done: requirements/run.txt requirements/dev.txt requirements/interop.txt
	rm -rf $(INTEROP) && $(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python $(PIP) -r requirements/interop.txt
	touch $@

demo: $(RUN)/.done            ## the gateway in front of its sandbox, with five keys
	exec $(RUN)/bin/python -m gateway demo

test: $(DEV)/.done            ## the test suite
	$(DEV)/bin/python -m pytest -n auto -m "not interop"

lint: $(DEV)/.done
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/python -m tools.advisories

types: $(DEV)/.done
	$(DEV)/bin/mypy

check: lint types test        ## lint, types and tests

$(VENV)/debian/.done: tools/debian.sh
	tools/debian.sh prometheus wrk libluajit-5.1-2
	touch $@

interop: $(INTEROP)/.done $(VENV)/debian/.done  ## against servers and clients that nobody here wrote
	$(INTEROP)/bin/python -m pytest -n 2 --dist loadfile -m interop

CASES ?= 100000
prove: $(DEV)/.done           ## G1 to G6 against a generator: CASES=1000000 for more; goes on where it was
	$(DEV)/bin/python -m tests.proof --cases $(CASES)
	$(DEV)/bin/python -m tests.proof --writes --cases $(CASES)
	$(DEV)/bin/python -m tests.proof.faults --schedules 300
	$(DEV)/bin/python -m tests.processes --writes 200
	$(DEV)/bin/python -m tests.processes --reloads 1000 --restarts 100

$(BENCH)/.done: requirements/run.txt requirements/dev.txt requirements/bench.txt
	rm -rf $(BENCH) && $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python $(PIP) -r requirements/bench.txt
	touch $@

bench: $(BENCH)/.done $(VENV)/debian/.done  ## beside other proxies; tables into docs/performance.md (ten minutes)
	$(BENCH)/bin/python -m benchmarks.proxies --write

hunt: $(DEV)/.done            ## the bugs that the prover must find, but for the rare ones
	$(DEV)/bin/python -m tests.proof.hunt

seeded: $(DEV)/.done          ## bugs of one line, each with the test that must fail: SAMPLE=6 for six of them
	$(DEV)/bin/python -m tools.seeded --sample $(or $(SAMPLE),0)

MINUTES ?= 60
mutation: $(DEV)/.done        ## small changes that no test notices: MINUTES=600 for more; goes on where it was
	$(DEV)/bin/python -m tools.mutation --minutes $(MINUTES)

channels: $(DEV)/.done        ## each row of docs/channels.md without its treatment; SAMPLE=12 for some rows of today
	$(DEV)/bin/python -m tools.channel_walk --sample $(or $(SAMPLE),0)

pythons:                      ## the suite under the other Pythons of this machine
	PYTHON=$(PYTHON) tools/pythons.sh

pins:                         ## renew the pinned requirements
	rm -rf $(VENV)/pins && $(PYTHON) -m venv $(VENV)/pins
	$(VENV)/pins/bin/python -m pip install --quiet pip-tools
	for name in run dev interop bench image build; do \
	  source=requirements/$$name.in; [ $$name = run ] && source=pyproject.toml; \
	  $(VENV)/pins/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate \
	    --output-file requirements/$$name.txt $$source || exit 1; \
	done

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
