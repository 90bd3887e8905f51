# Two commands matter: `cargo run` shows a login, `make test` checks everything. While you work, `make check` is the
# fast loop.

PACKAGES := redis-server chromium chromium-driver nginx prometheus procps iproute2
PROGRAMS := redis-server chromium chromedriver nginx promtool pkill ip
# What only `make test-docker` needs.
DOCKER_PACKAGES := docker.io docker-compose debootstrap iptables openssl
DOCKER_PROGRAMS := dockerd docker debootstrap iptables openssl
# Where Debian has nginx.
export PATH := $(PATH):/usr/sbin:/sbin

# What the cluster for the tests of k8s/ consists of, beside what k8s/cluster/build.sh builds.
KUBERNETES_PACKAGES := containerd runc containernetworking-plugins iptables nftables ipset conntrack ethtool iproute2 \
  procps jq openssl curl unzip socat faketime
KUBERNETES_PROGRAMS := containerd runc iptables nft ipset conntrack ethtool ip jq openssl curl unzip socat faketime

.PHONY: check test test-docker test-kubernetes test-browser browser-package dev-kubernetes bench lint deny fuzz \
  needed needed-kubernetes needed-node kubernetes-copies

# How long `make fuzz` looks at each target.
FUZZ_SECONDS ?= 600

# The fast loop: formatting, clippy, unit tests. Of the whole workspace, since Cargo resolves other features for one
# crate alone and would build its dependencies again.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo test --workspace --lib --bins --quiet

# Everything: units, the bus's contract over real Redis, processes end to end, the page in Chromium.
# Most tests wait (for WeChat's five seconds, for example), so twice as many run at a time as there are cores.
test: needed
	cargo build --workspace --all-targets
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test --workspace

# The tests on a cluster (k8s/README.md). What is built is kept in target/kubernetes; the first time takes ten minutes
# longer. Images made elsewhere can be given as a folder of archives.
KUBERNETES_IMAGES ?= target/kubernetes/product
test-kubernetes: needed-kubernetes
	k8s/cluster/cluster build
	cargo build --workspace --bins
	cargo test --workspace --features scenecast-kubernetes/cluster --test kubernetes --no-run
	[ "$(KUBERNETES_IMAGES)" != target/kubernetes/product ] || k8s/images.sh $(KUBERNETES_IMAGES)
	CLUSTER_IMAGES=$(KUBERNETES_IMAGES) k8s/cluster/cluster run \
	  cargo test --workspace --features scenecast-kubernetes/cluster --test kubernetes

# The container images, and the trial with Docker Compose. It builds them with a Docker daemon of its own, without a
# registry: some minutes the first time. It needs root.
test-docker: PACKAGES += $(DOCKER_PACKAGES)
test-docker: PROGRAMS += $(DOCKER_PROGRAMS)
test-docker: needed
	cargo fetch --locked
	cargo test --workspace --features scenecast-standalone/docker --test docker --no-run
	deploy/docker/build-for-tests target/docker target/images
	deploy/docker/with-docker target/docker \
	  cargo test --offline --workspace --features scenecast-standalone/docker --test docker

# From a clean clone to a page that logs in, on a cluster of its own: http://localhost:7300, until Ctrl-C.
dev-kubernetes: needed-kubernetes
	k8s/cluster/cluster build
	cargo build --workspace --bins
	k8s/images.sh target/kubernetes/product
	CLUSTER_NAME=scenecast-dev k8s/try.sh target/kubernetes/product

# The browser package: its types and size, server rendering, and frameworks in Chromium before a real gateway.
test-browser: needed browser-package
	cargo build -p scenecast-standalone
	cd $(BROWSER_PACKAGE) && SCENECAST_STANDALONE=$(CURDIR)/target/debug/scenecast-standalone npm test

