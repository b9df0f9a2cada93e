# Every target makes its own virtual environment; nothing but Python 3.11 or newer and make is needed.
# Versions are pinned in constraints.txt. Where pip should look for packages: PIP_ARGS="--index-url …".

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt
OUT ?= demo
PYTEST_ARGS ?=
NANO_ARGS ?=
PROCESSES ?= 2

.PHONY: help demo test lint nano docs clean
.DELETE_ON_ERROR:

help: ## Say what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/installed ## See what the embedded model says of pictures: demo/index.html
	$(BIN)/gar demo $(OUT)

test: $(VENV)/installed-dev ## Run the tests (all but the slow ones)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/installed-dev ## Check style, types and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

nano: TRAIN = OMP_NUM_THREADS=1 $(BIN)/torchrun --nproc_per_node $(PROCESSES) -m gar.training
nano: SETTINGS = train.batch_size=$$((16 / $(PROCESSES))) $(NANO_ARGS)
nano: SHARED = $(SETTINGS) cache.folder=runs/nano-features
nano: WORDS = words.learning_rate=0.8e-3
nano: $(VENV)/installed-dev ## Train the embedded model from nothing: runs/nano-last/result (some twenty hours on two cores)
	$(TRAIN) nano $(SETTINGS)
	$(TRAIN) nano-closeups model.start=runs/nano/result $(SHARED)
	$(TRAIN) nano-which model.start=runs/nano-closeups/result $(SHARED)
	$(TRAIN) nano-depth model.start=runs/nano-which/result $(SHARED)
	$(TRAIN) nano-relations model.start=runs/nano-depth/result $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-relations/result model.class_scale=5 $(WORDS) $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again/result data.0.first_seed=76000 out=runs/nano-again-2 $(WORDS) $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-2/result data.0.first_seed=92000 out=runs/nano-again-3 $(WORDS) $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-3/result model.class_scale=15 data.0.first_seed=84000 data.0.scenes=24000 cache.variants=2 out=runs/nano-again-4 $(WORDS) $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-4/result 'model.echo=[noun,material]' model.echo_scale=20 data.0.first_seed=108000 words=null out=runs/nano-again-5 $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-5/result model.class_scale=20 'model.echo=[noun,material,color]' data.0.first_seed=124000 cache.variants=2 words=null train.blend=0.85 out=runs/nano-again-6 $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-6/result model.closeup_size=224 data.0.first_seed=140000 cache.variants=2 out=runs/nano-again-7 $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-7/result data.0.first_seed=144000 data.0.scenes=14000 data.0.rows=0.14 data.0.together=0.26 cache.variants=2 words=null train.blend=0.85 out=runs/nano-again-8 $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-8/result model.color_levels=8 data.0.first_seed=162000 data.0.scenes=9000 data.0.rows=0.08 data.0.together=0.2 cache.variants=2 words.steps=1500 words.learning_rate=1.0e-3 'train.freeze=[stem,vision,connector,mask,region]' train.steps=700 train.blend=0.7 out=runs/nano-again-9 $(SHARED)
	$(TRAIN) nano-again model.start=runs/nano-again-9/result data.0.first_seed=171000 data.0.scenes=9000 data.0.rows=0.1 data.0.together=0.2 cache.variants=2 words=null 'train.freeze=[stem,vision,connector,mask,region,color]' train.steps=1400 train.blend=0.85 out=runs/nano-last $(SHARED)

docs: $(VENV)/installed-docs ## Build the documentation: site/index.html
	$(BIN)/mkdocs build --strict

clean: ## Remove everything that was made here, the virtual environment too
	rm -rf $(VENV) demo site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[docs]'
	touch $@ $(VENV)/installed
