# make help lists the targets; each sets up what it needs.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup demo table3 test bench scale lint strip lab lock picture clean

help:  ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv from requirements.lock and install nblib into it

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, not " + sys.version.split()[0] + "; name one: make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)

data/sample: | $(READY)
	$(BIN)/nblib sample data/sample

data/new: | $(READY)  # ten of its hundred phantoms are test images, which no run has seen
	$(BIN)/nblib sample data/new --images 100 --seed 2021

# Notebook, name of the executed copy below runs/sample, then parameters: plain papermill.
papermill = mkdir -p $(dir runs/sample/$(2)) && $(BIN)/papermill notebooks/$(1).ipynb runs/sample/$(2).ipynb $(3)
train     = $(call papermill,$(1),$(2)/$(3)/notebook,-f params/$(4).yaml -f params/sample.yaml -p validation_half $(3))

BEST = runs/sample/10_vgg16_f1_plus_bce/val1

demo: $(READY) data/sample data/new  ## run notebooks 01 to 09 on the synthetic sample, predict new images, export, report
	$(call papermill,01_data_analysis,01_data_analysis,-p data data/sample)
	$(call papermill,02_encoding,02_encoding,-p data data/sample)
	$(call train,03_baseline_vgg16,03_vgg16_flipped,val1,table3/03_vgg16_flipped)
	$(call train,04_deeper_backbones,05_resnet50,val1,table3/05_resnet50)
	$(call train,05_soft_f1_losses,one_minus_f1,val1,one_minus_f1) -p epochs 5
	$(call train,05_soft_f1_losses,10_vgg16_f1_plus_bce,val1,table3/10_vgg16_f1_plus_bce)
	$(call train,05_soft_f1_losses,09_vgg16_f1_times_bce,val1,table3/09_vgg16_f1_times_bce)
	$(call papermill,06_submission,06_submission,-p run runs/sample/03_vgg16_flipped/val1)
	$(call papermill,07_results,07_results,-p runs runs/sample)
	$(call papermill,08_beyond_the_paper,08_beyond_the_paper,-p runs runs/sample)
	$(call papermill,09_use_it,09_use_it,-p run $(BEST) -p images data/new/test)
	$(BIN)/nblib report runs --to reports
	$(BIN)/nblib predict $(BEST) data/new/test --to runs/sample/predictions.csv
	$(BIN)/nblib export $(BEST) --to runs/sample/exported
	$(BIN)/python runs/sample/exported/predict.py data/new/test/*

# `make table3 JOBS=4 RUNS=runs/mine OPTIONS="-p data my_data -p image_size 64"` makes them other than small.
RUNS    ?= runs/sample
OPTIONS ?= -f params/sample.yaml
JOBS    ?=

table3: $(READY) data/sample  ## train all ten experiments on both halves, small on the sample; only what is missing
	$(BIN)/nblib batch params/table3 --halves val1 val2 $(OPTIONS) -p runs $(RUNS) $(addprefix --jobs ,$(JOBS))
	$(BIN)/papermill notebooks/07_results.ipynb $(RUNS)/07_results.ipynb -p runs $(RUNS)

test: $(READY)  ## run all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

bench: $(READY)  ## measure speed and memory beside the usual way
	$(BIN)/python tests/benchmarks/bench_labels.py
	$(BIN)/python tests/benchmarks/bench_layout_2026.py
	$(BIN)/python tests/benchmarks/bench_counting.py
	$(BIN)/python tests/benchmarks/bench_pixels.py
	$(BIN)/python tests/benchmarks/bench_scoring.py
	$(BIN)/python tests/benchmarks/bench_intervals.py
	$(BIN)/python tests/benchmarks/bench_conformal.py
	$(BIN)/python tests/benchmarks/bench_estimates.py 20
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/bench_audit.py
	$(BIN)/python tests/benchmarks/bench_first_figure.py
	$(BIN)/python tests/benchmarks/bench_growth.py
	$(BIN)/python tests/benchmarks/bench_memory.py
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/bench_export.py

scale: $(READY)  ## measure 116,604 images x 2,646 concepts through notebooks, rules and intervals
	TF_CPP_MIN_LOG_LEVEL=3 PYTHONPATH=tests $(BIN)/python tests/benchmarks/bench_scale.py

lint: $(READY)  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

strip: $(READY)  ## remove outputs from the notebooks before a commit
	$(BIN)/nbstripout notebooks/*.ipynb

lab: $(READY) data/sample  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir . notebooks/01_data_analysis.ipynb

lock: $(READY)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra app --extra dicom --extra export --extra hub --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file requirements.lock

picture: $(READY)  ## make docs/report.png from a rendered report (needs Chromium)
	$(BIN)/python docs/picture.py

clean:  ## remove .venv, data/sample, data/new, runs and reports
	rm -rf $(VENV) data/sample data/new runs reports
