//! The manifests of `k8s/`, on a real cluster. Each test runs beside the nodes of the cluster that `make test-kubernetes`
//! starts: `kubectl` is its administrator's, and Services have their names.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod clocks;
mod cluster;
mod drills;
mod load;
mod logins;
mod machine;
mod manifests;
mod mistakes;
mod pod_network;
mod policies;
mod scaling;
