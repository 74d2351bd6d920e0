# Everything that is done with this tree is one of these targets; CI runs `make test` and nothing else.
# Each target sets up what it needs itself. On Debian 12 that is: a C compiler and Rust (rustup) are there already.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

TOOLS := $(CARGO_TARGET_DIR)/tools
PACKAGES := iptables iproute2 nftables procps
PURE := -p informer -p proxier -p conntrack -p config
FUZZ_SECONDS ?= 30
SOAK_SECONDS ?= 60
SOAK_SEED ?= 1
LOCK_SECONDS ?= 12
DENY_VERSION := 0.20.2

# The image: ARCH in Debian's words, IMAGE the name under which containerd and docker know it.
ARCH ?= $(shell dpkg --print-architecture)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE ?= localhost/kube-proxy:v$(VERSION)
ARCHIVE := $(CARGO_TARGET_DIR)/image/kube-proxy-$(ARCH).oci.tar
RUST_amd64 := x86_64-unknown-linux-gnu
RUST_arm64 := aarch64-unknown-linux-gnu

# What libFuzzer needs to see where an input leads. No nightly compiler and no address sanitizer: there is no unsafe code.
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
COVERAGE := --cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
  $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)

# The other compilation target, if the image is for another architecture.
CROSS := $(filter-out $(TARGET),$(RUST_$(ARCH)))
SHIPPED := $(CARGO_TARGET_DIR)/$(addsuffix /,$(CROSS))release
IMAGE_PACKAGES := mmdebstrap umoci jq binutils

# What is shipped, and what is measured: the same flags everywhere, so that one build serves all. Panics name files of the
# source, and should not name folders of the machine. Sources are fetched first, because their folder has a name then.
RELEASE = cargo fetch --locked --quiet --target $(or $(CROSS),$(TARGET)) && \
  RUSTFLAGS="$(RUSTFLAGS) $$(manifests/image/remap.sh $(CARGO_TARGET_DIR))" cargo build --locked --release

# The tests run what was built with debug assertions and overflow checks, the demo what is shipped.
TESTED := cargo build --locked --profile test -p kube-proxy -p e2e --bins
BIN := $(CARGO_TARGET_DIR)/debug

# Tests of the pure crates need no privileges, and prove it by not having them.
RUNNER := CARGO_TARGET_$(shell echo $(TARGET) | tr a-z- A-Z_)_RUNNER
NOBODY := setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --

.DEFAULT_GOAL := build
.PHONY: help build demo test check unit workspace golden packets daemon conntrack cleanup resilience soak alerts fuzz bench dashboard image image-test e2e-kind clean setup

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: setup ## kube-proxy and kpctl, as shipped
	$(RELEASE) -p kube-proxy -p kpctl

demo: build ## Services at work, with real packets (root)
	cargo build --locked --profile test -p e2e --bin demo
	@KUBE_PROXY=$(CARGO_TARGET_DIR)/release/kube-proxy $(BIN)/demo

test: setup ## everything below, with a count at the end (root)
	@cargo build --locked --quiet --profile test -p e2e --bin tally
	@MAKEFLAGS= $(BIN)/tally $(MAKE) -- check unit workspace golden packets daemon conntrack cleanup resilience soak alerts fuzz

