//! A Redis that accepts only TLS: which certificates a pod trusts.

use std::path::Path;

use scenecast_bus::{BusError, BusUrl};
use scenecast_redis::RedisAddress;
use scenecast_testing::{CertificateAuthority, RedisCluster, RedisSentinels, RedisServer};

use crate::fixtures::{apply, callback, callback_at, next_event_kind, opening, pod_at, scan, scene};

fn trusting(url: &str, authorities: &Path) -> BusUrl {
    let address: RedisAddress = url.parse().unwrap();
    BusUrl::Redis(address.trusting(authorities).unwrap())
}

#[tokio::test]
async fn every_node_of_a_cluster_is_reached_over_tls() {
    let cluster = RedisCluster::start_with_tls(3, 1, &CertificateAuthority::new()).await;
    let url = trusting(&cluster.url(), &cluster.node(0).ca());
    let (gateway, _) = pod_at(&url);
    let (callback, _) = callback_at(&url);
    for n in 0..20 {
        callback.open(scene(n), &opening()).await.unwrap();
        let (mut page, _) = gateway.watch(scene(n), 0).await.unwrap();
        apply(&callback, scene(n), "scan", &scan("ann")).await;
        assert_eq!(next_event_kind(&mut page).await, "scanned");
    }
}

#[tokio::test]
async fn sentinels_may_have_tls_where_redis_has_none_and_a_password_of_their_own() {
    let authority = CertificateAuthority::new();
    for (is_redis, scheme, sentinel_tls) in [(true, "rediss", "false"), (false, "redis", "true")] {
        let sentinels = RedisSentinels::start_with_tls_at_one(&authority, is_redis, "the sentinels' password").await;
        let url = sentinels.url().replacen("redis", scheme, 1);
        let url = format!("{url}&sentinelTls={sentinel_tls}&sentinelPassword=the%20sentinels'%20password");
        let (bus, _) = callback_at(&trusting(&url, &sentinels.server(0).ca()));
        assert!(bus.open(scene(1), &opening()).await.unwrap(), "{url}");
    }
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_is_sent_nothing() {
    let server = RedisServer::start_with_tls(&CertificateAuthority::new()).await;
    let other = RedisServer::start_with_tls(&CertificateAuthority::new()).await;
    let trusts_another_authority = trusting(&server.url(), &other.ca());
    let trusts_the_system = server.url().parse().unwrap();
    for url in [trusts_another_authority, trusts_the_system] {
        let opened = callback_at(&url).0.open(scene(1), &opening()).await;
        assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
    }
    assert_eq!(server.cli(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn a_pod_without_tls_gets_no_answer_from_a_redis_with_tls() {
    let server = RedisServer::start_with_tls(&CertificateAuthority::new()).await;
    let plain = server.url().replace("rediss://", "redis://");
    let opened = callback(&plain).0.open(scene(1), &opening()).await;
    assert!(matches!(opened, Err(BusError::Undecided(_) | BusError::TimedOut)), "{opened:?}");
}
