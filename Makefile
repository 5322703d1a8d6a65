# `make demo` and `make test` set up everything they need in .venv, with the tested versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DELETE_ON_ERROR:
.PHONY: demo test test-slow lint benchmark clean

demo: $(VENV)/demo.stamp
	mkdir -p demo
	$(BIN)/napari-metaseg sample demo/mni152_T1w.nii.gz --overwrite
	$(BIN)/napari-metaseg segment demo/mni152_T1w.nii.gz --volumes demo/volumes.csv \
		--report demo/report.json --progression demo/progression.png --overwrite

test: lint
	$(BIN)/python -m pytest

test-slow: lint
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.fit_step
	$(BIN)/python -m benchmarks.segment

$(BIN)/python:
	scripts/install_system_libraries.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo]"
	touch $@

$(VENV)/test.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo,test]"
	touch $@

clean:
	rm -rf $(VENV) demo