check: PACKAGES += shellcheck
check: setup $(TOOLS)/bin/cargo-deny ## format, lints (scripts too), licences and sources of dependencies
	cargo fmt --all --check
	shellcheck -x e2e/kind/*.sh e2e/tests/manifests/*.sh manifests/image/*.sh
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(TOOLS)/bin/cargo-deny --all-features check --hide-inclusion-graph bans licenses sources

unit: ## the pure crates, without privileges
	@if [ $$(id -u) != 0 ]; then cargo test --locked $(PURE); \
	elif mkdir -p $(CARGO_TARGET_DIR) && $(NOBODY) test -x $(CARGO_TARGET_DIR) -a -r $(CURDIR)/Makefile; then \
	  $(RUNNER)="$(NOBODY)" cargo test --locked $(PURE); \
	else \
	  echo "unit: an ordinary user cannot read this folder, so these tests RUN AS ROOT" >&2; \
	  cargo test --locked $(PURE); \
	fi

workspace: setup ## all tests that cargo knows of (root)
	cargo test --locked --workspace --all-features --no-fail-fast

golden: setup ## the rules of every recorded case, with both backends (root)
	$(TESTED)
	$(BIN)/golden

packets: setup ## stories with real packets, with both backends (root)
	$(TESTED)
	$(BIN)/packets

daemon: setup ## the daemon as operators run it, fed by an API server: start, swap, outages, pages (root)
	$(TESTED)
	$(BIN)/daemon

# A25, A45, A48 and A46: what fails inside the daemon is played with its fake of the kernel.
FAKED := a_dump_that_fails_twice_delays_by_three_seconds a_kernel_that_ignores_the_filter_gives_the_same_result \
  deletes_that_are_all_answered_gone_are_one_warning after_quiescence_all_that_is_left_is_right

conntrack: setup ## UDP flows across changes of Services, a line with a time for each scenario (root)
	$(TESTED)
	$(BIN)/conntrack
	cargo test --locked -p conntrack --lib -- $(FAKED)

cleanup: setup ## what --cleanup removes and what it leaves, with both backends (root)
	$(TESTED)
	$(BIN)/cleanup

resilience: setup ## objects, tools, other programs and the daemon itself fail, with both backends (root)
	$(TESTED)
	$(BIN)/resilience --lock-seconds $(LOCK_SECONDS)

soak: setup ## random changes and faults for SOAK_SECONDS, with traffic, with both backends (root)
	$(TESTED)
	$(BIN)/soak --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED)

alerts: PACKAGES += prometheus
alerts: setup ## alerts, recording rules and the metrics of a proxy at work, with Prometheus' own tools (root)
	@mkdir -p $(CARGO_TARGET_DIR)/alerts
	@sed -n '/^spec:/,$$p' manifests/observability/prometheusrule.yaml | sed '1d; s/^  //' >$(CARGO_TARGET_DIR)/alerts/rules.yaml
	@cp manifests/observability/rules.test.yaml $(CARGO_TARGET_DIR)/alerts/
	promtool check rules $(CARGO_TARGET_DIR)/alerts/rules.yaml
	promtool test rules $(CARGO_TARGET_DIR)/alerts/rules.test.yaml
	$(TESTED)
	$(BIN)/exposition

fuzz: PACKAGES += g++
fuzz: setup ## all fuzz targets, for FUZZ_SECONDS each
	RUSTFLAGS="$(COVERAGE)" cargo build --locked --profile test --target $(TARGET) -p fuzz --bins
	@set -e; for target in objects configuration api_answers iptables_save intake conntrack_reply nft_messages; do \
	  mkdir -p $(CARGO_TARGET_DIR)/fuzz/$$target; cd $(CARGO_TARGET_DIR)/fuzz; \
	  $(CARGO_TARGET_DIR)/$(TARGET)/debug/$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	    $$target $(CURDIR)/e2e/fuzz/corpus/$$target >$$target.log 2>&1 || { tail -n 100 $$target.log; exit 1; }; \
	  echo "$$target: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$target.log) inputs, no law broken"; \
	done

bench: PACKAGES += conntrack
bench: build ## what it costs, beside the least it could; BENCH_LARGE=1 for more (root, an idle machine)
	$(RELEASE) -p e2e --bin bench
	rm -f $(CARGO_TARGET_DIR)/bench.json
	KUBE_PROXY=$(CARGO_TARGET_DIR)/release/kube-proxy $(CARGO_TARGET_DIR)/release/bench --json $(CARGO_TARGET_DIR)/bench.json
	cargo bench --locked -p proxier --bench proxier
	$(RELEASE) -p e2e --bin conntrack_costs
	KUBE_PROXY=$(CARGO_TARGET_DIR)/release/kube-proxy $(CARGO_TARGET_DIR)/release/conntrack_costs --json $(CARGO_TARGET_DIR)/bench-conntrack.json

dashboard: PACKAGES += prometheus python3-matplotlib
dashboard: build ## docs/dashboard.png: two daemons through eight eventful minutes, asked by a real Prometheus (root)
	$(TESTED)
	KUBE_PROXY=$(CARGO_TARGET_DIR)/release/kube-proxy $(BIN)/picture docs/dashboard.png

image: PACKAGES += $(IMAGE_PACKAGES)
image: setup ## the image for containerd, kind, podman and docker, in target/image/kube-proxy-ARCH.oci.tar
	$(RELEASE) $(addprefix --target ,$(CROSS)) -p kube-proxy -p kpctl
	manifests/image/build.sh $(ARCH) $(SHIPPED) $(CARGO_TARGET_DIR) $(IMAGE)

image-test: PACKAGES += $(IMAGE_PACKAGES) containerd runc
image-test: image ## the image is the same when built again, and runs in containerd as the DaemonSet says (root)
	manifests/image/build.sh $(ARCH) $(SHIPPED) $(CARGO_TARGET_DIR)/again $(IMAGE)
	cmp $(ARCHIVE) $(CARGO_TARGET_DIR)/again/image/kube-proxy-$(ARCH).oci.tar
	$(TESTED)
	$(BIN)/image --archive $(ARCHIVE)

e2e-kind: image ## kube-proxy replaced in a kind cluster, and back; needs docker, kind, kubectl and a registry
	ARCHIVE=$(ARCHIVE) IMAGE=$(IMAGE) e2e/kind/run.sh

clean: ## removes everything that was built
	cargo clean

setup:
	@missing=; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then apt-get update -q && apt-get install -qy --no-install-recommends $$missing; fi

$(TOOLS)/bin/cargo-deny:
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --quiet --locked --root $(TOOLS) cargo-deny@$(DENY_VERSION)
