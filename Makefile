# `make demo`, `make test` and `make package` set up everything they need in .venv, with the tested versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VENV_PYSIDE := .venv-pyside
# A process for each core, with one thread of torch: twice as fast as one process with all of them.
PYTEST := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal
export QT_API := pyqt6

# On Linux windows open on a virtual screen and with napari's settings as they come: the same for
# everybody, and in nobody's way.
ifeq ($(shell uname -s),Linux)
VIRTUAL_SCREEN := NAPARI_CONFIG=$(VENV)/napari/settings.yaml QT_QPA_PLATFORM=xcb \
	xvfb-run -a -s "-screen 0 1400x900x24"
SCREEN := $(DISPLAY)$(WAYLAND_DISPLAY)
else
SCREEN := there is always one
endif

.DELETE_ON_ERROR:
.PHONY: demo test test-slow test-pyside lint package site site-live benchmark virtual-screen clean

demo: $(VENV)/demo.stamp
	mkdir -p demo
	$(BIN)/napari-metaseg sample --head demo/head_T1w.nii.gz --overwrite
	$(BIN)/napari-metaseg segment demo/head_T1w.nii.gz --save-mask demo/head_brain.nii.gz \
		--volumes demo/volumes.csv --report demo/report.json \
		--progression demo/progression.png --overwrite
ifneq ($(SCREEN),)
	scripts/install_system_libraries.sh $(PYTHON) window
	$(BIN)/napari-metaseg view demo/head_T1w.nii.gz --segment
else
	scripts/install_system_libraries.sh $(PYTHON) window screen
	$(VIRTUAL_SCREEN) $(BIN)/python -m napari_metaseg.demo demo/head_T1w.nii.gz demo
endif

test: lint virtual-screen
	$(VIRTUAL_SCREEN) $(PYTEST)

test-slow: lint virtual-screen
	$(VIRTUAL_SCREEN) $(PYTEST) -m "slow or not slow"

# The plugin with the other Qt binding.
test-pyside: export QT_API := pyside6
test-pyside: $(VENV_PYSIDE)/test.stamp virtual-screen
	$(VIRTUAL_SCREEN) $(VENV_PYSIDE)/bin/python -m pytest tests/napari_metaseg

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What would be published: built from the sources alone, then checked.
package: $(VENV)/package.stamp
	rm -rf dist
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

# The documentation, in site/; nothing that leads nowhere passes.
site: $(VENV)/site.stamp
	$(BIN)/mkdocs build --strict

site-live: $(VENV)/site.stamp
	$(BIN)/mkdocs serve

benchmark: $(VENV)/test.stamp virtual-screen
	$(BIN)/python -m benchmarks.fit_step
	$(BIN)/python -m benchmarks.segment
	$(VIRTUAL_SCREEN) $(BIN)/python -m benchmarks.gui

virtual-screen:
	scripts/install_system_libraries.sh $(PYTHON) window screen

%/bin/python:
	scripts/install_system_libraries.sh $(PYTHON)
	$(PYTHON) -m venv $*

$(VENV)/demo.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo,strip,pyqt6]"
	touch $@

$(VENV)/test.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo,strip,test]"
	touch $@

$(VENV)/site.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[docs]"
	touch $@

$(VENV)/package.stamp: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[package]"
	touch $@

$(VENV_PYSIDE)/test.stamp: $(VENV_PYSIDE)/bin/python setup.cfg constraints.txt
	$(VENV_PYSIDE)/bin/python -m pip install --constraint constraints.txt \
		--editable ".[demo,strip,test,pyside6]"
	$(VENV_PYSIDE)/bin/python -m pip uninstall --yes PyQt6 PyQt6-Qt6 PyQt6-sip
	touch $@

clean:
	rm -rf $(VENV) $(VENV_PYSIDE) demo dist site
