# Two commands matter: `cargo run` shows a login, `make test` checks everything.

PACKAGES := redis-server chromium chromium-driver nginx prometheus
PROGRAMS := redis-server chromium chromedriver nginx promtool
# Where Debian has nginx.
export PATH := $(PATH):/usr/sbin

.PHONY: test lint needed

# Everything: units, the bus's contract over real Redis, processes end to end, the page in Chromium.
test: needed
	cargo build --workspace --all-targets
	cargo test --workspace

# What a change has to pass beside the tests.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# Installs what the tests start: real servers and a real browser (Debian, Ubuntu). Where nobody runs a
# runlevel of services, none is started for that.
needed:
	@for program in $(PROGRAMS); do \
	  command -v $$program >/dev/null || missing=1; \
	done; \
	if [ -n "$$missing" ]; then \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -yq --no-install-recommends $(PACKAGES); \
	fi
