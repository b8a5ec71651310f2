# Everything a newcomer needs: `make run` shows the whole update, `make test` proves it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    ?= runs/demo
CHROMIUM ?= chromium

.PHONY: run test test-cluster lint tree types layers generated bench bench-monitoring table1 images picture clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

# The same files under the name they are imported by, for tools that read source and import nothing.
tree: $(VENV)/.installed
	@rm -rf build/tree && mkdir -p build/tree/adsmu
	@ln -s $(CURDIR)/components/* $(CURDIR)/pipelines build/tree/adsmu/

# A small budget for each round, so that the second one has something to repair.
run: $(VENV)/.installed
	rm -rf $(RUN)
	$(BIN)/adsmu demo --output $(RUN)/corpus
	$(BIN)/adsmu run --corpus $(RUN)/corpus --rows-per-stratum 3 --max-rounds 4 --output $(RUN)/run

test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# Against a real cluster: KUBECONFIG=… [KFP_HOST=…], or from the environment. What is not there is skipped, with
# the reason; tests/cluster/README.md says what each part needs, and how to get it with kind.
test-cluster: $(VENV)/.installed
	$(BIN)/python -m pytest tests/cluster -rs

lint: $(VENV)/.installed types layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: tree
	$(BIN)/mypy

layers: tree
	PYTHONPATH=build/tree $(BIN)/lint-imports

generated: $(VENV)/.installed
	$(BIN)/adsmu compile
	git diff --exit-code -- '*.yaml' 'components/*/README.md' 'pipelines/*/README.md' 'manifests/pipelines/*/*.json'

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

# Drift and MMD beside the peers, each in an environment of its own (6 GB, outside the project), and false alarms.
PEERS ?= /tmp/adsmu-peers
bench-monitoring: $(VENV)/.installed
	$(BIN)/python -m benchmarks.monitoring.peers.environments $(PEERS)
	$(BIN)/python -m benchmarks.monitoring.drift --peers $(PEERS)
	$(BIN)/python -m benchmarks.monitoring.mmd --peers $(PEERS)
	$(BIN)/python -m benchmarks.monitoring.false_alarms

# Both images, by docker, podman or buildah; BUILD takes further arguments, such as a mirror of the base image.
ENGINE  ?= $(firstword $(foreach e,docker podman buildah,$(if $(shell command -v $(e)),$(e))))
IMAGE   ?= ghcr.io/adsmu/adsmu
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
OF_THIS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) $(BUILD)
images:
	$(ENGINE) build --file images/cpu/Containerfile $(OF_THIS) --tag $(IMAGE):$(VERSION) .
	$(ENGINE) build --file images/gpu/Containerfile $(OF_THIS) --tag $(IMAGE):$(VERSION)-gpu .

# Table 1 of the paper on public corpora that lie beside the project, with the arms that could refute it. Resumes.
table1: $(VENV)/.installed
	$(BIN)/python -m benchmarks.table1 --corpus ../shared/data/snips/snips.jsonl.gz \
		--corpus ../shared/data/hwu/hwu.jsonl.gz $(if $(VECTORS),--vectors $(VECTORS)) --seeds $(or $(SEEDS),5)
	$(BIN)/python -m benchmarks.table1 summary

# The pictures in the README, of the pages that `make run` left. Wants a Chromium.
SHOOT = $(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars
picture:
	$(SHOOT) --window-size=1280,1400 --screenshot=$(CURDIR)/docs/pictures/report.png \
		file://$(abspath $(RUN))/run/report.html
	$(SHOOT) --window-size=1280,1750 --screenshot=$(CURDIR)/docs/pictures/rollout.png \
		file://$(abspath $(RUN))/run/rollout.html

clean:
	rm -rf $(VENV) build dist runs *.egg-info
