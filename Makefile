# make demo      set up, draw faces, train, test, and show what came out
# make test      set up, run the tests that are not marked slow
# make test-all  set up, run all tests
# make lint      set up, run ruff and mypy
# make clean     remove .venv and what the demo made
#
# Tests run in two processes; JOBS=4 makes them four. A part of them runs in one process by
# `.venv/bin/python -m pytest tests/tools`, with its slow tests; `-m "not slow"` leaves them out.

PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready
DEMO := work_dirs/demo
RUN = $(BIN)/python
# A process that is done takes over half of what the other has left.
PYTEST = $(RUN) -m pytest --numprocesses $(JOBS) --dist worksteal

.PHONY: demo test test-all lint clean

demo: export MMMASK_LEDGER = $(DEMO)/submissions
demo: $(READY)
	rm -rf $(DEMO)
	$(RUN) tools/make_faces.py --out $(DEMO)/data --people 480 --eval-people 60
	$(RUN) tools/train.py configs/resnet18_arcface_small.py --data-root $(DEMO)/data \
		--pack $(DEMO)/photos.arrow --work-dir $(DEMO)/run
	$(RUN) tools/test.py $(DEMO)/run/resnet18_arcface_small.py $(DEMO)/run/best_*.pth --tta \
		--labels $(DEMO)/data/eval_labels.csv --out $(DEMO)/predictions.parquet \
		--submission $(DEMO)/submission.csv --pictures $(DEMO)

test: $(READY)
	$(PYTEST) -m "not slow"

test-all: $(READY)
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): setup.py requirements/lock.txt requirements/albumentations.txt
	@$(PYTHON) -c "import sys; v = sys.version_info; \
		sys.exit(0 if v >= (3, 11) else f'error: Python 3.11 or newer is needed, got {v[0]}.{v[1]}')"
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install -q -c requirements/lock.txt setuptools wheel
	$(RUN) -m pip install -c requirements/lock.txt --no-build-isolation -e '.[train,openmmlab,test,lint]'
	$(RUN) -m pip install --no-deps -r requirements/albumentations.txt
	touch $@

clean:
	rm -rf .venv $(DEMO)
