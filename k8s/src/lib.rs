//! Tests of `k8s/` on a real cluster: see `tests/it`. There is nothing else in this crate.