# The package's folder, with what its lockfile names: here it is tested, and published from. Its sources have no
# `node_modules` beside them.
BROWSER_PACKAGE := $(CURDIR)/target/browser-package
browser-package: needed-node
	mkdir -p $(BROWSER_PACKAGE)
	find $(BROWSER_PACKAGE) -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
	cp -r LICENSE gateway/web/. $(BROWSER_PACKAGE)
	cd $(BROWSER_PACKAGE) && { cmp -s package-lock.json node_modules/installed-lock.json || \
	  { npm ci --no-audit --no-fund && cp package-lock.json node_modules/installed-lock.json; }; }

# How long the pure parts of a login take: message in, settle plan, event out, frame. Criterion compares with the run
# before. `make lint` keeps the benches compiling.
bench:
	cargo bench -p scenecast-wechat --bench message_in
	cargo bench -p scenecast-scene --features testing --bench login
	cargo bench -p scenecast-gateway --features bench --bench frame

# What a change has to pass beside the tests.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(MAKE) --no-print-directory deny

# Which licences, crates and sources may be linked (deny.toml). Needs no network when cargo-deny and all crates are there.
# cargo-deny is installed as a debug build: that takes a minute on two cores, a release build more than three.
deny:
	command -v cargo-deny >/dev/null || cargo install cargo-deny@^0.20 --locked --debug --no-default-features
	cargo deny --locked check --hide-inclusion-graph licenses bans sources

# Looks for input that breaks a property of the tests, guided by coverage. (`make test` only tries the corpora, and a
# second of random input.) Interesting input goes to the corpora, failing input to `crashes` beside them.
fuzz:
	command -v cargo-bolero >/dev/null || \
	  cargo install cargo-bolero@^0.13 --locked --no-default-features --features libfuzzer
	@set -e; for corpus in $$(find shared gateway callback loadtest -path '*/__fuzz__/*/corpus'); do \
	  target=$${corpus%/corpus}; crate=$${corpus%%/src/*}; \
	  set -- -p scenecast-$${crate##*/} --sanitizer NONE --target-dir target/fuzz \
	    $$(basename $$target | sed 's/__/::/g'); \
	  cargo bolero test -T $(FUZZ_SECONDS)s "$$@"; \
	  cargo bolero reduce "$$@"; \
	done

# What k8s/ has to have a copy of: kustomize takes no file from outside of a folder with a kustomization.yaml.
RULES_COPY := k8s/components/servicemonitor/rules.yaml
kubernetes-copies:
	sed 's/$${GATEWAY_PASSWORD}/only-for-trying-out-gateway/; s/$${CALLBACK_PASSWORD}/only-for-trying-out-callback/' \
	  deploy/redis/users.acl >k8s/components/redis-dev/users.acl
	@echo '# `make kubernetes-copies` writes this file from deploy/prometheus; a test holds that it did.' >$(RULES_COPY)
	for rules in deploy/prometheus/*.rules.yaml; do \
	  printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: %s\nspec:\n' \
	    $$(basename $$rules .rules.yaml | tr . -) >>$(RULES_COPY); \
	  sed 's/^\(.\)/  \1/' $$rules >>$(RULES_COPY); \
	done

# Installs what the tests start: real servers and a real browser (Debian, Ubuntu). RUNLEVEL=1 keeps the packages from
# starting services.
needed:
	$(call install,$(PROGRAMS),$(PACKAGES))

# The same for the tests on a cluster.
needed-kubernetes: needed
	$(call install,$(KUBERNETES_PROGRAMS),$(KUBERNETES_PACKAGES))

# Installs the packages $2 if one of the programs $1 is missing.
define install
@for program in $1; do \
  command -v $$program >/dev/null || missing=1; \
done; \
if [ -n "$$missing" ]; then \
  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -q && \
  $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -yq --no-install-recommends $2; \
fi
endef

# Node for the browser package's tests: any from 20 on. (Debian 12 has 18, so there it has to come from elsewhere.)
needed-node:
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' && command -v npm >/dev/null || \
	  { echo "make test-browser needs Node 20 or newer, with npm: https://nodejs.org/en/download" >&2; exit 1; }
