# Two commands matter: `cargo run` shows a login, `make test` checks everything.

PACKAGES := redis-server chromium chromium-driver nginx prometheus
PROGRAMS := redis-server chromium chromedriver nginx promtool
# Where Debian has nginx.
export PATH := $(PATH):/usr/sbin

.PHONY: test lint fuzz needed

# How long `make fuzz` looks at each target.
FUZZ_SECONDS ?= 600

# Everything: units, the bus's contract over real Redis, processes end to end, the page in Chromium.
# They mostly wait, for WeChat's five seconds, say: twice as many of them as there are cores run at a time.
test: needed
	cargo build --workspace --all-targets
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test --workspace

# What a change has to pass beside the tests.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# Searches for input that breaks a property of the tests, led by coverage, where they only try what has been found
# (the corpora), and chance. What it finds of interest is in the corpora then, and what fails beside them in `crashes`.
fuzz:
	command -v cargo-bolero >/dev/null || \
	  cargo install cargo-bolero@^0.13 --locked --no-default-features --features libfuzzer
	@set -e; for corpus in $$(find shared gateway callback -path '*/__fuzz__/*/corpus'); do \
	  target=$${corpus%/corpus}; \
	  set -- -p scenecast-$${corpus%%/*} --sanitizer NONE --target-dir target/fuzz \
	    $$(basename $$target | sed 's/__/::/g'); \
	  cargo bolero test -T $(FUZZ_SECONDS)s "$$@"; \
	  cargo bolero reduce "$$@"; \
	done

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
