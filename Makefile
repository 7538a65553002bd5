# Two commands: `make reproduce` and `make test`. Each makes what it needs.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
CONFIG ?= config/config.yaml
PROFILE ?= config/profiles/local
# one more than there are cores, because the SLURM tests wait most of the time
PYTEST_WORKERS ?= $(shell expr 1 + `getconf _NPROCESSORS_ONLN`)
PYTEST := pytest --numprocesses $(PYTEST_WORKERS) --dist loadscope
KILLS ?= 30
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

VARIABLES := PYTHON VENV CONFIG PROFILE ARGS PYTEST_WORKERS KILLS
TARGETS := help install reproduce dry-run plan assets test soak soak-short lint unlock clean

# What the commands themselves read from the environment may stand behind make, too.
ENVIRONMENT := UNLEARNING_% TOFU_% HF_% CUDA_% OMP_% PIP_% TMPDIR HOME

# make would ignore a misspelt variable and a file among the targets, and run the mini world instead
# of the config that is meant. (In MAKEOVERRIDES a backslash stands before a blank within a value.)
SPACE := $(subst ,, )
OVERRIDES := $(subst \$(SPACE),_,$(MAKEOVERRIDES))
MISSPELT := $(filter-out $(VARIABLES) $(ENVIRONMENT),$(foreach word,$(OVERRIDES),$(firstword $(subst =, ,$(word)))))
ifneq ($(MISSPELT),)
$(error unknown variable $(MISSPELT); there are: $(VARIABLES), in capitals)
endif
ifneq ($(filter-out $(TARGETS) $(INSTALLED),$(MAKECMDGOALS)),)
$(error unknown target $(filter-out $(TARGETS),$(MAKECMDGOALS)); there are: $(TARGETS). A config is named by CONFIG=FILE)
endif

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)

help:  ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml envs/constraints.txt envs/interop.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint envs/constraints.txt --editable '.[workflow,harness,test]'
	$(VENV)/bin/pip install --quiet --no-deps --upgrade --target $(VENV)/interop --requirement envs/interop.txt
	$(VENV)/bin/pip install --quiet --no-deps --upgrade --target $(VENV)/gpu --constraint envs/constraints.txt torchao bitsandbytes
	@touch $@

install: $(INSTALLED)  ## make the environment in .venv

reproduce: $(INSTALLED)  ## run an experiment to its report (CONFIG=config/experiments/NAME.yaml)
	snakemake --profile $(PROFILE) --configfile $(CONFIG) $(ARGS)

dry-run: $(INSTALLED)  ## show the jobs that reproduce would run
	snakemake --profile $(PROFILE) --configfile $(CONFIG) --dry-run $(ARGS)

plan: $(INSTALLED)  ## jobs, peak memory, GPU-hours and disk of CONFIG (ARGS="--gpu A100-40")
	python -m unlearning plan --configfile $(CONFIG) $(ARGS)

assets: $(INSTALLED)  ## what CONFIG needs from the hub (ARGS=--download fetches it, --verify checks it)
	python -m unlearning assets --configfile $(CONFIG) $(ARGS)

test: $(INSTALLED) lint  ## lint, unit, golden, workflow and browser tests
	$(PYTEST) $(ARGS)

soak: $(INSTALLED)  ## what takes hours: random kills (KILLS=200), all rehearsals, SLURM scenarios
	$(PYTEST) tests/soak --kills $(KILLS) $(ARGS)

soak-short: $(INSTALLED)  ## some minutes of each
	$(PYTEST) tests/soak -m short --kills 5 $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy, snakefmt and snakemake --lint
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

unlock: $(INSTALLED)  ## release the lock that a killed run left behind
	snakemake --profile $(PROFILE) --configfile $(CONFIG) --unlock $(ARGS)

clean:  ## remove the environment; results stay
	rm -rf $(VENV)
