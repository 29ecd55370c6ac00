# Every way into the project: set up, serve, test, check, measure. `make help` lists them.
#
# Needs Python 3.11 or newer with pip and venv; everything else is installed into .venv* folders here.
# An environment is made anew when its requirements file, the Python or the place of the checkout has
# changed, or when making it was interrupted; otherwise it is used as it stands.

.SHELLFLAGS := -ec
.DEFAULT_GOAL := help
.PHONY: help serve test abuse check bench train-env triton lock tree clean

usable = $(1) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3; do $(call usable,$$python) && echo $$python && break; done)
endif
PIP_INSTALL := -m pip --quiet --quiet --disable-pip-version-check install

# The stamp's name holds a checksum of all that an environment was made from.
stamp = $(1)/ready-$(shell { echo '$(CURDIR)'; $(PYTHON) -V 2>&1; cat requirements/$(2).txt; } | cksum | tr ' ' -)
SERVING := $(call stamp,.venv,serving)
DEV := $(call stamp,.venv-dev,dev)

help: ## List what make can do.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

serve: $(SERVING) ## Set up serving (no torch) and start Triton and the gateway; ARGS="--port 8080" adds options.
	@.venv/bin/box2seg serve $(ARGS)

test: $(DEV) triton ## Run the tests; ARGS="tests/contract" runs some of them.
	@.venv-dev/bin/pytest $(ARGS)

abuse: $(DEV) triton ## Run the abuse tests, those that take minutes too, and write docs/reliability.md.
	@report=$$(mktemp); failed=0; \
	.venv-dev/bin/pytest -m "abuse or case" --junitxml $$report $(ARGS) || failed=$$?; \
	.venv-dev/bin/python docs/reliability.py $$report; rm $$report; exit $$failed

check: $(DEV) ## Check format, lint, types, imports, images, links and the README's tree.
	.venv-dev/bin/ruff format --check --quiet .
	.venv-dev/bin/ruff check --quiet .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/hadolint docker/*.Dockerfile
	.venv-dev/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose*.yaml docker/watching.yaml
	.venv-dev/bin/python docs/links.py
	.venv-dev/bin/python docs/tree.py --check

# Of precisions.py the data set must be named; it is run by hand.
bench: $(DEV) ## Measure speed, each figure beside its reference in one run.
	@failed=0; for script in $(filter-out $(addprefix benchmarks/,servers.py precisions.py),$(wildcard benchmarks/*.py)); do .venv-dev/bin/python $$script || failed=1; done; exit $$failed

train-env: $(DEV) ## Set up training, export and tests in .venv-dev (about 6 GB).
	@echo "Use it as .venv-dev/bin/box2seg train --help"

# Where Triton cannot run, its tests skip themselves; `make serve` installs it too, when it first needs it.
triton: $(DEV)
	@case "$$(uname -sm)" in "Linux x86_64") \
	  test -d .venv-triton || echo "Setting up .venv-triton, the local Triton (about a minute) ..."; \
	  .venv-dev/bin/python -m serving.triton || echo "going on without Triton; its tests are skipped";; esac

tree: $(DEV) ## Write the README's tree anew.
	.venv-dev/bin/python docs/tree.py

lock: ## Pin all requirements anew, to the newest that fit pyproject.toml.
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python $(PIP_INSTALL) uv
	@$(call pin,serving,pyproject.toml requirements/build.in --extra serving)
	@$(call pin,trainer,pyproject.toml requirements/build.in --extra training --extra export --extra serving)
	@$(call pin,cluster,pyproject.toml requirements/build.in requirements/cluster.in --extra ray)
	@$(call pin,dev,pyproject.toml requirements/build.in --extra dev)
	@$(call pin,triton,--no-deps requirements/triton.in)

clean: ## Remove the environments and caches; runs/ and model_repository/ stay.
	rm -rf .venv .venv-dev .venv-triton .venv-lock build *.egg-info .*_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(SERVING):
	$(call set_up,.venv,serving,a minute)

$(DEV):
	$(call set_up,.venv-dev,dev,4 minutes and 6 GB)

# Bytecode is made when a package is first imported: compiling all of torch at once takes longer than that.
define set_up
@test -n "$(PYTHON)" || { echo "box2seg needs Python 3.11 or newer with venv (Debian: python3.11 and python3.11-venv)"; exit 1; }
@started=$$(date +%s); \
echo "Setting up $(1) from requirements/$(2).txt (about $(3)) ..."; \
$(PYTHON) -m venv --clear $(1); \
$(1)/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: --no-compile -r requirements/$(2).txt; \
$(1)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .; \
touch $@; \
echo "$(1) is ready after $$(($$(date +%s) - started)) s."
endef

pin = .venv-lock/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 $(2) --output-file requirements/$(1).txt
