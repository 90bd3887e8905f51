//! Tests of `k8s/` on a real cluster: see `tests/it`. There is nothing else in this crate.
//!
//! | why | |
//! |---|---|
//! | settings are ConfigMaps with a hash, and accounts a mounted Secret | docs/decisions/120-settings-roll-and-accounts-reload.md |
//! | gateways scale on connections, and not on CPU | docs/decisions/121-gateways-scale-on-connections-without-a-fallback.md |
//! | the cluster is our own | docs/decisions/122-the-test-cluster-is-one-process-namespace.md |
//! | policies allow Redis and DNS in kinds of places | docs/decisions/134-policies-name-kinds-of-places.md |
//! | pods prefer other nodes | docs/decisions/135-pods-prefer-other-nodes-and-never-wait-for-them.md |
