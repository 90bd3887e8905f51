//! What `k8s/cluster/cluster` says on a machine on which it can't run.

use std::fs;

use tokio::process::Command;

use crate::cluster::path;

#[tokio::test]
async fn a_machine_with_version_2_of_cgroups_is_refused_before_anything_is_built_or_started() {
    let other_machine = tempfile::tempdir().unwrap();
    fs::write(other_machine.path().join("cgroup.controllers"), "cpuset cpu io memory pids").unwrap();
    for verb in [&["build"][..], &["up"], &["run", "true"]] {
        let cache = other_machine.path().join("cache");
        let refused = Command::new(path("cluster/cluster"))
            .args(verb)
            .env("CGROUPS", other_machine.path())
            .env("CLUSTER_CACHE", &cache)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("needs version 1 of cgroups"), "{verb:?}: {said}");
        assert!(!cache.exists(), "{verb:?}");
    }
}
