# `make help` lists what there is.
CARGO ?= cargo
ASSETS := testbed/control-plane/install.sh
COLLECTOR := testbed/collector/install.sh
MONITORING := testbed/monitoring/install.sh
PACKAGING := testbed/packaging/install.sh
# What was built is run from here: `cargo run` of one package would build much anew.
BUILT := $(or $(CARGO_TARGET_DIR),target)/debug
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## The program and the testbed, for debugging
	$(CARGO) build --locked --workspace --all-targets

.PHONY: release
release: ## The program, small
	$(CARGO) build --locked --release --package my-cloud-controller-manager

MUSL := x86_64-unknown-linux-musl
.PHONY: static
static: ## The program as the image has it: static, with musl (needs musl-gcc; rustup adds the target)
	@command -v musl-gcc > /dev/null || { echo 'musl-gcc is missing: install the package musl-tools' >&2; exit 1; }
	rustup target add $(MUSL)
	CC_x86_64_unknown_linux_musl=musl-gcc $(CARGO) build --locked --release --target $(MUSL) --package my-cloud-controller-manager

.PHONY: control-plane
control-plane: ## kube-apiserver and etcd: found, or built from source (5 to 12 minutes, once)
	@$(ASSETS) > /dev/null

.PHONY: collector
collector: ## An OpenTelemetry Collector: found, or built from source (2 to 6 minutes, once)
	@$(COLLECTOR) > /dev/null

.PHONY: packaging
packaging: ## helm and kustomize: found, or built from source (2 to 5 minutes, once)
	@$(PACKAGING) > /dev/null

.PHONY: test
test: ## All tests, on a real control plane, with a real OpenTelemetry Collector and Prometheus
	@$(ASSETS) > /dev/null & assets=$$!; $(COLLECTOR) > /dev/null & collector=$$!; \
	$(MONITORING) > /dev/null & monitoring=$$!; $(PACKAGING) > /dev/null & packaging=$$!; \
	trap 'kill $$assets $$collector $$monitoring $$packaging 2>/dev/null || :' EXIT; \
	$(CARGO) build --locked --workspace --all-targets; \
	wait $$assets; wait $$collector; wait $$monitoring; wait $$packaging
	$(BUILT)/testbed run -- $(CARGO) test --locked --workspace --no-fail-fast

.PHONY: demo
demo: ## Three replicas, two clouds, a failover; KEEP=1 stays up afterwards, OBSERVE=1 with Prometheus
	@$(if $(OBSERVE),$(MONITORING) > /dev/null;) \
	$(ASSETS) > /dev/null & assets=$$!; trap 'kill $$assets 2>/dev/null || :' EXIT; \
	$(CARGO) build --locked --workspace --bins; \
	wait $$assets
	@$(BUILT)/demo $(if $(KEEP),--keep) $(if $(OBSERVE),--observe)

.PHONY: observe
observe: ## The demo, kept up, with Prometheus and (GRAFANA_HOME=DIR) Grafana looking on
	@$(MAKE) --no-print-directory demo KEEP=1 OBSERVE=1

