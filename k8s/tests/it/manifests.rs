//! What the API server says to each overlay, before anything runs.

use crate::cluster::{Cluster, path};

#[tokio::test]
async fn the_api_server_takes_every_overlay() {
    let cluster = Cluster::of_this_test().await;
    // Those of tests/ are staging and production with all that these leave open filled in, and have every component.
    for overlay in ["overlays/dev", "tests/overlays/logins", "tests/overlays/staging", "tests/overlays/production"] {
        cluster.kubectl(&["apply", "--dry-run=server", "-k", &path(overlay)]).await;
    }
    cluster.kubectl(&["apply", "--dry-run=server", "-f", &path("loadtest/load-test.yaml")]).await;
}

#[tokio::test]
async fn what_an_overlay_leaves_open_is_refused_by_name() {
    let cluster = Cluster::of_this_test().await;
    for overlay in ["overlays/staging", "overlays/production"] {
        let output = cluster.try_kubectl(&["apply", "--dry-run=server", "-k", &path(overlay)]).await;
        let refused = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && refused.contains("<host-for-pages>"), "{refused}");
        assert!(refused.contains("<host-for-wechat>"), "{refused}");
    }
}
