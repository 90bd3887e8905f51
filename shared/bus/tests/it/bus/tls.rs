//! Redis that speaks TLS only: who is believed, and who isn't.

use std::path::Path;

use scenecast_bus::{BusError, BusUrl};
use scenecast_redis::RedisAddress;
use scenecast_testing::{CertificateAuthority, RedisCluster, RedisServer};

use crate::fixtures::{apply, callback, callback_at, heard, opening, pod_at, scan, scene};

fn trusting(url: &str, authorities: &Path) -> BusUrl {
    let address: RedisAddress = url.parse().unwrap();
    BusUrl::Redis(address.trusting(authorities).unwrap())
}

#[tokio::test]
async fn every_node_of_a_cluster_is_spoken_to_in_tls() {
    let cluster = RedisCluster::start_with_tls(3, 1, &CertificateAuthority::new()).await;
    let url = trusting(&cluster.url(), &cluster.node(0).ca());
    let ((gateway, _), (callback, _)) = (pod_at(&url), callback_at(&url));
    for n in 0..20 {
        callback.open(scene(n), &opening()).await.unwrap();
        let (mut page, _) = gateway.watch(scene(n), 0).await.unwrap();
        apply(&callback, scene(n), "scan", &scan("ann")).await;
        assert_eq!(heard(&mut page).await, "scanned");
    }
}

#[tokio::test]
async fn a_server_that_nobody_trusted_vouches_for_is_told_nothing() {
    let (server, other) = (
        RedisServer::start_with_tls(&CertificateAuthority::new()).await,
        RedisServer::start_with_tls(&CertificateAuthority::new()).await,
    );
    for stranger in [trusting(&server.url(), &other.ca()), server.url().parse().unwrap()] {
        let opened = callback_at(&stranger).0.open(scene(1), &opening()).await;
        assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
    }
    assert_eq!(server.cli(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn who_does_not_speak_tls_where_redis_does_gets_no_answer() {
    let server = RedisServer::start_with_tls(&CertificateAuthority::new()).await;
    let plain = server.url().replace("rediss://", "redis://");
    let opened = callback(&plain).0.open(scene(1), &opening()).await;
    assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
}