PICTURES := target/pictures
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
.PHONY: dashboards
dashboards: boards ## Boards, PrometheusRule and the pictures in docs/images (Node, npm, chromium; 500 MB, 6 minutes)
	@command -v node > /dev/null && command -v npm > /dev/null && [[ -n "$$CHROMIUM" ]] || { \
	echo 'the pictures are not drawn: that takes Node, npm, and chromium (or CHROMIUM=PATH); `make boards` is all without' >&2; exit 1; }
	mkdir -p $(PICTURES) && cp testbed/monitoring/pictures/* $(PICTURES)
	cd $(PICTURES) && npm ci --no-audit --no-fund
	RECORD_STORY=$(CURDIR)/$(PICTURES)/story.json $(MAKE) --no-print-directory story
	node $(PICTURES)/draw.mjs $(PICTURES)/story.json dashboards docs/images

.PHONY: boards
boards: ## Only dashboards/*.json and the PrometheusRule; RUNBOOK=URL of your runbook for the alerts' links
	@$(CARGO) xtask boards $(if $(RUNBOOK),--runbook $(RUNBOOK))

.PHONY: annotations
annotations: ## The tables of the annotations in both READMEs, from their declarations
	@$(CARGO) xtask annotations

.PHONY: metrics-reference
metrics-reference: ## docs/metrics.md, from the metrics that the program registers
	@$(CARGO) xtask metrics-reference

.PHONY: soak
soak: ## Three replicas while all goes wrong: MINUTES=10 for longer, SEED=7 for the same choices, UNDISTURBED=1 kills none, TROUBLE=1 for hostile clouds only
	@$(ASSETS) > /dev/null & assets=$$!; trap 'kill $$assets 2>/dev/null || :' EXIT; \
	$(CARGO) build --locked --workspace --all-targets; \
	wait $$assets
	@$(BUILT)/soak --for $(or $(SOAK),$(or $(MINUTES),5)m) $(if $(SEED),--seed $(SEED)) $(if $(UNDISTURBED),--undisturbed) $(if $(TROUBLE),--trouble)

HARNESS := $(or $(CARGO_TARGET_DIR),target)/harness/bench
# The program as it ships, of which benchmarks/baseline.json has the figures.
BINARY ?= $(or $(CARGO_TARGET_DIR),target)/$(MUSL)/release/my-cloud-controller-manager
.PHONY: bench bench-check bench-baseline
bench: ## What the static binary needs: SCENARIO=name, N=5000, LATENCY=50ms, PLACES=16, REST=600s, BINARY=path of another
bench-check: ## The same, compared with benchmarks/baseline.json; fails if a figure is worse
bench-baseline: ## The same, and makes its figures the ones to compare with
bench bench-check bench-baseline: $(if $(filter file,$(origin BINARY)),static)
	@$(ASSETS) > /dev/null & assets=$$!; trap 'kill $$assets 2>/dev/null || :' EXIT; \
	$(CARGO) build --locked --profile harness --package testbed --bin bench; \
	wait $$assets
	@$(HARNESS) --binary $(BINARY) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(N),--services $(N)) \
	    $(if $(LATENCY),--latency $(LATENCY)) $(if $(PLACES),--places $(PLACES)) $(if $(REST),--rest $(REST)) \
	    $(if $(filter bench-check,$@),--check) $(if $(filter bench-baseline,$@),--write-baseline)

.PHONY: bench-micro
bench-micro: ## The pure parts: plan, annotations, the page of metrics
	$(CARGO) bench --locked --package my-cloud-controller-manager --bench micro

.PHONY: story
story: ## The alerts and boards on a real Prometheus, through eight minutes of trouble (part of `make test`)
	$(CARGO) test --locked --test monitoring the_boards -- --nocapture

.PHONY: check
check: ## Formatting and lints, and whether each mutant still fits the code
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	tests/mutants/run --check

DENY := target/tools/bin/cargo-deny
$(DENY):
	$(CARGO) install --locked --version 0.20.2 --root target/tools --target-dir target/tools/build cargo-deny
	rm -rf target/tools/build

.PHONY: deny
deny: $(DENY) ## Licences and sources of the dependencies (installs cargo-deny once)
	$(CARGO) fetch --locked
	$(DENY) --locked --offline --log-level error check bans licenses sources

FUZZ := target/tools/bin/cargo-fuzz
$(FUZZ):
	$(CARGO) install --locked --version 0.13.1 --root target/tools --target-dir target/tools/build cargo-fuzz
	rm -rf target/tools/build

.PHONY: fuzz
fuzz: $(FUZZ) ## Fuzzers, MINUTES=2 for each (installs cargo-fuzz and nightly once); TARGET=name, KEEP=1
	fuzz/run

.PHONY: fuzz-simulator
fuzz-simulator: ## Schemathesis: the simulator against its OpenAPI document (needs python3 and pip, once)
	$(CARGO) build --locked --package testbed --bin cloud-simulator
	BUILT=$(abspath $(BUILT)) testbed/schemathesis/run

.PHONY: model
model: ## The protocol under the model checker with two faults (about 20 minutes, 4 GB)
	$(CARGO) test --locked --profile model --test model -- \
	    --include-ignored --nocapture --test-threads 2

.PHONY: mutants
mutants: ## The shipped code broken rule by rule: a named test must notice (about 40 minutes)
	@$(ASSETS) > /dev/null & assets=$$!; trap 'kill $$assets 2>/dev/null || :' EXIT; \
	$(CARGO) build --locked --workspace --bins; \
	wait $$assets
	$(BUILT)/testbed run -- tests/mutants/run
