# make test: all set-up, the linter, the type checker and the tests.   make test-all: the same with the slow tests.
# make readme: update the table of methods in README.md from the catalogue.
# make demo: all set-up and the whole loop on synthetic images.
# make benchmark-accuracy, benchmark-speed, benchmark-reliability: see Docs/benchmarks.md.
#
# PYTHON=...    the Python to use, else the first of 3.11 to 3.13 found
# PIP_ARGS=...  further arguments for pip, such as where to find PyTorch for your GPU
#
# make check-gpu: everything on a graphics card in MINUTES=15, with the accuracy on ACDC where DATA=... names its folder.
#
# For benchmarks:
# QUICK=1       minutes instead of hours
# OUTPUT=...    folder of the results, else benchmarks/
# PROTOCOL=...  of benchmark-accuracy: a file, or one of Testing/benchmarks/accuracy/protocols, else acdc
# DATA=...      of benchmark-accuracy: folder of the data set; the protocol phantom needs none

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS)

QUICK_OPTION := $(if $(QUICK),--quick)
OUTPUT := benchmarks
MINUTES := 15
PROTOCOL := acdc

.PHONY: test test-all readme demo setup clean check-gpu benchmark-accuracy benchmark-speed benchmark-reliability
.DELETE_ON_ERROR:

test: SELECTION := -m "not slow"
test test-all: $(VENV)/.ready-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m mypy
	# Two processes with one thread each: many tests wait, and PyTorch's threads would fight over the cores. In the order of
	# the files, as those with few tests, which xdist would keep for the end, are the longest ones.
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(SELECTION)

readme: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.readme

demo: $(VENV)/.ready
	$(VENV)/bin/semi-supervised-seg demo

benchmark-accuracy: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.benchmarks.accuracy.sweep $(PROTOCOL) $(if $(DATA),--data "$(DATA)") --output "$(OUTPUT)/accuracy-$(notdir $(PROTOCOL))$(if $(QUICK),-quick)" $(QUICK_OPTION)

benchmark-speed benchmark-reliability: benchmark-%: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.benchmarks.$* --output "$(OUTPUT)/$*" $(QUICK_OPTION)

check-gpu: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.benchmarks.gpu --minutes $(MINUTES) $(if $(DATA),--data "$(DATA)") --output "$(OUTPUT)/gpu"

setup: $(VENV)/.ready

$(VENV)/.made: .ci/make_venv
	@PYTHON="$(PYTHON)" .ci/make_venv $(VENV)
	@touch $@

$(VENV)/.ready: $(VENV)/.made pyproject.toml
	@echo "Installing what the project needs into $(VENV). The first time this takes some minutes: PyTorch is large."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready .ci/install_libraries
	@.ci/install_libraries
	@echo "Installing what the tests and benchmarks need."
	@$(PIP) --editable ".[test]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis demo benchmarks
	find SemiSupervisedSegLib Testing -name __pycache__ -type d -prune -exec rm -rf {} +
