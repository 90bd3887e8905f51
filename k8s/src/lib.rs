//! Tests of `k8s/` on a real cluster: see `tests/it`. There is nothing else in this crate.
//!
//! | why | |
//! |---|---|
//! | settings are ConfigMaps with a hash, and accounts a mounted Secret | docs/decisions/120-settings-roll-and-accounts-reload.md |
//! | gateways scale on connections, and not on CPU | docs/decisions/121-gateways-scale-on-connections-without-a-fallback.md |
//! | the cluster is our own | docs/decisions/122-the-test-cluster-is-one-process-namespace.md |
